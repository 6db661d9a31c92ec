//! The engine's `reactor`, but for what waits for processes, files and condition variables.

#[path = "../../src/reactor/backoff.rs"]
mod backoff;
#[path = "../../src/reactor/cancel.rs"]
mod cancel;
#[path = "../../src/reactor/epoll.rs"]
mod epoll;
#[path = "../../src/reactor/queue.rs"]
mod queue;
#[path = "../../src/reactor/timers.rs"]
#[expect(dead_code, reason = "runs of commands use the rest")]
mod timers;

pub(crate) use backoff::Backoff;
pub use cancel::CancelToken;
pub(crate) use epoll::{Interest, Reactor, Watch};
pub(crate) use queue::{Expired, Expires, Queue, QueueOwner, scan_at};
pub(crate) use timers::{Poll, Timers, first_poll, sleep_until};

/// Of files, of which nothing is asked here.
pub(crate) struct FsHelpers;

impl FsHelpers {
    pub(crate) fn new(_most: usize) -> FsHelpers {
        FsHelpers
    }
}
