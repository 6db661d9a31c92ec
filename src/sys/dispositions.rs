//! What a child does to the dispositions of signals before its program, and which of them the host
//! ignores.

#![expect(unsafe_code, reason = "raw system calls in a child that shares the parent's memory")]

use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::mask::KERNEL_SET_BYTES;
use super::procfs::read_small;
use super::raw::call;

/// How old what is known of the host may be. A host sets its dispositions when it starts; to ask
/// for each child takes longer than to set them all.
const MOST_AGE: Duration = Duration::from_millis(100);

/// `struct sigaction` of the kernel on the supported machines: handler, flags, restorer, mask.
/// Machines without `sa_restorer` read the third word as the mask, and less of it.
type KernelAction = [usize; 4];

/// The default disposition.
static DEFAULT_ACTION: KernelAction = [0; 4];

/// `SA_RESTORER` of the kernel's headers, without which x86 delivers no signal to a handler.
const SA_RESTORER: usize = if cfg!(target_arch = "x86_64") { 0x0400_0000 } else { 0 };

/// The signals whose default is a core dump. (SIGIOT, SIGPOLL and SIGUNUSED are other names.)
const DUMPING: [c_int; 10] = [
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGSYS,
];

/// The signals that the host ignores, signal 1 in the lowest bit, as they were at most 0.1 s ago;
/// all when that cannot be read.
pub(super) fn ignored_by_host(now: Duration) -> u64 {
    static IGNORED: AtomicU64 = AtomicU64::new(u64::MAX);
    /// In milliseconds of the monotonic clock, from 1 on.
    static READ_AT: AtomicU64 = AtomicU64::new(0);
    let now = now.as_millis() as u64 + 1;
    let read_at = READ_AT.load(Ordering::Acquire);
    if read_at == 0 || now.saturating_sub(read_at) > MOST_AGE.as_millis() as u64 {
        let status = read_small("/proc/self/status", 16 * 1024);
        IGNORED.store(ignored_in(&status).unwrap_or(u64::MAX), Ordering::Release);
        READ_AT.store(now, Ordering::Release);
    }
    IGNORED.load(Ordering::Acquire)
}

/// The line `SigIgn:` of a status file (proc_pid_status(5)).
fn ignored_in(status: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(
        status.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"SigIgn:"))?,
    );
    u64::from_str_radix(text.ok()?.strip_prefix("SigIgn:")?.trim(), 16).ok()
}

/// Sets every signal to what the program is to have: execve leaves only ignored signals ignored and
/// makes all else the default. All signals are blocked, so none is taken meanwhile. `not_default`:
/// those that may be anything else than the default now, signal 1 in the lowest bit.
///
/// Those that dump core get a handler until then. Before Linux 5.16 a process that dies of one
/// takes all with it that share its memory, whatever RLIMIT_CORE is (`zap_threads` in fs/coredump.c
/// of Linux 5.15), and that is the host. A handled signal stays pending while execve goes on, and
/// is the new program's afterwards.
pub(super) fn reset(not_default: u64) {
    let handler = die as extern "C" fn(c_int) as usize;
    let dying: KernelAction = [handler, SA_RESTORER, 0, usize::MAX];
    let mut signal = 1;
    while signal <= 64 {
        let dumps = dumps(signal);
        let is_to_be_set = dumps || not_default >> (signal - 1) & 1 != 0;
        if is_to_be_set && signal != libc::SIGKILL && signal != libc::SIGSTOP {
            let action = if dumps { &raw const dying } else { &raw const DEFAULT_ACTION };
            // SAFETY: the action is a live kernel structure, and the old one is not asked for. The
            // child has its own table of dispositions (no CLONE_SIGHAND). The handler may run at
            // any time and never returns.
            let _ = unsafe {
                let action = action.expose_provenance();
                call(libc::SYS_rt_sigaction, [signal as usize, action, 0, KERNEL_SET_BYTES])
            };
        }
        signal += 1;
    }
}

fn dumps(signal: c_int) -> bool {
    let mut index = 0;
    while index < DUMPING.len() {
        if DUMPING[index] == signal {
            return true;
        }
        index = index.wrapping_add(1);
    }
    false
}

/// Handler of a signal that would dump core: ends the child by one that does not. Never returns, so
/// it needs no restorer.
pub(super) extern "C" fn die(_signal: c_int) {
    loop {
        // SAFETY: no memory is involved; the signal goes to this process alone, which has one
        // thread and its own number.
        let _ = unsafe {
            match call(libc::SYS_getpid, []) {
                Ok(own) => call(libc::SYS_kill, [own, libc::SIGKILL as usize]),
                Err(errno) => Err(errno),
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_signals_are_read_from_the_status() {
        let text = b"Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t8000000000001000\nSigCgt:\t0\n";
        assert_eq!(ignored_in(text), Some(1 << 63 | 1 << (libc::SIGPIPE - 1)));
        for broken in [&b""[..], b"SigIgn:\tx\n", b"SigIgn:\t\xff\n"] {
            assert_eq!(ignored_in(broken), None);
        }
        // The test harness ignores SIGPIPE, as every program of Rust's.
        let now = Duration::from_secs(1);
        assert_eq!(ignored_by_host(now) >> (libc::SIGPIPE - 1) & 1, 1);
    }
}
