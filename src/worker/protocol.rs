//! The lines that the module and a worker exchange.
//!
//! | direction | line |
//! |---|---|
//! | to the worker, first | `{"mesos_command_worker":1}` |
//! | from the worker, first | `{"ready":1}`, with `"multiplex":16` and `"cancel":true` if it can |
//! | request | `{"id":7,"event":"isolator_usage","deadline":1700000000.500,"input":{…}}` |
//! | answer | `{"id":7,"output":{…}}`, `{"id":7}` for an empty output, or `{"id":7,"error":"text"}` |
//! | cancel, to a worker that takes it | `{"cancel":7}`: request 7 is to be answered soon, by whatever |
//!
//! Each request has one answer, also one that is cancelled, and its number is never used again. So
//! a cancel that crosses the answer needs none, and is ignored.
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

/// What a worker said of itself in its greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How many requests it takes at a time; at least 1.
    pub(crate) multiplex: u64,
    /// Whether it takes a cancel.
    pub(crate) cancel: bool,
}

/// Writes the line that cancels the request `id` behind what is in `line`.
pub(super) fn cancel(line: &mut Vec<u8>, id: u64) {
    line.extend_from_slice(format!("{{\"cancel\":{id}}}\n").as_bytes());
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
    match std::str::from_utf8(input) {
        Ok(_) => line.extend_from_slice(input),
        // It takes each byte by itself, which for all inputs was half of an exchange.
        Err(_) => line.extend_from_slice(String::from_utf8_lossy(input).as_bytes()),
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
pub(super) fn read_ready(line: &[u8]) -> Result<Terms, String> {
    let split = split_json_object(line);
    let value = |name: &str| {
        let found = split.members.iter().rfind(|(key, _)| **key == *name.as_bytes());
        found.map(|(_, value)| *value)
    };
    let is_ready = value("ready").and_then(whole_number) == Some(1);
    if !is_ready || split.damage.is_some() {
        return Err(if line == GREETING.trim_ascii_end() {
            "echoes what it is sent: it is no worker".to_owned()
        } else {
            format!(
                "answered {} instead of {{\"ready\":1}}: it is no worker, or it printed to stdout",
                shown(line)
            )
        });
    }
    let multiplex = match value("multiplex") {
        None => 1,
        Some(text) => whole_number(text).filter(|number| *number > 0).ok_or_else(|| {
            let text = shown(text);
            format!("said \"multiplex\":{text} where a whole number from 1 on belongs")
        })?,
    };
    let cancel = match value("cancel") {
        None | Some(b"false") => false,
        Some(b"true") => true,
        Some(text) => {
            return Err(format!("said \"cancel\":{} where true or false belongs", shown(text)));
        }
    };
    Ok(Terms { multiplex, cancel })
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

/// Reads an answer: the number of its request, and what it says.
///
/// # Errors
/// How it breaks the protocol, in words for people.
pub(super) fn read_answer(line: &[u8]) -> Result<(u64, Reply), String> {
    match serde_json::from_slice::<Answer<'_>>(line) {
        Ok(Answer { id, output, error }) => Ok((
            id,
            match (error, output) {
                (Some(text), _) => Reply::Error(text),
                (None, Some(output)) => Reply::Output(output.get().as_bytes().to_vec()),
                (None, None) => Reply::Output(Vec::new()),
            },
        )),
        Err(_) => read_unusual(line),
    }
}

/// As [`read_answer`], without a look at the values.
fn read_unusual(line: &[u8]) -> Result<(u64, Reply), String> {
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
    let id = whole_number(answered).ok_or_else(|| no_answer(&"its \"id\" is no whole number"))?;
    let reply = match (value("error"), value("output")) {
        (Some(error), _) if error != b"null" => {
            let text = read_json_string(error).unwrap_or_else(|| error.to_vec());
            Reply::Error(String::from_utf8_lossy(&text).into_owned())
        }
        (_, Some(output)) => Reply::Output(output.to_vec()),
        (_, None) => Reply::Output(Vec::new()),
    };
    Ok((id, reply))
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
        let read = |text: &str| {
            let (id, reply) = read_answer(text.as_bytes()).expect("an answer");
            assert_eq!(id, 7);
            reply
        };
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
        let breach = |line: &[u8]| read_answer(line).expect_err("a breach");
        assert!(breach(b"starting up").contains(r#"answered "starting up", which is no answer"#));
        assert!(breach(b"starting up").ends_with("did it print to stdout?"));
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
            assert_eq!(read_answer(&line), Ok((7, Reply::Output(output.to_vec()))));
        }
    }

    #[test]
    fn the_same_number_is_the_same_id() {
        for id in ["7.0", "7e0", "007", "0.7e1", "7."] {
            let line = format!("{{\"id\":{id},\"output\":{{}}}}");
            let expected = Ok((7, Reply::Output(b"{}".to_vec())));
            assert_eq!(read_answer(line.as_bytes()), expected, "{id}");
        }
        assert_eq!(read_answer(b"{\"id\":8,\"id\":7}"), Ok((7, Reply::Output(Vec::new()))));
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
            let expected = Ok((7, Reply::Error(text.into())));
            assert_eq!(read_answer(line.as_bytes()), expected, "{error}");
        }
        let stray = read_answer(b"{\"id\":7,\"error\":\"a\xff\"}");
        assert_eq!(stray, Ok((7, Reply::Error("a\u{fffd}".to_owned()))));
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
        let plain = Terms { multiplex: 1, cancel: false };
        assert_eq!(read_ready(b"{\"ready\":1,\"name\":\"x\"}"), Ok(plain));
        assert_eq!(read_ready(b"{\"ready\":1.0,\"multiplex\":1,\"cancel\":false}"), Ok(plain));
        let echo = read_ready(GREETING.trim_ascii_end()).expect_err("cat");
        assert!(echo.contains("echoes"), "{echo}");
        for line in [&b"{}"[..], b"", b"{\"ready\":2}", b"{\"ready\":true}", b"ready"] {
            read_ready(line).expect_err("not ready");
        }
    }

    #[test]
    fn a_greeting_says_what_a_worker_can() {
        let read = |text: &str| read_ready(text.as_bytes());
        let all = r#"{"ready":1,"multiplex":16,"cancel":true}"#;
        assert_eq!(read(all), Ok(Terms { multiplex: 16, cancel: true }));
        let cancels = Terms { multiplex: 1, cancel: true };
        assert_eq!(read(r#"{"cancel":true,"ready":1}"#), Ok(cancels));
        for value in ["0", "-1", "true", "1.5", "null"] {
            let wrong = read(&format!("{{\"ready\":1,\"multiplex\":{value}}}"));
            let expected =
                format!("said \"multiplex\":\"{value}\" where a whole number from 1 on belongs");
            assert_eq!(wrong, Err(expected));
        }
        let wrong = read(r#"{"ready":1,"cancel":1}"#).expect_err("no word");
        assert_eq!(wrong, "said \"cancel\":\"1\" where true or false belongs");
    }

    #[test]
    fn a_cancel_is_a_line_of_its_own() {
        let mut line = b"{\"id\":7}\n".to_vec();
        cancel(&mut line, 7);
        assert_eq!(line, b"{\"id\":7}\n{\"cancel\":7}\n");
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line: Vec<u8>) {
            let _ = read_answer(&line);
            let _ = read_ready(&line);
        }

        #[test]
        fn what_a_worker_says_is_passed_on_unchanged(id: u64, text: String) {
            let output = serde_json::to_string(&text).expect("JSON");
            let line = format!("{{\"id\":{id},\"output\":{output}}}");
            prop_assert_eq!(
                read_answer(line.as_bytes()),
                Ok((id, Reply::Output(output.into_bytes())))
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
