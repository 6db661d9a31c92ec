//! The driver for requests that no thread blocks for.
//!
//! A caller that has a request writes it. The reactor's thread reads the answer, writes the next
//! request if one waits, and hands the answer over. The runtime polls a request that takes longer
//! than some milliseconds. Each of them takes the worker's lock and moves its state on by what the
//! pipes hold, so it does not matter which one comes first.
//!
//! Nothing is written and nobody is answered under the lock: on one processor the worker answers
//! before `write` returns, and a continuation of the host may call us again.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::OutcomeKind;
use crate::reactor::{CancelToken, Expires, Interest, first_poll};
use crate::run::RunReport;

use super::exchange::{Exchange, Outgoing};
use super::fault::Fault;
use super::pending::{Pending, answered, take_up};
use super::pipes::{self, Watched};
use super::protocol::Reply;
use super::worker::{Lost, Phase, State, Worker};

/// Between two polls of a request that takes long: how late a withdrawal may be noticed.
const POLL: Duration = Duration::from_millis(50);
/// What a worker prints belongs to a request that takes at least this long.
const SLOW: Duration = Duration::from_millis(10);

/// What is left to be done when the lock is released.
#[derive(Default)]
pub(super) struct Todo {
    outgoing: Option<(Outgoing, Arc<OwnedFd>)>,
    finished: Option<(Pending, Reply)>,
    /// Requests that end without their answer.
    unanswered: Vec<Answer>,
}

/// Answers a request that ends without its answer.
type Answer = Box<dyn FnOnce()>;

impl Worker {
    /// Moves the state on, and then does what must not be done under the lock.
    pub(super) fn step<R>(self: &Arc<Worker>, step: impl FnOnce(&mut State, &mut Todo) -> R) -> R {
        let mut todo = Todo::default();
        let result = step(&mut self.state.lock(), &mut todo);
        // The worker gets its next request first.
        if let Some((outgoing, stdin)) = todo.outgoing {
            self.send(outgoing, &stdin);
        }
        for answer in todo.unanswered {
            answer();
        }
        if let Some((mut pending, reply)) = todo.finished {
            let mut report = pending.report(OutcomeKind::Ok);
            let slow = report.timings.total.saturating_sub(report.timings.queued) >= SLOW;
            if slow || matches!(reply, Reply::Error(_)) {
                report.stdio_tail = self.stderr.take();
            }
            pending.reply.answer(answered(self.pid, report, reply));
        }
        result
    }

    /// Has the reactor do `step` each time when a pipe is ready.
    fn on_ready(
        self: &Arc<Worker>,
        pipe: &Arc<OwnedFd>,
        interest: Interest,
        step: impl Fn(&Arc<Worker>, &mut State, &mut Todo) + Send + Sync + 'static,
    ) -> Result<Watched, Fault> {
        let own = Arc::downgrade(self);
        Watched::new(&self.reactor, pipe, interest, move || {
            if let Some(worker) = own.upgrade() {
                worker.step(|state, todo| step(&worker, state, todo));
            }
        })
    }

    /// Has stdout watched.
    pub(super) fn listen(self: &Arc<Worker>, state: &mut State) -> Result<(), Fault> {
        if state.reading.is_none() {
            let stdout = &self.stdout;
            state.reading = Some(self.on_ready(stdout, Interest::Readable, Worker::read)?);
        }
        Ok(())
    }

    /// Has stdin watched, because a line did not fit into the pipe.
    fn await_room(
        self: &Arc<Worker>,
        state: &mut State,
        stdin: &Arc<OwnedFd>,
    ) -> Result<(), Fault> {
        if state.writing.is_none() {
            let write_on = |_: &Arc<Worker>, state: &mut State, todo: &mut Todo| {
                if let Phase::Busy(exchange, _) = &mut state.phase {
                    todo.outgoing = exchange.take_outgoing().zip(state.stdin.clone());
                }
            };
            state.writing = Some(self.on_ready(stdin, Interest::Writable, write_on)?);
        }
        Ok(())
    }

    /// It is free: it gets the next request that waits, or is idle.
    pub(super) fn go_on(self: &Arc<Worker>, state: &mut State, todo: &mut Todo) {
        if state.retires {
            return self.changed.notify_one();
        }
        let next = self.next_or_idle(state);
        self.begin(state, next, todo);
    }

    fn next_or_idle(self: &Arc<Worker>, state: &mut State) -> Option<Pending> {
        let next = self.pool.next_or_idle(self);
        if next.is_none() && self.is_for_hooks() {
            state.reading = None;
        }
        next
    }

    /// Gives it the request `next` or, if that cannot be begun, one that waits.
    pub(super) fn begin(
        self: &Arc<Worker>,
        state: &mut State,
        mut next: Option<Pending>,
        todo: &mut Todo,
    ) {
        while let Some(pending) = next {
            // One that is watched has said nothing.
            if state.reading.is_none()
                && let Err(fault) = pipes::check_silence(&self.stdout, &mut state.chunk)
                    .and_then(|()| self.listen(state))
            {
                let lost = Lost { fault, pending: Some(pending), unseen: true };
                return self.set_lost(state, lost);
            }
            match self.prepare(state, pending) {
                Ok((exchange, pending)) => return self.ask(state, exchange, Some(pending), todo),
                Err(answer) => todo.unanswered.push(answer),
            }
            next = self.next_or_idle(state);
        }
    }

    /// The exchange of a request, unless that waits too long already or has no input.
    fn prepare(
        &self,
        state: &mut State,
        mut pending: Pending,
    ) -> Result<(Exchange, Pending), Answer> {
        let now = Instant::now();
        if let Some(expired) = pending.expired(now) {
            return Err(Box::new(move || pending.give_up(expired)));
        }
        let (id, buffer) = (state.last_id + 1, self.take_buffer());
        match take_up(&pending.request, now, self.pid, id, buffer, self.max_output) {
            Ok((exchange, taken_up)) => {
                (state.last_id, pending.taken_up) = (id, taken_up);
                Ok((exchange, pending))
            }
            Err(message) => Err(Box::new(move || pending.refuse(message))),
        }
    }

    /// Begins an exchange.
    pub(super) fn ask(
        self: &Arc<Worker>,
        state: &mut State,
        mut exchange: Exchange,
        pending: Option<Pending>,
        todo: &mut Todo,
    ) {
        let deadline = pending.as_ref().and_then(|pending| pending.taken_up.deadline);
        todo.outgoing = exchange.take_outgoing().zip(state.stdin.clone());
        state.phase = Phase::Busy(exchange, pending);
        state.slow_from = first_poll(deadline);
        self.poll_at(state, state.slow_from);
    }

    /// Writes what the pipe takes of a line. The lock is not held.
    fn send(self: &Arc<Worker>, mut outgoing: Outgoing, stdin: &Arc<OwnedFd>) {
        let written = pipes::write(stdin, &mut outgoing);
        if outgoing.rest().is_empty() {
            return self.keep_buffer(outgoing.line);
        }
        let mut state = self.state.lock();
        // It may be lost, or may have answered and have another request.
        let Phase::Busy(exchange, _) = &mut state.phase else { return };
        if exchange.id() != outgoing.id {
            return;
        }
        exchange.put_back(outgoing);
        if let Err(fault) = written.and_then(|()| self.await_room(&mut state, stdin)) {
            self.lose(&mut state, fault);
        }
    }

    /// Reads what it has said.
    fn read(self: &Arc<Worker>, state: &mut State, todo: &mut Todo) {
        match &state.phase {
            Phase::Idle => {
                if let Err(fault) = pipes::check_silence(&self.stdout, &mut state.chunk) {
                    self.lose(state, fault);
                }
            }
            Phase::Busy(..) => self.read_answer(state, todo),
            Phase::Leased | Phase::Lost(_) | Phase::Gone => {}
        }
    }

    /// Reads what it has said of its answer, if it owes one.
    pub(super) fn read_answer(self: &Arc<Worker>, state: &mut State, todo: &mut Todo) {
        let State { phase: Phase::Busy(exchange, _), chunk, .. } = state else { return };
        match pipes::receive(&self.stdout, chunk, exchange) {
            Ok(None) => {}
            Ok(Some(reply)) => self.finish(state, reply, todo),
            Err(fault) => self.lose(state, fault),
        }
    }

    fn finish(self: &Arc<Worker>, state: &mut State, reply: Reply, todo: &mut Todo) {
        let phase = std::mem::replace(&mut state.phase, Phase::Idle);
        state.writing = None;
        match phase {
            Phase::Busy(_, Some(pending)) => {
                todo.finished = Some((pending, reply));
                self.go_on(state, todo);
            }
            // The supervisor goes on when it was greeted.
            _ => self.changed.notify_one(),
        }
    }

    /// It cannot be used any more.
    pub(super) fn lose(&self, state: &mut State, fault: Fault) {
        let lost = match std::mem::replace(&mut state.phase, Phase::Gone) {
            Phase::Busy(exchange, pending) => Lost { fault, pending, unseen: exchange.is_unseen() },
            _ => Lost { fault, pending: None, unseen: false },
        };
        self.set_lost(state, lost);
    }

    /// Leaves it to the supervisor, which ends it and answers its request.
    pub(super) fn set_lost(&self, state: &mut State, lost: Lost) {
        (state.reading, state.writing) = (None, None);
        state.phase = Phase::Lost(lost);
        self.changed.notify_one();
    }

    /// Has the runtime poll it at `at`, unless it will before.
    fn poll_at(self: &Arc<Worker>, state: &mut State, at: Instant) {
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
            match &state.phase {
                // The one that the time was set for has been answered meanwhile.
                Phase::Busy(..) if Instant::now() < state.slow_from => {
                    self.poll_at(state, state.slow_from);
                }
                _ => self.look_after(state, todo),
            }
        });
    }

    /// Looks after a request that takes long: it may be withdrawn or too late, or answered while
    /// the host holds the reactor's thread up.
    pub(super) fn look_after(self: &Arc<Worker>, state: &mut State, todo: &mut Todo) {
        // An answer beats a deadline of the same moment.
        self.read_answer(state, todo);
        let (now, stops) = (Instant::now(), state.stops);
        let Phase::Busy(_, pending) = &mut state.phase else { return };
        let mut next = now + POLL;
        if let Some(pending) = pending {
            if pending.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
                todo.unanswered.push(self.withdraw(pending, now));
            }
            if let Some(deadline) = pending.taken_up.deadline {
                if deadline <= now {
                    let fault = match (stops, pending.request.is_killed()) {
                        (true, _) => Fault::Stopped,
                        (false, true) => Fault::Killed,
                        (false, false) => Fault::Timeout,
                    };
                    return self.lose(state, fault);
                }
                next = next.min(deadline);
            }
        }
        self.poll_at(state, next);
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
}
