//! The few messages of the host that the edge looks into itself: parameters, and names for error
//! texts.

use mesos_command::wire::{Field, fields};

/// Keys and values of a serialised `mesos.Parameters`, in their order.
pub(crate) fn read_parameters(parameters: &[u8]) -> Result<Vec<(String, String)>, String> {
    fields(parameters)
        .filter_map(|field| match field {
            Ok(Field::Bytes(1, parameter)) => Some(read_parameter(parameter)),
            Ok(_) => None,
            Err(_) => Some(Err("the host's parameters cannot be read".to_owned())),
        })
        .collect()
}

fn read_parameter(parameter: &[u8]) -> Result<(String, String), String> {
    let mut key: &[u8] = &[];
    let mut value: &[u8] = &[];
    for field in fields(parameter) {
        match field {
            Ok(Field::Bytes(1, bytes)) => key = bytes,
            Ok(Field::Bytes(2, bytes)) => value = bytes,
            Ok(_) => {}
            Err(_) => return Err("the host's parameters cannot be read".to_owned()),
        }
    }
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| format!("parameter {:?} is not valid UTF-8", String::from_utf8_lossy(key)))
    };
    Ok((text(key)?, text(value)?))
}

/// The name in a serialised Resource; empty if it has none.
pub(crate) fn name(message: &[u8]) -> String {
    fields(message)
        .filter_map(|field| match field {
            Ok(Field::Bytes(1, text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        })
        .last()
        .unwrap_or_default()
}
