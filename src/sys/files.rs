//! Descriptor tricks.

#![expect(unsafe_code, reason = "fcntl commands that have no safe wrapper")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

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

/// Makes an empty regular file without opening it: a path is walked once and no descriptor taken.
///
/// # Errors
/// Those of mknodat(2), which is called by its number: the C library has the function only since
/// 2.33.
pub(crate) fn make_file(directory: impl AsFd, name: &str, mode: Mode) -> Result<(), Errno> {
    let at = directory.as_fd().as_raw_fd();
    let kind = libc::S_IFREG | mode.bits();
    let made = name.with_nix_path(|name| {
        // SAFETY: the name is a C string that lives during the call.
        unsafe { libc::syscall(libc::SYS_mknodat, at, name.as_ptr(), kind, 0) }
    })?;
    Errno::result(made).map(drop)
}

/// Opens `/dev/null` for each standard descriptor that is closed: while the result lives, nothing
/// that is opened gets its number.
pub(crate) fn occupy_stdio() -> Result<Vec<OwnedFd>, Errno> {
    let mut guards = Vec::new();
    loop {
        let null = open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        if null.as_raw_fd() > 2 {
            return Ok(guards);
        }
        guards.push(null);
    }
}

/// Whether no process has the file of this read-only descriptor open for writing: a read lease is
/// granted only then. (A memfd's first descriptor does not count as open for writing.) False when
/// in doubt.
pub(crate) fn has_no_writer(fd: impl AsFd) -> bool {
    /// `F_SETSIG` of linux/fcntl.h.
    const F_SETSIG: libc::c_int = 10;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no memory is involved. The lease is given back at once; a process that opens the file
    // in that moment makes the kernel send us a signal, for which one is chosen that does nothing
    // (the usual SIGIO would end the host).
    unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGURG) != 0 {
            return false;
        }
        let granted = libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) == 0;
        if granted {
            libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK);
        }
        granted
    }
}
