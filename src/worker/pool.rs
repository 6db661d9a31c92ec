//! The queue in front of the workers of a command.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::event::{Lane, OutcomeKind};
use crate::metrics::{KillSignal, ModuleMetrics, WorkerMetrics};
use crate::process::{
    CancelToken, CommandSpec, DeadlineFrom, Done, LaneQueue, Request, RunReport, Runner,
    answer_blocking, answer_later, cancelled, sleep_until, unix_seconds, waited_since,
};

use super::direct::{Direct, Failure, Time};
use super::identity::identify;
use super::life::{blank, keep, settled, text};

/// Pause between two looks at the command's file.
const LOOK_AT_FILE: Duration = Duration::from_secs(1);

/// Where what is noticed about workers outside of calls is logged; rate-limited there.
pub trait WorkerLog: Send + Sync {
    /// Something went wrong.
    fn failure(&self, text: &str);
    /// Something worth knowing.
    fn note(&self, text: &str);
}

/// What a pool is made of.
pub struct WorkerSettings {
    /// The command.
    pub spec: Arc<CommandSpec>,
    /// How many processes of it.
    pub workers: usize,
    /// The lane of the plain runs that stand in while no worker is up.
    pub lane: Option<Arc<LaneQueue>>,
    /// Requests that may wait; more are answered `overload`. `None`: any number.
    pub queue_limit: Option<usize>,
    /// The instance's metrics.
    pub metrics: Arc<ModuleMetrics>,
    /// Where to log.
    pub log: Arc<dyn WorkerLog>,
}

/// The persistent workers of one command. Dropped, it withdraws what waits, lets busy workers
/// answer within the grace period and ends all of them; it does not wait for that.
pub struct WorkerPool {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerPool").field("up", &self.up()).finish_non_exhaustive()
    }
}

/// What the pool and the tasks of its workers share.
pub(super) struct Shared {
    pub(super) runner: Arc<Runner>,
    pub(super) settings: WorkerSettings,
    pub(super) stop: CancelToken,
    /// Counts the changes of the command's file.
    pub(super) generation: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Waiting>>,
    /// The one that was busy last is at the end and taken first: its memory is warm.
    idle: Vec<Arc<Seat>>,
    up: usize,
    stopped: bool,
}

/// The place of one worker, where a request is left for it.
#[derive(Default)]
pub(super) struct Seat {
    /// Written under the lock of the pool's state, together with the list of the idle.
    job: Mutex<Option<Job>>,
    /// As the job.
    loan: Mutex<Loan>,
    pub(super) called: Notify,
}

/// Whether a blocking caller has the worker.
#[derive(Default)]
struct Loan {
    /// For pools whose workers are lent.
    direct: Option<Arc<Direct>>,
    lent: bool,
    /// The worker's task wants it back.
    wanted: bool,
    /// What the caller gave back is lost, with this request.
    failed: Option<(Failure, Job, Duration)>,
}

/// A worker in the hands of a blocking caller.
struct Lent {
    pool: Arc<Shared>,
    seat: Arc<Seat>,
    direct: Arc<Direct>,
}

impl Lent {
    /// Makes the call, on this thread.
    fn converse(self, request: Request) -> Result<RunReport, Box<Unfinished>> {
        let spec = &self.pool.settings.spec;
        let now = Instant::now();
        let queued = now.saturating_duration_since(request.submitted);
        let deadline = request.deadline(now);
        let until = deadline.and_then(|deadline| unix_seconds(deadline, now));
        let input = match text(&request.input) {
            Ok(input) => input,
            Err(message) => {
                let report = blank(OutcomeKind::SpawnError, &request, queued);
                return Ok(RunReport { message, ..report });
            }
        };
        let event = spec.event.label();
        request.started();
        let time = Time { now, deadline, until: until.as_deref() };
        match self.direct.exchange(event, time, &input) {
            Ok(reply) => {
                let report = settled(blank(OutcomeKind::Ok, &request, queued), reply);
                Ok(RunReport { pid: Some(self.direct.pid), ..report })
            }
            Err(failure) => {
                drop(input);
                Err(Box::new(Unfinished { lent: self, failure, request, queued }))
            }
        }
    }
}

/// A request with which a lent worker was lost.
struct Unfinished {
    lent: Lent,
    failure: Failure,
    request: Request,
    queued: Duration,
}

impl Unfinished {
    /// Leaves worker and request to the worker's task, which answers it.
    fn leave(self, done: Done) {
        let Unfinished { lent, failure, request, queued } = self;
        let job = Job { request, cancel: None, done };
        lent.seat.loan.lock().failed = Some((failure, job, queued));
    }
}

impl Drop for Lent {
    /// Gives the worker back.
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        let mut loan = self.seat.loan.lock();
        loan.lent = false;
        let call = std::mem::take(&mut loan.wanted) || loan.failed.is_some();
        drop(loan);
        let call = call || {
            let job = state.next();
            let some = job.is_some();
            *self.seat.job.lock() = job;
            some
        };
        if call {
            drop(state);
            self.seat.called.notify_one();
        } else {
            state.idle.push(self.seat.clone());
        }
    }
}

impl State {
    /// The request that has waited longest.
    fn next(&mut self) -> Option<Job> {
        while let Some(waiting) = self.waiting.pop_front() {
            if let Some(job) = waiting.take() {
                return Some(job);
            }
        }
        None
    }
}

/// A request on its way.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) cancel: Option<CancelToken>,
    pub(super) done: Done,
}

/// A request in the queue. Its job is gone once somebody has taken it.
struct Waiting {
    job: Mutex<Option<Job>>,
    taken: Notify,
    cancel: Option<CancelToken>,
    deadline: Option<Instant>,
}

impl Job {
    /// Answers a request that no worker has seen.
    fn withdraw(mut self, outcome: OutcomeKind, message: &str) {
        let timings = waited_since(self.request.submitted);
        let report = RunReport::without_process(outcome, message, timings);
        self.done.answer(RunReport { by_worker: true, ..report });
    }
}

impl Waiting {
    fn take(&self) -> Option<Job> {
        let job = self.job.lock().take();
        if job.is_some() {
            self.taken.notify_one();
        }
        job
    }
}

/// Withdraws a waiting request at its deadline or when its caller says so.
async fn guard(waiting: Arc<Waiting>) {
    let (outcome, message) = tokio::select! {
        biased;
        () = waiting.taken.notified() => return,
        () = sleep_until(waiting.deadline) => {
            (OutcomeKind::Timeout, "no worker was free for it in time")
        }
        () = cancelled(waiting.cancel.as_ref()) => {
            (OutcomeKind::Cancelled, "the call was withdrawn: it was still waiting for a worker")
        }
    };
    if let Some(job) = waiting.take() {
        job.withdraw(outcome, message);
    }
}

impl WorkerPool {
    /// Starts the workers; does not wait until they are ready.
    pub fn start(runner: Arc<Runner>, settings: WorkerSettings) -> WorkerPool {
        let workers = settings.workers;
        let shared = Arc::new(Shared {
            runner,
            settings,
            stop: CancelToken::new(),
            generation: watch::Sender::new(0),
            state: Mutex::new(State::default()),
        });
        // Makes the series, so that they are there as zeros.
        shared.metrics();
        let handle = shared.runner.handle();
        for _ in 0..workers {
            handle.spawn(keep(shared.clone(), Arc::new(Seat::default())));
        }
        handle.spawn(watch_file(shared.clone()));
        WorkerPool { shared }
    }

    /// How many workers are ready or busy now.
    pub fn up(&self) -> usize {
        self.shared.state.lock().up
    }

    /// How many requests wait for a worker.
    pub fn queued(&self) -> usize {
        self.shared.state.lock().waiting.iter().filter(|one| one.job.lock().is_some()).count()
    }

    /// Gives a request to a worker, or runs the command while none is up, and calls `done` once
    /// with the report: on the runtime's thread, which it must not block, or, when the answer is
    /// known at once, on the calling thread before this returns. Does not block.
    pub fn submit(
        &self,
        request: Request,
        cancel: Option<CancelToken>,
        done: impl FnOnce(RunReport) + Send + 'static,
    ) {
        self.shared.dispatch(Job { request, cancel, done: Done::new(done) });
    }

    /// As [`submit`](WorkerPool::submit), completing with the report on any executor. Dropping the
    /// future does not withdraw the request; the token does.
    pub async fn run(&self, request: Request, cancel: Option<CancelToken>) -> RunReport {
        answer_later(request, |request, done| self.submit(request, cancel, done)).await
    }

    /// As [`submit`](WorkerPool::submit), blocking until the report is there, as
    /// [`Runner::run_blocking`] does. For hooks, if a worker is idle, the calling thread talks to it
    /// itself.
    pub fn run_blocking(&self, request: Request) -> RunReport {
        let Some(lent) = self.shared.lend() else {
            return answer_blocking(request, |request, done| self.submit(request, None, done));
        };
        match lent.converse(request) {
            Ok(report) => report,
            Err(unfinished) => {
                let request = unfinished.request.clone();
                answer_blocking(request, |_, done| unfinished.leave(Done::new(done)))
            }
        }
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.shared.state.lock();
            state.stopped = true;
            std::mem::take(&mut state.waiting)
        };
        self.shared.stop.cancel();
        for job in waiting.iter().filter_map(|waiting| waiting.take()) {
            job.withdraw(OutcomeKind::Cancelled, "the module is being taken down");
        }
    }
}

impl Shared {
    pub(super) fn metrics(&self) -> &WorkerMetrics {
        self.settings.metrics.event(self.settings.spec.event).worker()
    }

    /// Counts a KILL that no call's report counts.
    pub(super) fn count_kill(&self) {
        self.settings.metrics.kill(KillSignal::Kill);
    }

    /// Finds somebody for a request.
    pub(super) fn dispatch(self: &Arc<Self>, job: Job) {
        if job.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            return job
                .withdraw(OutcomeKind::Cancelled, "the call was withdrawn before it started");
        }
        let mut state = self.state.lock();
        if state.stopped {
            drop(state);
            return job.withdraw(OutcomeKind::Cancelled, "the module is being taken down");
        }
        if state.up == 0 {
            drop(state);
            return self.run_plainly(job);
        }
        if let Some(seat) = state.idle.pop() {
            *seat.job.lock() = Some(job);
            drop(state);
            return seat.called.notify_one();
        }
        self.enqueue(state, job);
    }

    fn enqueue(self: &Arc<Self>, mut state: parking_lot::MutexGuard<'_, State>, job: Job) {
        if let Some(limit) = self.settings.queue_limit
            && state.waiting.len() >= limit
        {
            state.waiting.retain(|waiting| waiting.job.lock().is_some());
            if state.waiting.len() >= limit {
                drop(state);
                return job.withdraw(OutcomeKind::Overload, "too many calls are waiting already");
            }
        }
        let deadline = match job.request.deadline_from {
            DeadlineFrom::Submission => job.request.deadline(job.request.submitted),
            DeadlineFrom::Start => None,
        };
        let cancel = job.cancel.clone();
        let guarded = deadline.is_some() || cancel.is_some();
        let waiting = Arc::new(Waiting {
            job: Mutex::new(Some(job)),
            taken: Notify::new(),
            cancel,
            deadline,
        });
        state.waiting.push_back(waiting.clone());
        drop(state);
        if guarded {
            self.runner.handle().spawn(guard(waiting));
        }
    }

    fn run_plainly(&self, job: Job) {
        let Job { request, cancel, mut done } = job;
        let lane = self.settings.lane.as_ref();
        self.runner.submit(request, lane, cancel, move |report| done.answer(report));
    }

    /// A worker has become ready: it is counted, and gets its first request if one waits.
    pub(super) fn join(&self, seat: &Arc<Seat>, direct: Option<Direct>) -> Option<Job> {
        seat.loan.lock().direct = direct.map(Arc::new);
        self.state.lock().up += 1;
        self.metrics().up_inc();
        self.next(seat)
    }

    /// The next request for a worker that is free; without one it is idle from now on.
    pub(super) fn next(&self, seat: &Arc<Seat>) -> Option<Job> {
        let mut state = self.state.lock();
        let job = state.next();
        if job.is_none() {
            state.idle.push(seat.clone());
        }
        job
    }

    /// Whether idle workers are lent to blocking callers: those of hooks, because they block.
    pub(super) fn lends(&self) -> bool {
        self.settings.spec.event.row().lane == Lane::Hook
    }

    /// An idle worker for a blocking caller.
    fn lend(self: &Arc<Self>) -> Option<Lent> {
        let mut state = self.state.lock();
        let seat = state.idle.last()?.clone();
        let direct = {
            let mut loan = seat.loan.lock();
            let direct = loan.direct.clone()?;
            loan.lent = true;
            direct
        };
        state.idle.pop();
        drop(state);
        Some(Lent { pool: self.clone(), seat, direct })
    }

    /// Takes an idle worker out of the list, before it is ended; false when it is lent: then its
    /// task is called when it comes back.
    pub(super) fn recall(&self, seat: &Arc<Seat>) -> bool {
        let mut state = self.state.lock();
        state.idle.retain(|idle| !Arc::ptr_eq(idle, seat));
        let mut loan = seat.loan.lock();
        loan.wanted = loan.lent;
        !loan.lent
    }

    /// What a blocking caller had to leave undone.
    pub(super) fn failed(&self, seat: &Seat) -> Option<(Failure, Job, Duration)> {
        seat.loan.lock().failed.take()
    }

    /// The request that was left for an idle worker, which then is busy.
    pub(super) fn called(&self, seat: &Seat) -> Option<Job> {
        seat.job.lock().take()
    }

    /// A worker is no longer usable. A request that was just left for it goes elsewhere, and when
    /// it was the last one, those that wait become plain runs. `job` is a request that it has but
    /// has not seen.
    pub(super) fn leave(self: &Arc<Self>, seat: &Arc<Seat>, job: Option<Job>) {
        let mut state = self.state.lock();
        state.up -= 1;
        state.idle.retain(|idle| !Arc::ptr_eq(idle, seat));
        let left = seat.job.lock().take();
        // Its copy of the pipe would keep the worker from seeing the end of its input.
        seat.loan.lock().direct = None;
        let none_up = state.up == 0 && !state.stopped;
        let stranded = if none_up { std::mem::take(&mut state.waiting) } else { VecDeque::new() };
        drop(state);
        self.metrics().up_dec();
        // These are older than those that wait.
        for job in job.into_iter().chain(left) {
            self.dispatch(job);
        }
        for job in stranded.iter().filter_map(|waiting| waiting.take()) {
            self.run_plainly(job);
        }
    }
}

/// Looks at the command's file and tells the workers when it has changed.
async fn watch_file(pool: Arc<Shared>) {
    let spec = pool.settings.spec.clone();
    // On the runtime's thread for blocking work: a dead network file system stops only this.
    let look = || {
        let spec = spec.clone();
        async move { tokio::task::spawn_blocking(move || identify(&spec)).await.ok().flatten() }
    };
    let mut known = look().await;
    loop {
        tokio::select! {
            () = pool.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_AT_FILE) => {}
        }
        // A file that is missing for a moment is being replaced.
        let Some(found) = look().await else { continue };
        if known.replace(found).is_some_and(|before| before != found) {
            pool.generation.send_modify(|generation| *generation += 1);
        }
    }
}
