//! Turns the bridge's structs into the engine's values.

use mesos_command::call::InputValue;

use crate::bridge::ffi;

/// The bridge's inputs as the engine takes them.
pub(crate) fn read_inputs<'a>(inputs: &'a [ffi::Input<'a>]) -> Vec<InputValue<'a>> {
    inputs.iter().map(read_input).collect()
}

fn read_input<'a>(input: &'a ffi::Input<'a>) -> InputValue<'a> {
    match input.kind {
        ffi::InputKind::Message => InputValue::Message(input.bytes),
        ffi::InputKind::Messages => {
            InputValue::Messages(input.items.iter().map(|item| item.value).collect())
        }
        ffi::InputKind::Integer => InputValue::Integer(input.integer),
        ffi::InputKind::Text => InputValue::Text(input.bytes),
        ffi::InputKind::TextMap => {
            InputValue::TextMap(input.items.iter().map(|item| (item.key, item.value)).collect())
        }
        ffi::InputKind::ScalarMap => {
            InputValue::ScalarMap(input.items.iter().map(|item| (item.key, item.number)).collect())
        }
        _ => InputValue::Absent,
    }
}
