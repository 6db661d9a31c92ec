//! Values of answers in words for a terminal.

use mesos_command::quantity;
use serde_json::Value;

use crate::table::plain;

/// Columns of a text in a table.
const MOST_TEXT: usize = 100;

/// A text of an answer, for a terminal; `-` where there is none.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => plain(text).into_owned(),
        other => other.to_string(),
    }
}

/// Seconds as people say them: `0.12s`, `4m05s`, `3h07m`; `-` where there are none.
pub(super) fn duration(value: &Value) -> String {
    value.as_f64().map_or("-".to_owned(), quantity::duration)
}

/// Bytes as people say them.
pub(super) fn bytes(value: &Value) -> String {
    value.as_u64().map_or("-".to_owned(), quantity::bytes)
}

/// The beginning of a long text.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A list of an answer; an empty one where there is none.
pub(super) fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A time in UTC, with its date: `2026-11-27T13:45:34Z`.
pub(super) fn clock(value: &Value) -> String {
    value.as_f64().map_or("-".to_owned(), quantity::clock)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_there_is_not_is_a_dash() {
        assert_eq!((duration(&json!(125.0)), duration(&Value::Null)), ("2m05s".into(), "-".into()));
        assert_eq!((bytes(&json!(10_240)), bytes(&Value::Null)), ("10KiB".into(), "-".into()));
        assert_eq!(clock(&Value::Null), "-");
        assert_eq!(short(&"x".repeat(200)).chars().count(), MOST_TEXT + 1);
    }
}
