//! Requests that take long: withdrawn, or past their deadlines.
//!
//! A worker that takes cancels is sent one for such a request, whose call is answered at once. It
//! has `kill_grace` then to answer by whatever; it serves on when it does, and is ended when it
//! does not. Of a worker that takes none, a request that is withdrawn has until its deadline, and
//! the deadline is the worker's end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::OutcomeKind;
use crate::reactor::CancelToken;
use crate::run::RunReport;

use super::drive::{Answer, Todo};
use super::fault::Fault;
use super::pending::Pending;
use super::worker::{Phase, State, Worker};

/// Between two polls of a request that takes long: how late a withdrawal may be noticed.
const POLL: Duration = Duration::from_millis(50);

impl Worker {
    /// Has the runtime poll it at `at`, unless it will before.
    pub(super) fn poll_at(self: &Arc<Worker>, state: &mut State, at: Instant) {
        if state.next_poll.is_some_and(|planned| planned <= at) {
            return;
        }
        state.next_poll = Some(at);
        let own = Arc::downgrade(self);
        let poll = move || {
            if let Some(worker) = own.upgrade() {
                worker.poll();
            }
        };
        self.pool.runner.timers().at(at, Box::new(poll));
    }

    /// What the runtime does at the time that was set.
    fn poll(self: &Arc<Worker>) {
        self.step(|state, todo| {
            state.next_poll = None;
            // The one that the time was set for may have been answered meanwhile.
            let is_early = !state.exchange.has_answered() && Instant::now() < state.slow_from;
            if is_early && matches!(state.phase, Phase::Serves) {
                self.poll_at(state, state.slow_from);
            } else {
                self.look_after(state, todo);
            }
        });
    }

    /// Looks after requests that take long: they may be withdrawn or too late, or answered while
    /// the host holds the reactor's thread up.
    pub(super) fn look_after(self: &Arc<Worker>, state: &mut State, todo: &mut Todo) {
        // An answer beats a deadline of the same moment.
        self.read_answers(state, todo);
        if !matches!(state.phase, Phase::Serves) || state.exchange.has_answered() {
            return;
        }
        let now = Instant::now();
        for at in 0..state.asked.len() {
            if let Err(fault) = self.look_at(state, at, now, todo) {
                // The pool's end is nobody's fault.
                let guilty = Some(state.asked[at].id).filter(|_| fault != Fault::Stopped);
                return self.lose(state, fault, guilty);
            }
        }
        let deadlines = state.asked.iter().filter_map(|one| one.pending.taken_up.deadline);
        let next = deadlines.fold(now + POLL, Instant::min);
        self.poll_at(state, next);
    }

    /// Looks at one of its requests. An error ends the worker.
    fn look_at(
        self: &Arc<Worker>,
        state: &mut State,
        at: usize,
        now: Instant,
        todo: &mut Todo,
    ) -> Result<(), Fault> {
        let (takes_cancels, stops) = (state.exchange.takes_cancels(), state.stops);
        let one = &mut state.asked[at];
        if one.pending.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            todo.unanswered.push(self.withdraw(&mut one.pending, now));
            if takes_cancels {
                self.cancel(state, at, now, todo);
            }
        }
        let one = &mut state.asked[at];
        if one.pending.taken_up.deadline.is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        if takes_cancels && !one.cancelled && !stops {
            todo.unanswered.push(self.time_out(&mut one.pending));
            self.cancel(state, at, now, todo);
            return Ok(());
        }
        Err(match (stops, one.pending.request.is_killed(), one.cancelled) {
            (true, ..) => Fault::Stopped,
            (_, true, _) => Fault::Killed,
            (.., true) => Fault::CancelIgnored,
            _ => Fault::Timeout,
        })
    }

    /// Cancels a request whose call is answered: it has until the end of the grace then.
    pub(super) fn cancel(
        self: &Arc<Worker>,
        state: &mut State,
        at: usize,
        now: Instant,
        todo: &mut Todo,
    ) {
        let grace = self.pool.settings.spec.kill_grace;
        let one = &mut state.asked[at];
        one.cancelled = true;
        one.pending.cancel = None;
        let (end, until) = (one.pending.taken_up.deadline, now.checked_add(grace));
        // The pool's end is the end of all.
        let until = if state.stops { [end, until].into_iter().flatten().min() } else { until };
        one.pending.taken_up.deadline = until;
        state.exchange.cancel(one.id);
        state.write_on(todo);
        self.poll_at(state, until.map_or(now + POLL, |until| until.min(now + POLL)));
    }

    /// Withdraws a request. Its answer is waited for all the same, because the worker is busy with
    /// it until then.
    fn withdraw(&self, pending: &mut Pending, now: Instant) -> Answer {
        pending.cancel = None;
        let deadline = &mut pending.taken_up.deadline;
        let soon = now.checked_add(self.pool.settings.spec.kill_grace);
        // What an operator kills hangs: the worker is not waited for until its deadline.
        *deadline = match (pending.request.is_killed(), *deadline) {
            (true, Some(deadline)) => soon.map(|soon| soon.min(deadline)),
            (_, deadline) => deadline.or(soon),
        };
        let (pid, mut reply) = (Some(self.pid), pending.reply.take());
        let report = pending.report(OutcomeKind::Cancelled);
        let message = "the call was withdrawn".to_owned();
        Box::new(move || reply.answer(RunReport { pid, message, ..report }))
    }

    /// Answers a request whose deadline has passed, unless its call is answered.
    fn time_out(self: &Arc<Worker>, pending: &mut Pending) -> Answer {
        let (worker, mut reply) = (self.clone(), pending.reply.take());
        let report = pending.late();
        Box::new(move || {
            let (pid, stdio_tail) = (Some(worker.pid), worker.stderr.take());
            reply.answer(RunReport { pid, stdio_tail, ..report });
        })
    }
}
