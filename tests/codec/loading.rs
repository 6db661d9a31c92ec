//! Descriptor files as a host may give them.

use mesos_command::schema::{Schema, SchemaError, current, install};
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
    assert!(bare.message_at("m").is_none());
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
