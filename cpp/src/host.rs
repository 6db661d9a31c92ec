//! What the library knows about its host: read once, at the first instance's creation.

use std::sync::Once;

use mesos_command::schema::{self, Schema};

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
    let count = files.len();
    match Schema::from_files(files) {
        Ok(schema) => {
            schema::install(schema);
            tracing::debug!("read {count} files of the host's schema");
        }
        // The messages that commands see have changed little over the releases: the library's own
        // description is the better answer than none.
        Err(error) => tracing::warn!(
            "the schema of this Mesos cannot be read ({error}); the library's own, of Mesos \
             1.11.0, is used"
        ),
    }
}
