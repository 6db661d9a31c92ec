//! What an output says, without telling or counting anything.

use crate::event::{Empty, Output, Row};
use crate::schema::{MessageType, Parsed};

use super::CallFailure;

/// Reads a whole output as one message; nothing where it is empty and may be.
pub(super) fn decode(
    row: &Row,
    kind: &MessageType,
    output: &[u8],
) -> Result<Option<Parsed>, CallFailure> {
    if output.iter().all(u8::is_ascii_whitespace) {
        return match row.empty {
            Empty::Nothing => Ok(None),
            Empty::Error => Err(CallFailure::invalid_output("No content to parse".to_owned())),
        };
    }
    decode_part(row, kind, output).map(Some)
}

/// Reads the JSON of one message of the event's output type.
pub(super) fn decode_part(
    row: &Row,
    kind: &MessageType,
    text: &[u8],
) -> Result<Parsed, CallFailure> {
    let parsed = match row.output {
        Output::List { field, .. } => kind.read_json_list(field, text),
        _ if row.dropped.is_some() => kind.read_json_partial(text),
        _ => kind.read_json(text),
    };
    let mut parsed = parsed.map_err(|error| {
        CallFailure::invalid_output(format!(
            "Unable to deserialize {}: {error}",
            kind.full_name().rsplit('.').next().unwrap_or_default()
        ))
    })?;
    if let Some(field) = row.dropped {
        // The bytes were encoded by us, so they are well-formed.
        let _ = kind.clear_field(&mut parsed.bytes, field);
    }
    Ok(parsed)
}
