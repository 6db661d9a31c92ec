//! One event in full: who calls, when, what goes in and comes out, and what an answer does.

use mesos_command::condition;
use mesos_command::config::keys;
use mesos_command::event::rules;
use mesos_command::event::{Empty, InputKey, InputKind, Output, Row, SkippedAnswer};
use mesos_command::schema::{self, FieldType, ValueType};
use serde_json::{Value, json};

use crate::samples;

/// Values of an enum that are shown; the JSON Schema has all.
const SHOWN_VALUES: usize = 4;

/// The default timeout as text.
pub(super) fn timeout(row: &Row) -> String {
    keys::timeout_default(row.event).unwrap_or_else(|| "none".to_owned())
}

/// Prints all that is known of an event.
///
/// # Errors
/// When the host's messages do not have what the sample has.
pub(super) fn print(row: &Row) -> anyhow::Result<()> {
    println!("{} ({}::{})", row.prefix, row.kind.label(), row.method);
    println!("when: {}", row.moment);
    println!("called by: {}", row.called_by());
    let from = match (row.timeout, row.lane.counts_from_start()) {
        (None, _) => "",
        (Some(_), true) => " from the start of the command, however long that waited for its turn",
        (Some(_), false) => " from the call, with the time in which it waits for its turn",
    };
    println!("timeout: {}{from}", timeout(row));
    println!("when it fails: {}", keys::failure_default(row.event));
    let mode = format!("{}_mode", row.prefix);
    if let Some((parameter, _)) = keys::parameter(&mode) {
        println!("how the command is run ({mode}): {}", parameter.meaning);
    }
    println!(
        "in worker mode, while no worker is up: the command is run for the call ({0}_fallback=fail: \
         the call waits for a second, then fails)",
        row.prefix
    );
    print_condition(row);
    println!("input keys:");
    for key in row.inputs.iter().chain(row.added) {
        let absent = if key.optional { " (may be absent)" } else { "" };
        println!("  {}: {}{absent}", key.name, kind(key));
        fields_of(key).iter().for_each(|field| println!("    {}", shown(field)));
    }
    match row.output {
        Output::Ignored => println!("output: not read"),
        Output::ByContainer(name) => println!("output: {{\"<container>\": JSON of {name}, …}}"),
        Output::Message(name) => println!("output: JSON of {name}"),
        Output::List { field, .. } => println!("output: {{\"{field}\":[…]}}"),
    }
    answer_fields(row).iter().for_each(|field| println!("    {}", shown(field)));
    match row.empty {
        Empty::Nothing => println!("an empty output means: nothing to say"),
        Empty::Error => println!("an empty output is an error, which changes nothing"),
    }
    print_consequences(row);
    for (index, rule) in rules::of(row.event).enumerate() {
        if index == 0 {
            println!("answers that must not reach Mesos:");
        }
        println!("  {}: {} ({})", rule.condition(), rule.remedy(), rule.harm);
    }
    for note in rules::notes(row.event) {
        println!("note: {note}");
    }
    println!("a sample input:\n  {}", samples::input(row.event)?);
    if let Some(answer) = samples::answer(row.event) {
        println!("a sample answer:\n  {answer}");
    }
    Ok(())
}

/// What a condition can ask, and what Mesos gets where it does not hold.
fn print_condition(row: &Row) {
    if row.skipped == SkippedAnswer::NoCondition {
        println!("what a condition can ask: nothing, because it is about no container and no task");
        return;
    }
    let answer = row.skipped.label();
    println!("what a condition ({}_when) can ask; where it does not hold: {answer}", row.prefix);
    for field in condition::fields_of(row.event) {
        println!("    {}: {}", field.forms(row.event), field.meaning);
    }
}

fn print_consequences(row: &Row) {
    let meaning = row.mesos;
    println!("what Mesos does:");
    if row.output != Output::Ignored {
        println!("  with an answer: {}", meaning.value);
    }
    println!("  with none: {}", meaning.nothing);
    println!("  with a failure that it is told: {}", meaning.failure);
}

/// The type of a key's value, in words.
fn kind(key: &InputKey) -> String {
    match key.kind {
        InputKind::Message(name) => name.to_owned(),
        InputKind::Messages(name) => format!("list of {name}"),
        InputKind::Integer => "number".to_owned(),
        InputKind::Text => "text".to_owned(),
        InputKind::TextMap => "object of texts".to_owned(),
        InputKind::Containers => "list of {container_config, container_id}".to_owned(),
        InputKind::ScalarMap => "object of {\"value\": number}".to_owned(),
    }
}

fn fields(name: &str) -> Vec<FieldType> {
    schema::current().message(name).map(|message| message.fields()).unwrap_or_default()
}

fn fields_of(key: &InputKey) -> Vec<FieldType> {
    match key.kind {
        InputKind::Message(name) | InputKind::Messages(name) => fields(name),
        _ => Vec::new(),
    }
}

fn answer_fields(row: &Row) -> Vec<FieldType> {
    match row.output {
        Output::Ignored => Vec::new(),
        Output::Message(name) | Output::ByContainer(name) => {
            let mut all = fields(name);
            for field in &mut all {
                field.is_required &= Some(field.name.as_str()) != row.dropped;
            }
            all
        }
        Output::List { carrier, field } => {
            fields(carrier).into_iter().filter(|it| it.name == field).collect()
        }
    }
}

fn shown(field: &FieldType) -> String {
    let list = if field.is_list { "list of " } else { "" };
    let required = if field.is_required { " (required)" } else { "" };
    format!("{}: {list}{}{required}", field.name, value(&field.value))
}

fn value(value: &ValueType) -> String {
    match value {
        ValueType::Integer { .. } => "whole number".to_owned(),
        ValueType::Number => "number".to_owned(),
        ValueType::Boolean => "true or false".to_owned(),
        ValueType::Text => "text".to_owned(),
        ValueType::Bytes => "base64 text".to_owned(),
        ValueType::Message(message) => message.full_name().to_owned(),
        ValueType::Map(values) => format!("object of {}", self::value(values)),
        ValueType::Enum(names) => {
            let more = if names.len() > SHOWN_VALUES { ", …" } else { "" };
            let shown: Vec<&str> = names.iter().take(SHOWN_VALUES).map(String::as_str).collect();
            format!("one of {}{more}", shown.join(", "))
        }
    }
}

/// The same for programs.
pub(super) fn data(row: &Row) -> Value {
    let meaning = row.mesos;
    let input = samples::input(row.event).ok();
    let input: Option<Value> = input.and_then(|text| serde_json::from_str(&text).ok());
    let inputs = row
        .inputs
        .iter()
        .chain(row.added)
        .map(|key| json!({"name": key.name, "type": kind(key), "may_be_absent": key.optional}));
    let output = match row.output {
        Output::Ignored => Value::Null,
        Output::ByContainer(name) => json!({"by_container": name}),
        Output::Message(name) => json!({"message": name}),
        Output::List { field, .. } => json!({"list": field}),
    };
    json!({
        "event": row.prefix,
        "module": row.kind.label().to_lowercase(),
        "method": row.method,
        "when": row.moment,
        "called_by": row.called_by(),
        "timeout": keys::timeout_default(row.event),
        "timeout_counts_from_start": row.lane.counts_from_start(),
        "failure": keys::failure_default(row.event),
        "condition_fields": condition::fields_of(row.event)
            .map(|field| json!({"field": field.shown(), "meaning": field.meaning}))
            .collect::<Vec<_>>(),
        "skipped": row.skipped.label(),
        "in_original": row.in_original,
        "since_mesos": row.since,
        "inputs": inputs.collect::<Vec<_>>(),
        "output": output,
        "empty_output_is_an_error": row.empty == Empty::Error,
        "mesos": {
            "with_an_answer": (row.output != Output::Ignored).then_some(meaning.value),
            "with_none": meaning.nothing,
            "with_a_failure": meaning.failure,
        },
        "notes": rules::notes(row.event).collect::<Vec<_>>(),
        "sample_input": input,
        "sample_answer": samples::answer(row.event),
    })
}
