//! Creating a child that shares the parent's memory until it executes its program.
//!
//! `CLONE_VM` makes the cost independent of the host's memory: no page table is copied. Without
//! `CLONE_VFORK` the calling thread does not wait for the execution, which a dead network file
//! system can make long, so any thread can start programs. In exchange the child's stack and plan
//! must live until it has left our memory, which `CLONE_CHILD_CLEARTID` reports.
//!
//! A build with ThreadSanitizer cannot start commands this way: the child runs instrumented code
//! with the parent thread's state of the sanitizer, while that thread goes on.

#![expect(unsafe_code, reason = "clone3 and clone have no safe interface")]

use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use nix::errno::Errno;
use parking_lot::Mutex;

use super::child::child_main;
use super::child_plan::ChildPlan;
use super::process_id::Pid;
use super::raw::{Raw, create};

/// `CLONE_PIDFD` of linux/sched.h.
const CLONE_PIDFD: u64 = 0x1000;
/// `CLONE_CLEAR_SIGHAND` of linux/sched.h: only clone3 takes it.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// `CLONE_INTO_CGROUP` of linux/sched.h: only clone3 takes it, since Linux 5.7.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Size of a child's stack. The child's frames are small and fixed; debug builds use a few KiB.
const STACK_BYTES: usize = 128 * 1024;

/// Whether clone3 was found to be missing or forbidden (seccomp filters answer EPERM or ENOSYS).
static CLONE3_REFUSED: AtomicBool = AtomicBool::new(false);
/// Whether clone3 refused `CLONE_INTO_CGROUP`.
static INTO_CGROUP_REFUSED: AtomicBool = AtomicBool::new(false);
/// Whether clone refused `CLONE_PIDFD`.
static PIDFD_REFUSED: AtomicBool = AtomicBool::new(false);

/// Stacks that no child uses; the last one used is the next, because its pages are warm.
static FREE: Mutex<Vec<Stack>> = Mutex::new(Vec::new());
/// Stacks that are kept, each with a page or two that are touched.
const MOST_FREE: usize = 64;

/// A stack for children, with a guard page below. One child at a time uses it.
#[derive(Debug)]
pub(super) struct Stack {
    base: *mut c_void,
    bytes: usize,
}

// SAFETY: the mapping is owned by this value alone; nothing about it is tied to a thread.
unsafe impl Send for Stack {}

impl Stack {
    /// Maps a stack.
    fn new() -> Result<Stack, Errno> {
        let guard = 64 * 1024;
        let bytes = STACK_BYTES + guard;
        // SAFETY: a new private mapping is asked for; no existing memory is affected.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let stack = Stack { base, bytes };
        // SAFETY: the range is the lower part of the mapping that was just made.
        if unsafe { libc::mprotect(base, guard, libc::PROT_NONE) } != 0 {
            return Err(Errno::last());
        }
        Ok(stack)
    }

    /// A stack that was used before, or a new one.
    pub(super) fn lease() -> Result<Stack, Errno> {
        let used = FREE.lock().pop();
        used.map_or_else(Stack::new, Ok)
    }

    /// Keeps the stack for the next child. None may run on it any more.
    pub(super) fn give_back(self) {
        let mut free = FREE.lock();
        if free.len() < MOST_FREE {
            free.push(self);
        }
    }

    fn top(&self) -> *mut c_void {
        // SAFETY: one past the end of the mapping, which is a valid address to compute.
        unsafe { self.base.byte_add(self.bytes) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no child runs on it: who leases one keeps it until the
        // child has left our memory.
        unsafe { libc::munmap(self.base, self.bytes) };
    }
}

/// What the kernel writes on behalf of a child.
#[derive(Debug)]
pub(super) struct Marks {
    /// The child's pidfd, before it runs; stays -1 on kernels without.
    pub(super) pidfd: AtomicI32,
    /// 1 until the child has left our memory; then 0.
    pub(super) inside: AtomicU32,
}

/// Whether a child can be created in a cgroup, as far as is known.
pub(crate) fn creates_in_cgroups() -> bool {
    !CLONE3_REFUSED.load(Ordering::Relaxed) && !INTO_CGROUP_REFUSED.load(Ordering::Relaxed)
}

/// Starts a child that runs [`child_main`] on `plan` and returns its pid: without waiting for it,
/// or if `waits` when it has left our memory. With `cgroup`, a directory of cgroup version 2, the
/// child is created there, or not at all: afterwards [`creates_in_cgroups`] tells whether the
/// kernel cannot do that.
///
/// # Safety
/// Every signal must be blocked in the calling thread. What the three pointers lead to,
/// and what the plan points to, must live and stay where it is until `inside` is 0, and nobody may
/// write to it but through its atomics; if starting fails, no longer than this call.
pub(super) unsafe fn clone_child(
    plan: *mut ChildPlan,
    share_files: bool,
    cgroup: Option<BorrowedFd<'_>>,
    waits: bool,
    stack: &Stack,
    marks: &Marks,
) -> Result<Pid, Errno> {
    let mut flags = (libc::CLONE_VM | libc::CLONE_CHILD_CLEARTID) as u64;
    #[cfg(test)]
    if tests::LEAVES_NO_MARK.get() {
        flags = libc::CLONE_VM as u64;
    }
    if share_files {
        flags |= libc::CLONE_FILES as u64;
    }
    if waits {
        flags |= libc::CLONE_VFORK as u64;
    }
    if !CLONE3_REFUSED.load(Ordering::Relaxed) {
        // CLONE_CLEAR_SIGHAND leaves the ignored ones ignored.
        // SAFETY: there is no child yet that could read it.
        unsafe { (*plan).not_default = (*plan).ignored };
        let result = clone3(plan, flags | CLONE_PIDFD | CLONE_CLEAR_SIGHAND, cgroup, stack, marks);
        match (result, cgroup) {
            (Err(errno @ (Errno::EINVAL | Errno::E2BIG)), Some(_)) => {
                INTO_CGROUP_REFUSED.store(true, Ordering::Relaxed);
                return Err(errno);
            }
            (Err(errno @ (Errno::ENOSYS | Errno::EPERM | Errno::EINVAL | Errno::E2BIG)), _) => {
                CLONE3_REFUSED.store(true, Ordering::Relaxed);
                if cgroup.is_some() {
                    return Err(errno);
                }
            }
            (result, _) => return result,
        }
    }
    if cgroup.is_some() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: as above.
    unsafe { (*plan).not_default = u64::MAX };
    if !PIDFD_REFUSED.load(Ordering::Relaxed) {
        match clone(plan, flags | CLONE_PIDFD, stack, marks) {
            Err(Errno::EINVAL) => PIDFD_REFUSED.store(true, Ordering::Relaxed),
            result => return result,
        }
    }
    clone(plan, flags, stack, marks)
}

/// `struct clone_args` of linux/sched.h. Without a cgroup only its first version is passed (64
/// bytes, Linux 5.3), with one its third (88 bytes, Linux 5.7).
#[repr(C)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Size of its first version.
const FIRST_CLONE_ARGS: usize = 64;

fn clone3(
    plan: *mut ChildPlan,
    flags: u64,
    cgroup: Option<BorrowedFd<'_>>,
    stack: &Stack,
    marks: &Marks,
) -> Result<Pid, Errno> {
    let size = cgroup.map_or(FIRST_CLONE_ARGS, |_| std::mem::size_of::<CloneArgs>());
    let arguments = CloneArgs {
        flags: flags | cgroup.map_or(0, |_| CLONE_INTO_CGROUP),
        pidfd: marks.pidfd.as_ptr() as u64,
        child_tid: marks.inside.as_ptr() as u64,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.base as u64,
        stack_size: stack.bytes as u64,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let given = [(&raw const arguments).expose_provenance(), size, 0, 0, 0];
    // SAFETY: the structure is of that size. The child gets a stack of its own (page aligned), on
    // which child_main never returns. The plan and the marks live until the child has left, by the
    // promise made to `clone_child`.
    number_of(unsafe { create(libc::SYS_clone3, given, child_main, plan.cast()) })
}

fn clone(plan: *mut ChildPlan, flags: u64, stack: &Stack, marks: &Marks) -> Result<Pid, Errno> {
    // The lower 32 bits hold every flag of the old call; the lowest byte is the exit signal.
    let flags = (flags as c_int | libc::SIGCHLD) as usize;
    let top = stack.top().expose_provenance();
    let pidfd = marks.pidfd.as_ptr().expose_provenance();
    let inside = marks.inside.as_ptr().expose_provenance();
    // The thread-local storage, which is not set, stands before or behind the child's mark.
    let given = if cfg!(target_arch = "x86_64") {
        [flags, top, pidfd, inside, 0]
    } else {
        [flags, top, pidfd, 0, inside]
    };
    // SAFETY: as for clone3. Without CLONE_PIDFD the pidfd pointer is not used.
    number_of(unsafe { create(libc::SYS_clone, given, child_main, plan.cast()) })
}

/// The child. 0 is what the child itself gets, which does not come here.
fn number_of(created: Raw) -> Result<Pid, Errno> {
    let number = created.map_err(Errno::from_raw)?;
    i32::try_from(number).ok().and_then(Pid::from_raw).ok_or(Errno::EINVAL)
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    thread_local! {
        /// As if the kernel wrote no mark when a child leaves, which old ones do not for one that a
        /// signal killed. For children that this thread starts.
        pub(crate) static LEAVES_NO_MARK: Cell<bool> = const { Cell::new(false) };
    }
}
