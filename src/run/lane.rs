//! Lanes: how many runs of an instance go on at a time, first come first served.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::reactor::{CancelToken, Expired, Expires, Queue, QueueOwner, Reactor, Timers, scan_at};

/// Something that waits in a lane for its turn.
pub(crate) trait Waiting: Expires + Send {
    /// Its turn has come. Must not panic.
    fn start(self: Box<Self>, permit: Permit);

    /// It must not wait any longer.
    fn give_up(self: Box<Self>, expired: Expired);

    /// Where it can be started when the current thread is not to do it.
    fn reactor(&self) -> &Arc<Reactor>;

    /// What scans the lane's queue.
    fn timers(&self) -> &Arc<Timers>;
}

impl Expires for Box<dyn Waiting> {
    fn deadline(&self) -> Option<Instant> {
        (**self).deadline()
    }

    fn cancel(&self) -> Option<&CancelToken> {
        (**self).cancel()
    }
}

/// A number of permits and a queue for them.
pub struct LaneQueue {
    state: Mutex<State>,
    queue_limit: Option<usize>,
}

struct State {
    parallel: usize,
    free: usize,
    /// Permits that are not given back to anybody, because the lane has become narrower.
    too_many: usize,
    /// Empty while a permit is free.
    waiting: Queue<Box<dyn Waiting>>,
}

/// Lets a run go on. When it is dropped, the run that has waited longest is started.
pub(crate) struct Permit(Arc<LaneQueue>);

/// What a submission gets.
pub(super) enum Admission<W> {
    /// It may start.
    Now(W, Permit),
    /// It waits, and will be started.
    Later,
    /// The queue is full.
    Full(W),
}

thread_local! {
    /// Whether this thread is starting a run that waited.
    static STARTS: Cell<bool> = const { Cell::new(false) };
}

impl std::fmt::Debug for LaneQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneQueue").field("queued", &self.queued()).finish_non_exhaustive()
    }
}

impl LaneQueue {
    /// A lane in which at most `parallel` runs (at least one) go on at a time, and at most
    /// `queue_limit` wait; `None`: any number.
    pub fn new(parallel: usize, queue_limit: Option<usize>) -> Arc<LaneQueue> {
        let parallel = parallel.max(1);
        let state = State { parallel, free: parallel, too_many: 0, waiting: Queue::default() };
        Arc::new(LaneQueue { state: Mutex::new(state), queue_limit })
    }

    /// How many runs go on at a time, at most.
    pub fn parallel(&self) -> usize {
        self.state.lock().parallel
    }

    /// Lets at most `parallel` runs (at least one) go on at a time from now on. What waits keeps
    /// its place; what runs goes on, also where it is more than that.
    pub fn resize(self: &Arc<LaneQueue>, parallel: usize) {
        let parallel = parallel.max(1);
        let mut next = Vec::new();
        {
            let mut state = self.state.lock();
            let before = std::mem::replace(&mut state.parallel, parallel);
            let fewer = before.saturating_sub(parallel);
            let taken = fewer.min(state.free);
            state.free -= taken;
            state.too_many += fewer - taken;
            let more = parallel.saturating_sub(before);
            let kept = more.min(state.too_many);
            state.too_many -= kept;
            for _ in kept..more {
                match state.waiting.pop() {
                    Some(one) => next.push(one),
                    None => state.free += 1,
                }
            }
        }
        for one in next {
            let (permit, reactor) = (Permit(self.clone()), one.reactor().clone());
            reactor.run(Box::new(move || one.start(permit)));
        }
    }

    /// How many runs wait.
    pub fn queued(&self) -> usize {
        self.state.lock().waiting.len()
    }

    pub(super) fn admit<W: Waiting + 'static>(self: &Arc<LaneQueue>, one: W) -> Admission<W> {
        let mut state = self.state.lock();
        if let Some(left) = state.free.checked_sub(1) {
            state.free = left;
            drop(state);
            return Admission::Now(one, Permit(self.clone()));
        }
        if self.queue_limit.is_some_and(|limit| state.waiting.len() >= limit) {
            return Admission::Full(one);
        }
        let timers = one.timers().clone();
        let scan = state.waiting.push(Box::new(one));
        drop(state);
        scan_at(self, &timers, scan);
        Admission::Later
    }
}

impl QueueOwner for LaneQueue {
    type Entry = Box<dyn Waiting>;

    fn with_queue<R>(&self, scan: impl FnOnce(&mut Queue<Box<dyn Waiting>>) -> R) -> R {
        scan(&mut self.state.lock().waiting)
    }

    fn give_up(&self, entry: Box<dyn Waiting>, expired: Expired) {
        entry.give_up(expired);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.too_many > 0 {
            state.too_many -= 1;
            return;
        }
        let Some(next) = state.waiting.pop() else {
            state.free += 1;
            return;
        };
        drop(state);
        let permit = Permit(self.0.clone());
        if STARTS.replace(true) {
            // The start of another run failed: not on its stack, which could be the thousandth.
            let reactor = next.reactor().clone();
            return reactor.run(Box::new(move || next.start(permit)));
        }
        // It does not panic: a callback's panic ends in its `ReplyOnce`.
        next.start(permit);
        STARTS.set(false);
    }
}
