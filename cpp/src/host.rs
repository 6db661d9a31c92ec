//! What the library learns about its host: read once, at the first instance's creation.

use std::sync::Once;

use mesos_command::{metrics, schema};

static INSTALLED: Once = Once::new();

/// Tells the engine the host's release and schema. Only the first call has an effect.
///
/// `files` are the host's own descriptors, one serialised `FileDescriptorProto` each.
pub(crate) fn install(version: &str, files: Vec<Vec<u8>>) {
    INSTALLED.call_once(|| {
        tracing::info!("mesos-command-modules {} in Mesos {version}", env!("CARGO_PKG_VERSION"));
        metrics::set_build_info(version);
        install_schema(files);
    });
}

/// Without a usable schema of the host the built-in one stays: fields that only this host has are
/// then missing from inputs, and nothing else is lost.
fn install_schema(files: Vec<Vec<u8>>) {
    if files.is_empty() {
        tracing::warn!("this host has no protobuf descriptors; using those of Mesos 1.11.0");
        return;
    }
    match schema::Schema::from_files(files) {
        Ok(schema) => {
            if !schema.left_out().is_empty() {
                tracing::info!("fields that inputs do not show: {}", schema.left_out().join(", "));
            }
            schema::install(schema);
        }
        Err(error) => tracing::error!(
            "the host's protobuf descriptors cannot be used ({error}); using those of Mesos 1.11.0"
        ),
    }
}
