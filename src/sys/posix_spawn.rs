//! Starting a program by `posix_spawn`: a second way, plain and slower, for an operator who
//! distrusts the first, and for tools that follow no child which shares our memory (sanitizers,
//! valgrind).
//!
//! What differs from [`spawn`](super::spawn()):
//!
//! * The calling thread waits until the program is executed. If its file system hangs, so does the
//!   thread, and neither deadline nor signal reaches a child that has no number yet.
//! * What a program gets as a standard descriptor is opened here, not by the child, so that a
//!   failure is known by its step: `posix_spawn` only says an errno.
//! * The host's descriptors that are not close-on-exec are listed, and the child closes those. One
//!   that another thread opens after that is inherited.
//! * A child cannot ask to be ended with us (`ends_with_starter`), nor begin in a cgroup, nor
//!   change its user, its niceness or its limits; it keeps the host's `oom_score_adj`.
//! * No child runs code of ours, so the calls of an [`FsHelper`](super::FsHelper) are made by a
//!   thread: see [`FsHelper::perform_here`](super::FsHelper::perform_here).
//!
//! The pidfd is made after the start. Nobody of ours reaps before that; a host that waits for any
//! child could.

#![expect(unsafe_code, reason = "a set of all signals, and descriptors that are the host's")]

use std::ffi::{CStr, c_int};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;

use super::child::looks_on;
use super::files::above_stdio;
use super::identity::Identity;
use super::plan::{NoProcess, Plan, Source, SpawnFailure, Spawned};
use super::process_id::Pid;
use super::step::Step;

/// The version of a C library whose `posix_spawn` would fork, if this is one: glibc before 2.24.
#[cfg(target_env = "gnu")]
pub(super) fn copying_library() -> Option<String> {
    // SAFETY: it gives a C string that lives as long as the library.
    let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
    let version = version.to_string_lossy();
    is_before_2_24(&version).then(|| version.into_owned())
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn copying_library() -> Option<String> {
    None
}

#[cfg(any(target_env = "gnu", test))]
fn is_before_2_24(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) < (2, 24),
        _ => false,
    }
}

/// Starts a program and waits until it is executed; how long that took, too.
pub(super) fn spawn(plan: Plan) -> Result<(Spawned, Duration), Box<NoProcess>> {
    let begun = Instant::now();
    match start(&plan) {
        Ok(pid) => Ok((Spawned::by_number(pid), begun.elapsed())),
        Err(failure) => Err(Box::new(NoProcess { failure, plan })),
    }
}

fn start(plan: &Plan) -> Result<Pid, SpawnFailure> {
    // The calls of a helper are made by a thread; the rest is refused when an instance is created.
    let is_plain = plan.cgroups.are_none() && plan.identity == Identity::default();
    if plan.helper.raw().1 != 0 || !is_plain {
        return Err(SpawnFailure::Clone(Errno::ENOTSUP));
    }
    let mut actions = PosixSpawnFileActions::init().map_err(SpawnFailure::Clone)?;
    let opened = standard_descriptors(&plan.stdio, &mut actions)?;
    close_others(&mut actions)
        .map_err(|errno| SpawnFailure::Child(Step::CloseDescriptors, errno))?;
    let attributes = attributes().map_err(SpawnFailure::Clone)?;
    let started = execute(plan, &actions, &attributes);
    drop(opened);
    started
}

/// Makes the three standard descriptors; the returned ones must live until the start.
fn standard_descriptors(
    stdio: &[Source; 3],
    actions: &mut PosixSpawnFileActions,
) -> Result<Vec<OwnedFd>, SpawnFailure> {
    let mut opened = Vec::new();
    for (target, source) in (0..).zip(stdio) {
        let step = if target == 0 { Step::Stdin } else { Step::Output };
        let failed = |errno| SpawnFailure::Child(step, errno);
        let from = match source {
            Source::Open(path, flags) => Some(open_here(path, *flags).map_err(failed)?),
            Source::Inherited => inherited(target).map_err(failed)?,
            Source::Descriptor(_) | Source::Stdout => None,
        };
        let number = match source {
            Source::Descriptor(fd) => Some(fd.as_raw_fd()),
            Source::Stdout => Some(1),
            Source::Open(..) | Source::Inherited => from.as_ref().map(AsRawFd::as_raw_fd),
        };
        if let Some(number) = number {
            actions.add_dup2(number, target).map_err(failed)?;
        }
        opened.extend(from);
    }
    Ok(opened)
}

fn open_here(path: &CStr, flags: c_int) -> Result<OwnedFd, Errno> {
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    above_stdio(open(path, flags, Mode::empty())?)
}

/// What becomes the host's own descriptor `target` in the child, if not that itself.
fn inherited(target: RawFd) -> Result<Option<OwnedFd>, Errno> {
    match is_close_on_exec(target) {
        None => open_here(c"/dev/null", libc::O_RDWR).map(Some),
        Some(false) => Ok(None),
        Some(true) => {
            // SAFETY: no memory is involved.
            let copy = unsafe { libc::fcntl(target, libc::F_DUPFD_CLOEXEC, 3) };
            // SAFETY: the kernel has just made this descriptor for us.
            Errno::result(copy).map(|copy| Some(unsafe { OwnedFd::from_raw_fd(copy) }))
        }
    }
}

/// `None` when there is no such descriptor.
fn is_close_on_exec(fd: RawFd) -> Option<bool> {
    // SAFETY: no memory is involved.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    (flags >= 0).then_some(flags & libc::FD_CLOEXEC != 0)
}

/// Has the child close what the host has open from 3 on and would be inherited.
fn close_others(actions: &mut PosixSpawnFileActions) -> Result<(), Errno> {
    let of_io = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    for entry in std::fs::read_dir("/proc/self/fd").map_err(of_io)? {
        let name = entry.map_err(of_io)?.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        if fd > 2 && is_close_on_exec(fd) == Some(false) {
            // The C library takes no action on such a descriptor, and the program would have it.
            if u64::try_from(fd).is_ok_and(|fd| fd >= limit) {
                return Err(Errno::EMFILE);
            }
            actions.add_close(fd)?;
        }
    }
    Ok(())
}

/// A process group of its own, no signal blocked, none ignored.
fn attributes() -> Result<PosixSpawnAttr, Errno> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_pgroup(nix::unistd::Pid::from_raw(0))?;
    attributes.set_sigdefault(&every_signal())?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK,
    )?;
    Ok(attributes)
}

/// All signals, the C library's own and the real-time ones too, which [`SigSet::all`] leaves out or
/// cannot name; glibc leaves its own ignored in the child otherwise.
fn every_signal() -> SigSet {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: a set of signals is an array of bits, each of which may be set.
    unsafe {
        set.as_mut_ptr().write_bytes(0xff, 1);
        SigSet::from_sigset_t_unchecked(set.assume_init())
    }
}

/// Tries the candidates as `execvp` does, each in a process of its own.
fn execute(
    plan: &Plan,
    actions: &PosixSpawnFileActions,
    attributes: &PosixSpawnAttr,
) -> Result<Pid, SpawnFailure> {
    let arguments: Vec<&CStr> = plan.arguments.strings().collect();
    let environment: Vec<&CStr> = plan.environment.strings().collect();
    let spawn = |path: &CStr, arguments: &[&CStr]| {
        let pid = posix_spawn(path, actions, attributes, arguments, &environment)?;
        Pid::from_raw(pid.as_raw()).ok_or(Errno::EINVAL)
    };
    let mut explanation = Errno::ENOENT;
    for candidate in plan.candidates.strings() {
        match spawn(candidate, &arguments) {
            Ok(pid) => return Ok(pid),
            Err(Errno::ENOEXEC) => {
                let mut shell = vec![c"/bin/sh", candidate];
                shell.extend(arguments.iter().skip(1));
                return spawn(c"/bin/sh", &shell).map_err(failure);
            }
            Err(Errno::EACCES) => explanation = Errno::EACCES,
            Err(errno) if looks_on(errno as c_int) => {
                if explanation != Errno::EACCES {
                    explanation = errno;
                }
            }
            Err(errno) => return Err(failure(errno)),
        }
    }
    Err(failure(explanation))
}

/// Whether there was no process or it could not execute the program is not told apart by the C
/// library. What a lack of processes or memory gives, is taken for the former.
fn failure(errno: Errno) -> SpawnFailure {
    match errno {
        Errno::EAGAIN | Errno::ENOMEM => SpawnFailure::Clone(errno),
        errno => SpawnFailure::Child(Step::Execute, errno),
    }
}

#[cfg(test)]
#[path = "posix_spawn_tests.rs"]
mod tests;
