//! The few messages of the host that the edge looks into itself: parameters, and lists that could
//! harm the agent.

use mesos_command::call::Answer;
use mesos_command::event::{Event, Output};

use crate::wire::{Malformed, WireField, WireFields};

/// `mesos.Value.Type`: sets are a kind of value, but no kind of attribute.
const VALUE_TYPE_SET: u64 = 2;

/// Keys and values of a serialised `mesos.Parameters`, in their order.
pub(crate) fn read_parameters(parameters: &[u8]) -> Result<Vec<(String, String)>, String> {
    WireFields::new(parameters)
        .filter_map(|field| match field {
            Ok(WireField::Bytes(1, parameter)) => Some(read_parameter(parameter)),
            Ok(_) => None,
            Err(Malformed) => Some(Err("the host's parameters cannot be read".to_owned())),
        })
        .collect()
}

fn read_parameter(parameter: &[u8]) -> Result<(String, String), String> {
    let mut key: &[u8] = &[];
    let mut value: &[u8] = &[];
    for field in WireFields::new(parameter) {
        match field {
            Ok(WireField::Bytes(1, bytes)) => key = bytes,
            Ok(WireField::Bytes(2, bytes)) => value = bytes,
            Ok(_) => {}
            Err(Malformed) => return Err("the host's parameters cannot be read".to_owned()),
        }
    }
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| format!("parameter {:?} is not valid UTF-8", String::from_utf8_lossy(key)))
    };
    Ok((text(key)?, text(value)?))
}

/// Refuses answers that are well formed, but that some release of Mesos answers with an abort of
/// the agent: attributes of type SET (at its next start, when it compares them).
pub(crate) fn refuse_harmful(event: Event, answer: Answer) -> Answer {
    let Output::List { field: "attributes", .. } = event.row().output else {
        return answer;
    };
    match &answer {
        Answer::Message(carrier) => match set_attribute(carrier) {
            Ok(None) => answer,
            Ok(Some(name)) => Answer::Failure(format!(
                "attribute {name:?} is of type SET, which agents do not support"
            )),
            Err(Malformed) => Answer::Failure("the attributes cannot be read".to_owned()),
        },
        _ => answer,
    }
}

/// The name of the first attribute in a serialised SlaveInfo that is a set.
fn set_attribute(slave_info: &[u8]) -> Result<Option<String>, Malformed> {
    for field in WireFields::new(slave_info) {
        let WireField::Bytes(5, attribute) = field? else {
            continue;
        };
        let mut is_set = false;
        for field in WireFields::new(attribute) {
            if let WireField::Varint(2, kind) = field? {
                is_set = kind == VALUE_TYPE_SET;
            }
        }
        if is_set {
            return Ok(Some(name(attribute)));
        }
    }
    Ok(None)
}

/// The name in a serialised Resource or Attribute; empty if it has none.
pub(crate) fn name(message: &[u8]) -> String {
    WireFields::new(message)
        .filter_map(|field| match field {
            Ok(WireField::Bytes(1, text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        })
        .last()
        .unwrap_or_default()
}
