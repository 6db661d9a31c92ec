//! An answer of usage or status may say for how long it is good: `"@fresh_for": 30`, in seconds,
//! beside its fields.
//!
//! No field of a message can have that name (names in protobuf are letters, digits and `_`: the
//! [specification]), so it can never be taken for one, neither here nor by the original modules,
//! which leave out what they do not know.
//!
//! [specification]: https://protobuf.dev/reference/protobuf/proto2-spec/#identifiers

use std::time::Duration;

use crate::escape::one_line_bytes;
use crate::schema::{Loss, LossKind, split_json_object};

/// The key.
pub const FRESH_FOR: &str = "@fresh_for";
/// How much of a bad value is shown, in bytes.
const SHOWN: usize = 40;

/// What an answer says, if it says something; or what is wrong with that.
pub(super) fn fresh_for(answer: &[u8]) -> Option<Result<Duration, String>> {
    memchr::memmem::find(answer, FRESH_FOR.as_bytes())?;
    let members = split_json_object(answer).members;
    let (_, value) = members.into_iter().rfind(|(key, _)| **key == *FRESH_FOR.as_bytes())?;
    let seconds = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Some(time.ok_or_else(|| {
        let value = one_line_bytes(&value[..value.len().min(SHOWN)]);
        format!("{FRESH_FOR}: {value} is no number of seconds, ignored")
    }))
}

/// Whether the reader of messages has missed the field of that name.
pub(super) fn is_it(loss: &Loss) -> bool {
    loss.kind == LossKind::UnknownKey && loss.path == FRESH_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Option<Result<Duration, String>> {
        fresh_for(answer.as_bytes())
    }

    #[test]
    fn seconds_are_read_wherever_they_stand() {
        let half = Some(Ok(Duration::from_millis(30_500)));
        assert_eq!(read(r#"{"@fresh_for":30.5}"#), half);
        assert_eq!(read(r#" {"mem_rss_bytes":1,"@fresh_for": 30.5 , "x":{}}"#), half);
        assert_eq!(read(r#"{"@fresh_for":1,"@fresh_for":305e-1}"#), half, "the last one counts");
        assert_eq!(read(r#"{"mem_rss_bytes":1}"#), None);
        assert_eq!(read(r#"{"x":{"@fresh_for":1}}"#), None, "of the answer, not of a part of it");
        assert_eq!(read(r#"{"x":"@fresh_for"}"#), None);
        assert_eq!(read("@fresh_for"), None);
    }

    #[test]
    fn what_is_no_number_of_seconds_is_told() {
        for value in ["\"30\"", "-1", "NaN", "inf", "null", "{}", "1e300"] {
            let text = format!("{{\"@fresh_for\":{value}}}");
            let told = read(&text).expect("it is there").expect_err("no number");
            assert!(told.starts_with(&format!("@fresh_for: {value} is no number")), "{told}");
        }
        let long = format!("{{\"@fresh_for\":\"{}\"}}", "x".repeat(5000));
        assert!(read(&long).expect("it is there").expect_err("no number").len() < 100);
    }
}
