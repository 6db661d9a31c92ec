//! Waiting without a thread for each thing that is waited for.
//!
//! `Reactor` waits for descriptors on a few threads, on which answers are handed to the host too;
//! `Timers` does on the runtime what is due at a certain time; `Queue` holds what waits for its
//! turn, with deadlines and cancellation; `Pool` is for work that takes long, and `FsHelpers`
//! for file systems that may not answer. Nothing here knows what a command is.

mod backoff;
mod cancel;
mod child;
mod epoll;
mod fs_helpers;
mod pool;
mod queue;
mod timers;

pub(crate) use backoff::Backoff;
pub use cancel::CancelToken;
pub(crate) use child::{Child, Exit};
pub(crate) use epoll::{Interest, Reactor, Watch};
pub(crate) use fs_helpers::{FsHelpers, NoResult};
pub(crate) use pool::{NoPlace, Pool};
pub(crate) use queue::{Expired, Expires, Queue, QueueOwner, scan_at};
pub(crate) use timers::{Poll, Timers, first_poll, sleep_until};
