//! Container contexts on disk: `<state_dir>/<module_name>/<container>`.
//!
//! Path and content (the JSON text of the container's `ContainerConfig`) are the original's, so
//! that its files are read after a swap and ours after a swap back. Other than the original we
//! replace files atomically and create them with mode 0600, since environment variables in them
//! may be secrets. Nothing is synced to disk: the directory is on a tmpfs by default, and after a
//! machine's restart its containers are gone as well.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::container::{ContainerId, TEMPORARY_SUFFIX};

/// A context larger than this is none of ours: it is not read.
const MAX_CONTEXT_BYTES: u64 = 16 * 1024 * 1024;

/// The context files of one module instance.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The store of the instance `module_name`; touches nothing yet.
    pub fn new(state_dir: &Path, module_name: &str) -> Store {
        Store { directory: state_dir.join(module_name) }
    }

    /// Where the context of `id` is kept.
    pub fn path(&self, id: &ContainerId) -> PathBuf {
        self.directory.join(&*id.text)
    }

    /// Writes a context, replacing an older one in one step.
    ///
    /// # Errors
    /// When a directory or file cannot be written, or the ID is no file name.
    pub fn write(&self, id: &ContainerId, json: &[u8]) -> io::Result<()> {
        check(id)?;
        let temporary = self.directory.join(format!("{}{TEMPORARY_SUFFIX}", id.text));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = match options.open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The original made its directories with the agent's umask; 0755 is what that
                // usually gives, and other tools may list them.
                fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.directory)?;
                options.open(&temporary)?
            }
            opened => opened?,
        };
        let written = file.write_all(json).and_then(|()| fs::rename(&temporary, self.path(id)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Reads a context; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file or unreasonably large.
    pub fn read(&self, id: &ContainerId) -> io::Result<Option<Vec<u8>>> {
        check(id)?;
        let path = self.path(id);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(metadata) if !metadata.is_file() => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"))
            }
            Ok(metadata) if metadata.len() > MAX_CONTEXT_BYTES => {
                let error = format!("it has {} bytes, more than any context", metadata.len());
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
            Ok(_) => fs::read(&path).map(Some),
        }
    }

    /// Removes a context; that there is none is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, id: &ContainerId) -> io::Result<()> {
        check(id)?;
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes the context files whose container `is_known` does not know, and half-written ones;
    /// returns their names. Files changed after `before` are left: another agent on the machine
    /// may use the same directory.
    pub fn collect(&self, before: SystemTime, is_known: impl Fn(&str) -> bool) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let mut removed = Vec::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            let old = metadata.modified().is_ok_and(|modified| modified < before);
            if metadata.is_file()
                && old
                && !is_known(&name)
                && fs::remove_file(entry.path()).is_ok()
            {
                removed.push(name);
            }
        }
        removed.sort_unstable();
        removed
    }
}

fn check(id: &ContainerId) -> io::Result<()> {
    if id.is_file_name() {
        return Ok(());
    }
    let error = format!("the container's ID '{}' is no file name", id.text);
    Err(io::Error::new(io::ErrorKind::InvalidInput, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests::wire;
    use std::os::unix::fs::PermissionsExt;

    fn id(names: &[&str]) -> ContainerId {
        ContainerId::from_wire(&wire(names)).expect("an ID")
    }

    #[test]
    fn contexts_are_written_read_and_removed_where_the_original_kept_them() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(root.path(), "accounting");
        let child = id(&["parent", "child"]);
        assert_eq!(store.read(&child).expect("readable"), None);
        store.write(&child, b"{}").expect("written");
        store.write(&child, b"{\"a\":1}").expect("replaced");
        let path = root.path().join("accounting/parent.child");
        assert_eq!(fs::read(&path).expect("there"), b"{\"a\":1}");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(store.read(&child).expect("readable").as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(fs::read_dir(root.path().join("accounting")).expect("listed").count(), 1);
        store.remove(&child).expect("removed");
        store.remove(&child).expect("removing nothing is no error");
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_context_is_an_error_and_not_followed() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(root.path(), "m");
        fs::create_dir_all(root.path().join("m/directory")).expect("made");
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("m/link")).expect("linked");
        assert!(store.read(&id(&["directory"])).is_err());
        assert!(store.read(&id(&["link"])).is_err());
        assert!(store.write(&id(&["../escape"]), b"{}").is_err());
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("m/x.mcmd~")).expect("linked");
        assert!(store.write(&id(&["x"]), b"{}").is_err(), "a planted link is not written through");
    }

    #[test]
    fn files_of_unknown_containers_are_collected() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(root.path(), "m");
        for name in ["known", "lost", "half"] {
            store.write(&id(&[name]), b"{}").expect("written");
        }
        let now = SystemTime::now() + std::time::Duration::from_secs(1);
        let earlier = SystemTime::UNIX_EPOCH;
        assert_eq!(store.collect(earlier, |_| false), Vec::<String>::new());
        assert_eq!(store.collect(now, |name| name == "known"), ["half", "lost"]);
        assert!(store.read(&id(&["known"])).expect("readable").is_some());
    }
}
