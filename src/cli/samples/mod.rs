//! An input and an answer for each event, to look at and to try commands with.

use anyhow::{Context, anyhow};
use mesos_command::event::{Event, InputKey, InputKind, Output};
use mesos_command::schema::{self, Schema};
use serde_json::{Map, Value, json};

use crate::input::message;

/// The container that the sample is about.
pub(crate) const CONTAINER: &str = "web-1";

/// All keys of all events. `call --input` takes it as it is.
pub(crate) fn all() -> Map<String, Value> {
    let text = include_str!("input.json");
    // A test reads it.
    serde_json::from_str(text).unwrap_or_default()
}

/// What the command of `event` finds in its input file: one line.
///
/// # Errors
/// When the host's messages have no such fields.
pub(crate) fn input(event: Event) -> anyhow::Result<String> {
    render(event, &all())
}

/// The input of `event` out of an object that has its keys, as the module writes it.
///
/// # Errors
/// When a key is missing or has a value that does not fit.
pub(crate) fn render(event: Event, object: &Map<String, Value>) -> anyhow::Result<String> {
    let schema = schema::current();
    let mut parts = Vec::new();
    for key in event.row().inputs {
        let context = || format!("input '{}' of {}", key.name, event.label());
        let text = match (key.kind, object.get(key.name)) {
            (InputKind::Containers, _) => containers(&schema, object).with_context(context)?,
            (_, Some(value)) => written(&schema, key, value).with_context(context)?,
            (_, None) if key.optional => continue,
            (_, None) => return Err(anyhow!("it is missing").context(context())),
        };
        parts.push(format!("\"{}\":{text}", key.name));
    }
    Ok(format!("{{{}}}", parts.join(",")))
}

/// A message as the host would write it.
fn as_host(schema: &Schema, name: &str, value: &Value) -> anyhow::Result<String> {
    let bytes = message(schema, name, value)?;
    let kind = schema.message(name).ok_or_else(|| anyhow!("there is no message '{name}'"))?;
    let mut text = Vec::new();
    kind.write_json(&bytes, &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn written(schema: &Schema, key: &InputKey, value: &Value) -> anyhow::Result<String> {
    match key.kind {
        InputKind::Message(name) => as_host(schema, name, value),
        InputKind::Messages(name) => {
            let items = value.as_array().ok_or_else(|| anyhow!("a list is needed"))?;
            let items: Result<Vec<_>, _> =
                items.iter().map(|it| as_host(schema, name, it)).collect();
            Ok(format!("[{}]", items?.join(",")))
        }
        InputKind::ScalarMap => {
            let entries = value.as_object().ok_or_else(|| anyhow!("an object is needed"))?;
            let scalar = |(name, value): (&String, &Value)| {
                let wrapped =
                    if value.is_object() { value.clone() } else { json!({"value": value}) };
                Ok(format!(
                    "{}:{}",
                    Value::from(name.as_str()),
                    as_host(schema, "mesos.Value.Scalar", &wrapped)?
                ))
            };
            let parts: anyhow::Result<Vec<String>> = entries.iter().map(scalar).collect();
            Ok(format!("{{{}}}", parts?.join(",")))
        }
        InputKind::Integer | InputKind::Text | InputKind::TextMap | InputKind::Containers => {
            Ok(value.to_string())
        }
    }
}

/// The list that the module makes for a batch.
fn containers(schema: &Schema, object: &Map<String, Value>) -> anyhow::Result<String> {
    let part = |key: &str, name: &str| {
        let value = object.get(key).ok_or_else(|| anyhow!("'{key}' is missing"))?;
        as_host(schema, name, value)
    };
    let config = part("container_config", "mesos.slave.ContainerConfig")?;
    let id = part("container_id", "mesos.ContainerID")?;
    Ok(format!("[{{\"container_config\":{config},\"container_id\":{id}}}]"))
}

/// An answer that makes sense for the sample; `None` where none is read.
pub(crate) fn answer(event: Event) -> Option<Value> {
    let row = event.row();
    // A test reads each.
    let answer: Value = serde_json::from_str(row.sample?).ok()?;
    Some(match row.output {
        Output::ByContainer(_) => json!({ CONTAINER: answer }),
        _ => answer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_an_input() {
        for event in Event::ALL {
            let text = input(event).unwrap_or_else(|error| panic!("{}: {error:#}", event.label()));
            let object: Map<String, Value> = serde_json::from_str(&text).expect("an object");
            for key in event.row().inputs {
                assert!(object.contains_key(key.name), "{}: {}", event.label(), key.name);
            }
            assert_eq!(object.len(), event.row().inputs.len(), "{}", event.label());
        }
    }

    #[test]
    fn every_event_whose_output_is_read_has_an_answer() {
        for event in Event::ALL {
            let is_read = event.row().output != Output::Ignored;
            assert_eq!(answer(event).is_some(), is_read, "{}", event.label());
        }
    }
}
