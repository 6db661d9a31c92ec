//! The lines that the module and a worker exchange.
//!
//! | direction | line |
//! |---|---|
//! | to the worker, first | `{"mesos_command_worker":1}` |
//! | from the worker, first | `{"ready":1}` |
//! | request | `{"id":7,"event":"isolator_usage","deadline":1700000000.500,"input":{…}}` |
//! | answer | `{"id":7,"output":{…}}`, `{"id":7}` for an empty output, or `{"id":7,"error":"text"}` |
//!
//! Each line ends with a line feed. What is sent is UTF-8: the host lets other bytes through, and
//! commands that are started for a call get them as they are, but a reader of lines that stumbles
//! over them would be a lost worker, so it gets U+FFFD in their place.
//!
//! A line is an answer when it is an object with the request's number, however that number is
//! written. What stands in its `output` is not looked at here: it is read by the rules for the
//! output file of a command that is started for the call, and a bad value in it fails the call, not
//! the worker. Keys that are not known are ignored, so that either side may learn more later.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::schema::{read_json_string, split_json_object, whole_number};

/// The first line that a worker is sent: the version of the protocol.
pub(super) const GREETING: &[u8] = b"{\"mesos_command_worker\":1}\n";
/// What a line may be longer than the output in it.
pub(crate) const ENVELOPE: usize = 256;
/// How much of what a worker said is shown in error texts.
const SHOWN: usize = 100;

/// What a worker said to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// JSON text; empty when there is none.
    Output(Vec<u8>),
    /// Why there is none, in the worker's words.
    Error(String),
}

/// Writes a request line over `line`. `input` is JSON text, but for bytes that are no UTF-8.
pub(super) fn request(
    line: &mut Vec<u8>,
    id: u64,
    event: &str,
    deadline: Option<&str>,
    input: &[u8],
) {
    line.clear();
    line.extend_from_slice(b"{\"id\":");
    line.extend_from_slice(id.to_string().as_bytes());
    for part in [",\"event\":\"", event, "\","] {
        line.extend_from_slice(part.as_bytes());
    }
    for part in deadline.map(|it| ["\"deadline\":", it, ","]).into_iter().flatten() {
        line.extend_from_slice(part.as_bytes());
    }
    line.extend_from_slice(b"\"input\":");
    let from = line.len();
    match String::from_utf8_lossy(input) {
        std::borrow::Cow::Borrowed(_) => line.extend_from_slice(input),
        std::borrow::Cow::Owned(text) => line.extend_from_slice(text.as_bytes()),
    }
    // In JSON text a line feed stands only where a space may.
    let mut at = from;
    while let Some(next) = memchr::memchr(b'\n', &line[at..]) {
        at += next;
        line[at] = b' ';
    }
    line.extend_from_slice(b"}\n");
}

/// Reads the answer to the greeting.
///
/// # Errors
/// What the worker did instead, in words for people.
pub(super) fn read_ready(line: &[u8]) -> Result<(), String> {
    let split = split_json_object(line);
    let ready = split.members.iter().rfind(|(key, _)| **key == *b"ready");
    match ready {
        Some((_, value)) if split.damage.is_none() && whole_number(value) == Some(1) => Ok(()),
        _ if line == GREETING.trim_ascii_end() => {
            Err("echoes what it is sent: it is no worker".to_owned())
        }
        _ => Err(format!(
            "answered {} instead of {{\"ready\":1}}: it is no worker, or it printed to stdout",
            shown(line)
        )),
    }
}

/// An answer as nearly all of them are.
#[derive(Deserialize)]
struct Answer<'a> {
    id: u64,
    #[serde(borrow, default, deserialize_with = "present")]
    output: Option<&'a RawValue>,
    error: Option<String>,
}

/// A null is an output, too.
fn present<'de, D: Deserializer<'de>>(source: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(source).map(Some)
}

/// Reads the answer to the request `id`.
///
/// # Errors
/// How it breaks the protocol, in words for people.
pub(super) fn read_answer(line: &[u8], id: u64) -> Result<Reply, String> {
    match serde_json::from_slice::<Answer<'_>>(line) {
        Ok(answer) if answer.id == id => Ok(match answer {
            Answer { error: Some(text), .. } => Reply::Error(text),
            Answer { output: Some(output), .. } => Reply::Output(output.get().as_bytes().to_vec()),
            Answer { .. } => Reply::Output(Vec::new()),
        }),
        _ => read_unusual(line, id),
    }
}

/// As [`read_answer`], without a look at the values.
fn read_unusual(line: &[u8], id: u64) -> Result<Reply, String> {
    let no_answer = |why: &dyn std::fmt::Display| {
        let hint = "did it print to stdout?";
        format!("answered {}, which is no answer ({why}); {hint}", shown(line))
    };
    let split = split_json_object(line);
    if let Some(damage) = &split.damage {
        return Err(no_answer(damage));
    }
    let value = |name: &str| {
        let found = split.members.iter().rfind(|(key, _)| **key == *name.as_bytes());
        found.map(|(_, value)| *value)
    };
    let answered = value("id").ok_or_else(|| no_answer(&"it has no \"id\""))?;
    match whole_number(answered) {
        Some(number) if number == id => {}
        Some(number) => {
            return Err(format!("answered request {number} instead of {id}: {}", shown(line)));
        }
        None => return Err(no_answer(&"its \"id\" is no whole number")),
    }
    Ok(match (value("error"), value("output")) {
        (Some(error), _) if error != b"null" => {
            let text = read_json_string(error).unwrap_or_else(|| error.to_vec());
            Reply::Error(String::from_utf8_lossy(&text).into_owned())
        }
        (_, Some(output)) => Reply::Output(output.to_vec()),
        (_, None) => Reply::Output(Vec::new()),
    })
}

/// The first bytes of what a worker said, quoted.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let dots = if bytes.len() > SHOWN { "…" } else { "" };
    format!("{text:?}{dots}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_one_line() {
        let mut line = b"old".to_vec();
        request(&mut line, 7, "isolator_usage", Some("1700000000.500"), b"{\"a\":\n1}");
        assert_eq!(
            line,
            b"{\"id\":7,\"event\":\"isolator_usage\",\"deadline\":1700000000.500,\"input\":{\"a\": 1}}\n"
        );
        request(&mut line, 8, "isolator_watch", None, b"{}");
        assert_eq!(line, b"{\"id\":8,\"event\":\"isolator_watch\",\"input\":{}}\n");
    }

    #[test]
    fn answers_are_output_nothing_or_an_error() {
        let read = |text: &str| read_answer(text.as_bytes(), 7).expect("an answer");
        assert_eq!(
            read(r#"{"output": {"a":[1]} , "id":7, "more":0}"#),
            Reply::Output(b"{\"a\":[1]}".to_vec())
        );
        assert_eq!(read(r#"{"id":7}"#), Reply::Output(Vec::new()));
        assert_eq!(read(r#"{"id":7,"error":null}"#), Reply::Output(Vec::new()));
        assert_eq!(read(r#"{"id":7,"output":{},"error":"n\u006f"}"#), Reply::Error("no".into()));
    }

    #[test]
    fn breaches_show_what_was_said() {
        let breach = |line: &[u8]| read_answer(line, 7).expect_err("a breach");
        assert!(breach(b"starting up").contains(r#"answered "starting up", which is no answer"#));
        assert!(breach(b"starting up").ends_with("did it print to stdout?"));
        assert!(breach(b"{\"id\":8}").contains("answered request 8 instead of 7"));
        for line in [
            &b""[..],
            b"{}",
            b"7",
            b"{\"id\":\"7\"}",
            b"{\"id\":-7}",
            b"{\"id\":7.5}",
            b"{\"id\":7,\"output\":}",
            b"{\"id\":7,\"output\":{}",
            b"{\"id\":7}{\"id\":7}",
            b"{\"output\":{}}",
            b"INFO {\"id\":7}",
        ] {
            breach(line);
        }
        assert!(breach(&[b'x'; 5000]).len() < 400, "only the first bytes");
    }

    #[test]
    fn an_output_is_passed_on_whatever_it_is() {
        for output in [
            &b"null"[..],
            b"NaN",
            b"{\"mem_rss_bytes\":00.25}",
            b"{\"mem_rss_bytes\":0xff,\"a\":[1,}",
            b"\"\xff\"",
            b"{\"a\":1,\"a\":2}",
            b"[1] 2",
        ] {
            let line = [b"{\"id\":7,\"output\":", output, b"}"].concat();
            assert_eq!(read_answer(&line, 7), Ok(Reply::Output(output.to_vec())));
        }
    }

    #[test]
    fn the_same_number_is_the_same_id() {
        for id in ["7.0", "7e0", "007", "0.7e1", "7."] {
            let line = format!("{{\"id\":{id},\"output\":{{}}}}");
            assert_eq!(read_answer(line.as_bytes(), 7), Ok(Reply::Output(b"{}".to_vec())), "{id}");
        }
        assert_eq!(read_answer(b"{\"id\":8,\"id\":7}", 7), Ok(Reply::Output(Vec::new())));
        assert!(
            read_answer(b"{\"id\":8.0}", 7).expect_err("another").contains("request 8 instead")
        );
    }

    #[test]
    fn an_error_of_any_kind_is_told() {
        for (error, text) in [
            ("{\"code\":3, \"why\":\"x\"}", "{\"code\":3, \"why\":\"x\"}"),
            ("[\"a\"]", "[\"a\"]"),
            ("17", "17"),
            ("false", "false"),
            ("NaN", "NaN"),
            ("\"\"", ""),
        ] {
            let line = format!("{{\"id\":7,\"error\":{error}}}");
            assert_eq!(read_answer(line.as_bytes(), 7), Ok(Reply::Error(text.into())), "{error}");
        }
        let stray = read_answer(b"{\"id\":7,\"error\":\"a\xff\"}", 7);
        assert_eq!(stray, Ok(Reply::Error("a\u{fffd}".to_owned())));
    }

    #[test]
    fn what_is_sent_is_utf_8() {
        let mut line = Vec::new();
        request(&mut line, 7, "isolator_usage", None, b"{\"a\":\"\xff\xc3\xa9\xc3\"}");
        let sent =
            "{\"id\":7,\"event\":\"isolator_usage\",\"input\":{\"a\":\"\u{fffd}é\u{fffd}\"}}\n";
        assert_eq!(String::from_utf8(line).as_deref(), Ok(sent));
    }

    #[test]
    fn only_a_worker_is_ready() {
        assert_eq!(read_ready(b"{\"ready\":1,\"name\":\"x\"}"), Ok(()));
        assert_eq!(read_ready(b"{\"ready\":1.0}"), Ok(()));
        let echo = read_ready(GREETING.trim_ascii_end()).expect_err("cat");
        assert!(echo.contains("echoes"), "{echo}");
        for line in [&b"{}"[..], b"", b"{\"ready\":2}", b"{\"ready\":true}", b"ready"] {
            read_ready(line).expect_err("not ready");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line: Vec<u8>, id: u64) {
            let _ = read_answer(&line, id);
            let _ = read_ready(&line);
        }

        #[test]
        fn what_a_worker_says_is_passed_on_unchanged(id: u64, text: String) {
            let output = serde_json::to_string(&text).expect("JSON");
            let line = format!("{{\"id\":{id},\"output\":{output}}}");
            prop_assert_eq!(
                read_answer(line.as_bytes(), id),
                Ok(Reply::Output(output.into_bytes()))
            );
        }

        #[test]
        fn requests_stay_one_line_with_the_same_meaning(text: String) {
            let input = serde_json::to_string_pretty(&serde_json::json!({ "key": [text] }))
                .expect("JSON");
            let mut line = Vec::new();
            request(&mut line, 1, "isolator_usage", None, input.as_bytes());
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
            let expected: serde_json::Value = serde_json::from_str(&input).expect("JSON");
            prop_assert_eq!(&value["input"], &expected);
        }
    }
}
