//! Runs one command: start, deadline, escalation, capture, reap; one outcome per call.
//!
//! The thread that submits a run makes its files and creates its process; it does not wait until the
//! program is executed. A run has one owner at a time: at first `quick`, then,
//! if it takes longer than a few milliseconds or anything unusual happens, a task of `supervise` on a
//! small runtime. Completer threads wait for ends and hand over the answers. [`Runner`] is
//! process-wide, started on first use; all else belongs to a run.
//!
//! Invariants: every submission is answered exactly once; a leader is reaped only after the last
//! signal to its group (or by its pidfd, which cannot hit another); nothing is left behind when a
//! run has ended, other than background children that are to be kept and what outlived SIGKILL.
//!
//! What is guaranteed about the processes of a run: the process group, and the descendants that
//! left it but still hang together with the leader when a deadline passes, are ended. A daemon
//! that was orphaned into a session of its own before that is not found.

mod alarms;
mod attached;
mod cancel;
mod child;
mod completers;
mod descendants;
mod done;
mod ending;
mod errand;
mod explain;
mod group;
mod lane;
mod lifetime;
mod plan;
mod pool;
mod quarantine;
mod queue;
mod quick;
mod report;
mod request;
mod run;
mod runner;
mod sizes;
mod start;
mod supervise;
mod tree;

pub(crate) use attached::{Attached, End};
pub use cancel::CancelToken;
pub(crate) use cancel::cancelled;
pub(crate) use completers::{Completers, Watch};
pub use descendants::end_descendants;
pub(crate) use done::Done;
pub(crate) use errand::Errands;
pub use lane::LaneQueue;
pub(crate) use lifetime::Unended;
pub use lifetime::{Lifetime, end_all};
pub(crate) use plan::{lookup, unix_seconds};
pub use quarantine::Quarantine;
pub(crate) use queue::{Given, Queue, Waits};
pub(crate) use quick::quick_until;
pub use request::{
    Background, CommandLine, CommandSpec, DeadlineFrom, Input, IoMode, Kills, OnStart, Request,
    RunReport, Stdio, Timings,
};
pub use runner::Runner;
pub(crate) use runner::{answer_blocking, answer_later, lost_report, waited_since};
pub(crate) use start::sleep_until;
