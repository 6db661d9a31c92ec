//! Persistent workers: commands that stay and answer requests.
//!
//! A [`WorkerPool`] belongs to one command of one instance. It keeps a fixed number of its
//! processes, started with `MESOS_COMMAND_WORKER=1` and no arguments, and exchanges lines of JSON
//! with them over pipes (`protocol`). What an exchange is, from its first byte to its verdict, is
//! one state machine (`exchange`), which two drivers move on: a caller that blocks, as synchronous
//! hooks do, reads and writes the pipes itself (`lease`); for all others a caller writes the
//! request, and the reactor's thread reads the answer and writes the next request (`drive`); the
//! runtime looks after those that take long (`overdue`). One task per worker starts, greets and
//! ends it (`supervisor`, `teardown`). The pool is a queue in front of the workers (`pool`,
//! `pending`).
//!
//! ```text
//! submit -> an idle worker, else the queue (first come, first served), else (no worker is up)
//!           a plain run of the command, or the queue for a second (`stand_in`)
//! ```
//!
//! Invariants:
//! * every request is answered exactly once, also when its worker dies or the pool is dropped;
//! * a worker has at most one request, or as many as it asked for in its greeting and may have;
//! * one that once broke the protocol, a deadline or the size limit is killed with its tree and
//!   never used again; its replacement waits for a growing pause. One that takes cancels is sent
//!   one at a deadline, and killed when it does not answer that;
//! * a request that was not written yet is never lost with a worker: it goes to another one or
//!   becomes a plain run (or fails, without `stand_in`). One that was written is not repeated,
//!   because nobody knows what it did; but a sample that was lost with others is taken once more,
//!   by a plain run or alone (`verdict`);
//! * one that is replaced although it is well serves until its successor is ready;
//! * a worker ends with this process, by the end of its input or, if it is busy, by the TERM that
//!   the kernel sends it when the runtime's thread, which starts it, is gone;
//! * a worker's end is seen by its pidfd, so children that hold its pipes do not hide it.
//!
//! The lanes of an instance do not apply to requests of workers, because the pool is their queue;
//! they do to the plain runs.

mod dispatch;
mod drive;
mod exchange;
mod fault;
mod fingerprint;
mod lease;
mod limits;
mod look;
mod overdue;
mod pending;
mod pipes;
mod pool;
mod protocol;
mod recycle;
mod shared;
mod supervisor;
mod teardown;
mod verdict;
#[expect(clippy::module_inception, reason = "a worker is what this folder is about")]
mod worker;

#[cfg(feature = "fuzz")]
pub(crate) use {exchange::Exchange, pending::answered, protocol::ENVELOPE, protocol::Reply};

pub use limits::Recycling;
pub use look::{SeenPool, SeenWorker, Workers};
pub use pool::WorkerPool;
pub use shared::{WorkerLog, WorkerSettings};
