//! Where the directories of calls are made, and the directories that dead agents left behind.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use nix::errno::Errno;
use nix::sys::statfs::{FsType, TMPFS_MAGIC, fstatfs, statfs};
use parking_lot::RwLock;
use tokio::runtime::Handle;

use crate::sys::{self, Pid, lock_directory};

use super::on_disk::OnDisk;
use super::reach::closed_to;
use super::root::{PREFIX, PRIVATE_MODE, Root, remove_tree};
use super::running::{self, Noted};

/// Where the directories of calls are made.
#[derive(Debug)]
pub(crate) struct Staging {
    parent: PathBuf,
    /// The children that work there, if it is not in memory.
    on_disk: Option<OnDisk>,
    root: RwLock<Arc<Root>>,
    next: AtomicU64,
}

impl Staging {
    /// Opens the process's directory below `parent`, or below the first usable of `/run`,
    /// `/dev/shm` (if they are tmpfs) and the temporary directory. Removes what dead agents left.
    pub(crate) fn open(parent: Option<&Path>) -> io::Result<Staging> {
        let candidates = match parent {
            Some(path) => vec![path.to_owned()],
            None => automatic_parents(),
        };
        let mut failure = io::Error::from(Errno::ENOENT);
        for parent in candidates {
            match Root::create(&parent, PRIVATE_MODE) {
                Ok(root) => {
                    sweep(&parent);
                    let root = RwLock::new(Arc::new(root));
                    let next = AtomicU64::new(0);
                    return Ok(Staging { parent, on_disk: None, root, next });
                }
                Err(error) => {
                    let text = format!("no private directory in {}: {error}", parent.display());
                    failure = io::Error::new(error.kind(), text);
                }
            }
        }
        Err(failure)
    }

    /// Leaves it to children to go there, if it is not in memory.
    pub(crate) fn with_children(self, handle: &Handle) -> Staging {
        let found = fstatfs(self.root.read().as_fd());
        let in_memory = found.is_ok_and(|found| is_memory(found.filesystem_type()));
        let on_disk = (!in_memory).then(|| OnDisk::new(handle.clone()));
        Staging { on_disk, ..self }
    }

    pub(super) fn on_disk(&self) -> Option<&OnDisk> {
        self.on_disk.as_ref()
    }

    /// The directory, and a name in it that was never used before.
    pub(super) fn reserve(&self) -> (Arc<Root>, String) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (self.root.read().clone(), number.to_string())
    }

    /// Notes a command whose leader has started and was not waited for, so that the next start
    /// ends it should this process die. `None` where the directory is not in memory, and when there
    /// is no room.
    pub(crate) fn note(&self, leader: Pid) -> Option<Noted> {
        if self.on_disk.is_some() {
            return None;
        }
        let root = self.root.read().clone();
        root.running()?.note(leader)
    }

    /// Removes the process's directory: an orderly end leaves nothing for the next start. It is
    /// made anew if it is needed once more.
    pub(crate) fn remove(&self) {
        let root = self.root.read();
        match &self.on_disk {
            None => remove_tree(root.path()),
            Some(on_disk) => on_disk.remove_behind(root.path()),
        }
    }

    /// Makes the process's directory anew after `lost` was removed.
    pub(super) fn restore(&self, lost: &Arc<Root>) -> io::Result<()> {
        let mut current = self.root.write();
        if Arc::ptr_eq(&current, lost) {
            tracing::warn!(path = %lost.path().display(), "the directory for calls was removed; making it anew");
            *current = Arc::new(Root::create(&self.parent, lost.mode())?);
        }
        Ok(())
    }

    /// Lets commands of `user` get to the directories of their calls.
    ///
    /// # Errors
    /// When there is a directory on the way that it may not enter, which is named.
    pub(crate) fn open_to(&self, user: &sys::User) -> io::Result<()> {
        let root = self.root.read().clone();
        root.open()?;
        match closed_to(root.path(), user)? {
            None => Ok(()),
            Some(closed) => Err(io::Error::new(io::ErrorKind::PermissionDenied, closed)),
        }
    }
}

/// Whether a file system has nothing below it that could stop answering.
pub(crate) fn is_memory(kind: FsType) -> bool {
    /// `RAMFS_MAGIC` of linux/magic.h.
    const RAMFS_MAGIC: u32 = 0x8584_58f6;
    kind == TMPFS_MAGIC || kind == FsType(RAMFS_MAGIC.into())
}

/// Where a private directory is made when `temp_dir` is not set: `/run` and `/dev/shm` if they are
/// in memory, then the temporary directory.
pub fn automatic_parents() -> Vec<PathBuf> {
    let memory = ["/run", "/dev/shm"].into_iter().map(PathBuf::from);
    let is_tmpfs =
        |path: &PathBuf| statfs(path.as_path()).is_ok_and(|f| f.filesystem_type() == TMPFS_MAGIC);
    memory.filter(is_tmpfs).chain([std::env::temp_dir()]).collect()
}

/// Removes the directories in `parent` whose processes are gone. Best effort: what cannot be
/// removed is left for the next start.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some((pid, start)) = name.to_str().and_then(parse_name) else { continue };
        let ours = entry
            .metadata()
            .is_ok_and(|m| m.is_dir() && m.uid() == nix::unistd::geteuid().as_raw());
        let alive = sys::stat_since(pid, start).is_some();
        if !ours || alive {
            continue;
        }
        // Held while removing, so that two agents that start together do not disturb each other;
        // not to be had while the owner lives in another pid namespace.
        if let Ok(_lock) = lock_directory(&entry.path()) {
            let ended = running::end(&entry.path());
            if ended > 0 {
                tracing::info!("ended {ended} commands that a dead agent left running");
            }
            // Of one that ended in order nothing is there. Empty, it is no news either.
            if fs::remove_dir(entry.path()).is_err() {
                tracing::info!(path = %entry.path().display(), "removing what a dead agent left behind");
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Pid and start time in the name of a process's directory.
fn parse_name(name: &str) -> Option<(Pid, u64)> {
    let mut parts = name.strip_prefix(PREFIX)?.split('.');
    let parsed = (Pid::parse(parts.next()?)?, parts.next()?.parse().ok()?);
    let suffix = parts.next();
    (suffix.is_none_or(|s| s.parse::<u32>().is_ok()) && parts.next().is_none()).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::staging::{Input, IoMode};
    use crate::staging::{ReservedFds, RunFiles};

    #[test]
    fn names_tell_pid_and_start() {
        assert_eq!(parse_name("mesos-command.12.345"), Some((Pid::parse("12").unwrap(), 345)));
        assert_eq!(parse_name("mesos-command.12.345.2"), Some((Pid::parse("12").unwrap(), 345)));
        for other in ["mesos-command.12", "mesos-command.x.1", "mesos-command.1.2.x", "other.1.2"] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }

    #[test]
    fn directories_of_dead_agents_are_swept_and_others_are_left() {
        let parent = tempfile::tempdir().unwrap();
        let own = Pid::own();
        let start = sys::process_stat(own).unwrap().start;
        let make = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("left"), "x").unwrap();
            path
        };
        let dead = make("mesos-command.999999999.1");
        let reused = make(&format!("mesos-command.{own}.{}", start + 1));
        let locked = make("mesos-command.999999998.1");
        let stranger = make("something-else");
        let _lock = lock_directory(&locked).unwrap();
        let staging = Staging::open(Some(parent.path())).unwrap();
        assert!(!dead.exists() && !reused.exists());
        assert!(locked.exists() && stranger.exists());
        assert!(staging.root.read().path().ends_with(format!("mesos-command.{own}.{start}")));
    }

    #[test]
    fn an_orderly_end_leaves_nothing_and_may_be_too_early() {
        let parent = tempfile::tempdir().unwrap();
        let staging = Arc::new(Staging::open(Some(parent.path())).unwrap());
        let count = || fs::read_dir(parent.path()).unwrap().count();
        fs::create_dir_all(staging.root.read().path().join("7/left")).unwrap();
        for _ in 0..2 {
            staging.remove();
            assert_eq!(count(), 0);
        }
        let (input, reserved) = (Input::Text(b"x".as_slice().into()), ReservedFds::default());
        let io = RunFiles::create(&staging, &reserved, &input, IoMode::Files, None).unwrap();
        assert_eq!(count(), 1, "a late call has its files");
        drop(io);
        staging.remove();
        assert_eq!(count(), 0);
    }

    #[test]
    fn others_can_go_through_it_only_when_it_is_opened_to_them_and_then_always() {
        let parent = tempfile::tempdir().unwrap();
        let staging = Staging::open(Some(parent.path())).unwrap();
        let root = || staging.root.read().clone();
        let mode = || fs::metadata(root().path()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o700);
        let root_user = sys::User { name: "root".into(), uid: 0, gid: 0, groups: [0].into() };
        staging.open_to(&root_user).unwrap();
        assert_eq!(mode(), 0o711);
        fs::remove_dir_all(root().path()).unwrap();
        staging.restore(&root()).unwrap();
        assert_eq!(mode(), 0o711, "made anew");
    }

    #[test]
    fn a_second_instance_in_the_process_gets_its_own_directory() {
        let parent = tempfile::tempdir().unwrap();
        let first = Staging::open(Some(parent.path())).unwrap();
        let second = Staging::open(Some(parent.path())).unwrap();
        assert_ne!(first.root.read().path(), second.root.read().path());
        assert!(first.root.read().path().exists(), "the second did not sweep the first");
    }
}
