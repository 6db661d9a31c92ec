//! What the library knows about its host: read once, at the first instance's creation.

use std::sync::Once;

static INSTALLED: Once = Once::new();

/// Tells the engine the host's release and schema. Only the first call has an effect.
pub(crate) fn install(version: &str, files: Vec<Vec<u8>>) {
    INSTALLED.call_once(|| {
        mesos_command::metrics::set_build_info(version);
        install_schema(files);
    });
}

/// Hands the host's own descriptors, one serialised `FileDescriptorProto` each, to the engine.
fn install_schema(files: Vec<Vec<u8>>) {
    tracing::debug!("read {} files of the host's schema", files.len());
}
