//! The descriptors, compiled into tables that the transcoder walks.
//!
//! Everything that can be decided from the schema alone is decided here, once: the order of the
//! JSON keys, the text of keys and defaults, which fields are required, and where a required field
//! can be missing at all. Indexes into the tables are made by [`compile`] and never leave the
//! module `schema`, so indexing with them cannot fail.

use std::collections::HashMap;

use prost_reflect::{Cardinality as Label, DescriptorPool, FieldDescriptor, MessageDescriptor};

use super::{error::SchemaError, text};

/// Field numbers below this are looked up by index.
const DENSE: u32 = 128;
const NONE: u32 = u32::MAX;

/// The type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    /// Index of the enum.
    Enum(u32),
    /// Index of the message.
    Message(u32),
}

/// How often a field may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    Optional,
    Required,
    Repeated,
    /// Repeated map entries; the kind is the entry message with fields 1 (key) and 2 (value).
    Map,
}

impl Cardinality {
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Cardinality::Repeated | Cardinality::Map)
    }
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) cardinality: Cardinality,
    /// Without presence: a zero value counts as unset (proto3).
    pub(super) implicit: bool,
    /// Index of the oneof in the message.
    pub(super) oneof: Option<u32>,
    /// `"name":`.
    pub(super) key: Box<[u8]>,
    /// `"name":default`, when the field is written even if it is unset.
    pub(super) when_unset: Option<Box<[u8]>>,
}

impl Field {
    /// Whether it is no list and its value is on the wire as it is, as one varint.
    pub(super) const fn is_plain_varint(&self) -> bool {
        let varint = matches!(
            self.kind,
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_)
        );
        varint && !self.cardinality.is_list()
    }
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: Box<str>,
    /// Sorted bytewise by name; a field's index is its rank.
    pub(super) fields: Vec<Field>,
    /// Ranks of the required fields, in the order of declaration.
    pub(super) required: Vec<u32>,
    /// Ranks of the fields that are written even when unset.
    pub(super) defaults: Vec<u32>,
    /// Number and rank, sorted by number.
    pub(super) by_number: Vec<(u32, u32)>,
    pub(super) has_oneof: bool,
    /// Whether it is the entry of a map: field 1 is the key, field 2 the value.
    pub(super) is_map_entry: bool,
    /// Whether a required field can be missing in it or anywhere below.
    pub(super) can_lack: bool,
    dense: Box<[u32]>,
}

impl Message {
    pub(super) fn rank_of_number(&self, number: u32) -> Option<u32> {
        if number < DENSE {
            return self.dense.get(number as usize).copied().filter(|rank| *rank != NONE);
        }
        let at = self.by_number.binary_search_by_key(&number, |entry| entry.0).ok()?;
        Some(self.by_number[at].1)
    }

    pub(super) fn rank_of_name(&self, name: &[u8]) -> Option<u32> {
        let found = self.fields.binary_search_by(|field| field.name.as_bytes().cmp(name));
        found.ok().map(|rank| rank as u32)
    }

    pub(super) fn field(&self, rank: u32) -> &Field {
        &self.fields[rank as usize]
    }
}

#[derive(Debug)]
pub(super) struct Enum {
    /// In the order of declaration.
    pub(super) values: Vec<(Box<str>, i32)>,
    by_number: Vec<(i32, u32)>,
    by_name: Vec<u32>,
}

impl Enum {
    fn new(values: Vec<(Box<str>, i32)>) -> Enum {
        let mut by_number: Vec<_> = (0u32..).zip(&values).map(|(i, value)| (value.1, i)).collect();
        // Of two names for one number the first declared counts; the sort is stable.
        by_number.sort_by_key(|entry| entry.0);
        by_number.dedup_by_key(|entry| entry.0);
        let mut by_name: Vec<u32> = (0..values.len() as u32).collect();
        by_name.sort_by(|a, b| values[*a as usize].0.cmp(&values[*b as usize].0));
        Enum { values, by_number, by_name }
    }

    pub(super) fn name_of(&self, number: i32) -> Option<&str> {
        let at = self.by_number.binary_search_by_key(&number, |entry| entry.0).ok()?;
        Some(&self.values[self.by_number[at].1 as usize].0)
    }

    pub(super) fn number_of(&self, name: &[u8]) -> Option<i32> {
        let of = |index: &u32| &self.values[*index as usize];
        let found = self.by_name.binary_search_by(|index| of(index).0.as_bytes().cmp(name));
        found.ok().map(|at| of(&self.by_name[at]).1)
    }
}

/// All messages and enums of a schema.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) messages: Vec<Message>,
    pub(super) enums: Vec<Enum>,
    by_name: HashMap<Box<str>, u32>,
}

impl Tables {
    pub(super) fn find(&self, full_name: &str) -> Option<u32> {
        self.by_name.get(full_name).copied()
    }

    pub(super) fn message(&self, index: u32) -> &Message {
        &self.messages[index as usize]
    }

    pub(super) fn enumeration(&self, index: u32) -> &Enum {
        &self.enums[index as usize]
    }
}

/// Compiles every message of the pool.
pub(super) fn compile(pool: &DescriptorPool) -> Result<Tables, SchemaError> {
    let descriptors: Vec<MessageDescriptor> = pool.all_messages().collect();
    let by_name: HashMap<Box<str>, u32> =
        (0..).zip(&descriptors).map(|(i, message)| (message.full_name().into(), i)).collect();
    let mut enums = Vec::new();
    let mut enum_index = HashMap::new();
    for descriptor in pool.all_enums() {
        enum_index.insert(descriptor.full_name().to_owned(), enums.len() as u32);
        // In the order of declaration, which `values()` does not keep.
        let values = &descriptor.enum_descriptor_proto().value;
        let values = values.iter().map(|value| (value.name().into(), value.number())).collect();
        enums.push(Enum::new(values));
    }
    let indexes = Indexes { messages: &by_name, enums: &enum_index };
    let mut messages = Vec::with_capacity(descriptors.len());
    for descriptor in &descriptors {
        messages.push(message(descriptor, &indexes)?);
    }
    note_what_can_lack(&mut messages);
    Ok(Tables { messages, enums, by_name })
}

struct Indexes<'a> {
    messages: &'a HashMap<Box<str>, u32>,
    enums: &'a HashMap<String, u32>,
}

fn message(descriptor: &MessageDescriptor, indexes: &Indexes) -> Result<Message, SchemaError> {
    // Declaration order is the order of the descriptor's own list; `fields()` sorts by number.
    let declared = &descriptor.descriptor_proto().field;
    let oneofs: Vec<_> = descriptor.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
    let mut fields = Vec::with_capacity(declared.len());
    for descriptor in descriptor.fields() {
        let mut field = field(&descriptor, indexes)?;
        let own = oneofs.iter().position(|o| o.fields().any(|f| f.number() == descriptor.number()));
        field.oneof = own.map(|index| index as u32);
        fields.push(field);
    }
    fields.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let ranks = |keep: &dyn Fn(&Field) -> bool| -> Vec<u32> {
        (0..).zip(&fields).filter(|(_, field)| keep(field)).map(|(rank, _)| rank).collect()
    };
    let defaults = ranks(&|field| field.when_unset.is_some());
    let mut required = ranks(&|field| field.cardinality == Cardinality::Required);
    required.sort_by_key(|rank| {
        let name = &fields[*rank as usize].name;
        declared.iter().position(|field| field.name() == &**name)
    });
    let mut by_number: Vec<_> = (0u32..).zip(&fields).map(|(rank, f)| (f.number, rank)).collect();
    by_number.sort_unstable();
    let highest = by_number.iter().map(|entry| entry.0).filter(|n| *n < DENSE).max().unwrap_or(0);
    let mut dense = vec![NONE; highest as usize + 1];
    for (number, rank) in by_number.iter().filter(|entry| entry.0 < DENSE) {
        dense[*number as usize] = *rank;
    }
    Ok(Message {
        name: descriptor.full_name().into(),
        has_oneof: fields.iter().any(|field| field.oneof.is_some()),
        is_map_entry: descriptor.is_map_entry(),
        can_lack: !required.is_empty(),
        fields,
        required,
        defaults,
        by_number,
        dense: dense.into(),
    })
}

fn field(descriptor: &FieldDescriptor, indexes: &Indexes) -> Result<Field, SchemaError> {
    let cardinality = match descriptor.cardinality() {
        _ if descriptor.is_map() => Cardinality::Map,
        Label::Optional => Cardinality::Optional,
        Label::Required => Cardinality::Required,
        Label::Repeated => Cardinality::Repeated,
    };
    let proto = descriptor.field_descriptor_proto();
    let deprecated = proto.options.as_ref().is_some_and(|options| options.deprecated());
    let kind = kind(descriptor, indexes)?;
    let key = format!("\"{}\":", descriptor.name()).into_bytes();
    let when_unset = if proto.default_value.is_some() && !deprecated && !cardinality.is_list() {
        let mut text = key.clone();
        default_text(descriptor, &mut text)?;
        Some(text.into())
    } else {
        None
    };
    Ok(Field {
        name: descriptor.name().into(),
        number: descriptor.number(),
        kind,
        cardinality,
        implicit: !cardinality.is_list() && !descriptor.supports_presence(),
        oneof: None,
        key: key.into(),
        when_unset,
    })
}

fn kind(descriptor: &FieldDescriptor, indexes: &Indexes) -> Result<Kind, SchemaError> {
    use prost_reflect::Kind as K;
    let unsupported =
        |what| SchemaError::Unsupported { field: descriptor.full_name().to_owned(), what };
    Ok(match descriptor.kind() {
        K::Double => Kind::Double,
        K::Float => Kind::Float,
        K::Int32 => Kind::Int32,
        K::Int64 => Kind::Int64,
        K::Uint32 => Kind::Uint32,
        K::Uint64 => Kind::Uint64,
        K::Sint32 => Kind::Sint32,
        K::Sint64 => Kind::Sint64,
        K::Fixed32 => Kind::Fixed32,
        K::Fixed64 => Kind::Fixed64,
        K::Sfixed32 => Kind::Sfixed32,
        K::Sfixed64 => Kind::Sfixed64,
        K::Bool => Kind::Bool,
        K::String => Kind::String,
        K::Bytes => Kind::Bytes,
        K::Message(_) if descriptor.is_group() => return Err(unsupported("a group")),
        K::Message(message) => {
            let index = indexes.messages.get(message.full_name());
            Kind::Message(*index.ok_or_else(|| unsupported("a type outside the pool"))?)
        }
        K::Enum(of) => {
            let index = indexes.enums.get(of.full_name());
            Kind::Enum(*index.ok_or_else(|| unsupported("a type outside the pool"))?)
        }
    })
}

/// Appends the JSON text of a field's explicit default.
fn default_text(descriptor: &FieldDescriptor, out: &mut Vec<u8>) -> Result<(), SchemaError> {
    use prost_reflect::Value as V;
    match descriptor.default_value() {
        V::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        V::I32(value) => text::signed(value.into(), out),
        V::I64(value) => text::signed(value, out),
        V::U32(value) => text::unsigned(value.into(), out),
        V::U64(value) => text::unsigned(value, out),
        V::F32(value) => text::double(value.into(), out),
        V::F64(value) => text::double(value, out),
        V::String(value) => text::string(value.as_bytes(), out),
        V::Bytes(value) => text::base64(&value, out),
        V::EnumNumber(_) => {
            // The descriptor spells an enum's default as the value's name.
            text::string(descriptor.field_descriptor_proto().default_value().as_bytes(), out);
        }
        V::Message(_) | V::List(_) | V::Map(_) => {
            let field = descriptor.full_name().to_owned();
            return Err(SchemaError::Unsupported { field, what: "a default of this type" });
        }
    }
    Ok(())
}

/// Spreads `can_lack` from the messages with required fields to those that hold them.
fn note_what_can_lack(messages: &mut [Message]) {
    loop {
        let lacking: Vec<usize> = (0..messages.len())
            .filter(|index| !messages[*index].can_lack)
            .filter(|index| {
                messages[*index].fields.iter().any(|field| match field.kind {
                    Kind::Message(below) => messages[below as usize].can_lack,
                    _ => false,
                })
            })
            .collect();
        if lacking.is_empty() {
            return;
        }
        for index in lacking {
            messages[index].can_lack = true;
        }
    }
}
