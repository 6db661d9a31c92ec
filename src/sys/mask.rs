//! Signal masks of our own threads.
//!
//! Our threads block every signal, so that the host's signals keep going to the host's threads,
//! and no handler of the host can run in a child that still shares the host's memory. The one
//! exception is SIGCHLD, in [`drop_sigchld_if_ours`].

#![expect(unsafe_code, reason = "rt_sigprocmask is called directly")]

use std::cell::Cell;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;

/// The kernel's signal set: 64 signals, one bit each.
pub(super) type KernelSet = u64;

/// Size of the kernel's signal set, which `rt_sigprocmask` and `rt_sigaction` insist on.
pub(super) const KERNEL_SET_BYTES: usize = std::mem::size_of::<KernelSet>();

fn change(how: libc::c_int, set: KernelSet) -> KernelSet {
    let mut old: KernelSet = 0;
    // SAFETY: both pointers are to live 8-byte sets of the size that is passed. The system call is
    // used because the C library's function leaves its own two internal signals unblocked.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            how,
            &raw const set,
            &raw mut old,
            KERNEL_SET_BYTES,
        );
    }
    old
}

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Blocks every signal in the calling thread, which is one of ours, for good.
pub(crate) fn block_all_signals() {
    IS_OURS.set(true);
    change(libc::SIG_SETMASK, !0);
}

/// Keeps the ends of the children that this thread starts from disturbing the host's threads.
///
/// The kernel drops the SIGCHLD of a child at once when nobody handles it, but only if the thread
/// that started the child does not block it (`sig_ignored` of Linux's kernel/signal.c). Blocked,
/// it interrupts some thread of the host for every command that ends: a wake-up for nothing, and
/// EINTR for calls that are not restarted. A host that handles SIGCHLD is left to do so on its
/// own threads, and the masks of its threads are left alone. To be called before each start,
/// because the host may change its mind.
pub(super) fn drop_sigchld_if_ours() {
    if !IS_OURS.get() {
        return;
    }
    const SIGCHLD: KernelSet = 1 << (libc::SIGCHLD - 1);
    let unhandled = matches!(disposition(libc::SIGCHLD), Some(libc::SIG_DFL | libc::SIG_IGN));
    change(libc::SIG_SETMASK, if unhandled { !SIGCHLD } else { !0 });
}

/// What the host does with a signal: `SIG_DFL`, `SIG_IGN` or a handler.
fn disposition(signal: libc::c_int) -> Option<libc::sighandler_t> {
    // SAFETY: an all-zero sigaction is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks; the structure is live.
    let known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0;
    known.then_some(action.sa_sigaction)
}

/// Runs `action` with every signal blocked in the calling thread, and restores the mask: threads
/// started by `action` start with every signal blocked.
pub(crate) fn with_signals_blocked<T>(action: impl FnOnce() -> T) -> T {
    struct Restore(KernelSet);
    impl Drop for Restore {
        fn drop(&mut self) {
            change(libc::SIG_SETMASK, self.0);
        }
    }
    let _restore = Restore(change(libc::SIG_SETMASK, !0));
    action()
}

/// `write(2)` to a pipe without the SIGPIPE that a host with the default disposition would die of.
pub(crate) fn write_without_sigpipe(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    const SIGPIPE: KernelSet = 1 << (libc::SIGPIPE - 1);
    if disposition(libc::SIGPIPE) == Some(libc::SIG_IGN) {
        return nix::unistd::write(fd, bytes);
    }
    with_signals_blocked(|| {
        let written = nix::unistd::write(fd, bytes);
        if written == Err(Errno::EPIPE) {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            let set = SIGPIPE;
            // SAFETY: both pointers are to live values, the set of the size that is passed; the
            // information is not asked for. It is directed at this thread, so it is found here.
            unsafe {
                libc::syscall(
                    libc::SYS_rt_sigtimedwait,
                    &raw const set,
                    0usize,
                    &raw const now,
                    KERNEL_SET_BYTES,
                );
            }
        }
        written
    })
}
