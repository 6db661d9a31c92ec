//! A program to start, and what came of it.

use std::ffi::{CString, c_int};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::cgroup::Cgroups;
use super::child_plan::RawSource;
use super::fs_helper::FsHelper;
use super::identity::Identity;
use super::pidfd::PidFd;
use super::process_id::Pid;
use super::step::Step;
use super::strings::StringTable;

/// Where a standard descriptor of the child comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Source {
    /// The child opens this path with these flags: an open file description of its own.
    Open(CString, c_int),
    /// A descriptor of ours, which must be 3 or more.
    Descriptor(Arc<OwnedFd>),
    /// The host's own.
    #[default]
    Inherited,
    /// stderr: the same as stdout.
    Stdout,
}

impl Source {
    pub(super) fn raw(&self) -> RawSource {
        match self {
            Source::Open(path, flags) => RawSource::Open { path: path.as_ptr(), flags: *flags },
            Source::Descriptor(fd) => RawSource::Descriptor(fd.as_raw_fd()),
            Source::Inherited => RawSource::Inherited,
            Source::Stdout => RawSource::Stdout,
        }
    }
}

/// A program to start.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Paths to try in order, as `execvp` tries the directories of PATH.
    pub(crate) candidates: StringTable,
    /// Arguments, the first is the program's name.
    pub(crate) arguments: StringTable,
    /// `KEY=value` entries.
    pub(crate) environment: StringTable,
    /// stdin, stdout, stderr.
    pub(crate) stdio: [Source; 3],
    /// The cgroups that it begins in.
    pub(crate) cgroups: Cgroups,
    /// Whose rights it has, and what it may take.
    pub(crate) identity: Identity,
    /// What the child does instead of all that, unless it is empty.
    pub(crate) helper: FsHelper,
    /// Whether the kernel sends the child TERM when the *thread* that starts it has ended, which
    /// must therefore be one that lives as long as the process. Its children get nothing.
    pub(crate) ends_with_starter: bool,
}

/// A started child.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its pid, which is its process group too.
    pub(crate) pid: Pid,
    /// Its pidfd; `None` on kernels without.
    pub(crate) pidfd: Option<PidFd>,
}

impl Spawned {
    /// A child that is not reaped yet.
    pub(crate) fn by_number(pid: Pid) -> Spawned {
        // It cannot be another's: a child keeps its number until it is reaped.
        Spawned { pid, pidfd: PidFd::open(pid).ok() }
    }
}

/// Why there is no child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpawnFailure {
    /// The process could not be created.
    Clone(Errno),
    /// It could not get as far as its program.
    Child(Step, Errno),
}

impl SpawnFailure {
    /// What the kernel said.
    pub(crate) fn errno(self) -> Errno {
        let (SpawnFailure::Clone(errno) | SpawnFailure::Child(_, errno)) = self;
        errno
    }
}

/// There is no child.
#[derive(Debug)]
pub(crate) struct NoProcess {
    /// Why.
    pub(crate) failure: SpawnFailure,
    /// For another attempt.
    pub(crate) plan: Plan,
}
