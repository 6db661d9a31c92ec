//! JSON from and to the bytes of the host's messages, by the host's own descriptors.

use anyhow::Context as _;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, SerializeOptions};
use serde_json::Value;

/// The message types of a libmesos.
#[derive(Debug)]
pub(crate) struct Schema {
    pool: DescriptorPool,
}

impl Schema {
    /// From serialised `FileDescriptorProto`s.
    pub(crate) fn from_files(files: &[(String, Vec<u8>)]) -> anyhow::Result<Schema> {
        let file = files
            .iter()
            .map(|(_, bytes)| prost_types::FileDescriptorProto::decode(bytes.as_slice()))
            .collect::<Result<Vec<_>, _>>()?;
        let set = prost_types::FileDescriptorSet { file };
        Ok(Schema { pool: DescriptorPool::from_file_descriptor_set(set)? })
    }

    /// The serialised form of a message given as JSON.
    pub(crate) fn read(&self, kind: &str, json: &Value) -> anyhow::Result<Vec<u8>> {
        let descriptor = self.descriptor(kind)?;
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let message = DynamicMessage::deserialize_with_options(descriptor, json, &options)
            .with_context(|| format!("not a {kind}: {json}"))?;
        Ok(message.encode_to_vec())
    }

    /// A serialised message as JSON.
    pub(crate) fn write(&self, kind: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let message = DynamicMessage::decode(self.descriptor(kind)?, bytes)
            .with_context(|| format!("libmesos gave bytes that are no {kind}"))?;
        let options =
            SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
        Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
    }

    fn descriptor(&self, kind: &str) -> anyhow::Result<prost_reflect::MessageDescriptor> {
        self.pool
            .get_message_by_name(kind)
            .with_context(|| format!("this libmesos has no message type {kind}"))
    }
}
