//! Starting a program: the parent's side.

#![expect(unsafe_code, reason = "takes ownership of the pidfd and shares a plan with the child")]

use std::ffi::{CString, c_char, c_int};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;

pub(crate) use super::child::Step;
use super::child::{ChildPlan, RawSource};
use super::clone::{Stack, clone_child};
use super::features::features;
use super::files::above_stdio;
use super::pidfd::{PidFd, WaitTarget, wait};

/// Strings for execve in one allocation.
#[derive(Debug, Default)]
pub(crate) struct StringTable {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

/// A string holds a NUL byte and so cannot be passed to a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HasNul;

impl StringTable {
    /// Appends the concatenation of `parts` as one string.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) -> Result<(), HasNul> {
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(HasNul);
        }
        self.offsets.push(self.bytes.len());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
        Ok(())
    }

    /// Pointers to the strings, `skip` of them left out, and NULL. Valid while the table lives
    /// unchanged.
    fn pointers(&self, skip: usize) -> impl Iterator<Item = *const c_char> {
        let base = self.bytes.as_ptr();
        self.offsets
            .iter()
            .skip(skip)
            .map(move |offset| base.wrapping_add(*offset).cast::<c_char>())
            .chain(std::iter::once(std::ptr::null()))
    }
}

/// Where a standard descriptor of the child comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The child opens this path with these flags: an open file description of its own.
    Open(CString, c_int),
    /// A descriptor of ours, which must be 3 or more.
    Descriptor(Arc<OwnedFd>),
    /// The host's own.
    Inherited,
    /// stderr: the same as stdout.
    Stdout,
}

impl Source {
    fn raw(&self) -> RawSource {
        match self {
            Source::Open(path, flags) => RawSource::Open { path: path.as_ptr(), flags: *flags },
            Source::Descriptor(fd) => RawSource::Descriptor(fd.as_raw_fd()),
            Source::Inherited => RawSource::Inherited,
            Source::Stdout => RawSource::Stdout,
        }
    }
}

/// A program to start.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Paths to try in order, as `execvp` tries the directories of PATH.
    pub(crate) candidates: StringTable,
    /// Arguments, the first is the program's name.
    pub(crate) arguments: StringTable,
    /// `KEY=value` entries.
    pub(crate) environment: StringTable,
    /// stdin, stdout, stderr.
    pub(crate) stdio: [Source; 3],
}

/// What other threads may see of a spawn that is under way.
#[derive(Debug)]
pub(crate) struct Slot {
    pidfd: AtomicI32,
    started: AtomicI32,
}

impl Slot {
    /// A slot for one spawn.
    pub(crate) fn new() -> Slot {
        Slot { pidfd: AtomicI32::new(-1), started: AtomicI32::new(0) }
    }

    /// Sends a signal to the child of a spawn that has not returned yet, which the caller must
    /// know (by a lock that the spawner takes afterwards). False when there is no child yet, or no
    /// pidfd for it.
    pub(crate) fn signal(&self, signal: c_int) -> bool {
        // The child itself says that it runs: the kernel writes the number a moment before it is
        // a descriptor, and might still fail.
        if self.started.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let fd = self.pidfd.load(Ordering::SeqCst);
        fd >= 0 && super::pidfd::send_signal_raw(fd, signal, 0).is_ok()
    }
}

/// A started child.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its pid, which is its process group too.
    pub(crate) pid: i32,
    /// Its pidfd; `None` on kernels without.
    pub(crate) pidfd: Option<PidFd>,
}

/// Why there is no child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpawnFailure {
    /// The process could not be created.
    Clone(Errno),
    /// It could not get as far as its program.
    Child(Step, Errno),
}

/// Starts a program and returns when it has been executed (or could not be).
///
/// Blocks for as long as the kernel needs for that. Other threads see the child in `slot`. The
/// calling thread must block signals, or a handler of the host's could run in the child; SIGCHLD
/// it may let through, because nobody sends that to a child that has none itself.
pub(crate) fn spawn(plan: &Plan, stack: &mut Stack, slot: &Slot) -> Result<Spawned, SpawnFailure> {
    let candidates: Vec<_> = plan.candidates.pointers(0).collect();
    let argv: Vec<_> = plan.arguments.pointers(0).collect();
    let envp: Vec<_> = plan.environment.pointers(0).collect();
    let mut shell_argv = vec![c"/bin/sh".as_ptr(), std::ptr::null()];
    shell_argv.extend(plan.arguments.pointers(1));
    // With the table shared until the child's first call the cost does not grow with the host's
    // open descriptors; but then no descriptor of the host is left for the child to use.
    let takes_descriptors = plan.stdio.iter().any(|s| matches!(s, Source::Descriptor(_)));
    let shares_files = features().close_range && !takes_descriptors;
    let [stdin, stdout, stderr] = &plan.stdio;
    let mut child = ChildPlan {
        started: &raw const slot.started,
        failed_step: AtomicI32::new(0),
        failed_errno: AtomicI32::new(0),
        candidates: candidates.as_ptr(),
        argv: argv.as_ptr(),
        shell_argv: shell_argv.as_mut_ptr(),
        envp: envp.as_ptr(),
        stdio: [stdin.raw(), stdout.raw(), stderr.raw()],
        shares_files,
        has_close_range: features().close_range,
    };
    let pid = clone_child(&mut child, shares_files, stack, &slot.pidfd)
        .map_err(SpawnFailure::Clone)?;
    let fd = slot.pidfd.load(Ordering::SeqCst);
    let pidfd = (fd >= 0).then(|| {
        // SAFETY: the kernel made this descriptor for us when it made the child; the slot only
        // lends its number to others while this function runs.
        unsafe { OwnedFd::from_raw_fd(fd) }
    });
    let pidfd = pidfd.and_then(|fd| above_stdio(fd).ok()).map(PidFd::from);
    let Some(step) = Step::from_raw(child.failed_step.load(Ordering::SeqCst)) else {
        return Ok(Spawned { pid, pidfd });
    };
    // It has ended or is about to. ECHILD (a host that ignores SIGCHLD) is as good.
    let _ = wait(WaitTarget::of(pid, pidfd.as_ref()), libc::WEXITED);
    Err(SpawnFailure::Child(step, Errno::from_raw(child.failed_errno.load(Ordering::SeqCst))))
}
