//! What the child does between clone and execve.
//!
//! It runs in the parent's memory, on a stack of its own, with the thread-local storage of a thread
//! that goes on meanwhile. So it allocates nothing, takes no lock, cannot panic, touches nothing
//! thread-local and calls nothing but system calls, and those not through the C library, whose
//! functions set `errno`; it writes only to its plan.

#![expect(unsafe_code, reason = "raw system calls in a child that shares the parent's memory")]

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use super::child_files::{close_from_3, install_all, leave_table};
use super::fs_helper::{self, RawCall};
use super::mask::KERNEL_SET_BYTES;
use super::raw::call;

/// The parts of the way to the program, for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Step {
    /// Closing the host's descriptors.
    CloseDescriptors = 1,
    /// Opening the input as stdin.
    Stdin,
    /// Opening stdout or stderr.
    Output,
    /// execve.
    Execute,
}

impl Step {
    pub(super) fn from_raw(raw: i32) -> Option<Step> {
        [Step::CloseDescriptors, Step::Stdin, Step::Output, Step::Execute]
            .into_iter()
            .find(|step| *step as i32 == raw)
    }
}

/// Where one of the three standard descriptors comes from. Pointers are to C strings that outlive
/// the child's use of them.
#[derive(Clone, Copy, Debug)]
pub(super) enum RawSource {
    /// A path to open with these flags.
    Open { path: *const c_char, flags: c_int },
    /// A descriptor of the host, never below 3.
    Descriptor(c_int),
    /// The host's own, or `/dev/null` when the host has it closed.
    Inherited,
    /// The same as stdout (for stderr).
    Stdout,
}

/// Everything the child needs, prepared by the parent.
#[derive(Debug)]
pub(super) struct ChildPlan {
    /// When it is about to execute the program, in nanoseconds of the monotonic clock; 0 before.
    pub(super) executes: AtomicU64,
    /// Where it went wrong, a [`Step`]; 0 while nothing has.
    pub(super) failed_step: AtomicI32,
    /// The errno there.
    pub(super) failed_errno: AtomicI32,
    /// Paths to try, NULL at the end.
    pub(super) candidates: *const *const c_char,
    /// Arguments, NULL at the end.
    pub(super) argv: *const *const c_char,
    /// `/bin/sh`, a slot for the path, the arguments from 1 on, NULL.
    pub(super) shell_argv: *mut *const c_char,
    /// Environment, NULL at the end.
    pub(super) envp: *const *const c_char,
    /// The three standard descriptors.
    pub(super) stdio: [RawSource; 3],
    /// What the child does instead of executing a program, if the count is not 0.
    pub(super) calls: *const RawCall,
    /// How many calls.
    pub(super) call_count: usize,
    /// Whether the descriptor table is still the host's own (CLONE_FILES).
    pub(super) shares_files: bool,
    /// Whether the kernel has close_range.
    pub(super) has_close_range: bool,
    /// The host's pid, when the child is to get TERM as soon as the thread that starts it has
    /// ended; 0: it is not.
    pub(super) ends_with: c_int,
}

const BIN_SH: *const c_char = c"/bin/sh".as_ptr();

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

/// Entry point of the child; does not return.
pub(super) extern "C" fn child_main(plan: *mut c_void) -> c_int {
    // SAFETY: the parent passes its plan, and keeps it until the child has left.
    let plan = unsafe { &*plan.cast::<ChildPlan>() };
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
    reset_dispositions();
    if plan.call_count != 0 {
        run_helper(plan);
    }
    if plan.ends_with != 0 {
        end_with(plan.ends_with);
    }
    install_all(plan)?;
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

/// Sets every signal to what the program is to have: execve leaves only ignored signals ignored and
/// makes all else the default. All signals are blocked, so none is taken meanwhile;
/// CLONE_CLEAR_SIGHAND alone would leave the ignored ones ignored.
///
/// Those that dump core get a handler until then. Before Linux 5.16 a process that dies of one
/// takes all with it that share its memory, whatever RLIMIT_CORE is (`zap_threads` in fs/coredump.c
/// of Linux 5.15), and that is the host. A handled signal stays pending while execve goes on, and
/// is the new program's afterwards.
fn reset_dispositions() {
    let handler = die as extern "C" fn(c_int) as usize;
    let dying: KernelAction = [handler, SA_RESTORER, 0, usize::MAX];
    let mut signal = 1;
    while signal <= 64 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            let action = if dumps(signal) { &raw const dying } else { &raw const DEFAULT_ACTION };
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
extern "C" fn die(_signal: c_int) {
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
            // The errors after which execvp goes on with the next directory of PATH.
            errno @ (libc::ENOENT
            | libc::ENOTDIR
            | libc::ESTALE
            | libc::ENODEV
            | libc::ETIMEDOUT) => {
                if explanation != libc::EACCES {
                    explanation = errno;
                }
            }
            errno => return errno,
        }
        candidate = candidate.wrapping_add(1);
    }
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
