//! An input object in JSON, as the values that Mesos would pass.

use anyhow::{Context, anyhow, bail};
use mesos_command::call::InputValue;
use mesos_command::event::{Event, InputKind};
use mesos_command::schema::{self, Schema};
use serde_json::{Map, Value};

/// Values of one event that own their bytes.
pub(crate) struct Values(Vec<Owned>);

enum Owned {
    Absent,
    Message(Vec<u8>),
    Messages(Vec<Vec<u8>>),
    Integer(i64),
    Text(String),
    TextMap(Vec<(String, String)>),
    ScalarMap(Vec<(String, f64)>),
}

impl Values {
    /// Takes what `event` needs out of `object`. `container_config` is left out of all events but
    /// prepare, as the agent does: the module adds it.
    pub(crate) fn new(event: Event, object: &Map<String, Value>) -> anyhow::Result<Values> {
        let schema = schema::current();
        let values = event.row().inputs.iter().map(|key| {
            let own = key.name == "container_config" && event != Event::Prepare;
            match object.get(key.name) {
                _ if own => Ok(Owned::Absent),
                Some(value) => convert(&schema, key.kind, value)
                    .with_context(|| format!("input '{}' of {}", key.name, event.label())),
                None if key.optional && key.name != "container_config" => Ok(Owned::Absent),
                None => bail!("{} needs the input '{}'", event.label(), key.name),
            }
        });
        values.collect::<anyhow::Result<_>>().map(Values)
    }

    /// The values as the engine takes them.
    pub(crate) fn borrow(&self) -> Vec<InputValue<'_>> {
        self.0.iter().map(Owned::borrow).collect()
    }
}

impl Owned {
    fn borrow(&self) -> InputValue<'_> {
        match self {
            Owned::Absent => InputValue::Absent,
            Owned::Message(bytes) => InputValue::Message(bytes),
            Owned::Messages(all) => InputValue::Messages(all.iter().map(Vec::as_slice).collect()),
            Owned::Integer(number) => InputValue::Integer(*number),
            Owned::Text(text) => InputValue::Text(text.as_bytes()),
            Owned::TextMap(entries) => InputValue::TextMap(
                entries.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect(),
            ),
            Owned::ScalarMap(entries) => InputValue::ScalarMap(
                entries.iter().map(|(key, value)| (key.as_bytes(), *value)).collect(),
            ),
        }
    }
}

/// The serialised message that `value` describes.
pub(crate) fn message(schema: &Schema, name: &str, value: &Value) -> anyhow::Result<Vec<u8>> {
    let kind = schema.message(name).ok_or_else(|| anyhow!("there is no message '{name}'"))?;
    Ok(kind.read_json(value.to_string().as_bytes())?.bytes)
}

fn convert(schema: &Schema, kind: InputKind, value: &Value) -> anyhow::Result<Owned> {
    let array = || value.as_array().ok_or_else(|| anyhow!("a list is needed"));
    let object = || value.as_object().ok_or_else(|| anyhow!("an object is needed"));
    Ok(match kind {
        InputKind::Message(name) => Owned::Message(message(schema, name, value)?),
        InputKind::Messages(name) => Owned::Messages(
            array()?.iter().map(|one| message(schema, name, one)).collect::<anyhow::Result<_>>()?,
        ),
        InputKind::Integer => {
            Owned::Integer(value.as_i64().ok_or_else(|| anyhow!("a whole number is needed"))?)
        }
        InputKind::Text => {
            Owned::Text(value.as_str().ok_or_else(|| anyhow!("a text is needed"))?.to_owned())
        }
        InputKind::TextMap => {
            let entry = |(key, value): (&String, &Value)| {
                let text = value.as_str().ok_or_else(|| anyhow!("'{key}' must be a text"))?;
                Ok((key.clone(), text.to_owned()))
            };
            Owned::TextMap(object()?.iter().map(entry).collect::<anyhow::Result<_>>()?)
        }
        InputKind::Containers => bail!("call isolator_usage: the module itself makes this list"),
        InputKind::ScalarMap => {
            let entry = |(key, value): (&String, &Value)| {
                let scalar = value.get("value").unwrap_or(value);
                let infinite = scalar.as_str() == Some("Infinity");
                let number = scalar.as_f64().or(infinite.then_some(f64::INFINITY));
                let number = number.ok_or_else(|| anyhow!("'{key}' must be a number"))?;
                Ok((key.clone(), number))
            };
            Owned::ScalarMap(object()?.iter().map(entry).collect::<anyhow::Result<_>>()?)
        }
    })
}
