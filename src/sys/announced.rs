//! How a thread hears that a child that another one starts is there.

#![expect(unsafe_code, reason = "futex has no safe interface")]

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;

use super::process_id::Pid;
use super::raw::call;

/// The number of a child, or why there is none, once it is known.
#[derive(Debug, Default)]
pub(super) struct Announced(AtomicI32);

impl Announced {
    /// Where the child writes its number.
    pub(super) fn slot(&self) -> *const AtomicI32 {
        &raw const self.0
    }

    /// Blocks until it is known.
    pub(super) fn wait(&self) -> Result<Pid, Errno> {
        loop {
            let found = self.0.load(Ordering::SeqCst);
            if found != 0 {
                return Pid::from_raw(found).ok_or_else(|| Errno::from_raw(found.wrapping_neg()));
            }
            let wait = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize;
            let slot = self.slot().expose_provenance();
            // SAFETY: the slot is live; the call returns at once when it is not 0 any more.
            let _ = unsafe { call(libc::SYS_futex, [slot, wait, 0, 0]) };
        }
    }

    /// For a child that could not say it itself.
    pub(super) fn set(&self, result: Result<Pid, Errno>) {
        let value = match result {
            Ok(pid) => pid.as_raw(),
            Err(errno) => (errno as c_int).wrapping_neg(),
        };
        let _ = self.0.compare_exchange(0, value, Ordering::SeqCst, Ordering::SeqCst);
        wake(self.slot());
    }
}

/// In the child: tells who waits for it that it is there.
pub(super) fn announce(slot: *const AtomicI32) {
    // SAFETY: without memory.
    if let Ok(own) = unsafe { call(libc::SYS_getpid, []) } {
        // SAFETY: the parent keeps it until the child has left.
        unsafe { &*slot }.store(own as c_int, Ordering::SeqCst);
        wake(slot);
    }
}

fn wake(slot: *const AtomicI32) {
    let wake = (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize;
    // SAFETY: only the address counts.
    let _ = unsafe { call(libc::SYS_futex, [slot.expose_provenance(), wake, 1]) };
}
