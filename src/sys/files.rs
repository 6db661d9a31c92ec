//! Descriptor tricks.

#![expect(unsafe_code, reason = "fcntl commands that have no safe wrapper")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

/// Moves a descriptor above the standard ones: in a host that has closed some of them, a new
/// descriptor gets their number, and the command would get it as its stdout.
pub(crate) fn above_stdio(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    // SAFETY: no memory is involved.
    let moved = Errno::result(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Whether nobody but this descriptor has the file open: a write lease is granted only then.
/// False when in doubt.
pub(crate) fn sole_opener(fd: impl AsFd) -> bool {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no memory is involved. The lease is given back at once, so nobody is signalled.
    unsafe {
        let granted = libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK) == 0;
        if granted {
            libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
        }
        granted
    }
}
