//! The per-process directory, and what is done in it.
//!
//! `mesos-command.<pid>.<start time>` is made 0700 on a tmpfs and locked while its process lives.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::{fs, io};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, unlinkat};

use crate::sys::{self, OwnDirectory};

use super::running::Running;

/// How the names of such directories begin.
pub(super) const PREFIX: &str = "mesos-command.";

/// For us alone.
pub(super) const PRIVATE_MODE: u32 = 0o700;
/// Where commands have users of their own, who must get to the directories of their calls. They
/// can list nothing, and each directory of a call is its user's alone.
const OPEN_MODE: u32 = 0o711;

/// The open directory of this process in one place.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    directory: Flock<OwnedFd>,
    /// Made when a command is noted there first.
    running: OnceLock<Option<Arc<Running>>>,
    /// The host's umask takes away what the owner needs: modes are set once more after creation.
    fix_modes: bool,
    /// Other users may go through it.
    is_open: AtomicBool,
}

impl Root {
    /// Makes one in `parent`.
    pub(super) fn create(parent: &Path, mode: u32) -> io::Result<Root> {
        let OwnDirectory { path, lock, umask_is_odd } = OwnDirectory::make(parent, PREFIX, mode)?;
        let is_open = AtomicBool::new(mode == OPEN_MODE);
        let running = OnceLock::new();
        Ok(Root { path, directory: lock, running, fix_modes: umask_is_odd, is_open })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fix_modes(&self) -> bool {
        self.fix_modes
    }

    /// Its permission bits.
    pub(super) fn mode(&self) -> u32 {
        if self.is_open.load(Ordering::Relaxed) { OPEN_MODE } else { PRIVATE_MODE }
    }

    /// Lets other users go through it.
    pub(super) fn open(&self) -> io::Result<()> {
        fs::set_permissions(&self.path, fs::Permissions::from_mode(OPEN_MODE))?;
        self.is_open.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The notes of commands, whose file is made at the first call.
    pub(super) fn running(&self) -> Option<&Arc<Running>> {
        self.running.get_or_init(|| Running::create(&self.path).ok()).as_ref()
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// Removes a call's directory with the `files` that were made in it; false when it holds more.
pub(super) fn remove_call(root: &Root, name: &str, files: &[&str]) -> bool {
    let file = |leaf: &str| format!("{name}/{leaf}");
    for leaf in files {
        let _ = unlinkat(root, file(leaf).as_str(), UnlinkatFlags::NoRemoveDir);
    }
    matches!(unlinkat(root, name, UnlinkatFlags::RemoveDir), Ok(()) | Err(Errno::ENOENT))
}

/// Removes a tree, however large. Blocks for as long as that takes.
pub(super) fn remove_tree(path: &Path) {
    // The standard library's does not follow links, not even ones that are put there meanwhile.
    if fs::remove_dir_all(path).is_ok() {
        return;
    }
    // The command may have taken away our own permission.
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove the directory of a call");
        }
        _ => {}
    }
}

/// The name as a C string: names made here hold no NUL.
pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(Errno::EINVAL))
}

/// Sets the mode of a file of a call, for hosts with an odd umask.
pub(super) fn set_mode(root: &Root, name: &str, mode: u32) -> Result<(), Errno> {
    let flags = nix::sys::stat::FchmodatFlags::FollowSymlink;
    nix::sys::stat::fchmodat(root, name, Mode::from_bits_truncate(mode), flags)
}

/// Gives a file or directory of a call to its user.
pub(super) fn give_in(root: &Root, name: &str, user: &sys::User) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    fchownat(root, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// Size and kind of a file in a call's directory, links not followed.
pub(super) fn stat_in(root: &Root, name: &str) -> Result<nix::sys::stat::FileStat, Errno> {
    nix::sys::stat::fstatat(root, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}
