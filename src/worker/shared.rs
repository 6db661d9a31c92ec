//! What a pool, its workers and their supervisors share: the settings, the queue, and the workers
//! that are idle.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::metrics::{ModuleMetrics, WorkerMetrics};
use crate::outcome::KillSignal;
use crate::reactor::{CancelToken, Queue};
use crate::run::{CommandSpec, LaneQueue, Quarantine, Runner};

use super::limits::Recycling;
use super::pending::Pending;

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
    /// Requests that a worker may have at a time, if it asks for as many.
    pub multiplex: usize,
    /// When workers are replaced that are well.
    pub recycling: Recycling,
    /// Where workers are counted that outlive SIGKILL, and what keeps more from being started.
    pub quarantine: Option<Arc<Quarantine>>,
    /// The instance's metrics.
    pub metrics: Arc<ModuleMetrics>,
    /// Where to log.
    pub log: Arc<dyn WorkerLog>,
}

/// What the parts of a pool of workers of type `W` share.
pub(super) struct Shared<W> {
    pub(super) runner: Arc<Runner>,
    pub(super) settings: WorkerSettings,
    pub(super) stop: CancelToken,
    /// Counts the changes of the command's file.
    pub(super) generation: watch::Sender<u64>,
    state: Mutex<State<W>>,
}

/// The queue, and what decides whether a request must stand in it.
pub(super) struct State<W> {
    pub(super) waiting: Queue<Pending>,
    /// Those that take a request. The one that was busy last is at the end and taken first: its
    /// memory is warm. One that is lost may still stand here; it refuses requests.
    pub(super) idle: Vec<Arc<W>>,
    /// Workers that are ready or busy.
    pub(super) up: usize,
    /// They, and some that have ended.
    pub(super) all: Vec<Weak<W>>,
    pub(super) stopped: bool,
}

impl<W> Shared<W> {
    pub(super) fn new(
        runner: Arc<Runner>,
        settings: WorkerSettings,
        stop: CancelToken,
    ) -> Arc<Shared<W>> {
        let (waiting, idle, all) = (Queue::default(), Vec::new(), Vec::new());
        let state = State { waiting, idle, up: 0, all, stopped: false };
        let (generation, state) = (watch::Sender::new(0), Mutex::new(state));
        Arc::new(Shared { runner, settings, stop, generation, state })
    }

    pub(super) fn metrics(&self) -> &WorkerMetrics {
        self.settings.metrics.event(self.settings.spec.event).worker()
    }

    /// Counts a KILL that no call's report counts.
    pub(super) fn count_kill(&self) {
        self.settings.metrics.kill(KillSignal::Kill);
    }

    /// Under this lock no worker is locked.
    pub(super) fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock()
    }

    /// A worker has become ready: it is counted, and what waits has as long as its deadline lets
    /// it.
    pub(super) fn join(&self, worker: &Arc<W>) {
        let mut state = self.lock();
        state.up += 1;
        state.all.retain(|other| other.strong_count() > 0);
        state.all.push(Arc::downgrade(worker));
        for pending in state.waiting.iter_mut() {
            pending.patience = None;
        }
        drop(state);
        self.metrics().up_inc();
    }

    /// The request that has waited longest; without one the worker is listed as idle. One that is
    /// repeated has to wait until the worker `has_none`, as those behind it; a worker that has some
    /// asks again when it has answered them. To be called under the worker's lock.
    pub(super) fn next_or_idle(&self, worker: &Arc<W>, has_none: bool) -> Option<Pending> {
        let mut state = self.lock();
        match state.waiting.first() {
            Some(next) if next.repeated && !has_none => None,
            Some(_) => state.waiting.pop(),
            None => {
                if !state.idle.iter().any(|idle| Arc::ptr_eq(idle, worker)) {
                    state.idle.push(worker.clone());
                }
                None
            }
        }
    }

    /// Takes a worker out of the list of the idle.
    pub(super) fn remove_idle(&self, worker: &Arc<W>) {
        self.lock().idle.retain(|idle| !Arc::ptr_eq(idle, worker));
    }
}
