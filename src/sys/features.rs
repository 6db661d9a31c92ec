//! What this kernel, with the seccomp filter that we may be under, can do.

#![expect(unsafe_code, reason = "close_range is probed by a raw system call")]

use std::ffi::CString;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::fs_helper::FsHelper;
use super::pidfd::{ExitStatus, WaitTarget, exit_info, wait};
use super::plan::{Plan, Source, Spawned};
use super::procfs::is_own_namespace;
use super::spawn::spawn;
use super::start_method::children_are_programs;
use super::strings::{HasNul, StringTable};

/// Findings, made once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    /// close_range with CLOSE_RANGE_UNSHARE (Linux 5.9).
    pub(crate) close_range: bool,
    /// Sealed memfds that we can open again as `/proc/<our pid>/fd/N`. What commands can do is
    /// said by [`memfd_paths`].
    pub(super) own_memfd_paths: bool,
    /// memfds at all.
    pub(crate) memfd: bool,
    /// This process is spared when memory runs out, which what it starts must not be.
    pub(super) oom_score_below_0: bool,
}

/// What the kernel can do; asked on first use.
pub(crate) fn features() -> &'static Features {
    static FEATURES: OnceLock<Features> = OnceLock::new();
    FEATURES.get_or_init(|| {
        let (memfd, own_memfd_paths) = probe_memfd();
        Features {
            close_range: probe_close_range(),
            own_memfd_paths,
            memfd,
            oom_score_below_0: oom_score_below_0(),
        }
    })
}

/// As the kernel says, -1000 to 1000. Without /proc it is not known, and could not be changed.
fn oom_score_below_0() -> bool {
    let text = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
    text.trim().parse::<i32>().is_ok_and(|score| score < 0)
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

/// Whether commands can open our memfds as `/proc/<our pid>/fd/N`; found out once, by a child.
///
/// They cannot when we are not dumpable (the host's program may not be read by its user, or has
/// file capabilities, or changed its user): then our /proc entries belong to root.
pub(crate) fn memfd_paths() -> bool {
    static PATHS: OnceLock<bool> = OnceLock::new();
    *PATHS.get_or_init(|| {
        if !features().own_memfd_paths {
            return false;
        }
        let refusal = match probe_from_child() {
            Ok(()) => return true,
            Err(errno) => errno,
        };
        tracing::warn!(
            "commands may not open this process's descriptors ({refusal}; is it not dumpable?): \
             they get files instead of memfds"
        );
        false
    })
}

fn probe_from_child() -> Result<(), Errno> {
    let options = memfd::MemfdOptions::default().allow_sealing(true);
    let memfd = options.create("mesos-command").map_err(|_| Errno::ENOSYS)?;
    let fd = memfd.as_file().as_raw_fd();
    let path =
        CString::new(format!("/proc/{}/fd/{fd}", std::process::id())).map_err(|_| Errno::EINVAL)?;
    if children_are_programs() { opened_by_program(&path) } else { opened_by_child(&path) }
}

fn opened_by_child(path: &CString) -> Result<(), Errno> {
    let mut helper = FsHelper::default();
    // Not opened by the standard descriptors' numbers, which a host may have closed.
    let opened = helper.open(path, OFlag::O_RDWR, 0);
    let plan = Plan { helper, ..Plan::default() };
    let (Spawned { pid, pidfd }, start) = spawn(plan).map_err(|refused| refused.failure.errno())?;
    // It looks at /proc alone, so this takes no time.
    let waited = wait(WaitTarget::of(pid, pidfd.as_ref()), libc::WEXITED);
    while !start.is_over() {
        // Its status was taken by the host.
        std::thread::yield_now();
    }
    let Some(plan) = start.into_plan() else { return Err(waited.err().unwrap_or(Errno::ECHILD)) };
    plan.helper.result(opened).map(drop)
}

/// As [`opened_by_child`], where no child runs code of ours.
fn opened_by_program(path: &CString) -> Result<(), Errno> {
    let table = |entries: &[&[u8]]| {
        let mut table = StringTable::default();
        let all = entries.iter().try_for_each(|entry| table.push(&[entry]));
        all.map(|()| table).map_err(|HasNul| Errno::EINVAL)
    };
    let null = |flags| Source::Open(CString::from(c"/dev/null"), flags);
    let plan = Plan {
        candidates: table(&[b"/bin/sh"])?,
        arguments: table(&[b"sh", b"-c", b": <>\"$1\"", b"sh", path.as_bytes()])?,
        stdio: [null(libc::O_RDONLY), null(libc::O_WRONLY), Source::Stdout],
        ..Plan::default()
    };
    let (Spawned { pid, pidfd }, _) = spawn(plan).map_err(|refused| refused.failure.errno())?;
    let status = wait(WaitTarget::of(pid, pidfd.as_ref()), libc::WEXITED);
    match status.ok().flatten().or_else(|| exit_info(pidfd.as_ref()?)) {
        Some(ExitStatus::Exited(0)) => Ok(()),
        Some(_) => Err(Errno::EACCES),
        None => Err(Errno::ECHILD),
    }
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
