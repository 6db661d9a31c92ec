//! Who can change what runs as the agent's user: the owners and modes of a file and of every
//! directory on the way to it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Severity};

/// Owners who could run anything as the agent's user anyway: root, and the user who checks, who is
/// taken for the agent's.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == nix::unistd::geteuid().as_raw()
}

/// What others can change on the way to `file` and to what its links lead to. `strict` is
/// `strict_permissions`: then the agent refuses what is only unwise otherwise.
pub(super) fn file(file: &Path, strict: bool) -> Vec<Finding> {
    let mut steps: Vec<PathBuf> = Vec::new();
    let real = file.canonicalize().ok();
    // The directory in which the name itself stands, and then the file that it leads to.
    let named = file.parent().and_then(|parent| parent.canonicalize().ok());
    for path in named.iter().chain(&real) {
        steps.extend(path.ancestors().map(Path::to_path_buf));
    }
    steps.sort_unstable();
    steps.dedup();
    steps.iter().flat_map(|step| one(step, strict)).collect()
}

/// A directory in which the agent makes files.
pub(super) fn directory(path: &Path) -> Option<Finding> {
    let metadata = std::fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o7777;
    // Directories with the sticky bit are made for many users: names in it are chosen for that.
    if mode & 0o022 == 0 || mode & 0o1000 != 0 {
        return None;
    }
    let message = format!(
        "others can write to this directory (mode {mode:04o}) and replace what the agent keeps \
         in it"
    );
    let advice = format!("chmod go-w {}", path.display());
    Some(Finding::warning("writable-by-others", message).about(path, None).advice(advice))
}

fn one(path: &Path, strict: bool) -> Vec<Finding> {
    let Ok(metadata) = std::fs::metadata(path) else { return Vec::new() };
    let severity = if strict { Severity::Error } else { Severity::Warning };
    let mut found = Vec::new();
    let mode = metadata.mode() & 0o7777;
    let what = if metadata.is_dir() { "directory" } else { "file" };
    // In a directory with the sticky bit only the owner of a file can replace it.
    if mode & 0o022 != 0 && !(metadata.is_dir() && mode & 0o1000 != 0) {
        let message = format!(
            "others than its owner can write to this {what} (mode {mode:04o}), and so decide what \
             runs as the agent's user"
        );
        let advice = format!("chmod go-w {}", path.display());
        let finding = Finding::new(severity, "writable-by-others", message);
        found.push(finding.about(path, None).advice(advice));
    }
    if !is_trusted(metadata.uid()) {
        let message = format!(
            "this {what} belongs to user {}, who is neither root nor the agent's user and can \
             change what runs as that",
            metadata.uid()
        );
        let advice = format!("chown root: {}", path.display());
        let finding = Finding::new(severity, "owner", message);
        found.push(finding.about(path, None).advice(advice));
    }
    found
}
