//! What a message type looks like from outside: for documentation, JSON Schema and tests.

use std::sync::Arc;

use super::{
    MessageType,
    tables::{Cardinality, Field, Kind, Tables},
};

/// How often a field may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldLabel {
    /// At most once.
    Optional,
    /// Exactly once.
    Required,
    /// Any number of times: a JSON array.
    Repeated,
    /// A JSON object with any keys.
    Map,
}

/// What a field holds, in terms of JSON.
#[derive(Clone, Debug)]
pub enum FieldType {
    /// A number that may have a fraction.
    Number,
    /// An integer.
    Integer {
        /// Whether it may be negative.
        signed: bool,
        /// 32 or 64.
        bits: u32,
    },
    /// true or false.
    Bool,
    /// A string.
    Text,
    /// A string in base64.
    Base64,
    /// One of these names.
    Enum(Vec<String>),
    /// An object of this type.
    Message(MessageType),
}

/// One field of a message type.
#[derive(Clone, Debug)]
pub struct FieldInfo {
    /// The JSON key.
    pub name: String,
    /// The field number.
    pub number: u32,
    /// How often it may occur.
    pub label: FieldLabel,
    /// What it holds; of a map, what its values hold.
    pub of: FieldType,
    /// Of a map, what its keys are converted to.
    pub map_key: Option<FieldType>,
    /// The explicit default.
    pub default: Option<String>,
    /// Whether Mesos calls it deprecated.
    pub deprecated: bool,
}

/// The fields of a message, sorted by name.
pub(super) fn fields(tables: &Arc<Tables>, index: u32) -> Vec<FieldInfo> {
    tables.message(index).fields.iter().map(|field| info(tables, field)).collect()
}

fn info(tables: &Arc<Tables>, field: &Field) -> FieldInfo {
    let entry = match (field.cardinality, field.kind) {
        (Cardinality::Map, Kind::Message(entry)) => Some(tables.message(entry)),
        _ => None,
    };
    let part = |number| {
        let entry = entry?;
        Some(field_type(tables, entry.field(entry.rank_of_number(number)?)))
    };
    FieldInfo {
        name: field.name.to_string(),
        number: field.number,
        label: match field.cardinality {
            Cardinality::Optional => FieldLabel::Optional,
            Cardinality::Required => FieldLabel::Required,
            Cardinality::Repeated => FieldLabel::Repeated,
            Cardinality::Map => FieldLabel::Map,
        },
        of: part(2).unwrap_or_else(|| field_type(tables, field)),
        map_key: part(1),
        default: field.default.as_deref().map(str::to_owned),
        deprecated: field.deprecated,
    }
}

fn field_type(tables: &Arc<Tables>, field: &Field) -> FieldType {
    match field.kind {
        Kind::Double | Kind::Float => FieldType::Number,
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            FieldType::Integer { signed: true, bits: 32 }
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            FieldType::Integer { signed: true, bits: 64 }
        }
        Kind::Uint32 | Kind::Fixed32 => FieldType::Integer { signed: false, bits: 32 },
        Kind::Uint64 | Kind::Fixed64 => FieldType::Integer { signed: false, bits: 64 },
        Kind::Bool => FieldType::Bool,
        Kind::String => FieldType::Text,
        Kind::Bytes => FieldType::Base64,
        Kind::Enum(index) => {
            let values = &tables.enumeration(index).values;
            FieldType::Enum(values.iter().map(|value| value.0.to_string()).collect())
        }
        Kind::Message(index) => FieldType::Message(MessageType::new(Arc::clone(tables), index)),
    }
}
