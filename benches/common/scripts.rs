//! Scripts as files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Writes a script that can be executed, and gives its path.
pub(crate) fn write_script(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("the script");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("its mode");
    path
}
