//! Signal masks of our own threads, decided here and nowhere else.
//!
//! Most threads of ours live as long as the process, and code of the host runs on some of them, so
//! their mask must suit the host for that long ([`start_thread`], [`enter_own_thread`]):
//!
//! * the host's signals go to the host's threads, so ours block them;
//! * SIGCHLD is as the host has it. A host that takes it by sigwait or signalfd has it blocked
//!   everywhere and at its default disposition, and one thread that has it open would take and drop
//!   some of the host's. Where the host leaves it open, so do we: of a child that such a thread
//!   started the kernel drops it at once, while one that is blocked is queued for the process and
//!   wakes a thread of the host for each command that ends;
//! * signals that a faulty instruction or abort() raises stay open. Blocked, they end the process
//!   without the host's handler and so without its report, and what runs on our threads may be the
//!   host's own code and that of other modules;
//! * the C library's own signals (32 and 33 in glibc) stay open: setuid, setgid, setgroups and
//!   their likes interrupt every thread by 33 and wait for each.
//!
//! Every signal is blocked for the few microseconds around a clone only ([`with_all_blocked`]): no
//! handler of the host may run in a child that still shares the host's memory.

#![expect(unsafe_code, reason = "rt_sigprocmask is called directly")]

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// The kernel's signal set: 64 signals, one bit each.
pub(super) type KernelSet = u64;

/// Size of the kernel's signal set, which `rt_sigprocmask` and `rt_sigaction` insist on.
pub(super) const KERNEL_SET_BYTES: usize = std::mem::size_of::<KernelSet>();

/// The signals of faults, which no thread of ours blocks.
const FAULTS: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGABRT,
];

/// The stack of a thread on which code of the host may run: what glibc gives its threads by
/// default, and so libprocess its own. Only touched pages cost memory.
pub(crate) const HOST_CODE_STACK_BYTES: usize = 8 << 20;

/// Whether the host blocks SIGCHLD: as its thread had it that started the first of ours.
static HOST_BLOCKS_SIGCHLD: OnceLock<bool> = OnceLock::new();

/// What a permanent thread of ours blocks. sigfillset leaves out the C library's own signals.
fn own_mask() -> SigSet {
    let mut mask = SigSet::all();
    for fault in FAULTS {
        mask.remove(fault);
    }
    let blocked = || SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(Signal::SIGCHLD));
    if !*HOST_BLOCKS_SIGCHLD.get_or_init(blocked) {
        mask.remove(Signal::SIGCHLD);
    }
    mask
}

/// Gives the calling thread, which is one of ours, its mask for good. For threads that others
/// start for us; [`start_thread`] does it itself.
pub(crate) fn enter_own_thread() {
    if let Err(errno) = own_mask().thread_swap_mask(SigmaskHow::SIG_SETMASK) {
        tracing::warn!(%errno, "cannot block signals on a thread of the command modules");
    }
}

/// Starts a thread of ours with its mask from the first instruction on. `name` is at most 15 bytes;
/// `stack_bytes` is `None` for the default of Rust's threads, 2 MiB.
///
/// # Errors
/// When the system has no thread left.
pub(crate) fn start_thread(
    name: String,
    stack_bytes: Option<usize>,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut builder = std::thread::Builder::new().name(name);
    if let Some(bytes) = stack_bytes {
        builder = builder.stack_size(bytes);
    }
    // A thread begins with the mask of the one that starts it.
    let before = own_mask().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let started = builder.spawn(body);
    let restored = before.thread_set_mask();
    started?;
    restored.map_err(io::Error::from)
}

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

/// Blocks `set` in addition while `action` runs, and restores the mask.
fn with_blocked<T>(set: KernelSet, action: impl FnOnce() -> T) -> T {
    struct Restore(KernelSet);
    impl Drop for Restore {
        fn drop(&mut self) {
            change(libc::SIG_SETMASK, self.0);
        }
    }
    let _restore = Restore(change(libc::SIG_BLOCK, set));
    action()
}

/// Runs `action` with every signal blocked in the calling thread, the C library's own too, and
/// restores the mask. For a clone: nothing that takes long, and nothing that starts a thread.
pub(super) fn with_all_blocked<T>(action: impl FnOnce() -> T) -> T {
    with_blocked(!0, action)
}

/// What the host does with a signal: `SIG_DFL`, `SIG_IGN` or a handler.
fn disposition(signal: libc::c_int) -> Option<libc::sighandler_t> {
    // SAFETY: an all-zero sigaction is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks; the structure is live.
    let known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0;
    known.then_some(action.sa_sigaction)
}

/// `write(2)` to a pipe without the SIGPIPE that a host with the default disposition would die of.
pub(crate) fn write_without_sigpipe(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    const SIGPIPE: KernelSet = 1 << (libc::SIGPIPE - 1);
    if disposition(libc::SIGPIPE) == Some(libc::SIG_IGN) {
        return nix::unistd::write(fd, bytes);
    }
    with_blocked(SIGPIPE, || {
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
