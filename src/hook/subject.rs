//! What a log line is about: the `TASK=` of its prefix.

use crate::container::ContainerId;
use crate::event::{InputKind, Row};
use crate::wire::bytes_field;

use crate::call::InputValue;

/// The task, executor, container or agent that the values of an event name, in this order.
pub(crate) fn subject(row: &Row, values: &[InputValue<'_>]) -> String {
    let named = row.inputs.iter().zip(values).filter_map(|(key, value)| match (key.kind, value) {
        (InputKind::Message(name), InputValue::Message(bytes)) => rank(name, bytes),
        _ => None,
    });
    named.min().map(|(_, text)| text).unwrap_or_default()
}

/// How well a message names what a call is about (less is better), and the name. Field numbers:
/// Mesos 1.11.0 `include/mesos/mesos.proto`.
fn rank(message: &str, bytes: &[u8]) -> Option<(u8, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let nested = |number| Some(text(bytes_field(bytes_field(bytes, number)?, 1)?));
    match message {
        "mesos.ContainerID" => Some((0, ContainerId::from_wire(bytes)?.text.as_ref().to_owned())),
        "mesos.TaskInfo" => Some((1, nested(2)?)),
        "mesos.TaskStatus" => Some((2, nested(1)?)),
        "mesos.ExecutorInfo" => Some((3, nested(1)?)),
        "mesos.SlaveInfo" => Some((4, text(bytes_field(bytes, 1)?))),
        _ => None,
    }
}
