//! A directory that belongs to this process, and says so while the process lives.
//!
//! It is named by pid and start time, and locked (flock): the name alone would not do where
//! processes of different pid namespaces share the file system.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::Mode;

use super::{Pid, above_stdio, process_stat};

/// How many names are tried.
const MOST_NAMES: u32 = 100;

/// A directory of this process, locked until it is dropped.
#[derive(Debug)]
pub(crate) struct OwnDirectory {
    pub(crate) path: PathBuf,
    pub(crate) lock: Flock<OwnedFd>,
    /// The host's umask takes away what the owner needs.
    pub(crate) umask_is_odd: bool,
}

impl OwnDirectory {
    /// Makes `<prefix><pid>.<start time>` in `parent`. A suffix is added where the name is taken:
    /// by a second copy of the library in this process, a process with the same number in another
    /// pid namespace, or whoever else may write to the parent.
    ///
    /// # Errors
    /// When the parent does not let us, or has all names.
    pub(crate) fn make(parent: &Path, prefix: &str, mode: u32) -> io::Result<OwnDirectory> {
        let pid = Pid::own();
        let start = process_stat(pid).map_or(0, |stat| stat.start);
        for attempt in 0..MOST_NAMES {
            let mut name = format!("{prefix}{pid}.{start}");
            if attempt > 0 {
                name.push_str(&format!(".{attempt}"));
            }
            let path = parent.join(name);
            match DirBuilder::new().mode(mode).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                result => result?,
            }
            let umask_is_odd = fs::symlink_metadata(&path)?.permissions().mode() & mode != mode;
            if umask_is_odd {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
            // Another process that starts at the same time may take it for a dead one's, and
            // remove it before it is locked.
            if let Ok(lock) = lock_directory(&path)
                && path.exists()
            {
                return Ok(OwnDirectory { path, lock, umask_is_odd });
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// Locks the directory of a process.
///
/// # Errors
/// While that process lives; when it is no directory.
pub(crate) fn lock_directory(path: &Path) -> io::Result<Flock<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let descriptor = above_stdio(nix::fcntl::open(path, flags, Mode::empty())?)?;
    Flock::lock(descriptor, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_is_locked() {
        let parent = tempfile::tempdir().unwrap();
        let first = OwnDirectory::make(parent.path(), "x.", 0o700).unwrap();
        let second = OwnDirectory::make(parent.path(), "x.", 0o700).unwrap();
        let (pid, start) = (Pid::own(), process_stat(Pid::own()).unwrap().start);
        assert_eq!(first.path, parent.path().join(format!("x.{pid}.{start}")));
        assert_eq!(second.path, parent.path().join(format!("x.{pid}.{start}.1")));
        assert!(lock_directory(&first.path).is_err());
        let path = first.path.clone();
        drop(first);
        assert!(lock_directory(&path).is_ok());
    }

    #[test]
    fn one_that_cannot_be_made_says_why() {
        let parent = tempfile::tempdir().unwrap();
        let error = OwnDirectory::make(&parent.path().join("no"), "", 0o700).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
