//! Runs one command: start, deadline, escalation, capture, reap; one outcome per call.
//!
//! The thread that submits a run makes its files and creates its process; it does not wait until
//! the program is executed. A run is one state machine, `Supervision`. Its `step` is called by a
//! reactor thread when the leader has ended, and by the timers when something is due; a caller that
//! blocks for its run calls it itself. Reactor threads hand over the answers. [`Runner`] is
//! process-wide, started on first use; all else belongs to a run.
//!
//! Invariants: every submission is answered exactly once; a leader is reaped only after the last
//! signal to its group (or by its pidfd, which cannot hit another); nothing is left behind when a
//! run has ended, other than background children that are to be kept and what outlived SIGKILL.
//!
//! By the start method `posix_spawn` ([`StartMethod`]) the thread does wait for the execution. A
//! start that hangs there holds it.
//!
//! What is guaranteed about the processes of a run: at containment level `cgroup` all that are in
//! its cgroup are ended. At level `group` the process group is, and the descendants that left it
//! but still hang together with the leader when a deadline passes; a daemon that was orphaned into
//! a session of its own before that is not found.

mod awaited;
mod cgroup;
mod cleaner;
mod descendants;
mod drive;
mod ending;
mod execute;
mod files;
mod followed;
mod judge;
mod lane;
mod leader;
mod lifetime;
mod piped;
mod plan;
mod quarantine;
mod reply;
mod request;
#[expect(clippy::module_inception, reason = "a run is what this folder is about")]
mod run;
mod runner;
mod services;
mod sizes;
mod standby;
mod start;
mod start_error;
mod stragglers;
mod supervise;
mod tree;

pub use crate::sys::{START_METHOD_VARIABLE, StartMethod, StartMethodError, start_method};
pub use descendants::end_descendants;
pub use followed::{Followed, next_number};
pub(crate) use judge::LimitMet;
pub use lane::LaneQueue;
pub(crate) use lifetime::Unended;
pub use lifetime::{Lifetime, end_all};
pub(crate) use piped::{End, InterpreterEnds, PipeEnds, PipedChild, PipedEnd};
pub(crate) use plan::unix_seconds;
pub use quarantine::Quarantine;
pub(crate) use reply::ReplyOnce;
pub(crate) use request::waited_since;
pub use request::{CommandSpec, DeadlineFrom, Kills, Request, RunReport, Timings};
pub use runner::Runner;
pub(crate) use runner::{answer_blocking, answer_later, lost_report};
pub(crate) use standby::Asked;
pub use standby::Standby;
