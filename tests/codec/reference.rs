//! The rules of the conversion once more, over prost-reflect's generic messages: slow and plain,
//! and independent of the codec's own reading of the wire.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use mesos_command::schema::Schema;
use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value,
};
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use serde_json::{Map, Value as Json};

use super::sample;

/// The types of serialised `FileDescriptorProto` messages. As [`Schema::from_files`] does, it
/// leaves out imports that are not among them, services and extensions.
pub(crate) fn pool(files: &[Vec<u8>]) -> DescriptorPool {
    let decoded = files.iter().map(|file| FileDescriptorProto::decode(&**file).unwrap());
    let mut file: Vec<_> = decoded.collect();
    let names: BTreeSet<String> = file.iter().map(|file| file.name().to_owned()).collect();
    for file in &mut file {
        file.dependency.retain(|name| names.contains(name));
        file.public_dependency.clear();
        file.weak_dependency.clear();
        file.service.clear();
        file.extension.clear();
        file.message_type.iter_mut().for_each(|message| message.extension.clear());
    }
    DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file }).unwrap()
}

/// The types of the built-in table.
pub(crate) fn built_in() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| pool(&Schema::built_in_files()))
}

/// The sample schema's message, as prost-reflect has it.
pub(crate) fn descriptor(name: &str) -> MessageDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let set = FileDescriptorSet { file: sample::files() };
        DescriptorPool::from_file_descriptor_set(set).unwrap()
    });
    pool.get_message_by_name(name).unwrap()
}

/// What a message must look like in JSON.
pub(crate) fn json(message: &DynamicMessage) -> Json {
    let mut object = Map::new();
    for field in message.descriptor().fields() {
        let proto = field.field_descriptor_proto();
        let deprecated = proto.options.as_ref().is_some_and(|options| options.deprecated());
        let default = proto.default_value.is_some() && !deprecated;
        if message.has_field(&field) || (default && field.supports_presence()) {
            object
                .insert(field.name().to_owned(), value(&message.get_field(&field), &field.kind()));
        }
    }
    Json::Object(object)
}

fn value(of: &Value, kind: &Kind) -> Json {
    match of {
        Value::Bool(value) => (*value).into(),
        Value::I32(value) => (*value).into(),
        Value::I64(value) => (*value).into(),
        Value::U32(value) => (*value).into(),
        Value::U64(value) => (*value).into(),
        Value::F32(value) => double(f64::from(*value)),
        Value::F64(value) => double(*value),
        Value::String(value) => value.clone().into(),
        Value::Bytes(value) => base64(value).into(),
        Value::EnumNumber(number) => {
            let Kind::Enum(of) = kind else { panic!("an enum number without an enum") };
            of.get_value(*number).unwrap().name().into()
        }
        Value::Message(message) => json(message),
        Value::List(values) => values.iter().map(|each| value(each, kind)).collect(),
        Value::Map(entries) => {
            let Kind::Message(entry) = kind else { panic!("a map without its entry") };
            let kind = entry.map_entry_value_field().kind();
            let text = |key: &prost_reflect::MapKey| match key {
                prost_reflect::MapKey::Bool(key) => key.to_string(),
                prost_reflect::MapKey::I32(key) => key.to_string(),
                prost_reflect::MapKey::String(key) => key.clone(),
                other => panic!("the sample has no such key: {other:?}"),
            };
            entries.iter().map(|(key, each)| (text(key), value(each, &kind))).collect()
        }
    }
}

fn double(value: f64) -> Json {
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".into() } else { "-Infinity".into() };
    }
    value.into()
}

fn base64(bytes: &[u8]) -> String {
    let letters: Vec<char> =
        ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let mut text = String::new();
    for start in (0..bits.len()).step_by(6) {
        let six = format!("{:0<6}", &bits[start..bits.len().min(start + 6)]);
        text.push(letters[usize::from_str_radix(&six, 2).unwrap()]);
    }
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// How many required fields are missing in the tree.
pub(crate) fn count_missing(message: &DynamicMessage) -> usize {
    let mut count = 0;
    for field in message.descriptor().fields() {
        if !message.has_field(&field) {
            count += usize::from(field.cardinality() == Cardinality::Required);
            continue;
        }
        count += below(&message.get_field(&field));
    }
    count
}

fn below(value: &Value) -> usize {
    match value {
        Value::Message(message) => count_missing(message),
        Value::List(values) => values.iter().map(below).sum(),
        Value::Map(entries) => entries.values().map(below).sum(),
        _ => 0,
    }
}
