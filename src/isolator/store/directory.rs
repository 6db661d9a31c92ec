//! A directory of contexts, shared by all who have a right to it.
//!
//! The original let several agents on one machine, and several instances in one agent, keep their
//! contexts in one directory, without harm. So here: each instance writes, reads and removes
//! the files of its own containers without a lock. What takes more is removing files that nobody
//! asked for: each instance holds a shared lock on the directory for its life, and only who gets
//! the exclusive one, and so is alone, may do that. An agent that is still dying counts.
//!
//! Instances of one process that have the same directory share this value: a file of a container
//! that two of them know goes when the last one has cleaned up.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use nix::fcntl::{Flock, FlockArg};
use parking_lot::Mutex;

/// Those of this process, so that instances that name the same one find each other.
static DIRECTORIES: Mutex<BTreeMap<PathBuf, Weak<Directory>>> = Mutex::new(BTreeMap::new());

/// An instance among those that share a directory, as a bit. There are 32 symbols for isolators.
type Holder = u64;

#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    lock: Mutex<Option<Flock<File>>>,
    holders: Mutex<Holders>,
    /// Temporary files that were made.
    pub(super) written: AtomicU64,
}

/// Who shares a directory, and who has the context of which container.
#[derive(Debug, Default)]
struct Holders {
    all: Holder,
    of: HashMap<Arc<str>, Holder>,
}

/// One instance's share in a directory.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) directory: Arc<Directory>,
    holder: Holder,
}

impl Share {
    /// A share in the directory `path`. It need not exist; nothing is made.
    pub(super) fn of(path: PathBuf) -> Share {
        let mut directories = DIRECTORIES.lock();
        directories.retain(|_, directory| directory.strong_count() > 0);
        let directory = directories.get(&path).and_then(Weak::upgrade).unwrap_or_else(|| {
            let directory = Arc::new(Directory::new(path.clone()));
            directories.insert(path, Arc::downgrade(&directory));
            directory
        });
        drop(directories);
        directory.hold();
        let mut holders = directory.holders.lock();
        // More than 64 would share the last bit, and so each other's files.
        let free = holders.all.trailing_ones().min(Holder::BITS - 1);
        let holder = 1 << free;
        holders.all |= holder;
        drop(holders);
        Share { directory, holder }
    }

    /// Whether another instance of this process has the same directory.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.directory) > 1
    }

    /// This instance has the context of `container`.
    pub(super) fn claim(&self, container: &Arc<str>) {
        *self.directory.holders.lock().of.entry(container.clone()).or_default() |= self.holder;
    }

    /// This instance has done with `container`; whether nobody else here has its context.
    pub(super) fn release(&self, container: &str) -> bool {
        let mut holders = self.directory.holders.lock();
        let Some(left) = holders.of.get_mut(container) else { return true };
        *left &= !self.holder;
        if *left != 0 {
            return false;
        }
        holders.of.remove(container);
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut holders = self.directory.holders.lock();
        holders.all &= !self.holder;
        holders.of.retain(|_, left| {
            *left &= !self.holder;
            *left != 0
        });
    }
}

impl Directory {
    fn new(path: PathBuf) -> Directory {
        Directory {
            path,
            lock: Mutex::default(),
            holders: Mutex::default(),
            written: AtomicU64::new(0),
        }
    }

    /// Whether an instance of this process has the context of `container`.
    pub(super) fn is_held(&self, container: &str) -> bool {
        self.holders.lock().of.contains_key(container)
    }

    /// Takes the shared lock, unless it is held already. That it cannot be had (no directory yet,
    /// a file system without locks) is no error: this process will then never think it is alone.
    pub(super) fn hold(&self) {
        let mut lock = self.lock.lock();
        if lock.as_ref().is_some_and(|file| is_at(file, &self.path)) {
            return;
        }
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_NONBLOCK);
        let opened = options.open(&self.path);
        *lock = opened
            .ok()
            .and_then(|directory| Flock::lock(directory, FlockArg::LockSharedNonblock).ok());
    }

    /// Runs `action` if no other process has this directory, and as long as none has.
    pub(super) fn if_alone<T>(&self, action: impl FnOnce() -> T) -> Option<T> {
        self.hold();
        let lock = self.lock.lock();
        let file = lock.as_ref()?;
        // A conversion that is refused loses the lock that was there, so it is taken anew.
        let alone = file.relock(FlockArg::LockExclusiveNonblock).is_ok();
        let result = alone.then(action);
        let kept = file.relock(FlockArg::LockSharedNonblock);
        drop(lock);
        if kept.is_err() {
            // Another process looks whether it is alone at this very moment.
            self.lock.lock().take();
            self.hold();
        }
        result
    }
}

/// Whether `file` is what `path` leads to now.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As another process would: by a descriptor of its own.
    fn another(path: &Path) -> Flock<File> {
        Flock::lock(File::open(path).expect("there"), FlockArg::LockSharedNonblock).expect("shared")
    }

    #[test]
    fn nobody_is_alone_while_another_process_has_the_directory() {
        let root = tempfile::tempdir().expect("tempdir");
        let share = Share::of(root.path().to_path_buf());
        let directory = &share.directory;
        assert_eq!(directory.if_alone(|| 1), Some(1));
        let other = another(root.path());
        assert_eq!(directory.if_alone(|| 2), None);
        drop(other);
        assert_eq!(directory.if_alone(|| 3), Some(3));
        // The exclusive lock is not kept, and the shared one is held again after each attempt.
        let other = another(root.path());
        assert!(other.relock(FlockArg::LockExclusiveNonblock).is_err());
        drop((share, other));
        another(root.path()).relock(FlockArg::LockExclusiveNonblock).expect("given back");
    }

    #[test]
    fn a_directory_that_is_made_later_or_anew_is_held_then() {
        let root = tempfile::tempdir().expect("tempdir");
        let path = root.path().join("later");
        let share = Share::of(path.clone());
        assert_eq!(share.directory.if_alone(|| ()), None, "there is nothing yet");
        for _ in 0..2 {
            std::fs::create_dir(&path).expect("made");
            share.directory.hold();
            let other = another(&path);
            assert!(other.relock(FlockArg::LockExclusiveNonblock).is_err(), "it is held");
            std::fs::remove_dir(&path).expect("removed");
        }
    }

    #[test]
    fn a_container_is_held_until_its_last_instance_releases_it() {
        let root = tempfile::tempdir().expect("tempdir");
        let one = Share::of(root.path().to_path_buf());
        assert!(!one.is_shared());
        let two = Share::of(root.path().to_path_buf());
        assert!(one.is_shared() && two.is_shared());
        let container: Arc<str> = "c".into();
        for share in [&one, &two, &one] {
            share.claim(&container);
        }
        assert!(!one.release("c") && one.directory.is_held("c"));
        assert!(!one.release("c"), "only its own claim");
        assert!(two.release("c") && !two.directory.is_held("c"));
        assert!(two.release("c"), "nobody has it");
        one.claim(&container);
        drop(one);
        assert!(!two.directory.is_held("c") && !two.is_shared());
    }
}
