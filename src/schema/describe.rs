//! What the fields of a message type are, for those who describe them.

use std::sync::Arc;

use super::message::MessageType;
use super::tables::{Cardinality, Field, Kind};

/// A field as its JSON has it.
#[derive(Clone, Debug)]
pub struct FieldType {
    /// The key.
    pub name: String,
    /// What it holds: of a list, each item.
    pub value: ValueType,
    /// Whether it is a list.
    pub is_list: bool,
    /// Whether a message without it is refused.
    pub is_required: bool,
}

/// The type of a value.
#[derive(Clone, Debug)]
pub enum ValueType {
    /// A whole number from `least` to `most`.
    Integer {
        /// The smallest.
        least: i64,
        /// The largest.
        most: u64,
    },
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A string.
    Text,
    /// Bytes, as base64.
    Bytes,
    /// One of these names.
    Enum(Vec<String>),
    /// An object of this type.
    Message(MessageType),
    /// An object with free keys, and values of this type.
    Map(Box<ValueType>),
}

impl MessageType {
    /// All fields, in the order of their names.
    pub fn fields(&self) -> Vec<FieldType> {
        self.table().fields.iter().map(|field| self.field_type(field)).collect()
    }

    fn field_type(&self, field: &Field) -> FieldType {
        let value = match (field.cardinality, field.kind) {
            (Cardinality::Map, Kind::Message(entry)) => {
                let entry = MessageType::new(Arc::clone(self.tables()), entry).fields();
                let value = entry.into_iter().find(|field| field.name == "value");
                ValueType::Map(Box::new(value.map_or(ValueType::Text, |field| field.value)))
            }
            (_, kind) => self.value_type(kind),
        };
        FieldType {
            name: field.name.to_string(),
            value,
            is_list: field.cardinality == Cardinality::Repeated,
            is_required: field.cardinality == Cardinality::Required,
        }
    }

    fn value_type(&self, kind: Kind) -> ValueType {
        match kind {
            Kind::Double | Kind::Float => ValueType::Number,
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                ValueType::Integer { least: i32::MIN.into(), most: i32::MAX as u64 }
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                ValueType::Integer { least: i64::MIN, most: i64::MAX as u64 }
            }
            Kind::Uint32 | Kind::Fixed32 => ValueType::Integer { least: 0, most: u32::MAX.into() },
            Kind::Uint64 | Kind::Fixed64 => ValueType::Integer { least: 0, most: u64::MAX },
            Kind::Bool => ValueType::Boolean,
            Kind::String => ValueType::Text,
            Kind::Bytes => ValueType::Bytes,
            Kind::Enum(index) => {
                let values = &self.tables().enumeration(index).values;
                ValueType::Enum(values.iter().map(|(name, _)| name.to_string()).collect())
            }
            Kind::Message(index) => {
                ValueType::Message(MessageType::new(Arc::clone(self.tables()), index))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Schema;
    use super::*;

    #[test]
    fn fields_are_described_as_their_json_has_them() {
        let schema = Schema::built_in();
        let fields = |name: &str| schema.message(name).expect("it is built in").fields();
        let labels = fields("mesos.Labels");
        assert_eq!((labels.len(), labels[0].name.as_str(), labels[0].is_list), (1, "labels", true));
        let ValueType::Message(label) = &labels[0].value else { panic!("a message") };
        assert_eq!(label.full_name(), "mesos.Label");
        let label: Vec<_> =
            label.fields().into_iter().map(|it| (it.name, it.is_required)).collect();
        assert_eq!(label, [("key".to_owned(), true), ("value".to_owned(), false)]);
        let reason = fields("mesos.slave.ContainerLimitation");
        let reason = reason.iter().find(|it| it.name == "reason").expect("a field");
        let ValueType::Enum(names) = &reason.value else { panic!("an enum") };
        assert!(names.iter().any(|name| name == "REASON_CONTAINER_LIMITATION_DISK"));
    }
}
