//! The engine's queues, timers, reactor and workers, in many orders of their steps.
//!
//! [shuttle] runs tasks one at a time and picks at each lock which goes on, many times anew. What
//! is played are the engine's own files: this crate has them by their paths, in modules of the same
//! names, and `parking_lot` stands for shuttle's locks (`Cargo.toml`). What they use of the rest of
//! the engine is the real one where that waits for nothing. The exceptions, each in the file that
//! has it:
//!
//! * `sys`: a thread is a task of shuttle, and the wait for an event looks, without waiting, at the
//!   real epoll instance until there is one. Pipes, eventfds and epoll are the kernel's.
//! * `run`: a worker's process is a task that reads and writes the worker's real pipes, and a plain
//!   run of a command is answered at once.
//!
//! The runtime's clock stands still. Timers of tokio never fire, so that nothing is found by a look
//! that comes anyway: what has to be woken is woken, or the play has no end and fails.
//!
//! Not played: a caller that blocks in a lease (while `Lease::call` polls the kernel, no other task
//! has its turn), the end of a run (`Supervision` needs a process), `reactor::Pool` and `Lifetime`
//! (shuttle has no condition variable with the interface of parking_lot).
//!
//! [shuttle]: https://docs.rs/shuttle

/// As std's macro, of one item; each task of shuttle has a value of its own.
macro_rules! thread_local {
    ($(#[$_meta:meta])* static $name:ident: $of:ty = const { $value:expr };) => {
        shuttle::thread_local! { static OF_TASK: $of = $value }
        static $name: crate::local::OfTask<$of> = crate::local::OfTask(&OF_TASK);
    };
}

mod command {
    pub(crate) use mesos_command::command::*;
}

mod containment {
    pub(crate) use mesos_command::containment::SlotPool;
}

mod escape {
    pub(crate) use mesos_command::escape::one_line_bytes;
}

mod event {
    pub(crate) use mesos_command::event::{Event, Lane};
}

mod local;

mod metrics {
    pub(crate) use mesos_command::metrics::{ModuleMetrics, WorkerMetrics};
}

mod outcome {
    pub(crate) use mesos_command::outcome::{
        FailureReason, KillSignal, OutcomeKind, WarmStart, WorkerRestart,
    };
}

mod play;

#[path = "model/reactor.rs"]
pub mod reactor_model;

pub mod reactor;
pub mod run;

mod schema {
    pub(crate) use mesos_command::schema::{read_json_string, split_json_object, whole_number};
}

pub mod staging;
mod sys;

#[path = "model/timers.rs"]
pub mod timers_model;

pub mod worker;

pub use play::play;
