//! The cgroups that a child begins in.

#![expect(unsafe_code, reason = "raw system calls in a child that shares the parent's memory")]

use std::ffi::{CString, c_char, c_int};
use std::os::fd::OwnedFd;

use super::raw::call;

/// The cgroups of a child. Without any it begins in those of the host.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    /// A cgroup of version 2.
    pub(crate) unified: Option<Unified>,
    /// The `cgroup.procs` files of cgroups of version 1.
    pub(crate) joined: Vec<CString>,
}

/// A cgroup of version 2.
#[derive(Debug)]
pub(crate) struct Unified {
    /// Its directory. Where the kernel can (Linux 5.7), the child is created in it.
    pub(crate) directory: OwnedFd,
    /// Its `cgroup.procs`, which the child writes itself to otherwise.
    pub(crate) procs: CString,
}

impl Cgroups {
    /// Whether the child begins in the cgroups of the host.
    pub(super) fn are_none(&self) -> bool {
        self.unified.is_none() && self.joined.is_empty()
    }

    /// Pointers to the `cgroup.procs` files that the child must write itself to, NULL at the end.
    /// `is_inside`: it is created in the cgroup of version 2.
    pub(super) fn joins(&self, is_inside: bool) -> Vec<*const c_char> {
        let unified = self.unified.iter().filter(|_| !is_inside).map(|it| &it.procs);
        let all = unified.chain(&self.joined).map(|path| path.as_ptr());
        all.chain(std::iter::once(std::ptr::null())).collect()
    }
}

/// Moves the calling child to the cgroups whose `cgroup.procs` are listed, NULL at the end.
pub(super) fn join(mut procs: *const *const c_char) -> Result<(), c_int> {
    loop {
        // SAFETY: the list ends with NULL, at which this loop ends.
        let path = unsafe { *procs };
        if path.is_null() {
            return Ok(());
        }
        // SAFETY: the path is a C string that the parent keeps alive.
        let fd = unsafe {
            let flags = libc::O_WRONLY | libc::O_CLOEXEC | libc::O_NOCTTY;
            call(
                libc::SYS_openat,
                [libc::AT_FDCWD as usize, path.expose_provenance(), flags as usize, 0],
            )
        }?;
        // 0 is the writer itself, whatever its number is in the host's pid namespace.
        let own = c"0".as_ptr().expose_provenance();
        // SAFETY: one byte of a constant; then a descriptor of this child alone.
        let written = unsafe {
            let written = call(libc::SYS_write, [fd, own, 1]);
            let _ = call(libc::SYS_close, [fd]);
            written
        };
        written?;
        procs = procs.wrapping_add(1);
    }
}
