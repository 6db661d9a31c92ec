//! The line to a worker, for calls that nobody waits for.
//!
//! Whoever makes a call writes the request to an idle worker. A thread that the kernel wakes when
//! the worker says something (`Runner::worker_reactor`) reads the answer, writes the next request if one
//! waits, and hands the answer over. It hears an idle worker, too, which has nothing to say. What
//! takes longer than some milliseconds and all that is not the usual case (a worker that is lost,
//! an error, a cancellation) is left to the worker's task.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::outcome::OutcomeKind;
use crate::reactor::{Expires, Reactor, Watch, first_poll};
use crate::run::{RunReport, Runner, unix_seconds};

use super::direct::{Direct, Sent};
use super::job::{Begun, Job, Returned, blank, settled};
use super::loss::{Broken, Failure, Loss};
use super::protocol::Reply;
use super::seat::{Held, Seat};

/// A line. Dropped, it is not heard any more.
pub(super) struct Line {
    direct: Direct,
    seat: Weak<Seat>,
    runner: Arc<Runner>,
    worker_reactor: Arc<Reactor>,
    state: Mutex<State>,
    watch: OnceLock<Watch>,
}

struct State {
    voice: Voice,
    /// When the runtime looks whether the worker is slow, if that was arranged.
    alarm: Option<Instant>,
}

/// Whom the worker talks to.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each worker, and a box would be an allocation for each request"
)]
enum Voice {
    /// Its task, which reads its stdout.
    Task,
    /// Nobody: it has nothing to say.
    Nobody,
    /// Us: it has a request.
    Us(Spoken),
    /// It said something without having been asked, or closed its stdout.
    Broken(Broken),
}

/// A request that was written.
struct Spoken {
    held: Held,
    job: Job,
    queued: Duration,
    deadline: Option<Instant>,
    /// When it is left to the worker's task.
    until: Instant,
    id: u64,
    heard: Vec<u8>,
}

/// A request that is to be written.
struct Sending {
    id: u64,
    line: Vec<u8>,
    seat: Arc<Seat>,
}

/// What the task finds when it takes a worker.
pub(super) enum Found {
    /// Nothing to see to.
    Silence,
    /// A request.
    Begun(Begun),
    /// A lost worker.
    Broken(Broken),
}

impl Line {
    /// A line to a worker that its task has. `None` when the kernel has no room for it.
    pub(super) fn open(
        runner: &Arc<Runner>,
        seat: &Arc<Seat>,
        direct: Direct,
    ) -> Option<Arc<Line>> {
        let worker_reactor = runner.worker_reactor().ok()?;
        let line = Arc::new(Line {
            direct,
            seat: Arc::downgrade(seat),
            runner: runner.clone(),
            worker_reactor: worker_reactor.clone(),
            state: Mutex::new(State { voice: Voice::Task, alarm: None }),
            watch: OnceLock::new(),
        });
        let own = Arc::downgrade(&line);
        let hear = move || {
            if let Some(line) = own.upgrade() {
                line.hear();
            }
        };
        let watch = worker_reactor.listen(line.direct.stdout(), Arc::new(hear)).ok()?;
        // The first and only time.
        let _ = line.watch.set(watch);
        Some(line)
    }

    /// For the task: from now on the worker is heard here, and has no request.
    pub(super) fn release(&self) {
        let mut state = self.state.lock();
        state.voice = Voice::Nobody;
        // What it said before this has woken nobody.
        self.hear_idle(&mut state);
    }

    /// For the task: takes the worker, whoever it talks to.
    pub(super) fn seize(&self) -> Found {
        let voice = std::mem::replace(&mut self.state.lock().voice, Voice::Task);
        match voice {
            Voice::Task | Voice::Nobody => Found::Silence,
            Voice::Us(spoken) => Found::Begun(spoken.take_over()),
            Voice::Broken(broken) => Found::Broken(broken),
        }
    }

    /// For the task: as [`seize`](Line::seize), if there is something to see to.
    pub(super) fn seize_unusual(&self) -> Found {
        let usual = match &self.state.lock().voice {
            Voice::Task | Voice::Nobody => true,
            Voice::Us(spoken) => Instant::now() < spoken.until,
            Voice::Broken(_) => false,
        };
        if usual { Found::Silence } else { self.seize() }
    }

    /// Gives an idle worker a request. Does not block.
    pub(super) fn say(self: &Arc<Line>, held: Held, job: Job) {
        let mut state = self.state.lock();
        let sending = self.take_up(&mut state, held, job);
        drop(state);
        self.send(sending);
    }

    /// Takes up a request, which must then be sent. Whatever is wrong with it, the task finds out.
    fn take_up(self: &Arc<Line>, state: &mut State, held: Held, job: Job) -> Option<Sending> {
        let now = Instant::now();
        let (Voice::Nobody, None, Ok(input)) =
            (&state.voice, job.expired(now), job.request.input.bytes())
        else {
            held.leave(Returned::Unseen(job));
            return None;
        };
        let deadline = job.request.deadline(now);
        let told = deadline.and_then(|deadline| unix_seconds(deadline, now));
        let event = job.request.spec.event.label();
        let line = self.direct.line(event, told.as_deref(), &input);
        drop(input);
        let Some((id, line)) = line else {
            held.leave(Returned::Unseen(job));
            return None;
        };
        job.request.started();
        let queued = now.saturating_duration_since(job.request.submitted);
        let (until, seat) = (first_poll(deadline), held.seat.clone());
        let heard = Vec::new();
        state.voice = Voice::Us(Spoken { held, job, queued, deadline, until, id, heard });
        self.set_alarm(state, until);
        Some(Sending { id, line, seat })
    }

    /// Sends a request. The line is not locked: the worker may have answered before this thread
    /// comes back from the kernel.
    fn send(&self, sending: Option<Sending>) {
        let Some(Sending { id, line, seat }) = sending else { return };
        match self.direct.send(line) {
            Sent::All => {}
            Sent::Nothing => self.not_sent(id, |job, _| Returned::Unseen(job)),
            Sent::Part => self.not_sent(id, |job, queued| {
                let loss = Loss::Protocol("does not read its input".to_owned());
                Returned::Lost(Failure { loss, unsent: false }, job, queued)
            }),
        }
        if seat.is_wanted() {
            seat.called.notify_one();
        }
    }

    /// Leaves the request `id` to the task, unless it has it already.
    fn not_sent(&self, id: u64, returned: impl FnOnce(Job, Duration) -> Returned) {
        let mut state = self.state.lock();
        match std::mem::replace(&mut state.voice, Voice::Task) {
            Voice::Us(Spoken { held, job, queued, id: own, .. }) if own == id => {
                held.leave(returned(job, queued));
            }
            other => state.voice = other,
        }
    }

    /// Has the runtime look at `until`, unless it will before.
    fn set_alarm(self: &Arc<Line>, state: &mut State, until: Instant) {
        if state.alarm.is_some_and(|at| at <= until) {
            return;
        }
        state.alarm = Some(until);
        let own = Arc::downgrade(self);
        let look = move || {
            if let Some(line) = own.upgrade() {
                line.look();
            }
        };
        self.runner.timers().at(until, Box::new(look));
    }

    /// Calls the task when the worker is slow.
    fn look(self: &Arc<Line>) {
        let mut state = self.state.lock();
        state.alarm = None;
        let Voice::Us(Spoken { until, .. }) = state.voice else { return };
        if Instant::now() < until {
            return self.set_alarm(&mut state, until);
        }
        drop(state);
        self.call_task();
    }

    fn call_task(&self) {
        if let Some(seat) = self.seat.upgrade() {
            seat.called.notify_one();
        }
    }

    /// The worker has said something, or closed its stdout; on the thread that hears.
    fn hear(self: &Arc<Line>) {
        let mut state = self.state.lock();
        match std::mem::replace(&mut state.voice, Voice::Nobody) {
            Voice::Nobody => self.hear_idle(&mut state),
            Voice::Us(spoken) => self.hear_answer(state, spoken),
            other => state.voice = other,
        }
    }

    fn hear_idle(&self, state: &mut State) {
        if let Err(broken) = self.direct.check_silence() {
            state.voice = Voice::Broken(broken);
            self.call_task();
        }
    }

    fn hear_answer(self: &Arc<Line>, mut state: MutexGuard<'_, State>, mut spoken: Spoken) {
        let reply = match self.direct.hear(&mut spoken.heard) {
            Ok(Some(line)) => self.direct.reply(&line, spoken.id),
            Ok(None) => return state.voice = Voice::Us(spoken),
            Err(Broken::Closed(_)) => {
                // Its task finds out why.
                state.voice = Voice::Task;
                return spoken.leave();
            }
            Err(Broken::Lost(loss)) => Err(loss),
        };
        match reply {
            Ok(reply @ Reply::Output(_)) => self.settle(state, spoken, reply),
            Ok(reply) => {
                let Spoken { held, job, queued, .. } = spoken;
                held.leave(Returned::Answered(job, queued, reply));
            }
            Err(loss) => {
                state.voice = Voice::Task;
                let Spoken { held, job, queued, .. } = spoken;
                held.leave(Returned::Lost(Failure { loss, unsent: false }, job, queued));
            }
        }
    }

    /// Hands the answer over, after the worker got its next request.
    fn settle(self: &Arc<Line>, mut state: MutexGuard<'_, State>, spoken: Spoken, reply: Reply) {
        let Spoken { held, mut job, queued, .. } = spoken;
        let next = match held.next() {
            Some(next) => self.take_up(&mut state, held, next),
            None => {
                drop(held);
                None
            }
        };
        drop(state);
        self.send(next);
        let report = settled(blank(OutcomeKind::Ok, &job.request, queued), reply);
        job.done.answer(RunReport { pid: Some(self.direct.pid), ..report });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.get() {
            self.worker_reactor.unwatch(self.direct.stdout(), watch);
        }
    }
}

impl Spoken {
    /// For the task, which has the worker from now on.
    fn take_over(self) -> Begun {
        let (held, begun) = self.split();
        held.stay();
        begun
    }

    fn leave(self) {
        let (held, begun) = self.split();
        held.leave(Returned::Begun(begun));
    }

    fn split(self) -> (Held, Begun) {
        let Spoken { held, job, queued, deadline, id, heard, .. } = self;
        (held, Begun { job, queued, deadline, id, heard })
    }
}
