//! Comparing an answer with what a scenario expects.

use std::time::Duration;

use serde_json::Value;
use test_support::Verdict;

use super::model::{Expect, Kind};

/// What Mesos got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Nothing,
    Message(Value),
    Failure(String),
    Pending,
    Discarded,
}

impl Answer {
    fn kind(&self) -> Kind {
        match self {
            Answer::Nothing => Kind::Nothing,
            // A message in which nothing is set says as little as none.
            Answer::Message(Value::Object(fields)) if fields.is_empty() => Kind::Nothing,
            Answer::Message(_) => Kind::Message,
            Answer::Failure(_) => Kind::Failure,
            Answer::Pending => Kind::Pending,
            Answer::Discarded => Kind::Discarded,
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Nothing => f.write_str("nothing"),
            Answer::Message(value) => write!(f, "{value}"),
            Answer::Failure(text) => write!(f, "failure: {text}"),
            Answer::Pending => f.write_str("pending"),
            Answer::Discarded => f.write_str("discarded"),
        }
    }
}

/// An answer and its times.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    /// From the call to the answer.
    pub(crate) took: Duration,
    /// From the call to the method's return.
    pub(crate) returned: Duration,
}

/// Whether `found` has everything that `wanted` has: objects by key, everything else exactly.
fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| found.get(key).is_some_and(|it| contains(it, value)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| contains(a, b))
        }
        // 1 and 1.0 are the same number to a message.
        (Value::Number(found), Value::Number(wanted)) => found.as_f64() == wanted.as_f64(),
        _ => found == wanted,
    }
}

/// What is wrong with an answer; empty when it is as expected. The machine was late itself by up to
/// `late` meanwhile.
pub(crate) fn complaints(expect: &Expect, answered: &Answered, late: Duration) -> Vec<String> {
    let mut wrong = Vec::new();
    let kind = answered.answer.kind();
    if let Some(wanted) = expect.answer
        && wanted != kind
    {
        wrong.push(format!("expected {wanted:?}, got {kind:?}"));
    }
    let value = match &answered.answer {
        Answer::Message(value) => value,
        _ => &Value::Null,
    };
    if let Some(wanted) = &expect.json
        && !contains(value, wanted)
    {
        wrong.push(format!("expected a message with {wanted}"));
    }
    if let Some(wanted) = &expect.equals
        && !(contains(value, wanted) && contains(wanted, value))
    {
        wrong.push(format!("expected exactly {wanted}"));
    }
    if let Some(wanted) = &expect.text
        && !matches!(&answered.answer, Answer::Failure(text) if text.contains(wanted))
    {
        wrong.push(format!("expected a failure with the text {wanted:?}"));
    }
    let bound = |ms: Option<u64>| ms.map(Duration::from_millis);
    if let Some(least) = bound(expect.at_least_ms)
        && answered.took < least
    {
        wrong.push(format!("answered before {least:?}"));
    }
    if let Some(most) = bound(expect.at_most_ms) {
        wrong.extend(lateness("answered", answered.took, most, late));
    }
    if let Some(most) = bound(expect.returns_within_ms) {
        wrong.extend(lateness("the method returned", answered.returned, most, late));
    }
    wrong
}

/// What is said of a time beyond its limit. suite.py knows these words.
fn lateness(what: &str, took: Duration, most: Duration, late: Duration) -> Option<String> {
    let begin = match Verdict::on(took, most, late) {
        Verdict::InTime => return None,
        Verdict::Late => "LATE",
        Verdict::NotJudged => "NOT JUDGED",
    };
    Some(format!("{begin}: {what} after {took:.1?}, at most {most:?}; the machine by {late:.1?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expect: Value, answer: Answer, ms: u64) -> usize {
        let expect: Expect = serde_json::from_value(expect).unwrap();
        let took = Duration::from_millis(ms);
        complaints(&expect, &Answered { answer, took, returned: took }, Duration::ZERO).len()
    }

    #[test]
    fn each_expectation_can_fail() {
        let message = Answer::Message(json!({"a": 1.0, "b": {"c": [1, 2]}}));
        assert_eq!(check(json!({"answer": "message"}), message.clone(), 0), 0);
        assert_eq!(check(json!({"answer": "nothing"}), message.clone(), 0), 1);
        assert_eq!(check(json!({"json": {"a": 1}}), message.clone(), 0), 0);
        assert_eq!(check(json!({"json": {"b": {"c": [1]}}}), message.clone(), 0), 1);
        assert_eq!(check(json!({"equals": {"a": 1}}), message.clone(), 0), 1);
        assert_eq!(check(json!({"at_least_ms": 5}), message.clone(), 4), 1);
        assert_eq!(check(json!({"at_most_ms": 5}), message.clone(), 6), 1);
        assert_eq!(check(json!({"returns_within_ms": 5}), message, 6), 1);
        let failure = Answer::Failure("it broke".into());
        assert_eq!(check(json!({"answer": "failure", "text": "broke"}), failure.clone(), 0), 0);
        assert_eq!(check(json!({"text": "fell"}), failure, 0), 1);
    }

    #[test]
    fn a_message_without_fields_is_nothing() {
        assert_eq!(check(json!({"answer": "nothing"}), Answer::Message(json!({})), 0), 0);
    }
}
