//! The driver for requests that no thread blocks for.
//!
//! A caller that has a request writes it. The reactor's thread reads the answer, writes the next
//! request if one waits, and hands the answer over. The runtime looks after requests that take
//! longer than some milliseconds (`overdue`). Each of them takes the worker's lock and moves its
//! state on by what the pipes hold, so it does not matter which one comes first.
//!
//! Nothing is written and nobody is answered under the lock: on one processor the worker answers
//! before `write` returns, and a continuation of the host may call us again. Of a worker that may
//! be sent a second line before it has answered the first, one thread at a time writes: who has
//! taken what is to be written says afterwards how far it has come, and goes on from there.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::OutcomeKind;
use crate::reactor::{Expires, Interest, first_poll};

use super::exchange::Outgoing;
use super::fault::Fault;
use super::pending::{Asked, Pending, answered, take_up};
use super::pipes::{self, Watched};
use super::protocol::Reply;
use super::worker::{Lost, Phase, State, Worker};

/// What a worker prints belongs to a request that takes at least this long.
const SLOW: Duration = Duration::from_millis(10);
/// Lines that one thread writes before it leaves the next ones to the reactor's: it may be a
/// caller's, and others may give requests as fast as it writes them.
const WRITES: usize = 16;

/// What is left to be done when the lock is released.
#[derive(Default)]
pub(super) struct Todo {
    pub(super) outgoing: Option<(Outgoing, Arc<OwnedFd>)>,
    /// The first answer, which mostly is the only one, and the others.
    finished: Option<(Pending, Reply)>,
    more_finished: Vec<(Pending, Reply)>,
    /// Requests that end without their answer.
    pub(super) unanswered: Vec<Answer>,
}

/// Answers a request that ends without its answer.
pub(super) type Answer = Box<dyn FnOnce()>;

impl Worker {
    /// Moves the state on, and then does what must not be done under the lock.
    pub(super) fn step<R>(self: &Arc<Worker>, step: impl FnOnce(&mut State, &mut Todo) -> R) -> R {
        let mut todo = Todo::default();
        let result = step(&mut self.state.lock(), &mut todo);
        // The worker gets its next requests first.
        for turn in 0.. {
            let Some((outgoing, stdin)) = todo.outgoing.take() else { break };
            self.send(outgoing, &stdin, turn < WRITES, &mut todo);
        }
        for answer in todo.unanswered {
            answer();
        }
        for (pending, reply) in todo.finished.into_iter().chain(todo.more_finished) {
            self.answer(pending, reply);
        }
        result
    }

    fn answer(&self, mut pending: Pending, reply: Reply) {
        let mut report = pending.report(OutcomeKind::Ok);
        let slow = report.timings.total.saturating_sub(report.timings.queued) >= SLOW;
        if slow || matches!(reply, Reply::Error(_)) {
            report.stdio_tail = self.stderr.take();
        }
        pending.reply.answer(answered(self.pid, report, reply));
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
                if matches!(state.phase, Phase::Serves) {
                    state.write_on(todo);
                }
            };
            state.writing = Some(self.on_ready(stdin, Interest::Writable, write_on)?);
        }
        Ok(())
    }

    /// It has room for a request: it gets the next one that waits, or is idle.
    pub(super) fn go_on(self: &Arc<Worker>, state: &mut State, todo: &mut Todo) {
        if state.retires {
            return self.changed.notify_one();
        }
        if !state.has_room() {
            return;
        }
        let next = self.next_or_idle(state);
        self.begin(state, next, todo);
    }

    fn next_or_idle(self: &Arc<Worker>, state: &mut State) -> Option<Pending> {
        let next = self.pool.next_or_idle(self, state.is_idle());
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
                let asked = vec![Asked { id: 0, pending, cancelled: false, unseen: true }];
                return self.set_lost(state, Lost { fault, guilty: None, asked });
            }
            match self.ask(state, pending) {
                Ok(deadline) => return self.asked(state, deadline, todo),
                Err(answer) => todo.unanswered.push(answer),
            }
            next = self.next_or_idle(state);
        }
    }

    /// Asks for a request, unless that waits too long already or has no input; its deadline.
    fn ask(&self, state: &mut State, mut pending: Pending) -> Result<Option<Instant>, Answer> {
        let now = Instant::now();
        if let Some(expired) = pending.expired(now) {
            return Err(Box::new(move || pending.give_up(expired)));
        }
        let (id, buffer) = (state.last_id + 1, self.take_buffer());
        match take_up(&pending.request, now, self.pid, &mut state.exchange, id, buffer) {
            Ok(taken_up) => {
                (state.last_id, pending.taken_up) = (id, taken_up);
                state.asked.push(Asked { id, pending, cancelled: false, unseen: false });
                Ok(taken_up.deadline)
            }
            Err(message) => Err(Box::new(move || pending.refuse(message))),
        }
    }

    /// It was asked: has that written, and looked after until `deadline`.
    pub(super) fn asked(
        self: &Arc<Worker>,
        state: &mut State,
        deadline: Option<Instant>,
        todo: &mut Todo,
    ) {
        state.write_on(todo);
        let first = first_poll(deadline);
        if state.asked.len() <= 1 {
            state.slow_from = first;
        }
        self.poll_at(state, first);
    }

    /// Writes what the pipe takes of a line, if it `may`. The lock is not held.
    fn send(
        self: &Arc<Worker>,
        mut outgoing: Outgoing,
        stdin: &Arc<OwnedFd>,
        may: bool,
        todo: &mut Todo,
    ) {
        let written = if may { pipes::write(stdin, &mut outgoing) } else { Ok(()) };
        let all = outgoing.rest().is_empty();
        if all && !outgoing.tracked {
            return self.keep_buffer(outgoing.line);
        }
        let mut state = self.state.lock();
        // It may be lost, or have answered already.
        if !matches!(state.phase, Phase::Serves) {
            return;
        }
        let buffer = match state.exchange.put_back(outgoing) {
            Ok(buffer) => buffer,
            Err(fault) => return self.lose(&mut state, fault, None),
        };
        if let Err(fault) = written {
            return self.lose(&mut state, fault, None);
        }
        if let Some(buffer) = buffer {
            self.keep_buffer(buffer);
        }
        if all {
            state.writing = None;
            // Cancels may have followed meanwhile.
            state.write_on(todo);
            return self.go_on(&mut state, todo);
        }
        if !may {
            // The pipe may have room: only one that is newly watched is told of then.
            state.writing = None;
        }
        if let Err(fault) = self.await_room(&mut state, stdin) {
            self.lose(&mut state, fault, None);
        }
    }

    /// Reads what it has said.
    fn read(self: &Arc<Worker>, state: &mut State, todo: &mut Todo) {
        if !matches!(state.phase, Phase::Serves) {
            return;
        }
        if !state.exchange.has_answered() {
            return self.read_answers(state, todo);
        }
        if let Err(fault) = pipes::check_silence(&self.stdout, &mut state.chunk) {
            self.lose(state, fault, None);
        }
    }

    /// Reads what it has said of its answers, if it owes some.
    pub(super) fn read_answers(self: &Arc<Worker>, state: &mut State, todo: &mut Todo) {
        let State { phase: Phase::Serves, exchange, asked, chunk, .. } = state else { return };
        if exchange.has_answered() {
            return;
        }
        let (mut any, mut greeted) = (false, false);
        let read = pipes::receive(&self.stdout, chunk, exchange, |id, reply| {
            any = true;
            match asked.iter().position(|one| one.id == id) {
                Some(at) => todo.finish(asked.remove(at).pending, reply),
                None => greeted = true,
            }
        });
        if let Err(fault) = read {
            return self.lose(state, fault, None);
        }
        if any && state.exchange.has_answered() && !state.exchange.writes() {
            state.writing = None;
        }
        match (greeted, any) {
            // The supervisor goes on when it was greeted.
            (true, _) => self.changed.notify_one(),
            (false, true) => self.go_on(state, todo),
            (false, false) => {}
        }
    }

    /// It cannot be used any more: by this request, if that is known.
    pub(super) fn lose(&self, state: &mut State, fault: Fault, guilty: Option<u64>) {
        let mut asked = std::mem::take(&mut state.asked);
        for one in &mut asked {
            one.unseen = state.exchange.is_unseen(one.id);
        }
        self.set_lost(state, Lost { fault, guilty, asked });
    }

    /// Leaves it to the supervisor, which ends it and answers its requests.
    pub(super) fn set_lost(&self, state: &mut State, lost: Lost) {
        (state.reading, state.writing) = (None, None);
        state.phase = Phase::Lost(lost);
        self.changed.notify_one();
    }
}

impl State {
    /// Has written what is to be, unless a driver does so already.
    pub(super) fn write_on(&mut self, todo: &mut Todo) {
        if todo.outgoing.is_none()
            && let Some(stdin) = &self.stdin
            && let Some(outgoing) = self.exchange.take_outgoing()
        {
            todo.outgoing = Some((outgoing, stdin.clone()));
        }
    }
}

impl Todo {
    fn finish(&mut self, pending: Pending, reply: Reply) {
        match self.finished {
            None => self.finished = Some((pending, reply)),
            Some(_) => self.more_finished.push((pending, reply)),
        }
    }
}
