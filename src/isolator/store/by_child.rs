//! The same by children, for directories that are not in memory.
//!
//! A directory on a disk or on a network may stop answering while the agent runs. A thread that
//! looks at it then hangs, and while a thread of the agent hangs there the agent cannot even be
//! killed. So children write and remove there (`process::FsHelpers`), are waited for up to
//! [`PATIENCE`] and left behind if they hang. As long as one of them does, nothing more is tried:
//! the directory is dead, and the container's command does not wait for it.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::statfs;

use crate::container::{ContainerId, TEMPORARY_PREFIX};
use crate::staging::is_memory;
use crate::sys::FsHelper;

use super::{Lost, MOST_NAMES_TRIED, Store, check};

/// How long a write or a removal is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Writes and removals of an instance at a time, those that hang included.
pub(super) const MOST: usize = 16;

/// Whether the nearest existing directory above `path` is on something that can stop answering.
/// For the time of loading: it looks.
pub(super) fn may_hang(path: &Path) -> bool {
    let found = path.ancestors().find_map(|directory| statfs(directory).ok());
    found.is_none_or(|found| !is_memory(found.filesystem_type()))
}

impl Store {
    /// As [`write`](Store::write), for a directory that [may hang](Store::may_hang). On the
    /// runtime.
    ///
    /// # Errors
    /// As there, and when the file system does not answer.
    pub(in crate::isolator) async fn write_by_child(
        &self,
        id: &ContainerId,
        json: Arc<[u8]>,
    ) -> io::Result<()> {
        check(id)?;
        self.claim(id);
        let to = c_path(&self.path(id))?;
        let mut made = false;
        for _ in 0..MOST_NAMES_TRIED {
            let number = self.directory().written.fetch_add(1, Ordering::Relaxed);
            let name = format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id());
            let temporary = c_path(&self.place().join(name))?;
            let mut helper = FsHelper::default();
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
            let file = helper.open(&temporary, flags | OFlag::O_NONBLOCK, 0o600);
            helper.write(file, json.clone());
            helper.close(file);
            helper.rename(&temporary, &to);
            helper.remove(&temporary);
            helper.undo_of(file);
            // One child does it all: a second one that cannot be created would leave the file.
            let helper = self.run(helper).await?;
            match helper.result(file) {
                Err(Errno::EEXIST) => continue,
                Err(Errno::ENOENT) if !made => {
                    self.make_directories().await?;
                    made = true;
                    continue;
                }
                _ => {}
            }
            return helper.failure().map_or(Ok(()), |errno| Err(errno.into()));
        }
        Err(Errno::EEXIST.into())
    }

    /// As [`remove`](Store::remove), for a directory that may hang. On the runtime.
    ///
    /// # Errors
    /// As there, and when the file system does not answer.
    pub(in crate::isolator) async fn remove_by_child(&self, id: &ContainerId) -> io::Result<()> {
        check(id)?;
        if !self.share.release(&id.text) {
            return Ok(());
        }
        let mut helper = FsHelper::default();
        let removed = helper.remove(&c_path(&self.path(id))?);
        match self.run(helper).await?.result(removed) {
            Ok(_) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// As [`discard`](Store::discard), for a directory that may hang. On the runtime.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub(in crate::isolator) async fn discard_by_child(&self, lost: &[Lost]) -> io::Result<()> {
        let mut helper = FsHelper::default();
        for context in lost.iter().filter(|context| !self.directory().is_held(&context.name)) {
            helper.remove(&c_path(&self.place().join(&context.name))?);
        }
        self.run(helper).await.map(drop)
    }

    /// Whether the directory answers. On the runtime.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub(in crate::isolator) async fn look_by_child(&self, patience: Duration) -> io::Result<()> {
        let mut helper = FsHelper::default();
        let path = c_path(self.place())?;
        // Both what is known of it and what is in it: an entry is asked for, too.
        helper.look(&path, true);
        helper.open(&path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK, 0);
        helper.tried();
        let entry = c_path(&self.place().join(".mcmd~"))?;
        helper.look(&entry, false);
        self.helpers.run(helper, patience).await.map(drop).map_err(io::Error::other)
    }

    async fn make_directories(&self) -> io::Result<()> {
        let mut helper = FsHelper::default();
        let mut all: Vec<&Path> = self.place().ancestors().collect();
        all.reverse();
        for directory in all.into_iter().filter(|path| path.parent().is_some()) {
            // Those that are there refuse, and the next attempt reports what cannot be made.
            helper.make_directory(&c_path(directory)?, 0o755);
            helper.tried();
        }
        self.run(helper).await.map(drop)
    }

    async fn run(&self, helper: FsHelper) -> io::Result<FsHelper> {
        if self.helpers.hangs() {
            return Err(io::Error::other("its file system does not answer"));
        }
        self.helpers.run(helper, PATIENCE).await.map_err(io::Error::other)
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests::wire;
    use crate::run::Runner;
    use std::os::unix::fs::PermissionsExt;

    fn id(name: &str) -> ContainerId {
        ContainerId::from_wire(&wire(&[name])).expect("an ID")
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        Runner::global().expect("a runner").handle().block_on(future)
    }

    #[test]
    fn a_child_leaves_what_a_write_leaves() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(&root.path().join("a/b"), "m");
        // The directory goes after the start.
        let _ = std::fs::remove_dir_all(root.path().join("a"));
        let write = |text: &[u8]| wait(store.write_by_child(&id("c"), text.into()));
        write(b"{}").expect("written");
        write(b"{\"a\":1}").expect("replaced");
        let path = root.path().join("a/b/m/c");
        assert_eq!(std::fs::read(&path).expect("there"), b"{\"a\":1}");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let listed = || std::fs::read_dir(root.path().join("a/b/m")).expect("there").count();
        assert_eq!(listed(), 1, "no temporary file");
        assert_eq!(store.read(&id("c")).expect("readable").as_deref(), Some(&b"{\"a\":1}"[..]));
        wait(store.remove_by_child(&id("c"))).expect("removed");
        wait(store.remove_by_child(&id("c"))).expect("removing nothing is no error");
        assert_eq!(listed(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_said_and_leaves_nothing() {
        let root = tempfile::tempdir().expect("tempdir");
        let store = Store::new(root.path(), "m");
        let write = |id: &ContainerId| wait(store.write_by_child(id, b"{}".as_slice().into()));
        assert!(write(&id("../escape")).is_err());
        std::fs::create_dir_all(root.path().join("m/directory")).expect("made");
        let error = write(&id("directory")).expect_err("a directory is in the way");
        assert_eq!(error.raw_os_error(), Some(libc::EISDIR));
        for number in 0..3 {
            let next = store.directory().written.load(Ordering::Relaxed) + number;
            let name = format!("m/.mcmd~{}-{next}", std::process::id());
            std::fs::write(root.path().join(name), "theirs").expect("planted");
        }
        write(&id("c")).expect("written under the next number");
        let names = std::fs::read_dir(root.path().join("m")).expect("there").count();
        assert_eq!(names, 5, "the directory, what was planted and the context");
    }

    #[test]
    fn memory_does_not_hang_and_everything_else_may() {
        assert!(may_hang(Path::new("/proc/1")));
        let memory = Path::new("/dev/shm");
        if statfs(memory).is_ok_and(|found| is_memory(found.filesystem_type())) {
            assert!(!may_hang(&memory.join("not/there/yet")));
        }
    }
}
