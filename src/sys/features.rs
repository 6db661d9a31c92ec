//! What this kernel, with the seccomp filter that we may be under, can do.

#![expect(unsafe_code, reason = "close_range is probed by a raw system call")]

use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use super::procfs::is_own_namespace;

/// Findings, made once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    /// close_range with CLOSE_RANGE_UNSHARE (Linux 5.9).
    pub(crate) close_range: bool,
    /// Sealed memfds that can be opened again as `/proc/<our pid>/fd/N`.
    pub(crate) memfd_paths: bool,
    /// memfds at all.
    pub(crate) memfd: bool,
}

/// What the kernel can do; asked on first use.
pub(crate) fn features() -> &'static Features {
    static FEATURES: OnceLock<Features> = OnceLock::new();
    FEATURES.get_or_init(|| {
        let (memfd, memfd_paths) = probe_memfd();
        Features { close_range: probe_close_range(), memfd_paths, memfd }
    })
}

fn probe_close_range() -> bool {
    // The range holds only the number that no descriptor can have, so nothing is closed.
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, 0) == 0 }
}

fn probe_memfd() -> (bool, bool) {
    let options = memfd::MemfdOptions::default().allow_sealing(true);
    let Ok(memfd) = options.create("mesos-command") else {
        tracing::warn!("this kernel has no memfds for us: commands get files instead");
        return (false, false);
    };
    let seals = [memfd::FileSeal::SealGrow, memfd::FileSeal::SealWrite];
    if memfd.add_seals(&seals).is_err() {
        tracing::warn!("this kernel cannot seal memfds: commands get files instead");
        return (false, false);
    }
    let file = memfd.into_file();
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let usable = is_own_namespace() && same_file(&file, &path);
    if !usable {
        tracing::warn!(path, "/proc cannot be used for memfds: commands get files instead");
    }
    (true, usable)
}

/// Whether the path leads to the open file: in a /proc of another pid namespace it would lead to
/// a stranger's.
fn same_file(file: &std::fs::File, path: &str) -> bool {
    let identity = |file: &std::fs::File| file.metadata().map(|m| (m.dev(), m.ino())).ok();
    std::fs::File::open(path).is_ok_and(|other| {
        let found = identity(&other);
        found.is_some() && found == identity(file)
    })
}
