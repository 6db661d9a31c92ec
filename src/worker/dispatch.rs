//! Which way a request goes: to an idle worker, into the queue, or into a plain run.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::MutexGuard;

use crate::outcome::OutcomeKind;
use crate::reactor::{CancelToken, Expired, Queue, QueueOwner, scan_at};

use super::pending::Pending;
use super::shared::{PATIENCE, State};
use super::worker::{Pool, Worker};

impl Pool {
    /// Gives a request to an idle worker, or lets it wait, or runs the command for it.
    pub(super) fn dispatch(self: &Arc<Self>, mut pending: Pending) {
        if pending.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return pending
                .withdraw(OutcomeKind::Cancelled, "the call was withdrawn before it started");
        }
        loop {
            let mut state = self.lock();
            if state.stopped {
                drop(state);
                return pending.withdraw(OutcomeKind::Cancelled, "the module is being taken down");
            }
            // One that may have ended a worker ends no second one, where a run can stand in.
            if self.settings.stand_in && (state.up == 0 || pending.repeated) {
                drop(state);
                return self.run_plainly(pending);
            }
            if state.up == 0 {
                pending.patience = Some(Instant::now() + PATIENCE);
                return self.enqueue(state, pending);
            }
            let Some(worker) = state.idle.pop() else { return self.enqueue(state, pending) };
            drop(state);
            match worker.submit(pending) {
                Ok(()) => return,
                Err(refused) => pending = refused,
            }
        }
    }

    fn enqueue(self: &Arc<Self>, mut state: MutexGuard<'_, State<Worker>>, pending: Pending) {
        if self.settings.queue_limit.is_some_and(|limit| state.waiting.len() >= limit) {
            drop(state);
            let prefix = self.settings.spec.event.label();
            let text = format!("too many calls are waiting already for one of {prefix}_workers");
            return pending.withdraw(OutcomeKind::Overload, &text);
        }
        let scan = state.waiting.push(pending);
        drop(state);
        scan_at(self, self.runner.timers(), scan);
    }

    fn run_plainly(&self, pending: Pending) {
        let Pending { request, cancel, mut reply, .. } = pending;
        let lane = self.settings.lane.as_ref();
        self.runner.submit(request, lane, cancel, move |report| reply.answer(report));
    }

    /// A worker is no longer usable. Requests that it has and that are asked for again go
    /// elsewhere, and when it was the last one, those that wait become plain runs, or wait for the
    /// next one a moment longer.
    pub(super) fn leave(self: &Arc<Self>, worker: &Arc<Worker>, again: Vec<Pending>) {
        let mut state = self.lock();
        state.up -= 1;
        state.idle.retain(|idle| !Arc::ptr_eq(idle, worker));
        let none_up = state.up == 0 && !state.stopped;
        let mut stranded = Vec::new();
        let mut scan = None;
        if none_up && self.settings.stand_in {
            stranded = state.waiting.drain();
        } else if none_up {
            scan = Some(Instant::now() + PATIENCE);
            for pending in state.waiting.iter_mut() {
                pending.patience = scan;
            }
        }
        drop(state);
        self.metrics().up_dec();
        scan_at(self, self.runner.timers(), scan);
        // They are older than those that wait.
        for pending in again {
            self.dispatch(Pending { patience: None, ..pending });
        }
        for pending in stranded {
            self.run_plainly(pending);
        }
    }
}

impl QueueOwner for Pool {
    type Entry = Pending;

    fn with_queue<R>(&self, scan: impl FnOnce(&mut Queue<Pending>) -> R) -> R {
        scan(&mut self.lock().waiting)
    }

    fn give_up(&self, pending: Pending, expired: Expired) {
        pending.give_up(expired);
    }
}
