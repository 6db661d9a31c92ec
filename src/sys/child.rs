//! What the child does between clone and execve.
//!
//! It runs in the parent's memory, on a stack of its own, with the thread-local storage of a thread
//! that goes on meanwhile. So it allocates nothing, takes no lock, cannot panic, touches nothing
//! thread-local and calls nothing but system calls, and those not through the C library, whose
//! functions set `errno`; it writes only to its plan.

#![expect(unsafe_code, reason = "raw system calls in a child that shares the parent's memory")]

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use super::errand::{self, RawCall};
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

const CLOSE_RANGE_UNSHARE: c_uint = 2;
const DEV_NULL: *const c_char = c"/dev/null".as_ptr();
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
        close_range(3, CLOSE_RANGE_UNSHARE).map_err(|errno| (Step::CloseDescriptors, errno))?;
    }
    // SAFETY: no memory is involved. It cannot fail for a child that has not executed yet.
    let _ = unsafe { call(libc::SYS_setpgid, [0, 0]) };
    reset_dispositions();
    if plan.call_count != 0 {
        run_errand(plan);
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

/// Makes the calls of an errand, and ends the child.
fn run_errand(plan: &ChildPlan) -> ! {
    if !plan.shares_files {
        close_from_3(plan.has_close_range);
    }
    // The child looks like the host in lists of processes: this tells what it is.
    let name = c"mcmd-errand".as_ptr().expose_provenance();
    // SAFETY: sets the name of this process alone.
    let _ = unsafe { call(libc::SYS_prctl, [libc::PR_SET_NAME as usize, name]) };
    // SAFETY: the parent keeps the calls until the child has left.
    unsafe { errand::perform(plan.calls, plan.call_count) };
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
/// Those that dump core get a handler until then. Before Linux 5.16 a process that dies of one takes
/// all with it that share its memory, whatever RLIMIT_CORE says (`zap_threads` in fs/coredump.c of
/// Linux 5.15), and that is the host. A handled signal stays pending while execve goes on, and is
/// the new program's afterwards.
fn reset_dispositions() {
    let handler = die as extern "C" fn(c_int) as usize;
    let dying: KernelAction = [handler, SA_RESTORER, 0, usize::MAX];
    let mut signal = 1;
    while signal <= 64 {
        if signal != libc::SIGKILL && signal != libc::SIGSTOP {
            let action = if dumps(signal) { &raw const dying } else { &raw const DEFAULT_ACTION };
            // SAFETY: the action is a live kernel structure, and the old one is not asked for. The
            // child has its own table of dispositions (no CLONE_SIGHAND). The handler may run at any
            // time and never returns.
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
        // SAFETY: no memory is involved; the signal goes to this process alone, which has one thread
        // and its own number.
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

/// Makes the three standard descriptors and closes all others that are the host's.
///
/// Those first that are open already, and the closing before any path is opened: an open can hang
/// (a directory of the operator's on dead storage), and a child that hung with a copy of the host's
/// table would keep its listening socket from its successor.
fn install_all(plan: &ChildPlan) -> Result<(), (Step, c_int)> {
    if !plan.shares_files {
        install_some(plan, false)?;
        close_from_3(plan.has_close_range);
    }
    install_some(plan, true)
}

/// Installs the sources that are paths, or those that are not.
fn install_some(plan: &ChildPlan, paths: bool) -> Result<(), (Step, c_int)> {
    let mut target = 0;
    while target < 3 {
        let source = plan.stdio[target];
        let is_descriptor = matches!(source, RawSource::Descriptor(_));
        // A copy of stdout can be made when stdout is there, so it counts as a path.
        if is_descriptor != paths {
            let step = if target == 0 { Step::Stdin } else { Step::Output };
            install(source, target as c_int).map_err(|errno| (step, errno))?;
        }
        target = target.wrapping_add(1);
    }
    Ok(())
}

/// Makes `source` the descriptor `target`, not close-on-exec.
fn install(source: RawSource, target: c_int) -> Result<(), c_int> {
    match source {
        RawSource::Open { path, flags } => move_to(open(path, flags)?, target),
        RawSource::Descriptor(fd) => duplicate(fd, target),
        RawSource::Stdout => duplicate(1, target),
        RawSource::Inherited => {
            // SAFETY: fcntl without memory.
            let kept =
                unsafe { call(libc::SYS_fcntl, [target as usize, libc::F_SETFD as usize, 0]) };
            match kept {
                Ok(_) => Ok(()),
                Err(_) => move_to(open(DEV_NULL, libc::O_RDWR)?, target),
            }
        }
    }
}

fn open(path: *const c_char, flags: c_int) -> Result<c_int, c_int> {
    // SAFETY: the path is a C string that the parent keeps alive.
    let fd = unsafe {
        let flags = (flags | libc::O_NOCTTY) as usize;
        call(libc::SYS_openat, [libc::AT_FDCWD as usize, path.expose_provenance(), flags, 0])
    }?;
    Ok(fd as c_int)
}

/// Moves `fd`, which was opened here and is not close-on-exec, to `target`.
fn move_to(fd: c_int, target: c_int) -> Result<(), c_int> {
    // Opened at the right number already, because the host has it closed: dup3 would refuse.
    if fd == target {
        return Ok(());
    }
    duplicate(fd, target)?;
    // SAFETY: closes a descriptor of the child's own table.
    let _ = unsafe { call(libc::SYS_close, [fd as usize]) };
    Ok(())
}

fn duplicate(fd: c_int, target: c_int) -> Result<(), c_int> {
    // SAFETY: no memory is involved; the table is the child's own by now.
    unsafe { call(libc::SYS_dup3, [fd as usize, target as usize, 0]) }.map(|_| ())
}

fn close_range(first: c_uint, flags: c_uint) -> Result<(), c_int> {
    let arguments = [first as usize, c_uint::MAX as usize, flags as usize];
    // SAFETY: no memory is involved.
    unsafe { call(libc::SYS_close_range, arguments) }.map(|_| ())
}

/// Closes everything from 3 on in the child's own copy of the table.
fn close_from_3(has_close_range: bool) {
    if has_close_range && close_range(3, 0).is_ok() {
        return;
    }
    let Ok(directory) =
        open(c"/proc/self/fd".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC)
    else {
        close_one_by_one();
        return;
    };
    // Entries name descriptors in rising order and the position is a descriptor number, so closing
    // while reading skips nothing. The buffer is aligned as the kernel's records are.
    let mut buffer = [0u64; 256];
    loop {
        // SAFETY: the buffer is live and its size is passed.
        let filled = unsafe {
            let (at, bytes) =
                ((&raw mut buffer).expose_provenance(), std::mem::size_of_val(&buffer));
            call(libc::SYS_getdents64, [directory as usize, at, bytes])
        };
        let Ok(filled @ 1..) = filled else { break };
        close_listed((&raw const buffer).cast::<u8>(), filled, directory);
    }
    // SAFETY: closes a descriptor of the child's own table.
    let _ = unsafe { call(libc::SYS_close, [directory as usize]) };
}

/// Closes the descriptors named by the `linux_dirent64` records in `filled` bytes at `records`.
fn close_listed(records: *const u8, filled: usize, directory: c_int) {
    /// Offsets of d_reclen and d_name in `struct linux_dirent64`.
    const RECORD_LENGTH: usize = 16;
    const NAME: usize = 19;
    let mut at = 0usize;
    while at.wrapping_add(NAME) < filled {
        // SAFETY: the kernel wrote whole records, each NUL-terminated, within `filled` bytes.
        let (length, fd) = unsafe {
            let record = records.wrapping_add(at);
            let length = record.wrapping_add(RECORD_LENGTH).cast::<u16>().read_unaligned();
            (length as usize, number(record.wrapping_add(NAME)))
        };
        if fd > 2 && fd != directory {
            // SAFETY: closes a descriptor of the child's own table.
            let _ = unsafe { call(libc::SYS_close, [fd as usize]) };
        }
        if length == 0 {
            break;
        }
        at = at.wrapping_add(length);
    }
}

/// Reads a decimal number; anything else gives -1.
///
/// # Safety
/// `text` must be NUL-terminated.
unsafe fn number(mut text: *const u8) -> c_int {
    let mut value: c_int = -1;
    loop {
        // SAFETY: not past the NUL, by the caller's promise.
        let byte = unsafe { *text };
        if !byte.is_ascii_digit() {
            return if byte == 0 { value } else { -1 };
        }
        let digit = c_int::from(byte.wrapping_sub(b'0'));
        value = if value < 0 { digit } else { value.wrapping_mul(10).wrapping_add(digit) };
        text = text.wrapping_add(1);
    }
}

/// The last resort without close_range and without /proc.
fn close_one_by_one() {
    /// Beyond this, closing one by one takes longer than a call may.
    const MOST: u64 = 1 << 20;
    let mut limit = [0u64; 2];
    // SAFETY: prlimit64 writes two 64-bit numbers into the live array.
    let read = unsafe {
        let limit = (&raw mut limit).expose_provenance();
        call(libc::SYS_prlimit64, [0, libc::RLIMIT_NOFILE as usize, 0, limit])
    };
    let end = if read.is_ok() && limit[0] < MOST { limit[0] } else { MOST };
    let mut fd = 3;
    while fd < end {
        // SAFETY: closes a descriptor of the child's own table, if there is one.
        let _ = unsafe { call(libc::SYS_close, [fd as usize]) };
        fd = fd.wrapping_add(1);
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
