//! The file that a command's name stands for.

use std::ffi::OsStr;
use std::path::PathBuf;

use mesos_command::command::lookup;

/// As the module looks a name up.
pub(super) fn resolve(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.exists());
    }
    let path = std::env::var("PATH").ok();
    let files = lookup(name.as_ref(), path.as_deref().map(OsStr::new));
    files.into_iter().map(PathBuf::from).find(|path| path.is_file())
}
