//! How two sets of descriptors differ, for telling a host's messages from those that are expected.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::{Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind};
use prost_types::FileDescriptorProto;

use crate::reference::pool;
use crate::sample;

/// Says in one line each how `other` differs from `base` in the messages that can be reached from
/// `roots` in either. Empty when there is no difference.
pub(crate) fn differences(
    base: &DescriptorPool,
    other: &DescriptorPool,
    roots: &[&str],
) -> Vec<String> {
    let todo = roots.iter().map(|root| (*root).to_owned()).collect();
    let mut walk = Walk { base, other, seen: BTreeSet::new(), todo, lines: BTreeSet::new() };
    while let Some(name) = walk.todo.pop() {
        if walk.seen.insert(name.clone()) {
            walk.message(&name);
        }
    }
    walk.lines.into_iter().collect()
}

struct Walk<'a> {
    base: &'a DescriptorPool,
    other: &'a DescriptorPool,
    seen: BTreeSet<String>,
    todo: Vec<String>,
    lines: BTreeSet<String>,
}

impl Walk<'_> {
    fn line(&mut self, line: String) {
        self.lines.insert(line);
    }

    fn message(&mut self, name: &str) {
        let find = |pool: &DescriptorPool| pool.get_message_by_name(name);
        let (base, other) = match (find(self.base), find(self.other)) {
            (Some(base), Some(other)) => (base, other),
            (Some(_), None) => return self.line(format!("{name}: message is missing")),
            (None, Some(_)) => return self.line(format!("{name}: message is new")),
            (None, None) => return self.line(format!("{name}: message is in neither")),
        };
        // Errors name missing fields in the order in which the message declares them.
        let required = |message: &prost_reflect::MessageDescriptor| {
            let declared = message.descriptor_proto().field.iter().map(|field| field.name());
            let fields = declared.filter_map(|name| message.get_field_by_name(name));
            let required = fields.filter(|field| field.cardinality() == Cardinality::Required);
            required.map(|field| field.name().to_owned()).collect::<Vec<_>>().join(", ")
        };
        let (before, after) = (required(&base), required(&other));
        if before != after {
            self.line(format!("{name}: required fields are {after} instead of {before}"));
        }
        let fields: Vec<FieldDescriptor> = base.fields().chain(other.fields()).collect();
        for field in &fields {
            let field = field.name();
            let of = |message: &prost_reflect::MessageDescriptor| {
                message.get_field_by_name(field).map(|field| describe(&field))
            };
            match (of(&base), of(&other)) {
                (Some(before), Some(after)) if before != after => {
                    self.line(format!("{name}.{field}: is {after} instead of {before}"));
                }
                (Some(before), None) => {
                    self.line(format!("{name}.{field}: is missing ({before})"));
                }
                (None, Some(after)) => self.line(format!("{name}.{field}: is new ({after})")),
                _ => {}
            }
        }
        fields.iter().for_each(|field| self.follow(field));
    }

    /// Goes on with the field's type. For a type that only one side has, the line of the field is
    /// enough.
    fn follow(&mut self, field: &FieldDescriptor) {
        match field.kind() {
            Kind::Message(of) => {
                let has =
                    |pool: &DescriptorPool| pool.get_message_by_name(of.full_name()).is_some();
                if has(self.base) && has(self.other) {
                    self.todo.push(of.full_name().to_owned());
                }
            }
            Kind::Enum(of) => {
                let name = of.full_name();
                let values = |pool: &DescriptorPool| pool.get_enum_by_name(name).map(values);
                let (Some(base), Some(other)) = (values(self.base), values(self.other)) else {
                    return;
                };
                for (value, number) in other.difference(&base) {
                    self.line(format!("{name}.{value}: is new or another number ({number})"));
                }
                for (value, number) in base.difference(&other) {
                    self.line(format!("{name}.{value}: is missing or was {number}"));
                }
            }
            _ => {}
        }
    }
}

fn values(of: EnumDescriptor) -> BTreeSet<(String, i32)> {
    of.values().map(|value| (value.name().to_owned(), value.number())).collect()
}

/// Everything about a field that the conversion depends on.
fn describe(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(of) => of.full_name().to_owned(),
        Kind::Enum(of) => of.full_name().to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    let cardinality = match field.cardinality() {
        _ if field.is_map() => "map",
        Cardinality::Optional => "optional",
        Cardinality::Required => "required",
        Cardinality::Repeated => "repeated",
    };
    let proto = field.field_descriptor_proto();
    let mut text = format!("{cardinality} {kind} = {}", field.number());
    if let Some(default) = &proto.default_value {
        text += &format!(" default {default}");
    }
    let is_list = field.cardinality() == Cardinality::Repeated;
    for (flag, word) in [
        (proto.options.as_ref().is_some_and(|options| options.deprecated()), " deprecated"),
        (field.is_packed(), " packed"),
        (!is_list && !field.supports_presence(), " implicit"),
        (field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic()), " in a oneof"),
    ] {
        if flag {
            text += word;
        }
    }
    text
}

#[test]
fn differences_are_told_by_field() {
    let encoded = |files: Vec<FileDescriptorProto>| {
        let files: Vec<_> = files.iter().map(|file| file.encode_to_vec()).collect();
        pool(&files)
    };
    let base = encoded(sample::files());
    assert_eq!(differences(&base, &encoded(sample::files()), &["t.All"]), [""; 0]);
    let mut files = sample::files();
    let all = &mut files[1].message_type[0];
    all.field.retain(|field| field.name() != "d");
    all.field.iter_mut().find(|field| field.name() == "i32").unwrap().number = Some(900);
    files[1].enum_type[0].value[1].number = Some(5);
    files[1].message_type[2].field[0].name = Some("f".into());
    assert_eq!(
        differences(&base, &encoded(files), &["t.All", "t.Nix"]),
        [
            "t.All.d: is missing (optional double = 1)",
            "t.All.i32: is optional int32 = 900 instead of optional int32 = 3",
            "t.E.B: is missing or was 2",
            "t.E.B: is new or another number (5)",
            "t.Need.e: is missing (required t.E = 1)",
            "t.Need.f: is new (required t.E = 1)",
            "t.Need: required fields are f instead of e",
            "t.Nix: message is in neither",
        ]
    );
}
