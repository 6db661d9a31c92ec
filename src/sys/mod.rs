//! The kernel, as this crate needs it: one safe wrapper per system call, and the spawn.
//!
//! Everything that needs `unsafe` to start, watch and end processes lives here, and nothing here
//! knows what a command is. Calls that are newer than the C libraries of supported distributions
//! (clone3, close_range, pidfd_open, pidfd_send_signal, waitid on a pidfd) go through `syscall(2)`,
//! so that a library built here loads there; each has a fallback for kernels and seccomp filters
//! that refuse it.
//!
//! Invariants: no signal handler is installed, no child is waited for that was not started here,
//! every descriptor is close-on-exec.

mod announced;
mod cgroup;
mod channel;
mod child;
mod child_files;
mod child_identity;
mod child_plan;
mod clone;
mod dispositions;
mod events;
mod features;
mod files;
mod forked;
mod fs_helper;
mod identity;
mod mask;
mod own_directory;
mod pidfd;
mod plan;
mod posix_spawn;
mod process_id;
mod procfs;
mod raw;
mod ready;
mod rights;
mod spawn;
mod start_method;
mod starter;
mod step;
mod strings;

pub(crate) use cgroup::{Cgroups, Unified};
pub(crate) use channel::{channel, receive_message, send_message};
pub(crate) use clone::creates_in_cgroups;
pub(crate) use events::next_event;
pub(crate) use features::{features, memfd_paths};
pub(crate) use files::{above_stdio, has_no_writer, make_file, occupy_stdio};
pub(crate) use fs_helper::{FsHelper, Step as HelperStep};
pub use identity::{Identity, User};
pub(crate) use mask::{
    HOST_CODE_STACK_BYTES, enter_own_thread, start_thread, write_without_sigpipe,
};
pub(crate) use own_directory::{OwnDirectory, lock_directory};
pub(crate) use pidfd::{
    ExitStatus, PidFd, WaitTarget, exit_info, kill, kill_group, poll_by_runtime, poll_channel, wait,
};
pub(crate) use plan::{NoProcess, Plan, Source, SpawnFailure, Spawned};
pub use process_id::Pid;
pub(crate) use process_id::ProcessGroup;
#[cfg(test)]
pub(crate) use procfs::tests::WITHOUT_LISTS;
pub(crate) use procfs::{
    Family, ProcessStat, process_stat, processes, read_small, resident_bytes, stat_since,
};
#[cfg(feature = "fuzz")]
pub(crate) use procfs::{parse_children, parse_stat};
pub(crate) use ready::ReadyProcess;
pub(crate) use rights::{Capability, FOR_USERS, SYS_NICE, SYS_RESOURCE, missing, niceness};
pub(crate) use spawn::{Start, spawn};
pub(crate) use start_method::children_are_programs;
pub use start_method::{START_METHOD_VARIABLE, StartMethod, StartMethodError, start_method};
pub(crate) use step::Step;
pub(crate) use strings::{HasNul, StringTable};
