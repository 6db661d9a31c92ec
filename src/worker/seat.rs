//! The place of one worker, and who has the worker in it.
//!
//! A worker is idle, or somebody has it: its task, a caller, or the thread that hears it.
//! Whoever is not the task holds a [`Held`], which gives the worker back; what is not the usual
//! case is left to the task (`Returned`).
//!
//! Locks are taken in this order: a line's, the pool's, the seat's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::direct::Direct;
use super::job::{Job, Returned};
use super::line::Line;
use super::pool::Shared;

/// The place of one worker.
#[derive(Default)]
pub(super) struct Seat {
    /// Written under the lock of the pool, together with the list of the idle.
    desk: Mutex<Desk>,
    /// The task wants its worker back.
    wanted: AtomicBool,
    /// Calls the task: something lies on the desk, or is to be seen to on the line.
    pub(super) called: Notify,
}

#[derive(Default)]
struct Desk {
    access: Access,
    /// Somebody has the worker who is not the task.
    held: bool,
    /// For the task.
    left: Option<Returned>,
}

/// How callers reach the worker.
#[derive(Clone, Default)]
pub(super) enum Access {
    /// Only through its task.
    #[default]
    Task,
    /// A blocking caller talks to it.
    Lent(Arc<Direct>),
    /// A caller writes, and another thread hears the answer.
    Heard(Arc<Line>),
}

impl Seat {
    /// Sets how callers reach the worker from now on.
    pub(super) fn set_access(&self, access: Access) {
        // Dropped after the lock is gone.
        let _before = std::mem::replace(&mut self.desk.lock().access, access);
    }

    pub(super) fn access(&self) -> Access {
        self.desk.lock().access.clone()
    }

    /// The line, if there is one.
    pub(super) fn line(&self) -> Option<Arc<Line>> {
        match &self.desk.lock().access {
            Access::Heard(line) => Some(line.clone()),
            Access::Task | Access::Lent(_) => None,
        }
    }

    /// Puts something on the desk. The task must be called afterwards.
    pub(super) fn put(&self, returned: Returned) {
        self.desk.lock().left = Some(returned);
    }

    /// Takes what lies on the desk.
    pub(super) fn take(&self) -> Option<Returned> {
        self.desk.lock().left.take()
    }

    /// For the task: whether nobody else has its worker. Otherwise it will be called when the
    /// worker comes back.
    pub(super) fn is_free(&self) -> bool {
        let desk = self.desk.lock();
        self.wanted.store(desk.held, Ordering::SeqCst);
        !desk.held
    }

    /// Whether the task waits for its worker.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }
}

/// A worker that somebody has who is not its task; given back when dropped.
pub(super) struct Held {
    pub(super) pool: Arc<Shared>,
    pub(super) seat: Arc<Seat>,
    stays: bool,
}

impl Held {
    /// Takes the worker of `seat`, which is not in the list of the idle (any more). Under the
    /// pool's lock, or by the task.
    pub(super) fn take(pool: &Arc<Shared>, seat: &Arc<Seat>) -> Held {
        seat.desk.lock().held = true;
        Held { pool: pool.clone(), seat: seat.clone(), stays: false }
    }

    /// Gives the worker back with something for its task.
    pub(super) fn leave(self, returned: Returned) {
        self.seat.put(returned);
    }

    /// The next request for the worker, unless its task wants it.
    pub(super) fn next(&self) -> Option<Job> {
        if self.seat.is_wanted() { None } else { self.pool.next_waiting() }
    }

    /// The task has taken the worker itself.
    pub(super) fn stay(mut self) {
        self.stays = true;
        self.seat.desk.lock().held = false;
        self.seat.wanted.store(false, Ordering::SeqCst);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        let mut state = self.pool.lock();
        let mut desk = self.seat.desk.lock();
        desk.held = false;
        let mut call = self.seat.wanted.swap(false, Ordering::SeqCst) || desk.left.is_some();
        if !call && let Some(job) = state.waiting.pop() {
            desk.left = Some(Returned::Unseen(job));
            call = true;
        }
        drop(desk);
        if !call {
            return state.idle.push(self.seat.clone());
        }
        drop(state);
        self.seat.called.notify_one();
    }
}
