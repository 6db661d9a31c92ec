//! Runs one command: start, deadline, escalation, capture, reap; one outcome per call.
//!
//! The thread that submits a run makes its files and creates its process; it does not wait until the
//! program is executed. A run has one owner at a time: at first `quick`, then,
//! if it takes longer than a few milliseconds or anything unusual happens, a task of `supervise` on a
//! small runtime. Reactor threads wait for ends and hand over the answers. [`Runner`] is
//! process-wide, started on first use; all else belongs to a run.
//!
//! Invariants: every submission is answered exactly once; a leader is reaped only after the last
//! signal to its group (or by its pidfd, which cannot hit another); nothing is left behind when a
//! run has ended, other than background children that are to be kept and what outlived SIGKILL.
//!
//! What is guaranteed about the processes of a run: the process group, and the descendants that
//! left it but still hang together with the leader when a deadline passes, are ended. A daemon
//! that was orphaned into a session of its own before that is not found.

mod descendants;
mod ending;
mod fast_path;
mod lane;
mod lifetime;
mod piped;
mod plan;
mod quarantine;
mod reply;
mod report;
mod request;
#[expect(clippy::module_inception, reason = "a run is what this folder is about")]
mod run;
mod runner;
mod sizes;
mod start;
mod start_error;
mod stragglers;
mod supervise;
mod tree;

pub use descendants::end_descendants;
pub(crate) use fast_path::first_poll;
pub use lane::LaneQueue;
pub(crate) use lifetime::Unended;
pub use lifetime::{Lifetime, end_all};
pub(crate) use piped::{End, PipedChild};
pub(crate) use plan::{lookup, unix_seconds};
pub use quarantine::Quarantine;
pub(crate) use reply::ReplyOnce;
pub use request::{CommandSpec, DeadlineFrom, Kills, OnStart, Request, RunReport, Timings};
pub use runner::Runner;
pub(crate) use runner::{answer_blocking, answer_later, lost_report, waited_since};
