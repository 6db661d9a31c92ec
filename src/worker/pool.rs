//! The queue in front of the workers of a command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::event::Lane;
use crate::metrics::{ModuleMetrics, WorkerMetrics};
use crate::outcome::KillSignal;
use crate::outcome::OutcomeKind;
use crate::reactor::{CancelToken, FsHelpers, Queue};
use crate::run::{
    CommandSpec, LaneQueue, Lifetime, Quarantine, ReplyOnce, Request, RunReport, Runner,
    answer_blocking, answer_later,
};

use super::direct::Direct;
use super::identity::identify;
use super::job::{Job, Returned};
use super::lent::Lent;
use super::life::keep;
use super::line::Line;
use super::seat::{Access, Held, Seat};

/// Pause between two looks at the command's file.
const LOOK_AT_FILE: Duration = Duration::from_secs(1);

/// How long a call waits for a worker to come up when no run may stand in. It bridges a start and
/// the first pauses between restarts, and is short enough for a hook, which holds the agent.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

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
    /// Whether the command is run for a call while no worker is up. If not, calls wait for a worker
    /// for a second, and then fail.
    pub stand_in: bool,
    /// Requests that may wait; more are answered `overload`. `None`: any number.
    pub queue_limit: Option<usize>,
    /// Where workers are counted that outlive SIGKILL, and what keeps more from being started.
    pub quarantine: Option<Arc<Quarantine>>,
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

/// What the pool, the tasks of its workers and those who have a worker share.
pub(super) struct Shared {
    pub(super) runner: Arc<Runner>,
    pub(super) settings: WorkerSettings,
    pub(super) stop: CancelToken,
    /// Counts the changes of the command's file.
    pub(super) generation: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: Queue<Job>,
    /// The one that was busy last is at the end and taken first: its memory is warm.
    pub(super) idle: Vec<Arc<Seat>>,
    up: usize,
    stopped: bool,
}

impl WorkerPool {
    /// Starts the workers; does not wait until they are ready.
    pub fn start(runner: Arc<Runner>, settings: WorkerSettings) -> WorkerPool {
        let lifetime = Lifetime::begin(settings.spec.kill_grace);
        WorkerPool::start_in(&lifetime, runner, settings)
    }

    /// As [`start`](WorkerPool::start), for a part of an instance: the workers end with it, and its
    /// end waits for theirs.
    pub fn start_in(
        lifetime: &Arc<Lifetime>,
        runner: Arc<Runner>,
        settings: WorkerSettings,
    ) -> WorkerPool {
        let workers = settings.workers;
        let shared = Arc::new(Shared {
            runner,
            settings,
            stop: lifetime.stop().child(),
            generation: watch::Sender::new(0),
            state: Mutex::new(State::default()),
        });
        // Makes the series, so that they are there as zeros.
        shared.metrics();
        let handle = shared.runner.handle();
        for _ in 0..workers {
            let (kept, unended) = (shared.clone(), lifetime.unended());
            handle.spawn(async move {
                keep(kept, Arc::new(Seat::default())).await;
                drop(unended);
            });
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
        self.shared.state.lock().waiting.len()
    }

    /// Gives a request to a worker, or runs the command while none is up, and calls `done` once
    /// with the report: on a thread of the runner, which may be the runtime's, so that it must not
    /// block, or, when the answer is known at once, on the calling thread before this returns. Does
    /// not block.
    pub fn submit(
        &self,
        request: Request,
        cancel: Option<CancelToken>,
        done: impl FnOnce(RunReport) + Send + 'static,
    ) {
        self.shared.dispatch(Job { request, cancel, patience: None, done: ReplyOnce::new(done) });
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
            return answer_blocking(request, |request, done| {
                self.submit(request, Some(self.shared.stop.clone()), done)
            });
        };
        match lent.converse(request) {
            Ok(report) => report,
            Err(unfinished) => {
                let request = unfinished.request.clone();
                answer_blocking(request, |_, done| unfinished.leave(ReplyOnce::new(done)))
            }
        }
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.shared.state.lock();
            state.stopped = true;
            state.waiting.drain()
        };
        self.shared.stop.cancel();
        for job in waiting {
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

    /// The list of the idle and the queue.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Finds somebody for a request.
    fn dispatch(self: &Arc<Self>, job: Job) {
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
            if self.settings.stand_in {
                drop(state);
                return self.run_plainly(job);
            }
            let patience = Some(Instant::now() + PATIENCE);
            return self.enqueue(state, Job { patience, ..job });
        }
        if let Some(seat) = state.idle.pop() {
            let held = Held::take(self, &seat);
            drop(state);
            return match seat.line() {
                Some(line) => line.say(held, job),
                None => held.leave(Returned::Unseen(job)),
            };
        }
        self.enqueue(state, job);
    }

    fn enqueue(self: &Arc<Self>, mut state: MutexGuard<'_, State>, job: Job) {
        if self.settings.queue_limit.is_some_and(|limit| state.waiting.len() >= limit) {
            drop(state);
            let prefix = self.settings.spec.event.label();
            let text = format!("too many calls are waiting already for one of {prefix}_workers");
            return job.withdraw(OutcomeKind::Overload, &text);
        }
        let look = state.waiting.push(job);
        drop(state);
        self.look_at_queue(look);
    }

    /// Has the runtime withdraw at `at` what must not wait any longer.
    fn look_at_queue(self: &Arc<Self>, at: Option<Instant>) {
        let Some(at) = at else { return };
        let pool = Arc::downgrade(self);
        let look = move || {
            // Without a pool nothing waits.
            let Some(pool) = pool.upgrade() else { return };
            let (out, next) = pool.lock().waiting.take_expired(Instant::now());
            pool.look_at_queue(next);
            for (job, expired) in out {
                job.give_up(expired);
            }
        };
        self.runner.timers().at(at, Box::new(look));
    }

    fn run_plainly(&self, job: Job) {
        let Job { request, cancel, mut done, .. } = job;
        let lane = self.settings.lane.as_ref();
        self.runner.submit(request, lane, cancel, move |report| done.answer(report));
    }

    /// A worker has become ready: it is counted, and callers reach it from now on.
    pub(super) fn join(&self, seat: &Arc<Seat>, access: Access) {
        seat.set_access(access);
        let mut state = self.state.lock();
        state.up += 1;
        for job in state.waiting.iter_mut() {
            job.patience = None;
        }
        drop(state);
        self.metrics().up_inc();
    }

    /// The request that has waited longest.
    pub(super) fn next_waiting(&self) -> Option<Job> {
        self.state.lock().waiting.pop()
    }

    /// For the task of a worker that is free: its next request, if it is the task's to make.
    /// Without one the worker is idle, or has its next request already.
    pub(super) fn next(self: &Arc<Self>, seat: &Arc<Seat>) -> Option<Job> {
        let line = seat.line();
        if let Some(line) = &line {
            line.release();
        }
        let mut state = self.state.lock();
        match (state.waiting.pop(), line) {
            (None, _) => {
                state.idle.push(seat.clone());
                None
            }
            (Some(job), None) => Some(job),
            (Some(job), Some(line)) => {
                let held = Held::take(self, seat);
                drop(state);
                line.say(held, job);
                None
            }
        }
    }

    /// How callers shall reach a worker. Those of hooks block.
    pub(super) fn open_access(&self, seat: &Arc<Seat>, direct: Direct) -> Access {
        if self.settings.spec.event.row().lane == Lane::Hook {
            return Access::Lent(Arc::new(direct));
        }
        Line::open(&self.runner, seat, direct).map_or(Access::Task, Access::Heard)
    }

    /// An idle worker for a blocking caller.
    fn lend(self: &Arc<Self>) -> Option<Lent> {
        let mut state = self.state.lock();
        let Access::Lent(direct) = state.idle.last()?.access() else { return None };
        let seat = state.idle.pop()?;
        Some(Lent { held: Held::take(self, &seat), direct })
    }

    /// Takes an idle worker out of the list; false when somebody has it: then its task is called
    /// when it comes back.
    pub(super) fn recall(&self, seat: &Arc<Seat>) -> bool {
        self.state.lock().idle.retain(|idle| !Arc::ptr_eq(idle, seat));
        seat.is_free()
    }

    /// A worker is no longer usable. A request that was just left for it goes elsewhere, and when
    /// it was the last one, those that wait become plain runs, or wait for the next one a moment
    /// longer. `job` is a request that it has but has not seen.
    pub(super) fn leave(self: &Arc<Self>, seat: &Arc<Seat>, job: Option<Job>) {
        let mut state = self.state.lock();
        state.up -= 1;
        state.idle.retain(|idle| !Arc::ptr_eq(idle, seat));
        let none_up = state.up == 0 && !state.stopped;
        let mut stranded = Vec::new();
        let mut look = None;
        if none_up && self.settings.stand_in {
            stranded = state.waiting.drain();
        } else if none_up {
            look = Some(Instant::now() + PATIENCE);
            for job in state.waiting.iter_mut() {
                job.patience = look;
            }
        }
        let left = match seat.take() {
            Some(Returned::Unseen(job)) => Some(job),
            _ => None,
        };
        drop(state);
        // Its copy of the pipe would keep the worker from seeing the end of its input.
        seat.set_access(Access::Task);
        self.metrics().up_dec();
        self.look_at_queue(look);
        // These are older than those that wait.
        for job in job.into_iter().chain(left) {
            self.dispatch(job);
        }
        for job in stranded {
            self.run_plainly(job);
        }
    }
}

/// Looks at the command's file and tells the workers when it has changed.
async fn watch_file(pool: Arc<Shared>) {
    let spec = pool.settings.spec.clone();
    // One that hangs is waited for: then nothing is known of the file.
    let helpers = FsHelpers::new(1);
    let look = || identify(&spec, &helpers);
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
