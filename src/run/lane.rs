//! Lanes: how many runs of an instance go on at a time, first come first served.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::run::Run;
use super::runner::Shared;
use crate::reactor::Queue;

/// A number of permits and a queue for them.
pub struct LaneQueue {
    state: Mutex<State>,
    parallel: usize,
    queue_limit: Option<usize>,
}

struct State {
    free: usize,
    /// Empty while a permit is free.
    waiting: Queue<Run>,
}

/// Lets a run go on. When it is dropped, the run that has waited longest is started.
pub(super) struct Permit(Arc<LaneQueue>);

/// What a submission gets.
pub(super) enum Admission {
    /// It may start.
    Now(Run),
    /// It waits, and will be started.
    Later,
    /// The queue is full.
    Full(Run),
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
        let state = State { free: parallel, waiting: Queue::default() };
        Arc::new(LaneQueue { state: Mutex::new(state), parallel, queue_limit })
    }

    /// How many runs go on at a time, at most.
    pub fn parallel(&self) -> usize {
        self.parallel
    }

    /// How many runs wait.
    pub fn queued(&self) -> usize {
        self.state.lock().waiting.len()
    }

    pub(super) fn admit(self: &Arc<LaneQueue>, mut run: Run) -> Admission {
        let mut state = self.state.lock();
        if let Some(left) = state.free.checked_sub(1) {
            state.free = left;
            drop(state);
            run.permit = Some(Permit(self.clone()));
            return Admission::Now(run);
        }
        if self.queue_limit.is_some_and(|limit| state.waiting.len() >= limit) {
            return Admission::Full(run);
        }
        let shared = run.shared.clone();
        let look = state.waiting.push(run);
        drop(state);
        self.look_at_queue(shared, look);
        Admission::Later
    }

    /// Has the runtime withdraw at `at` what must not wait any longer.
    fn look_at_queue(self: &Arc<LaneQueue>, shared: Arc<Shared>, at: Option<Instant>) {
        let Some(at) = at else { return };
        let (lane, own) = (Arc::downgrade(self), shared.clone());
        let look = move || {
            // Nothing waits in a lane that is gone.
            let Some(lane) = lane.upgrade() else { return };
            let (out, next) = lane.state.lock().waiting.take_expired(Instant::now());
            lane.look_at_queue(own, next);
            for (run, expired) in out {
                run.give_up(expired);
            }
        };
        shared.timers.at(at, Box::new(look));
    }

    /// Gives a permit to the run that has waited longest, or to whoever comes next.
    fn hand_on(self: &Arc<LaneQueue>) -> Option<Run> {
        let mut state = self.state.lock();
        let Some(mut run) = state.waiting.pop() else {
            state.free += 1;
            return None;
        };
        drop(state);
        run.permit = Some(Permit(self.clone()));
        Some(run)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(run) = self.0.hand_on() else { return };
        if STARTS.replace(true) {
            // The start of another run failed: not on its stack, which could be the thousandth.
            let reactor = run.shared.reactor.clone();
            return reactor.run(Box::new(move || run.start()));
        }
        // It does not panic: a callback's panic ends in its `ReplyOnce`.
        run.start();
        STARTS.set(false);
    }
}
