//! What the child does between clone and execve.
//!
//! It runs in the parent's memory, on a stack of its own, with the thread-local storage of a thread
//! that goes on meanwhile. So it allocates nothing, takes no lock, cannot panic, touches nothing
//! thread-local and calls nothing but system calls, and those not through the C library, whose
//! functions set `errno`; it writes only to its plan.

#![expect(unsafe_code, reason = "raw system calls in a child that shares the parent's memory")]

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::Ordering;

use super::announced::announce;
use super::cgroup;
use super::child_files::{close_from_3, install_all, leave_table};
use super::child_plan::ChildPlan;
use super::dispositions::{self, die};
use super::fs_helper;
use super::mask::KERNEL_SET_BYTES;
use super::raw::call;
use super::step::Step;

const BIN_SH: *const c_char = c"/bin/sh".as_ptr();

/// Entry point of the child; does not return.
pub(super) extern "C" fn child_main(plan: *mut c_void) -> c_int {
    // SAFETY: the parent passes its plan, and keeps it until the child has left.
    let plan = unsafe { &*plan.cast::<ChildPlan>() };
    if !plan.announced.is_null() {
        announce(plan.announced);
    }
    let (step, errno) = match run(plan) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    plan.failed_errno.store(errno, Ordering::SeqCst);
    plan.failed_step.store(step as i32, Ordering::SeqCst);
    loop {
        // SAFETY: ends this process without running anything of the host.
        let _ = unsafe { call(libc::SYS_exit_group, [127]) };
    }
}

/// A type without values: `run` returns only when something fails.
enum Never {}

fn run(plan: &ChildPlan) -> Result<Never, (Step, c_int)> {
    // First of all, while nothing can fail in between: leave the host's descriptor table.
    if plan.shares_files {
        leave_table().map_err(|errno| (Step::CloseDescriptors, errno))?;
    }
    // SAFETY: no memory is involved. It cannot fail for a child that has not executed yet.
    let _ = unsafe { call(libc::SYS_setpgid, [0, 0]) };
    dispositions::reset(plan.not_default);
    if plan.call_count != 0 {
        run_helper(plan);
    }
    cgroup::join(plan.joins).map_err(|errno| (Step::Cgroup, errno))?;
    if let Err(errno) = plan.identity.raise_oom_score() {
        plan.oom_errno.store(errno, Ordering::SeqCst);
    }
    install_all(plan)?;
    plan.identity.take_on()?;
    // After that, because a change of user takes it back (`commit_creds` in kernel/cred.c).
    if plan.ends_with != 0 {
        end_with(plan.ends_with);
    }
    let empty: u64 = 0;
    let set = (&raw const empty).expose_provenance();
    // SAFETY: points to a live set of the size that is passed.
    let _ = unsafe {
        call(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, set, 0, KERNEL_SET_BYTES])
    };
    plan.executes.store(now(), Ordering::SeqCst);
    Err((Step::Execute, execute(plan)))
}

/// Makes the calls of a helper, and ends the child.
fn run_helper(plan: &ChildPlan) -> ! {
    if !plan.shares_files {
        close_from_3(plan.has_close_range);
    }
    // The child looks like the host in lists of processes: its name shows what it is.
    let name = c"mcmd-fs".as_ptr().expose_provenance();
    // SAFETY: sets the name of this process alone.
    let _ = unsafe { call(libc::SYS_prctl, [libc::PR_SET_NAME as usize, name]) };
    // SAFETY: the parent keeps the calls until the child has left.
    unsafe { fs_helper::perform(plan.calls, plan.call_count) };
    loop {
        // SAFETY: ends this process without running anything of the host.
        let _ = unsafe { call(libc::SYS_exit_group, [0]) };
    }
}

/// Nanoseconds of the monotonic clock.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let clock = libc::CLOCK_MONOTONIC as usize;
    // SAFETY: the structure is live.
    let _ = unsafe { call(libc::SYS_clock_gettime, [clock, (&raw mut time).expose_provenance()]) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// Has the kernel send TERM to this process when the thread that started it ends.
fn end_with(host: c_int) {
    // SAFETY: no memory is involved.
    let parent = unsafe {
        let _ = call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, libc::SIGTERM as usize]);
        call(libc::SYS_getppid, [])
    };
    // It may have ended before it was asked for. A parent of another pid namespace has number 0,
    // but then it is not the one that started us.
    if parent != Ok(host as usize) {
        die(libc::SIGKILL);
    }
}

/// Tries the candidates as `execvp` does and returns the errno that explains the failure.
fn execute(plan: &ChildPlan) -> c_int {
    let mut explanation = libc::ENOENT;
    let mut candidate = plan.candidates;
    loop {
        // SAFETY: the list ends with NULL, at which this loop ends.
        let path = unsafe { *candidate };
        if path.is_null() {
            return explanation;
        }
        match execve(path, plan.argv, plan.envp) {
            libc::ENOEXEC => {
                // SAFETY: the parent reserved the second slot for this.
                unsafe { *plan.shell_argv.wrapping_add(1) = path };
                return execve(BIN_SH, plan.shell_argv, plan.envp);
            }
            libc::EACCES => explanation = libc::EACCES,
            errno if looks_on(errno) => {
                if explanation != libc::EACCES {
                    explanation = errno;
                }
            }
            errno => return errno,
        }
        candidate = candidate.wrapping_add(1);
    }
}

/// Whether `execvp` goes on with the next directory of PATH after this error.
pub(super) const fn looks_on(errno: c_int) -> bool {
    matches!(errno, libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT)
}

/// Executes; returns only with an errno.
fn execve(path: *const c_char, argv: *const *const c_char, envp: *const *const c_char) -> c_int {
    // SAFETY: NUL-terminated strings and NULL-terminated lists, kept alive by the parent.
    match unsafe {
        call(
            libc::SYS_execve,
            [path.expose_provenance(), argv.expose_provenance(), envp.expose_provenance()],
        )
    } {
        Err(errno) => errno,
        // It does not return otherwise.
        Ok(_) => libc::EINVAL,
    }
}
