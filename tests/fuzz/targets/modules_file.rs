//! The modules file of an agent or a master.
//!
//! Input: its text. Mesos converts it to `mesos.Modules` by the rules that the codec follows for
//! answers, so the codec, with that message's descriptor, is the oracle for the reader.

use std::sync::OnceLock;

use mesos_command::config::modules_file::{Module, ModulesFile, Text};
use mesos_command::schema::{MessageType, ReadError, Schema};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::grammar;

/// Reads the text as `check` and the tool do, and as Mesos converts it.
pub fn run(data: &[u8]) {
    let file = ModulesFile::parse(data);
    for (line, path) in (file.problems.iter().map(|it| (it.line, &it.path)))
        .chain(file.oddities.iter().map(|it| (it.line, &it.path)))
    {
        let lines = data.split(|byte| *byte == b'\n').count();
        assert!((1..=lines).contains(&(line as usize)), "line {line} of {lines}: {path}");
    }
    for problem in &file.problems {
        assert!(!problem.what.is_empty());
    }
    let converted = modules().0.read_json(data);
    let malformed = matches!(converted, Err(ReadError::Malformed { .. }));
    assert_eq!(!malformed, grammar::accepts(data), "{}", data.escape_ascii());
    match converted {
        Err(error) => assert!(!file.problems.is_empty(), "Mesos refuses it: {error}"),
        Ok(parsed) => {
            assert_eq!(file.problems, [], "Mesos takes it");
            // A string that is no UTF-8 is one for Mesos.
            if let Ok(message) = DynamicMessage::decode(modules().1.clone(), &*parsed.bytes) {
                assert_eq!(read(&file), expected(&message));
            }
        }
    }
    for module in file.libraries.iter().flat_map(|library| &library.modules) {
        let entry = module.entry();
        assert!(entry.is_none_or(|entry| entry.parameters.len() == module.parameters.len()));
    }
}

/// A library's file and name, and of its modules the name, keys and values.
type Libraries = Vec<(Vec<Option<String>>, Vec<Vec<Option<String>>>)>;

fn read(file: &ModulesFile) -> Libraries {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.text.clone());
    let module = |module: &Module| {
        let pairs = module.parameters.iter().flat_map(|pair| [&pair.key, &pair.value]);
        let pairs = pairs.map(|text| Some(text.text.clone()));
        [text(&module.name)].into_iter().chain(pairs).collect()
    };
    let libraries = file.libraries.iter();
    libraries
        .map(|library| {
            let names = vec![text(&library.file), text(&library.name)];
            (names, library.modules.iter().map(module).collect())
        })
        .collect()
}

fn expected(file: &DynamicMessage) -> Libraries {
    let module = |module: DynamicMessage| {
        let mut texts = vec![text(&module, "name")];
        for pair in messages(&module, "parameters") {
            texts.extend([text(&pair, "key"), text(&pair, "value")]);
        }
        texts
    };
    let libraries = messages(file, "libraries").into_iter();
    libraries
        .map(|library| {
            let names = vec![text(&library, "file"), text(&library, "name")];
            (names, messages(&library, "modules").into_iter().map(module).collect())
        })
        .collect()
}

fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    let set = message.has_field_by_name(field);
    let value = message.get_field_by_name(field).unwrap();
    set.then(|| value.as_str().unwrap().to_owned())
}

fn messages(message: &DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let value = message.get_field_by_name(field).unwrap();
    value.as_list().unwrap().iter().map(|each| each.as_message().unwrap().clone()).collect()
}

/// `mesos.Modules` (Mesos 1.11.0 `include/mesos/module/module.proto`), for the codec and for
/// prost-reflect.
fn modules() -> &'static (MessageType, MessageDescriptor) {
    static MODULES: OnceLock<(MessageType, MessageDescriptor)> = OnceLock::new();
    MODULES.get_or_init(|| {
        let file = descriptors();
        let schema = Schema::from_files(vec![file.encode_to_vec()]).unwrap();
        let set = FileDescriptorSet { file: vec![file] };
        let pool = DescriptorPool::from_file_descriptor_set(set).unwrap();
        let name = "mesos.Modules";
        (schema.message(name).unwrap(), pool.get_message_by_name(name).unwrap())
    })
}

fn descriptors() -> FileDescriptorProto {
    let string = |name: &str, number, label: Label| FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(Type::String.into()),
        ..Default::default()
    };
    let list = |name: &str, number, of: &str| FieldDescriptorProto {
        r#type: Some(Type::Message.into()),
        type_name: Some(format!(".mesos.{of}")),
        ..string(name, number, Label::Repeated)
    };
    let message = |name: &str, field| DescriptorProto {
        name: Some(name.into()),
        field,
        ..Default::default()
    };
    let optional = |name: &str, number| string(name, number, Label::Optional);
    let required = |name: &str, number| string(name, number, Label::Required);
    FileDescriptorProto {
        name: Some("module.proto".into()),
        package: Some("mesos".into()),
        message_type: vec![
            message("Modules", vec![list("libraries", 1, "Library")]),
            message(
                "Library",
                vec![optional("file", 1), optional("name", 2), list("modules", 3, "Module")],
            ),
            message("Module", vec![optional("name", 1), list("parameters", 2, "Parameter")]),
            message("Parameter", vec![required("key", 1), required("value", 2)]),
        ],
        ..Default::default()
    }
}
