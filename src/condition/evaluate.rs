//! A condition against the messages of a call.

use super::expression::{Expression, Term, Test};
use super::fields::{COMMAND, CUSTOM, DEFAULT, Field, Kind, looked_at};
use crate::event::Event;
use crate::schema::{FieldValue, MessageType};
use crate::wire::bytes_field;

/// `ExecutorInfo.DEFAULT` and `ExecutorInfo.CUSTOM` (Mesos 1.11.0 `include/mesos/mesos.proto`).
const TYPE_DEFAULT: u64 = 1;
const TYPE_CUSTOM: u64 = 2;
/// Fields `key` and `value` of `mesos.Label`.
const LABEL_KEY: u32 = 1;
const LABEL_VALUE: u32 = 2;

/// A message of a call.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The input key.
    pub key: &'a str,
    /// What it is.
    pub kind: &'a MessageType,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A term and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The term as text.
    pub term: String,
    /// What was found; empty where there is nothing. Bytes that are no UTF-8 are U+FFFD.
    pub found: Vec<String>,
    /// What came of it.
    pub holds: bool,
}

/// What was found of a field. Bytes, because the host does not promise UTF-8.
type Found<'a> = Vec<&'a [u8]>;

pub(super) fn holds(expression: &Expression, event: Event, given: &[Given<'_>]) -> bool {
    match expression {
        Expression::Term(term) => passes(term, &find(term, event, given)),
        Expression::Not(inner) => !holds(inner, event, given),
        Expression::All(parts) => parts.iter().all(|part| holds(part, event, given)),
        Expression::Any(parts) => parts.iter().any(|part| holds(part, event, given)),
    }
}

pub(super) fn asked(expression: &Expression, event: Event, given: &[Given<'_>]) -> Vec<Asked> {
    let one = |term: &Term| {
        let found = find(term, event, given);
        let holds = passes(term, &found);
        let shown = found.iter().map(|text| String::from_utf8_lossy(text).into_owned());
        Asked { term: term.to_string(), found: shown.collect(), holds }
    };
    expression.terms().into_iter().map(one).collect()
}

/// Whether one of the values, of which there mostly is one, is what is asked for.
fn passes(term: &Term, found: &Found<'_>) -> bool {
    match &term.test {
        Test::Present => !found.is_empty(),
        Test::Equal(text) => found.contains(&text.as_bytes()),
        Test::Prefix(text) => found.iter().any(|value| value.starts_with(text.as_bytes())),
    }
}

/// The values of a term's field in the first of its places that has one.
fn find<'a>(term: &Term, event: Event, given: &[Given<'a>]) -> Found<'a> {
    let event = looked_at(event);
    for source in term.field.sources_of(event) {
        for message in given.iter().filter(|message| message.key == source.key) {
            // What is malformed has no field; the input could not be rendered either.
            let values = message.kind.find_field(message.bytes, source.path).unwrap_or_default();
            let found = match term.field.kind {
                Kind::Text => texts(&values),
                Kind::Label => labels(&values, term.label.as_bytes()),
                Kind::Flag => values.first().map(|_| &b"yes"[..]).into_iter().collect(),
                Kind::Words(_) => executor(message, source.path, &values, given),
            };
            if !found.is_empty() {
                return found;
            }
        }
    }
    Vec::new()
}

fn texts<'a>(values: &[FieldValue<'a>]) -> Found<'a> {
    let text = |value: &FieldValue<'a>| match *value {
        FieldValue::Bytes(text) => Some(text),
        FieldValue::Bits(_) => None,
    };
    let mut found: Found<'a> = values.iter().filter_map(text).collect();
    // Each of a task's resources names the role.
    found.dedup();
    found
}

/// The values of the labels with this name; of one without a value, an empty text.
fn labels<'a>(values: &[FieldValue<'a>], name: &[u8]) -> Found<'a> {
    let labels = texts(values).into_iter();
    let named = labels.filter(|label| bytes_field(label, LABEL_KEY) == Some(name));
    named.map(|label| bytes_field(label, LABEL_VALUE).unwrap_or_default()).collect()
}

/// The word for the type of an executor. One whose type is not set is a framework's own: only those
/// of task groups had to say theirs.
fn executor<'a>(
    message: &Given<'a>,
    path: &str,
    values: &[FieldValue<'a>],
    given: &[Given<'a>],
) -> Found<'a> {
    let in_config = path.strip_suffix(".type");
    if in_config.is_some_and(|path| message.kind.has_field(message.bytes, path) != Ok(true)) {
        return Vec::new();
    }
    let word = match values.last().and_then(FieldValue::bits) {
        Some(TYPE_DEFAULT) => DEFAULT,
        Some(TYPE_CUSTOM) | None if is_of_command(message, in_config.is_some(), given) => COMMAND,
        Some(TYPE_CUSTOM) | None => CUSTOM,
        Some(_) => return Vec::new(),
    };
    vec![word.as_bytes()]
}

/// Whether Mesos has made the executor for a task with a command. A container's config has the
/// task then, and only then; elsewhere such an executor has the ID of its task.
fn is_of_command(message: &Given<'_>, in_config: bool, given: &[Given<'_>]) -> bool {
    if in_config {
        return message.kind.has_field(message.bytes, "task_info") == Ok(true);
    }
    let Some(task) = given.iter().find(|message| message.key == "task_info") else { return false };
    let id = |message: &Given<'_>, path| {
        let values = message.kind.find_field(message.bytes, path).unwrap_or_default();
        texts(&values).last().map(|id| id.to_vec())
    };
    let of_task = id(task, "task_id.value");
    of_task.is_some()
        && of_task == id(message, "executor_id.value")
        && task.kind.has_field(task.bytes, "executor") == Ok(false)
}

/// What an input has of a field, for people; of labels all of them, as `NAME=VALUE`.
pub(super) fn values_of(field: &'static Field, event: Event, given: &[Given<'_>]) -> Vec<String> {
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    if field.kind != Kind::Label {
        let span = super::Span::default();
        let term = Term { field, label: String::new(), test: Test::Present, span };
        return find(&term, event, given).into_iter().map(shown).collect();
    }
    let mut all: Vec<(String, String)> = Vec::new();
    for source in field.sources_of(looked_at(event)) {
        for message in given.iter().filter(|message| message.key == source.key) {
            let values = message.kind.find_field(message.bytes, source.path).unwrap_or_default();
            let before = all.len();
            for label in texts(&values) {
                let name = shown(bytes_field(label, LABEL_KEY).unwrap_or_default());
                // What stands in an earlier place hides what has its name.
                if !all[..before].iter().any(|(known, _)| *known == name) {
                    all.push((name, shown(bytes_field(label, LABEL_VALUE).unwrap_or_default())));
                }
            }
        }
    }
    all.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}
