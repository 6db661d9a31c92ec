//! Descriptor files to a [`Schema`].

use std::{collections::HashSet, sync::Arc};

use prost::Message as _;
use prost_reflect::DescriptorPool;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::{
    builtin,
    error::SchemaError,
    message::MessageType,
    tables::{self, Tables},
};

/// The message types of a host. A cheap handle.
#[derive(Clone, Debug)]
pub struct Schema {
    tables: Arc<Tables>,
    left_out: Arc<[String]>,
}

impl Schema {
    /// Compiles serialised `google.protobuf.FileDescriptorProto` messages, in any order.
    ///
    /// An import that is not among them is dropped, and so are fields whose type is then unknown
    /// (see [`Schema::left_out`]): their values are skipped like those of unknown fields. Of two
    /// files with one name the first counts.
    ///
    /// # Errors
    ///
    /// A file that cannot be decoded, or descriptors that contradict one another.
    pub fn from_files(files: Vec<Vec<u8>>) -> Result<Schema, SchemaError> {
        let mut protos = Vec::with_capacity(files.len());
        for (index, file) in files.iter().enumerate() {
            let proto = FileDescriptorProto::decode(&**file)
                .map_err(|source| SchemaError::File { index, source })?;
            protos.push(proto);
        }
        Schema::from_protos(protos)
    }

    fn from_protos(mut files: Vec<FileDescriptorProto>) -> Result<Schema, SchemaError> {
        let mut names = HashSet::new();
        files.retain(|file| names.insert(file.name().to_owned()));
        let left_out = Closure::new(&files).close(&mut files, &names);
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_set(FileDescriptorSet { file: files })
            .map_err(SchemaError::Pool)?;
        Ok(Schema { tables: Arc::new(tables::compile(&pool)?), left_out: left_out.into() })
    }

    /// The project's own description of Mesos 1.11.0: every message that an event's input or
    /// output can hold.
    ///
    /// # Panics
    ///
    /// Never: the table is part of the library, and a test compiles it.
    pub fn built_in() -> Schema {
        builtin::files().and_then(Schema::from_protos).expect("the built-in table is tested")
    }

    /// The files of [`built_in`](Schema::built_in), each a serialised
    /// `google.protobuf.FileDescriptorProto` as [`from_files`](Schema::from_files) takes them: to
    /// compare the table with the descriptors of a host.
    ///
    /// # Panics
    ///
    /// Never, as [`built_in`](Schema::built_in).
    pub fn built_in_files() -> Vec<Vec<u8>> {
        let files = builtin::files().expect("the built-in table is tested");
        files.iter().map(|file| file.encode_to_vec()).collect()
    }

    /// The message type with this full name, for example `mesos.TaskInfo`.
    pub fn message(&self, full_name: &str) -> Option<MessageType> {
        let index = self.tables.find(full_name)?;
        Some(MessageType::new(Arc::clone(&self.tables), index))
    }

    /// Full names of the fields that were dropped because no file given has their type.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

/// Makes a set of files complete in itself by dropping what points outside.
struct Closure {
    types: HashSet<String>,
    left_out: Vec<String>,
}

impl Closure {
    fn new(files: &[FileDescriptorProto]) -> Closure {
        let mut types = HashSet::new();
        for file in files {
            let scope = match file.package() {
                "" => String::new(),
                package => format!(".{package}"),
            };
            types.extend(file.enum_type.iter().map(|e| format!("{scope}.{}", e.name())));
            for message in &file.message_type {
                collect(message, &scope, &mut types);
            }
        }
        Closure { types, left_out: Vec::new() }
    }

    fn close(mut self, files: &mut [FileDescriptorProto], names: &HashSet<String>) -> Vec<String> {
        for file in files {
            file.dependency.retain(|name| names.contains(name));
            // Both list indexes into the dependencies, which have just changed.
            file.public_dependency.clear();
            file.weak_dependency.clear();
            // Events carry neither; both could point outside.
            file.service.clear();
            file.extension.clear();
            let scope = file.package().to_owned();
            for message in &mut file.message_type {
                self.message(message, &scope);
            }
        }
        self.left_out
    }

    fn message(&mut self, message: &mut DescriptorProto, scope: &str) {
        let scope = format!("{scope}.{}", message.name());
        message.extension.clear();
        message.field.retain(|field| {
            // A name without a leading point is relative; the pool resolves those.
            let name = field.type_name();
            let keep = !name.starts_with('.') || self.types.contains(name);
            if !keep {
                let field = format!("{scope}.{}", field.name());
                self.left_out.push(field.trim_start_matches('.').to_owned());
            }
            keep
        });
        for nested in &mut message.nested_type {
            self.message(nested, &scope);
        }
    }
}

fn collect(message: &DescriptorProto, scope: &str, types: &mut HashSet<String>) {
    let scope = format!("{scope}.{}", message.name());
    types.extend(message.enum_type.iter().map(|e| format!("{scope}.{}", e.name())));
    for nested in &message.nested_type {
        collect(nested, &scope, types);
    }
    types.insert(scope);
}
