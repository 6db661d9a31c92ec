//! Descriptor files as a host may give them.

use mesos_command::schema::{
    FieldLabel, FieldType, Schema, SchemaError, current, differences, install,
};
use prost::Message as _;

use crate::{json_of, sample, wire};

#[test]
fn a_missing_import_costs_only_the_fields_that_need_it() {
    let mut files = sample::files();
    files.retain(|file| file.name() == "bare.proto");
    let encoded: Vec<_> = files.iter().map(|file| file.encode_to_vec()).collect();
    let schema = Schema::from_files(encoded).unwrap();
    assert_eq!(schema.left_out(), ["t3.Bare.m"]);
    let bare = schema.message("t3.Bare").unwrap();
    assert!(!bare.knows_field("m"));
    let bytes = [wire::varint(1, 4), wire::bytes(3, b"\x0a\x01x")].concat();
    assert_eq!(json_of(&bare, &bytes), r#"{"n":4}"#);
    assert!(schema.message("t.All").is_none());
}

#[test]
fn equal_files_count_once_and_contradictions_are_refused() {
    let mut files: Vec<_> = sample::files().iter().map(|file| file.encode_to_vec()).collect();
    files.extend(files.clone());
    assert!(Schema::from_files(files).is_ok());
    let error = Schema::from_files(vec![b"\xff".to_vec()]).unwrap_err();
    assert!(matches!(error, SchemaError::File { index: 0, .. }), "{error}");
    let mut twice = sample::files();
    twice[0].package = Some("t".into());
    twice[0].message_type[0].name = Some("All".into());
    let encoded = twice.iter().map(|file| file.encode_to_vec()).collect();
    assert!(matches!(Schema::from_files(encoded), Err(SchemaError::Pool(_))));
    assert!(Schema::from_files(vec![]).unwrap().message("t.All").is_none());
}

#[test]
fn differences_are_told_by_field() {
    let base = sample::schema();
    assert_eq!(differences(&base, &sample::schema(), &["t.All"]), [""; 0]);
    let mut files = sample::files();
    let all = &mut files[1].message_type[0];
    all.field.retain(|field| field.name() != "d");
    all.field.iter_mut().find(|field| field.name() == "i32").unwrap().number = Some(900);
    files[1].enum_type[0].value[1].number = Some(5);
    files[1].message_type[2].field[0].name = Some("f".into());
    let other = Schema::from_files(files.iter().map(|f| f.encode_to_vec()).collect()).unwrap();
    assert_eq!(
        differences(&base, &other, &["t.All", "t.Nix"]),
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

#[test]
fn fields_describe_themselves() {
    let fields = sample::message("t.All").fields();
    let of = |name: &str| fields.iter().find(|field| field.name == name).unwrap();
    assert!(fields.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!((of("z_d").number, of("z_d").default.as_deref()), (500, Some("1.5")));
    assert!(of("z_old").deprecated && !of("z_d").deprecated);
    assert_eq!(of("mi").label, FieldLabel::Map);
    assert!(matches!(of("mi").map_key, Some(FieldType::Integer { signed: true, bits: 32 })));
    assert!(matches!(&of("mi").of, FieldType::Message(inner) if inner.full_name() == "t.Inner"));
    assert!(matches!(&of("e").of, FieldType::Enum(names) if *names == ["A", "B", "NEG"]));
}

/// The only test that touches the schema of the process.
#[test]
fn the_first_installed_schema_stays() {
    assert!(current().message("mesos.TaskInfo").is_some());
    assert!(install(sample::schema()));
    assert!(current().message("t.All").is_some());
    assert!(current().message("mesos.TaskInfo").is_none());
    assert!(!install(Schema::built_in()));
    assert!(current().message("t.All").is_some());
}
