//! JSON to a message and back.
//!
//! Input: a letter that names the message (`MESSAGES`), and then JSON text; behind a capital
//! letter, the message in wire format. The oracles are prost-reflect and the recogniser of what
//! the host's parser accepts.

use std::sync::OnceLock;

use mesos_command::schema::{LossKind, MessageType, ReadError, Schema};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value};
use serde_json::{Map, Value as Json};

use super::{grammar, head, reference, sample};

/// From `a` on. The first two are of the sample schema, which has what Mesos's messages do not.
const MESSAGES: [&str; 13] = [
    "t.All",
    "t3.Bare",
    "mesos.Labels",
    "mesos.Environment",
    "mesos.DockerTaskExecutorPrepareInfo",
    "mesos.TaskStatus",
    "mesos.SlaveInfo",
    "mesos.slave.ContainerLaunchInfo",
    "mesos.slave.ContainerLimitation",
    "mesos.ResourceStatistics",
    "mesos.ContainerStatus",
    "mesos.slave.ContainerConfig",
    "mesos.TaskInfo",
];

/// Reads or writes the message, and compares.
pub fn run(data: &[u8]) {
    let Some(([letter], text)) = head(data) else { return };
    let index = usize::from(letter.to_ascii_lowercase().wrapping_sub(b'a'));
    let Some((codec, descriptor)) = types().get(index) else { return };
    if letter.is_ascii_lowercase() {
        read(codec, descriptor, text);
    } else {
        write(codec, descriptor, text);
    }
}

fn types() -> &'static [(MessageType, MessageDescriptor)] {
    static TYPES: OnceLock<Vec<(MessageType, MessageDescriptor)>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let (samples, mesos) = MESSAGES.split_at(2);
        let built_in = Schema::built_in();
        let samples =
            samples.iter().map(|name| (sample::message(name), reference::descriptor(name)));
        let mesos = mesos.iter().map(|name| {
            let descriptor = reference::built_in().get_message_by_name(name);
            (built_in.message(name).unwrap(), descriptor.unwrap())
        });
        samples.chain(mesos).collect()
    })
}

fn read(codec: &MessageType, descriptor: &MessageDescriptor, text: &[u8]) {
    let parsed = codec.read_json(text);
    let malformed = matches!(parsed, Err(ReadError::Malformed { .. }));
    assert_eq!(!malformed, grammar::accepts(text), "accepted otherwise than by the host");
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // The same text must not pass where the type's own required fields do not count,
            // unless they are what it lacks.
            let partial = codec.read_json_partial(text);
            let lacks = matches!(error, ReadError::MissingRequired { .. });
            assert!(lacks || partial.is_err(), "{error}");
            assert!(error.to_string().len() < 16_384, "a text of {}", error.to_string().len());
            return;
        }
    };
    assert!(codec.read_json_partial(text).is_ok_and(|again| again == parsed));
    let written = json(codec, &parsed.bytes).unwrap();
    let again = codec.read_json(&written).unwrap();
    // Of -1 in an unsigned field comes what the host reads as a double.
    if again.losses.iter().all(|loss| loss.kind != LossKind::ThroughDouble) {
        assert_eq!(again.losses, [], "of what was written by us");
        assert_eq!(json(codec, &again.bytes).unwrap(), written, "there and back");
    }
    // What is no UTF-8 goes through the host, and stops prost: also in an entry of a map that is
    // replaced by another one, and so is not written again.
    if [text, &written].iter().any(|text| std::str::from_utf8(text).is_err()) {
        return;
    }
    let message = DynamicMessage::decode(descriptor.clone(), &*parsed.bytes).unwrap();
    assert_eq!(reference::count_missing(&message), 0, "a required field is missing");
    let result: Json = serde_json::from_slice(&written).unwrap();
    assert_eq!(result, reference::json(&message), "written otherwise than by the reference");
    if let (Ok(Json::Object(source)), true) = (strict(text), parsed.losses.is_empty()) {
        let Json::Object(result) = &result else { panic!("no object") };
        assert!(says(descriptor, &source, result), "read as {result:?}");
    }
}

/// The value of text without blanks that only the host's parser takes at the end.
fn strict(text: &[u8]) -> serde_json::Result<Json> {
    serde_json::from_slice(text)
}

fn json(codec: &MessageType, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    codec.write_json(bytes, &mut out).ok()?;
    Some(out)
}

fn write(codec: &MessageType, descriptor: &MessageDescriptor, bytes: &[u8]) {
    let written = json(codec, bytes);
    // Questions about any bytes have an answer or an error.
    let _ = codec.find_field(bytes, "rec.r_m.req");
    let _ = codec.clear_field(&mut bytes.to_vec(), "timestamp");
    // Where prost is stricter there is nothing to compare.
    let Ok(message) = DynamicMessage::decode(descriptor.clone(), bytes) else { return };
    // Prost-reflect takes what stands in a map's field for an entry, whatever its wire type, and so
    // even what is malformed.
    let has_map = message.descriptor().fields().any(|field| field.is_map());
    let written = if has_map { json(codec, &message.encode_to_vec()) } else { written }.unwrap();
    if !is_comparable(&message) {
        return;
    }
    let result: Json = serde_json::from_slice(&written).unwrap();
    assert_eq!(result, reference::json(&message), "written otherwise than by the reference");
    match codec.read_json(&written) {
        Ok(again) => {
            assert_eq!(reference::count_missing(&message), 0);
            assert_eq!(json(codec, &again.bytes).unwrap(), written, "there and back");
        }
        Err(ReadError::MissingRequired { fields }) => {
            assert_eq!(fields.len(), reference::count_missing(&message).min(1000));
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether the message has nothing that JSON cannot say, that the host leaves out, or that it
/// reads back as something else: a NaN, a number that its enum does not have, and an integer that
/// is greater than what the host's parser keeps as one.
fn is_comparable(message: &DynamicMessage) -> bool {
    message.fields().all(|(field, value)| {
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
            kind => kind,
        };
        match value {
            Value::List(values) => values.iter().all(|value| is_plain(value, &kind)),
            Value::Map(entries) => entries.values().all(|value| is_plain(value, &kind)),
            value => is_plain(value, &kind),
        }
    })
}

fn is_plain(value: &Value, kind: &Kind) -> bool {
    match (value, kind) {
        (Value::EnumNumber(number), Kind::Enum(of)) => of.get_value(*number).is_some(),
        (Value::F32(value), _) => !value.is_nan(),
        (Value::F64(value), _) => !value.is_nan(),
        (Value::U64(value), _) => i64::try_from(*value).is_ok(),
        (Value::Message(message), _) => is_comparable(message),
        _ => true,
    }
}

/// Whether `result`, the JSON of a message that was read without a loss, says all that `source`
/// said.
fn says(of: &MessageDescriptor, source: &Map<String, Json>, result: &Map<String, Json>) -> bool {
    source.iter().all(|(key, given)| {
        let Some(field) = of.get_field_by_name(key) else { return false };
        let kind = field.kind();
        let mut values = Vec::new();
        flatten(given, &mut values);
        match result.get(key) {
            // Another member of its oneof replaced it, or it is what proto3 does not write.
            None if field.containing_oneof().is_some() || is_implicit(of) => true,
            None if field.is_map() => {
                values.iter().all(|it| it.as_object().is_some_and(Map::is_empty))
            }
            None => values.is_empty(),
            Some(_) if field.is_map() => true,
            Some(Json::Array(results)) if field.is_list() => {
                values.len() == results.len()
                    && values.iter().zip(results).all(|(one, other)| is_same(&kind, one, other))
            }
            // Of a null, the default.
            Some(result) => values.iter().all(|value| is_same(&kind, value, result)),
        }
    })
}

fn is_implicit(of: &MessageDescriptor) -> bool {
    of.fields().any(|field| !field.is_list() && !field.supports_presence())
}

/// Lists in lists are one, and nulls are nothing.
fn flatten<'a>(value: &'a Json, values: &mut Vec<&'a Json>) {
    match value {
        Json::Null => {}
        Json::Array(all) => all.iter().for_each(|value| flatten(value, values)),
        value => values.push(value),
    }
}

/// Whether a value of the message is the one that was given.
fn is_same(kind: &Kind, given: &Json, result: &Json) -> bool {
    match (kind, given, result) {
        (Kind::Message(of), Json::Object(given), Json::Object(result)) => says(of, given, result),
        (Kind::String | Kind::Enum(_), ..) => given == result,
        // Base64 with or without padding and blanks: the round trip is the test of it.
        (Kind::Bytes, ..) => result.is_string(),
        (Kind::Bool, Json::String(text), Json::Bool(result)) => text.trim() == result.to_string(),
        (Kind::Bool, ..) => given == result,
        (Kind::Float, ..) => match (number(given), number(result)) {
            (Some(given), Some(result)) => given as f32 == result as f32,
            _ => given == result,
        },
        _ => match (number(given), number(result)) {
            (Some(given), Some(result)) => given == result,
            _ => given == result,
        },
    }
}

fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
