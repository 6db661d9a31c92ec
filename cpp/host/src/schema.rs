//! JSON from and to the bytes of the host's messages, by the host's own descriptors.
//!
//! The conversion is the engine's, which is Mesos's: results are printed as Mesos would see them.
//! What that conversion would lose silently (an unknown key, a number out of range) is an error
//! here, because in a scenario it is a slip of the pen.

use anyhow::{Context as _, anyhow, bail};
use mesos_command::schema;
use serde_json::Value;

/// The message types of a libmesos.
#[derive(Debug)]
pub(crate) struct Schema(schema::Schema);

impl Schema {
    /// From serialised `FileDescriptorProto`s.
    pub(crate) fn from_files(files: &[(String, Vec<u8>)]) -> anyhow::Result<Schema> {
        let files = files.iter().map(|(_, bytes)| bytes.clone()).collect();
        Ok(Schema(schema::Schema::from_files(files)?))
    }

    /// The serialised form of a message given as JSON.
    pub(crate) fn read(&self, kind: &str, json: &Value) -> anyhow::Result<Vec<u8>> {
        let text = json.to_string();
        let parsed = self
            .message(kind)?
            .read_json(text.as_bytes())
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| format!("not a {kind}: {text}"))?;
        if let Some(loss) = parsed.losses.first() {
            bail!("not a {kind}: {text}: {loss:?}");
        }
        Ok(parsed.bytes)
    }

    /// A serialised message as JSON.
    pub(crate) fn write(&self, kind: &str, bytes: &[u8]) -> anyhow::Result<Value> {
        let mut text = Vec::new();
        self.message(kind)?
            .write_json(bytes, &mut text)
            .with_context(|| format!("libmesos gave bytes that are no {kind}"))?;
        serde_json::from_slice(&text).with_context(|| format!("no JSON text of a {kind}"))
    }

    /// The last number in a serialised message's field; `None` when it is not set.
    pub(crate) fn number(
        &self,
        kind: &str,
        bytes: &[u8],
        field: &str,
    ) -> anyhow::Result<Option<u64>> {
        let values = self.message(kind)?.find_field(bytes, field)?;
        Ok(values.last().and_then(|value| value.bits()))
    }

    fn message(&self, kind: &str) -> anyhow::Result<schema::MessageType> {
        self.0.message(kind).with_context(|| format!("this libmesos has no message type {kind}"))
    }
}
