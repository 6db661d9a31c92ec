//! The way from the control socket to what takes parameters from the modules file anew.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

/// How long a client waits for a reload. It goes on after that.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Called once with what came of a reload, on whatever thread; it must not block.
pub(crate) type ReloadAnswer = Box<dyn FnOnce(Result<Value, String>) + Send>;

/// What reloads instances.
pub(crate) trait Reloader: Send + Sync {
    /// Begins to reload those with this `module_name`, or all. Must not block.
    fn reload(&self, module: Option<&str>, answer: ReloadAnswer);
}

static RELOADER: OnceLock<&'static dyn Reloader> = OnceLock::new();

/// Names what reloads the instances of this process; only the first call has an effect.
pub(crate) fn set_reloader(reloader: &'static dyn Reloader) {
    let _ = RELOADER.set(reloader);
}

/// What reloads instances, once there is one.
pub(super) fn reloader() -> Option<&'static dyn Reloader> {
    RELOADER.get().copied()
}
