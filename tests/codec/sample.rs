//! A small schema with every construct that descriptors can have, for what Mesos's own messages
//! do not use.

use std::sync::OnceLock;

use mesos_command::schema::{MessageType, Schema};
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FieldOptions, FileDescriptorProto, MessageOptions, OneofDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

pub(crate) const SCALARS: [(&str, Type); 15] = [
    ("d", Type::Double),
    ("f", Type::Float),
    ("i32", Type::Int32),
    ("i64", Type::Int64),
    ("u32", Type::Uint32),
    ("u64", Type::Uint64),
    ("s32", Type::Sint32),
    ("s64", Type::Sint64),
    ("x32", Type::Fixed32),
    ("x64", Type::Fixed64),
    ("sx32", Type::Sfixed32),
    ("sx64", Type::Sfixed64),
    ("b", Type::Bool),
    ("s", Type::String),
    ("by", Type::Bytes),
];

fn field(name: &str, number: i32, label: Label, of: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(of.into()),
        ..Default::default()
    }
}

fn typed(name: &str, number: i32, label: Label, of: Type, full: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(full.into()), ..field(name, number, label, of) }
}

fn map(all: &mut DescriptorProto, name: &str, number: i32, key: Type, value: FieldDescriptorProto) {
    let entry = format!("{}Entry", name.to_uppercase());
    let full = format!(".t.All.{entry}");
    all.field.push(typed(name, number, Label::Repeated, Type::Message, &full));
    all.nested_type.push(DescriptorProto {
        name: Some(entry),
        field: vec![field("key", 1, Label::Optional, key), value],
        options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
        ..Default::default()
    });
}

fn all() -> DescriptorProto {
    use Label::{Optional, Repeated};
    let mut all = DescriptorProto { name: Some("All".into()), ..Default::default() };
    for (number, (name, of)) in (1..).zip(SCALARS) {
        all.field.push(field(name, number, Optional, of));
        all.field.push(field(&format!("r_{name}"), number + 100, Repeated, of));
    }
    all.field.push(typed("e", 16, Optional, Type::Enum, ".t.E"));
    all.field.push(typed("r_e", 116, Repeated, Type::Enum, ".t.E"));
    all.field.push(typed("m", 17, Optional, Type::Message, ".t.Inner"));
    all.field.push(typed("r_m", 117, Repeated, Type::Message, ".t.Inner"));
    all.field.push(typed("rec", 18, Optional, Type::Message, ".t.All"));
    all.field.push(typed("need", 19, Optional, Type::Message, ".t.Need"));
    for mut packed in [
        field("p_i32", 200, Repeated, Type::Sint32),
        field("p_d", 201, Repeated, Type::Double),
        typed("p_e", 202, Repeated, Type::Enum, ".t.E"),
    ] {
        packed.options = Some(FieldOptions { packed: Some(true), ..Default::default() });
        all.field.push(packed);
    }
    let value = |of| field("value", 2, Optional, of);
    map(&mut all, "ms", 300, Type::String, value(Type::String));
    let inner = typed("value", 2, Optional, Type::Message, ".t.Inner");
    map(&mut all, "mi", 301, Type::Int32, inner);
    map(&mut all, "mb", 302, Type::Bool, typed("value", 2, Optional, Type::Enum, ".t.E"));
    all.oneof_decl = vec![OneofDescriptorProto { name: Some("o".into()), options: None }];
    for mut member in [
        field("oa", 400, Optional, Type::Int32),
        typed("ob", 401, Optional, Type::Message, ".t.Inner"),
        field("oc", 402, Optional, Type::String),
    ] {
        member.oneof_index = Some(0);
        all.field.push(member);
    }
    for (mut field, default) in [
        (field("z_d", 500, Optional, Type::Double), "1.5"),
        (field("z_s", 501, Optional, Type::String), "a\"b"),
        (typed("z_e", 502, Optional, Type::Enum, ".t.E"), "B"),
        (field("z_old", 503, Optional, Type::Int32), "7"),
        (field("z_inf", 504, Optional, Type::Double), "inf"),
    ] {
        field.default_value = Some(default.into());
        if field.name() == "z_old" {
            field.options = Some(FieldOptions { deprecated: Some(true), ..Default::default() });
        }
        all.field.push(field);
    }
    all
}

/// The descriptor files: the sample itself, and one that is proto3.
pub(crate) fn files() -> Vec<FileDescriptorProto> {
    let message = |name: &str, field| DescriptorProto {
        name: Some(name.into()),
        field,
        ..Default::default()
    };
    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        options: None,
    };
    let inner = vec![
        field("req", 1, Label::Required, Type::String),
        field("opt", 2, Label::Optional, Type::Int32),
    ];
    let need = vec![typed("e", 1, Label::Required, Type::Enum, ".t.E")];
    let enumeration = EnumDescriptorProto {
        name: Some("E".into()),
        value: vec![value("A", 1), value("B", 2), value("NEG", -3)],
        ..Default::default()
    };
    let sample = FileDescriptorProto {
        name: Some("sample.proto".into()),
        package: Some("t".into()),
        message_type: vec![all(), message("Inner", inner), message("Need", need)],
        enum_type: vec![enumeration],
        ..Default::default()
    };
    let bare = FileDescriptorProto {
        name: Some("bare.proto".into()),
        package: Some("t3".into()),
        dependency: vec!["sample.proto".into()],
        message_type: vec![message(
            "Bare",
            vec![
                field("n", 1, Label::Optional, Type::Int32),
                field("s", 2, Label::Optional, Type::String),
                typed("m", 3, Label::Optional, Type::Message, ".t.Inner"),
            ],
        )],
        syntax: Some("proto3".into()),
        ..Default::default()
    };
    // The importing file first: the order must not matter.
    vec![bare, sample]
}

pub(crate) fn schema() -> Schema {
    let files = files().iter().map(|file| file.encode_to_vec()).collect();
    Schema::from_files(files).unwrap()
}

pub(crate) fn message(name: &str) -> MessageType {
    static SAMPLE: OnceLock<Schema> = OnceLock::new();
    SAMPLE.get_or_init(schema).message(name).unwrap()
}
