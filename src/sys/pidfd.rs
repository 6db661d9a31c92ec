//! Pidfds, waiting for children and signals.

#![expect(unsafe_code, reason = "raw system calls, because C libraries may lack the wrappers")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::process_id::{Pid, ProcessGroup};

/// `PIDFD_SIGNAL_PROCESS_GROUP` (Linux 6.9): to the process group whose id the pidfd stands for.
const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;
/// `P_PIDFD` of waitid (Linux 5.4).
const P_PIDFD: libc::idtype_t = 3;
/// `PIDFD_GET_INFO` (Linux 6.13), with the structure's first size.
const PIDFD_GET_INFO: libc::c_ulong = 0xC040_FF0B;
/// `PIDFD_INFO_EXIT` (Linux 6.15).
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// A descriptor that stands for one process, whatever becomes of its number.
#[derive(Debug)]
pub(crate) struct PidFd(OwnedFd);

impl From<OwnedFd> for PidFd {
    fn from(fd: OwnedFd) -> PidFd {
        PidFd(fd)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for PidFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl PidFd {
    /// `pidfd_open` (Linux 5.3), close-on-exec.
    pub(crate) fn open(pid: Pid) -> Result<PidFd, Errno> {
        // SAFETY: no memory is involved.
        let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(PidFd(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: i32) -> Result<(), Errno> {
        send_signal_raw(self.0.as_raw_fd(), signal, 0)
    }

    /// Sends a signal to the process group that has the process's number as its id, without any
    /// danger of hitting a group that got the number later. EINVAL before Linux 6.9.
    pub(crate) fn signal_group(&self, signal: i32) -> Result<(), Errno> {
        send_signal_raw(self.0.as_raw_fd(), signal, PIDFD_SIGNAL_PROCESS_GROUP)
    }
}

/// Lets the runtime (of the calling context) poll for the end of a pidfd's process; gives the
/// pidfd back when it cannot.
pub(crate) fn poll_by_runtime(pidfd: PidFd) -> Result<AsyncFd<PidFd>, PidFd> {
    // SAFETY: a PidFd owns its descriptor, always gives the same number and never lends it out
    // who could close it, so it stays what it is until the AsyncFd is dropped.
    unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }
        .map_err(|refused| refused.into_parts().0)
}

/// Lets the runtime (of the calling context) poll for messages of a channel.
///
/// # Errors
/// When it cannot.
pub(crate) fn poll_channel(channel: Arc<OwnedFd>) -> std::io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the descriptor stays open and the same until the AsyncFd drops its share of it.
    unsafe { AsyncFd::register_with_interest(channel, Interest::READABLE) }
        .map_err(std::io::Error::from)
}

pub(super) fn send_signal_raw(fd: RawFd, signal: i32, flags: libc::c_uint) -> Result<(), Errno> {
    // SAFETY: the information pointer may be null; a number that is no pidfd gives EBADF.
    Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, 0usize, flags) })
        .map(drop)
}

/// Sends a signal to the process `pid`, which must be a child that is not reaped yet.
pub(crate) fn kill(pid: Pid, signal: i32) -> Result<(), Errno> {
    // SAFETY: no memory is involved; a Pid is positive, so exactly one process is meant.
    Errno::result(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
}

/// Sends a signal to the process group `group`, whose leader must not be reaped yet (signal 0,
/// which only asks, is harmless at any time).
pub(crate) fn kill_group(group: ProcessGroup, signal: i32) -> Result<(), Errno> {
    if group == Pid::INIT.led_group() {
        // -1 would be every process.
        return Err(Errno::EINVAL);
    }
    // SAFETY: no memory is involved.
    Errno::result(unsafe { libc::kill(-group.as_raw(), signal) }).map(drop)
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// Which child is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitTarget {
    pid: Pid,
    pidfd: Option<RawFd>,
}

impl WaitTarget {
    /// A child of ours, by its pidfd if it has one.
    pub(crate) fn of(pid: Pid, pidfd: Option<&PidFd>) -> WaitTarget {
        WaitTarget { pid, pidfd: pidfd.map(AsRawFd::as_raw_fd) }
    }
}

/// `waitid`, with its flags; `None` when WNOHANG was given and the child still runs.
pub(crate) fn wait(target: WaitTarget, flags: i32) -> Result<Option<ExitStatus>, Errno> {
    if let Some(fd) = target.pidfd {
        match wait_on(P_PIDFD, fd as libc::id_t, flags) {
            // Linux 5.3 has pidfds that waitid does not take.
            Err(Errno::EINVAL) => {}
            result => return result,
        }
    }
    wait_on(libc::P_PID, target.pid.as_raw() as libc::id_t, flags)
}

fn wait_on(kind: libc::idtype_t, id: libc::id_t, flags: i32) -> Result<Option<ExitStatus>, Errno> {
    loop {
        // SAFETY: an all-zero siginfo_t is valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is live and writable.
        match Errno::result(unsafe { libc::waitid(kind, id, &raw mut info, flags) }) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => {
                // SAFETY: waitid filled the fields of a SIGCHLD siginfo, or left them zero.
                let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
                if pid == 0 {
                    return Ok(None);
                }
                return Ok(Some(if info.si_code == libc::CLD_EXITED {
                    ExitStatus::Exited(status)
                } else {
                    ExitStatus::Signaled(status)
                }));
            }
        }
    }
}

/// `struct pidfd_info` of linux/pidfd.h in its first size.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// How the process of a pidfd ended, even if other code collected it (Linux 6.15). `None` when
/// the kernel cannot say, or when it still runs.
pub(crate) fn exit_info(pidfd: &PidFd) -> Option<ExitStatus> {
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the structure has the size that the request number carries.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO as _, &raw mut info) };
    if result != 0 || info.mask & PIDFD_INFO_EXIT == 0 {
        return None;
    }
    let status = info.exit_code;
    Some(match status & 0x7f {
        0 => ExitStatus::Exited((status >> 8) & 0xff),
        signal => ExitStatus::Signaled(signal),
    })
}
