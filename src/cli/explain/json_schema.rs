//! What a command gets and gives, as JSON Schema (draft 2020-12).

use std::collections::{BTreeMap, VecDeque};

use mesos_command::event::{InputKind, Output, Row};
use mesos_command::schema::{self, FieldType, MessageType, Schema, ValueType};
use serde_json::{Map, Value, json};

/// Which of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Side {
    /// The object in the input file.
    Input,
    /// What the output file may have.
    Output,
}

/// The schema; `None` for an output that is not read.
pub(super) fn of(row: &Row, side: Side) -> Option<Value> {
    let schema = schema::current();
    let mut messages =
        Messages { schema: &schema, waiting: VecDeque::new(), known: BTreeMap::new() };
    let mut whole = match side {
        Side::Input => messages.input(row),
        Side::Output => messages.output(row)?,
    };
    let defined = messages.definitions();
    let object = whole.as_object_mut()?;
    object.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    let what = if side == Side::Input { "input" } else { "output" };
    object.insert("title".into(), format!("{what} of {}", row.prefix).into());
    object.insert("$defs".into(), defined);
    Some(whole)
}

/// The messages that are referred to.
struct Messages<'a> {
    schema: &'a Schema,
    waiting: VecDeque<MessageType>,
    known: BTreeMap<String, Value>,
}

impl Messages<'_> {
    fn input(&mut self, row: &Row) -> Value {
        let mut properties = Map::new();
        for key in row.inputs.iter().chain(row.added) {
            let value = match key.kind {
                InputKind::Message(name) => self.named(name),
                InputKind::Messages(name) => list(self.named(name)),
                InputKind::Integer => json!({"type": "integer"}),
                InputKind::Text => json!({"type": "string"}),
                InputKind::TextMap => map(json!({"type": "string"})),
                InputKind::ScalarMap => map(self.named("mesos.Value.Scalar")),
                InputKind::Containers => {
                    let properties = json!({
                        "container_config": self.named("mesos.slave.ContainerConfig"),
                        "container_id": self.named("mesos.ContainerID"),
                    });
                    list(json!({"type": "object", "properties": properties}))
                }
            };
            properties.insert(key.name.to_owned(), value);
        }
        let required = row.inputs.iter().filter(|key| !key.optional).map(|key| key.name);
        let required: Vec<&str> = required.collect();
        json!({"type": "object", "properties": properties, "required": required})
    }

    fn output(&mut self, row: &Row) -> Option<Value> {
        Some(match row.output {
            Output::Ignored => return None,
            Output::Message(name) => self.whole(name, row.dropped)?,
            Output::ByContainer(name) => map(self.whole(name, row.dropped)?),
            Output::List { carrier, field } => {
                let carrier = self.schema.message(carrier)?;
                let field = carrier.fields().into_iter().find(|it| it.name == field)?;
                let value = self.field(&field);
                json!({"type": "object", "properties": { field.name: value }})
            }
        })
    }

    /// A message in full, with a field that need not be there.
    fn whole(&mut self, name: &str, dropped: Option<&str>) -> Option<Value> {
        let message = self.schema.message(name)?;
        let mut whole = self.message(&message);
        if let Some(Value::Array(required)) = whole.get_mut("required") {
            required.retain(|field| field.as_str() != dropped);
        }
        Some(whole)
    }

    fn named(&mut self, name: &str) -> Value {
        if let Some(message) = self.schema.message(name) {
            self.waiting.push_back(message);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    fn message(&mut self, message: &MessageType) -> Value {
        let fields = message.fields();
        let properties: Map<String, Value> =
            fields.iter().map(|field| (field.name.clone(), self.field(field))).collect();
        let required: Vec<&String> =
            fields.iter().filter(|field| field.is_required).map(|field| &field.name).collect();
        json!({"type": "object", "properties": properties, "required": required})
    }

    fn field(&mut self, field: &FieldType) -> Value {
        let value = self.value(&field.value);
        if field.is_list { list(value) } else { value }
    }

    fn value(&mut self, value: &ValueType) -> Value {
        match value {
            ValueType::Integer { least, most } => {
                json!({"type": "integer", "minimum": least, "maximum": most})
            }
            ValueType::Number => json!({"type": "number"}),
            ValueType::Boolean => json!({"type": "boolean"}),
            ValueType::Text => json!({"type": "string"}),
            ValueType::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            ValueType::Enum(names) => json!({"enum": names}),
            ValueType::Map(value) => map(self.value(value)),
            ValueType::Message(message) => {
                self.waiting.push_back(message.clone());
                json!({"$ref": format!("#/$defs/{}", message.full_name())})
            }
        }
    }

    /// All that is referred to, and what that refers to.
    fn definitions(mut self) -> Value {
        while let Some(message) = self.waiting.pop_front() {
            if !self.known.contains_key(message.full_name()) {
                let described = self.message(&message);
                self.known.insert(message.full_name().to_owned(), described);
            }
        }
        json!(self.known)
    }
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn map(values: Value) -> Value {
    json!({"type": "object", "additionalProperties": values})
}
