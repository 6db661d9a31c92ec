//! The project's own description of the messages of Mesos 1.11, in a table of its own form.
//!
//! `message` and `enum` lines name a type; the indented lines below are its fields or values:
//!
//! ```text
//! message mesos.Parameter
//!   1 key! string
//!   9 labels{string} mesos.Thing in some_oneof deprecated = default
//! enum mesos.Thing
//!   NAME 0
//! ```
//!
//! After a field's name `!` means required, `*` repeated and `{key type}` a map; then comes its
//! type. Types whose first letter is a capital are nested in the one that their name says.

use std::collections::BTreeMap;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FieldOptions, FileDescriptorProto, MessageOptions, OneofDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use super::error::SchemaError;

const TABLE: &str = include_str!("builtin/mesos-1.11.txt");

/// The descriptor files of the table: one for each package.
pub(super) fn files() -> Result<Vec<FileDescriptorProto>, SchemaError> {
    parse(TABLE)
}

enum Block {
    Message(DescriptorProto),
    Enum(EnumDescriptorProto),
}

fn parse(table: &str) -> Result<Vec<FileDescriptorProto>, SchemaError> {
    // Enums are known by their lines alone, so the lines are read twice.
    let enums: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("enum ")).collect();
    let mut blocks: BTreeMap<&str, Block> = BTreeMap::new();
    let mut name = "";
    for (number, line) in (1..).zip(table.lines()) {
        let fault = |what| SchemaError::Table { line: number, what };
        if let Some(message) = line.strip_prefix("message ") {
            name = message;
            let message = DescriptorProto { name: Some(last(name)), ..Default::default() };
            blocks.insert(name, Block::Message(message));
        } else if let Some(of) = line.strip_prefix("enum ") {
            name = of;
            let of = EnumDescriptorProto { name: Some(last(name)), ..Default::default() };
            blocks.insert(name, Block::Enum(of));
        } else {
            match blocks.get_mut(name) {
                Some(Block::Message(message)) => {
                    field(line, message, name, &enums).map_err(fault)?;
                }
                Some(Block::Enum(of)) => of.value.push(value(line).map_err(fault)?),
                None => return Err(fault("a line before the first type")),
            }
        }
    }
    nest(blocks)
}

/// Puts nested types into their messages and the others into one file for each package.
fn nest(mut blocks: BTreeMap<&str, Block>) -> Result<Vec<FileDescriptorProto>, SchemaError> {
    let mut files: BTreeMap<&str, FileDescriptorProto> = BTreeMap::new();
    // From the end of the alphabet, a nested type comes before the one that it belongs to.
    while let Some((name, block)) = blocks.pop_last() {
        let scope = name.rsplit_once('.').map_or("", |(scope, _)| scope);
        if let Some(Block::Message(outer)) = blocks.get_mut(scope) {
            match block {
                Block::Message(message) => outer.nested_type.push(message),
                Block::Enum(of) => outer.enum_type.push(of),
            }
            continue;
        }
        if last(scope).starts_with(|c: char| c.is_ascii_uppercase()) {
            return Err(SchemaError::Table {
                line: 0,
                what: "a nested type without its outer one",
            });
        }
        let file = files.entry(scope).or_insert_with(|| FileDescriptorProto {
            name: Some(format!("{scope}.builtin")),
            package: Some(scope.to_owned()),
            ..Default::default()
        });
        match block {
            Block::Message(message) => file.message_type.push(message),
            Block::Enum(of) => file.enum_type.push(of),
        }
    }
    import(&mut files);
    Ok(files.into_values().collect())
}

/// Lets `mesos.*` import what has no dependency, and `mesos.slave`, which has all, import them.
fn import(files: &mut BTreeMap<&str, FileDescriptorProto>) {
    let names: Vec<(String, String)> =
        files.values().map(|f| (f.package().to_owned(), f.name().to_owned())).collect();
    for file in files.values_mut() {
        let mut used: Vec<String> = Vec::new();
        for message in &file.message_type {
            uses(message, &mut used);
        }
        let package_of = |type_name: &str| {
            let path = type_name.trim_start_matches('.');
            let end = path.split('.').take_while(|part| !part.starts_with(char::is_uppercase));
            end.collect::<Vec<_>>().join(".")
        };
        for (package, name) in &names {
            let used = used.iter().any(|type_name| package_of(type_name) == *package);
            if used && package != file.package() {
                file.dependency.push(name.clone());
            }
        }
    }
}

fn uses(message: &DescriptorProto, used: &mut Vec<String>) {
    used.extend(message.field.iter().filter_map(|field| field.type_name.clone()));
    for nested in &message.nested_type {
        uses(nested, used);
    }
}

fn last(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}

fn value(line: &str) -> Result<EnumValueDescriptorProto, &'static str> {
    let (name, number) = line.trim().split_once(' ').ok_or("expected a name and a number")?;
    let number = number.parse().map_err(|_| "the number is none")?;
    Ok(EnumValueDescriptorProto { name: Some(name.into()), number: Some(number), options: None })
}

fn field(
    line: &str,
    message: &mut DescriptorProto,
    scope: &str,
    enums: &[&str],
) -> Result<(), &'static str> {
    let (line, default) = match line.split_once(" = ") {
        Some((line, default)) => (line, Some(default.to_owned())),
        None => (line, None),
    };
    let mut words = line.split_whitespace();
    let number: i32 =
        words.next().and_then(|word| word.parse().ok()).ok_or("expected a field number")?;
    let name = words.next().ok_or("expected a field name")?;
    let of = words.next().ok_or("expected a type")?;
    let mut options = FieldOptions::default();
    let mut oneof = None;
    while let Some(word) = words.next() {
        match word {
            "deprecated" => options.deprecated = Some(true),
            "packed" => options.packed = Some(true),
            "in" => oneof = Some(words.next().ok_or("expected the name of a oneof")?),
            _ => return Err("an unknown word"),
        }
    }
    let oneof_index = oneof.map(|name| oneof_index(message, name));
    let (name, key, label) = if let Some((name, key)) = name.split_once('{') {
        (name, Some(key.trim_end_matches('}')), Label::Repeated)
    } else if let Some(name) = name.strip_suffix('!') {
        (name, None, Label::Required)
    } else if let Some(name) = name.strip_suffix('*') {
        (name, None, Label::Repeated)
    } else {
        (name, None, Label::Optional)
    };
    let mut proto = plain(name, number, label, of, enums);
    if let Some(key) = key {
        let entry = format!("{}Entry", camel(name));
        proto = plain(name, number, label, &format!("{scope}.{entry}"), enums);
        message.nested_type.push(DescriptorProto {
            name: Some(entry),
            field: vec![
                plain("key", 1, Label::Optional, key, enums),
                plain("value", 2, Label::Optional, of, enums),
            ],
            options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
            ..Default::default()
        });
    }
    proto.default_value = default;
    proto.oneof_index = oneof_index;
    if options != FieldOptions::default() {
        proto.options = Some(options);
    }
    message.field.push(proto);
    Ok(())
}

fn oneof_index(message: &mut DescriptorProto, name: &str) -> i32 {
    let known = message.oneof_decl.iter().position(|oneof| oneof.name() == name);
    let index = known.unwrap_or_else(|| {
        message
            .oneof_decl
            .push(OneofDescriptorProto { name: Some(name.to_owned()), ..Default::default() });
        message.oneof_decl.len() - 1
    });
    index as i32
}

fn plain(name: &str, number: i32, label: Label, of: &str, enums: &[&str]) -> FieldDescriptorProto {
    let (kind, type_name) = match of {
        "double" => (Type::Double, None),
        "float" => (Type::Float, None),
        "int32" => (Type::Int32, None),
        "int64" => (Type::Int64, None),
        "uint32" => (Type::Uint32, None),
        "uint64" => (Type::Uint64, None),
        "bool" => (Type::Bool, None),
        "string" => (Type::String, None),
        "bytes" => (Type::Bytes, None),
        name if enums.contains(&name) => (Type::Enum, Some(format!(".{name}"))),
        name => (Type::Message, Some(format!(".{name}"))),
    };
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        type_name,
        ..Default::default()
    }
}

/// The name that protobuf gives a map's entry message, without `Entry`.
fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('_').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        let files = files().expect("the table parses");
        let packages: Vec<_> = files.iter().map(FileDescriptorProto::package).collect();
        assert!(packages.contains(&"mesos") && packages.contains(&"mesos.slave"), "{packages:?}");
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (table, line) in [
            ("  1 a string", 1),
            ("message a.B\n  x a string", 2),
            ("message a.B\n  1 a string\n  2 b", 3),
            ("message a.B\n  1 a string secret", 2),
            ("enum a.E\n  NAME", 2),
            ("enum a.E\n  NAME x", 2),
        ] {
            let error = parse(table).expect_err(table).to_string();
            assert!(error.contains(&format!("line {line} ")), "{error}");
        }
    }
}
