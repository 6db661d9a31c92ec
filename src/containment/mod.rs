//! What holds the processes of commands together, so that none of them escapes its end.
//!
//! There are two levels. At [`Level::Group`] a command is its process group and the descendants
//! that are found by their parents; a daemon in a session of its own is not found. At
//! [`Level::Cgroup`] every command runs in a cgroup of its own, which no process can leave that the
//! host did not let out, so all of them are found and ended, also when the host died.
//!
//! ```text
//! <mount>/<cgroup_root>/<pid>.<start time>/<module>.<event>.<number>
//! ```
//!
//! The directory of a host process is locked (flock) while it lives. When a process takes up its
//! work it ends what dead ones have left running, but not what they were to leave running: those
//! cgroups carry an extended attribute (`kept`).
//!
//! A cgroup is used for one command after the other while it is clean. One in which something was
//! killed is removed, and never used again: the kernel remembers the kill for a moment and would
//! end a healthy command.

mod cgroup;
mod kept;
mod leftover;
mod level;
mod limits;
mod mounts;
mod pool;
mod tree;

pub use level::{Chosen, Level, choose};
pub(crate) use level::{end_everything, remove_directories};
pub use pool::{Contained, NoLimit, SlotPool};
pub(crate) use pool::{Exceeded, Slot, end_rest};
