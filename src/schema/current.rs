//! The schema of this process: that of the host, once it has been read.

use std::sync::{Arc, OnceLock};

use super::Schema;

static INSTALLED: OnceLock<Arc<Schema>> = OnceLock::new();
static BUILT_IN: OnceLock<Arc<Schema>> = OnceLock::new();

/// Makes `schema` the schema of this process. The first one stays: false when there was one.
pub fn install(schema: Schema) -> bool {
    INSTALLED.set(Arc::new(schema)).is_ok()
}

/// The schema that was installed, or the built-in one while there is none.
pub fn current() -> Arc<Schema> {
    let schema =
        INSTALLED.get().unwrap_or_else(|| BUILT_IN.get_or_init(|| Arc::new(Schema::built_in())));
    Arc::clone(schema)
}
