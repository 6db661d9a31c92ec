//! The built-in table against the descriptors of a real host.

use std::{collections::BTreeSet, env, fs, path::Path};

use mesos_command::{
    event::{Event, InputKind, Output},
    schema::Schema,
};

use crate::differences::differences;
use crate::reference::{built_in, pool};

/// The messages that cross between the host and a command.
pub(crate) fn roots() -> Vec<&'static str> {
    let mut roots = BTreeSet::new();
    for row in Event::ALL.map(Event::row) {
        for key in row.inputs {
            match key.kind {
                InputKind::Message(name) | InputKind::Messages(name) => {
                    roots.insert(name);
                }
                InputKind::ScalarMap => {
                    roots.insert("mesos.Value.Scalar");
                }
                InputKind::Integer
                | InputKind::Text
                | InputKind::TextMap
                | InputKind::Containers => {}
            }
        }
        match row.output {
            Output::Message(name) | Output::ByContainer(name) => {
                roots.insert(name);
            }
            Output::List { carrier, field } => {
                let list = built_in().get_message_by_name(carrier).expect(carrier);
                assert!(list.get_field_by_name(field).is_some(), "{carrier}.{field}");
                roots.insert(carrier);
            }
            Output::Ignored => {}
        }
    }
    roots.into_iter().collect()
}

#[test]
fn every_message_of_an_event_is_built_in() {
    let schema = Schema::built_in();
    assert!(schema.left_out().is_empty(), "{:?}", schema.left_out());
    let roots = roots();
    assert!(roots.len() > 15, "{roots:?}");
    for root in roots {
        assert!(schema.message(root).is_some(), "{root}");
    }
}

#[test]
#[ignore = "needs the descriptors of a real libmesos: tests/mesos/descriptors.sh runs it"]
fn the_table_is_what_mesos_1_11_has() {
    let directory = env::var_os("MESOS_COMMAND_DESCRIPTORS").expect("a directory of descriptors");
    let files = files_below(Path::new(&directory));
    let host = pool(&files);
    assert_eq!(Schema::from_files(files).unwrap().left_out(), &[] as &[String]);
    let differences = differences(built_in(), &host, &roots());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What is in the files below a directory.
fn files_below(directory: &Path) -> Vec<Vec<u8>> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(
            |path| {
                if path.is_dir() { files_below(&path) } else { vec![fs::read(path).unwrap()] }
            },
        )
        .collect()
}
