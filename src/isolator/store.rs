//! Container contexts on disk: `<state_dir>/<module_name>/<container>`.
//!
//! Path and content (the JSON text of the container's `ContainerConfig`) are the original's, so
//! that its files are read after a swap and ours after a swap back. Other than the original we
//! replace files atomically and create them with mode 0600, since environment variables in them
//! may be secrets. Nothing is synced to disk: the directory is on a tmpfs by default, and after a
//! machine's restart its containers are gone as well.
//!
//! The directory may be shared, with other agents too; `directory` says how. Files that nobody
//! asked for go only when no other process has the directory, and only those that are certainly
//! contexts of this agent (`lost`, `owner`).

mod by_child;
mod directory;
mod lost;
mod owner;

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::container::{ContainerId, TEMPORARY_PREFIX};
use crate::reactor::FsHelpers;
use directory::{Directory, Share};
pub(super) use lost::Lost;
pub(crate) use owner::WorkDirectories;

/// A context larger than this is none of ours: it is not read.
const MAX_CONTEXT_BYTES: u64 = 16 * 1024 * 1024;

/// Names of temporary files that are tried before a write is given up.
const MOST_NAMES_TRIED: u32 = 16;

/// The context files of one module instance.
#[derive(Debug)]
pub struct Store {
    share: Share,
    /// Whether the directory is on something that can stop answering.
    may_hang: bool,
    helpers: FsHelpers,
}

impl Store {
    /// The store of the instance `module_name`; makes nothing yet. For the time of loading: it
    /// looks at the directory.
    pub fn new(state_dir: &Path, module_name: &str) -> Store {
        let place = state_dir.join(module_name);
        let may_hang = by_child::may_hang(&place);
        Store { share: Share::of(place), may_hang, helpers: FsHelpers::new(by_child::MOST) }
    }

    /// Whether nobody but children may touch the directory after loading, because it is not in
    /// memory.
    pub(super) fn may_hang(&self) -> bool {
        self.may_hang
    }

    /// Makes the directory if it may hang later, so that it can be held: nobody else must remove
    /// its contexts. That it cannot be made is told by the first write.
    pub(super) fn open(&self) {
        if self.may_hang {
            let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(self.place());
            if made.is_ok() {
                self.directory().hold();
            }
        }
    }

    fn directory(&self) -> &Directory {
        &self.share.directory
    }

    /// Whether another instance of this process keeps its contexts in the same directory.
    pub(super) fn is_shared(&self) -> bool {
        self.share.is_shared()
    }

    /// Where the contexts are kept.
    pub(super) fn place(&self) -> &Path {
        &self.directory().path
    }

    /// Where the context of `id` is kept.
    pub fn path(&self, id: &ContainerId) -> PathBuf {
        self.place().join(&*id.text)
    }

    /// The instance has the context of `id` from now on until [`remove`](Store::remove).
    pub(super) fn claim(&self, id: &ContainerId) {
        self.share.claim(&id.text);
    }

    /// Writes a context, replacing an older one in one step.
    ///
    /// # Errors
    /// When a directory or file cannot be written, or the ID is no file name.
    pub fn write(&self, id: &ContainerId, json: &[u8]) -> io::Result<()> {
        check(id)?;
        self.claim(id);
        let (temporary, mut file) = match self.temporary() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The original made its directories with the agent's umask; 0755 is what that
                // usually gives, and other tools may list them.
                fs::DirBuilder::new().recursive(true).mode(0o755).create(self.place())?;
                self.directory().hold();
                self.temporary()?
            }
            made => made?,
        };
        let written = file.write_all(json).and_then(|()| fs::rename(&temporary, self.path(id)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// A new file of a name of ours, for writing. What is there already, whoever planted it, is
    /// neither opened nor removed: the next number is taken.
    fn temporary(&self) -> io::Result<(PathBuf, fs::File)> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut attempts = 0;
        loop {
            let number = self.directory().written.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id());
            let path = self.place().join(name);
            match options.open(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    attempts += 1;
                    if attempts == MOST_NAMES_TRIED {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads a context; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file or unreasonably large.
    pub fn read(&self, id: &ContainerId) -> io::Result<Option<Vec<u8>>> {
        check(id)?;
        match read_regular(&self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Removes a context, unless another instance of this process still has it; that there is none
    /// is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, id: &ContainerId) -> io::Result<()> {
        check(id)?;
        if !self.share.release(&id.text) {
            return Ok(());
        }
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The content of a regular file that is no link, of at most [`MAX_CONTEXT_BYTES`]. Opened first
/// and looked at then, so that nothing can be put in its place between the two.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
    }
    let mut content = Vec::new();
    file.take(MAX_CONTEXT_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_CONTEXT_BYTES {
        let error = format!("it has {} bytes, more than any context", metadata.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    Ok(content)
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
    use crate::container::Wire;
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
        assert!(store.write(&id(&[".mcmd~1-1"]), b"{}").is_err(), "a name of ours");
    }

    #[test]
    fn what_is_planted_at_a_temporary_name_is_left_alone() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(root.path(), "m");
        fs::create_dir_all(root.path().join("m")).expect("made");
        let planted = |number| root.path().join(format!("m/.mcmd~{}-{number}", std::process::id()));
        std::os::unix::fs::symlink(root.path().join("stolen"), planted(0)).expect("linked");
        nix::unistd::mkfifo(&planted(1), nix::sys::stat::Mode::S_IRWXU).expect("made");
        fs::write(planted(2), "theirs").expect("written");
        fs::create_dir(planted(3)).expect("made");
        store.write(&id(&["x"]), b"{}").expect("written under the next number");
        assert_eq!(store.read(&id(&["x"])).expect("readable").as_deref(), Some(&b"{}"[..]));
        assert!(!root.path().join("stolen").exists(), "a planted link is not written through");
        assert_eq!(fs::read(planted(2)).expect("there"), b"theirs");
        // More than a write tries: it fails and says why, it does not hang.
        for number in 5..=5 + u64::from(MOST_NAMES_TRIED) {
            fs::write(planted(number), "theirs").expect("written");
        }
        let error = store.write(&id(&["y"]), b"{}").expect_err("no name is free");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn long_names_are_kept() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(root.path(), "m");
        for length in 249..=255 {
            let long = ContainerId { wire: Wire::new(), text: "n".repeat(length).into() };
            store.write(&long, b"{\"n\":1}").expect("written");
            let read = store.read(&long).expect("readable");
            assert_eq!(read.as_deref(), Some(&b"{\"n\":1}"[..]), "{length}");
            store.remove(&long).expect("removed");
        }
        let longer = ContainerId { wire: Wire::new(), text: "n".repeat(256).into() };
        assert!(store.write(&longer, b"{}").is_err(), "no file can have such a name");
    }

    #[test]
    fn a_fifo_in_the_place_of_a_context_does_not_hold_the_reader() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(root.path(), "m");
        fs::create_dir_all(root.path().join("m")).expect("made");
        let path = root.path().join("m/x");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        assert!(store.read(&id(&["x"])).is_err());
    }

    #[test]
    fn the_last_of_two_instances_removes_the_file() {
        let root = tempfile::tempdir().expect("tempdir");
        let (one, two) = (Store::new(root.path(), "m"), Store::new(root.path(), "m"));
        assert!(one.is_shared());
        let container = id(&["c"]);
        one.write(&container, b"{}").expect("written");
        two.write(&container, b"{}").expect("written");
        one.remove(&container).expect("released");
        assert!(two.read(&container).expect("readable").is_some());
        one.remove(&container).expect("released twice");
        assert!(two.read(&container).expect("readable").is_some());
        two.remove(&container).expect("removed");
        assert!(two.read(&container).expect("readable").is_none());
    }
}
