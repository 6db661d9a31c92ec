//! Signal masks of our own threads.
//!
//! Our threads block every signal, so that the host's signals keep going to the host's threads,
//! and no handler of the host can run in a child that still shares the host's memory.

#![expect(unsafe_code, reason = "rt_sigprocmask is called directly")]

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

/// Blocks every signal in the calling thread for good.
pub(crate) fn block_all_signals() {
    change(libc::SIG_SETMASK, !0);
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
