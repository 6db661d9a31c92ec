//! The process-wide runner: its threads, and the ways to submit.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::outcome::OutcomeKind;
use crate::staging::{ReservedFds, Staging};
use crate::sys;

use super::fast_path::{FastRun, run_on_caller};
use super::lane::Admission;
use super::reply::ReplyOnce;
use super::report::{Cause, timeout_message};
use super::run::{Ready, Run};
use super::{DeadlineFrom, LaneQueue, Request, RunReport, Timings};
use crate::reactor::FsHelpers;
use crate::reactor::Pool;
use crate::reactor::Timers;
use crate::reactor::{CancelToken, Reactor};

/// Threads that wait for ends of commands: two, so that a continuation that dawdles does not hold up
/// every other answer.
const COMPLETERS: usize = 2;
/// Looks at commands that could not be started, at a time.
const EXPLANATIONS: usize = 8;
/// How much longer than its timeout and grace a blocking run may take before it is given up.
const BLOCKING_SLACK: Duration = Duration::from_millis(1500);

/// Starts and supervises commands. One per process: get it with [`Runner::global`].
///
/// Its threads are named `mcmd-*` and block the host's signals: two that wait for the ends of
/// commands and hand answers over, one for timers and all that takes longer, one that reads the
/// answers of workers once there are some, and a few that come for what takes long and go again.
/// None exists before the first `global()`.
#[derive(Debug)]
pub struct Runner {
    pub(super) shared: Arc<Shared>,
}

/// What runs share.
pub(super) struct Shared {
    pub(super) runtime: Handle,
    pub(super) reactor: Arc<Reactor>,
    /// Started when the first worker is to be heard.
    worker_reactor: Mutex<Option<Arc<Reactor>>>,
    pub(super) timers: Timers,
    pub(super) reserved_fds: ReservedFds,
    /// Read and parse large outputs, and measure large directories.
    pub(super) reads: Arc<Pool>,
    /// Remove what commands left in their directories.
    pub(super) removals: Arc<Pool>,
    /// Looks for descriptors that can be freed.
    pub(super) sweeps: Arc<Pool>,
    /// Looks at commands that could not be started.
    pub(super) explanations: FsHelpers,
    stagings: Mutex<HashMap<Option<PathBuf>, Arc<Staging>>>,
    pub(super) sweeping: std::sync::atomic::AtomicBool,
    /// Nothing is started any more.
    pub(super) closed: std::sync::atomic::AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The private directory of this process in `parent`, made on first use.
    pub(super) fn staging(&self, parent: Option<&Path>) -> io::Result<Arc<Staging>> {
        let mut stagings = self.stagings.lock();
        // Looked up by reference first: this is on the way of every call.
        let key = parent.map(Path::to_path_buf);
        if let Some(staging) = stagings.get(&key) {
            return Ok(staging.clone());
        }
        let staging = Arc::new(Staging::open(parent)?.with_children(&self.runtime));
        stagings.insert(key, staging.clone());
        Ok(staging)
    }
}

impl Runner {
    /// The runner of this process, started on the first call.
    ///
    /// # Errors
    /// When its threads cannot be started; the next call tries again.
    pub fn global() -> io::Result<Arc<Runner>> {
        static RUNNER: Mutex<Option<Arc<Runner>>> = Mutex::new(None);
        let mut runner = RUNNER.lock();
        if let Some(runner) = &*runner {
            return Ok(runner.clone());
        }
        let started = Arc::new(Runner::start()?);
        *runner = Some(started.clone());
        Ok(started)
    }

    fn start() -> io::Result<Runner> {
        sys::features();
        sys::memfd_paths();
        // In a host without standard descriptors ours must not take their place.
        let _guards = occupy_standard_descriptors()?;
        let runtime = start_runtime()?;
        let shared = Arc::new(Shared {
            runtime: runtime.clone(),
            reactor: Reactor::start("mcmd-done", COMPLETERS)?,
            worker_reactor: Mutex::default(),
            timers: Timers::default(),
            reserved_fds: ReservedFds::default(),
            reads: Pool::new("mcmd-read", 2, 256),
            removals: Pool::new("mcmd-clean", 2, 4096),
            sweeps: Pool::new("mcmd-sweep", 1, 1),
            explanations: FsHelpers::new(EXPLANATIONS),
            stagings: Mutex::default(),
            sweeping: std::sync::atomic::AtomicBool::new(false),
            closed: std::sync::atomic::AtomicBool::new(false),
        });
        let own = shared.clone();
        runtime.spawn(async move { own.timers.serve().await });
        Ok(Runner { shared })
    }

    /// The runtime on which runs are supervised, for timers and small tasks of the engine. Nothing
    /// on it may block.
    pub fn handle(&self) -> &Handle {
        &self.shared.runtime
    }

    /// What the runtime takes over when it is not so quick.
    pub(crate) fn timers(&self) -> &Timers {
        &self.shared.timers
    }

    /// Does `job`, which may take long, on a thread where that holds nobody up; on the calling
    /// thread, which may be the runtime's, when there is none left.
    pub(crate) fn run_long(&self, job: Box<dyn FnOnce() + Send>) {
        match self.shared.removals.place() {
            Ok(place) => place.run(job),
            Err(_) => job(),
        }
    }

    /// The threads on which answers are handed to the host.
    pub(crate) fn reactor(&self) -> &Arc<Reactor> {
        &self.shared.reactor
    }

    /// The thread that hears workers, started on the first call. One, because a second would be
    /// woken by each answer that comes while the first returns from the kernel; what waits too long
    /// for it is taken over by the runtime.
    ///
    /// # Errors
    /// When it cannot be started; the next call tries again.
    pub(crate) fn worker_reactor(&self) -> io::Result<Arc<Reactor>> {
        let mut worker_reactor = self.shared.worker_reactor.lock();
        if let Some(worker_reactor) = &*worker_reactor {
            return Ok(worker_reactor.clone());
        }
        let started = Reactor::start("mcmd-ear", 1)?;
        *worker_reactor = Some(started.clone());
        Ok(started)
    }

    /// Starts no command any more: what is submitted later, or still waits in a lane, is answered
    /// as cancelled. For good; for a program that is about to end. Those that run go on: see
    /// [`end_descendants`](super::end_descendants).
    pub fn close(&self) {
        self.shared.closed.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Removes the directories of this process in which the files of calls are made, with all that is
    /// in them. For the orderly end of a program, when no run goes on and none is expected: a run
    /// that begins nevertheless makes the directory anew, one that goes on loses its files. May be
    /// called more than once, and takes as long as removing does.
    pub fn remove_directories(&self) {
        let stagings: Vec<Arc<Staging>> = self.shared.stagings.lock().values().cloned().collect();
        for staging in stagings {
            staging.remove();
        }
    }

    /// Makes the private directory below `temp_dir` now, so that a place that cannot be used is
    /// known when an instance is created.
    ///
    /// # Errors
    /// When no directory can be made there.
    pub fn check_temp_dir(&self, temp_dir: Option<&Path>) -> io::Result<()> {
        self.shared.staging(temp_dir).map(drop)
    }

    /// Starts a run and calls `done` once with its report.
    ///
    /// With a `lane` it waits for one of its permits, which it keeps until its leader is dead.
    /// `done` runs on a thread of the runner, which may be the runtime's, and so must not block;
    /// when the answer is known at once (overload, an input that cannot be written), it runs on the
    /// calling thread before `submit` returns. Does not block.
    pub fn submit(
        &self,
        request: Request,
        lane: Option<&Arc<LaneQueue>>,
        cancel: Option<CancelToken>,
        done: impl FnOnce(RunReport) + Send + 'static,
    ) {
        if let Some(ready) = self.admit(request, lane, cancel, done) {
            FastRun::start(ready);
        }
    }

    /// A run that can start now, with its files; `None` when it waits in its lane or was answered.
    fn admit(
        &self,
        request: Request,
        lane: Option<&Arc<LaneQueue>>,
        cancel: Option<CancelToken>,
        done: impl FnOnce(RunReport) + Send + 'static,
    ) -> Option<Ready> {
        let done = ReplyOnce::new(done);
        let shared = self.shared.clone();
        let run = Run { shared, request, cancel, permit: None, quarantined: None, done };
        if run.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
            run.withdrawn(Cause::Cancelled, "it had not started");
            return None;
        }
        let Some(lane) = lane else { return run.prepare() };
        // Looked at again when its turn comes; those ahead of it may take their time.
        if let Some(refusal) = run.request.refusal() {
            run.refuse(refusal);
            return None;
        }
        match lane.admit(run) {
            Admission::Now(run) => run.prepare(),
            Admission::Later => None,
            Admission::Full(run) => {
                let timings = waited_since(run.request.submitted);
                let lane = run.request.spec.event.row().lane;
                let message = match lane.parameter() {
                    Some(parameter) => format!(
                        "too many calls are waiting already ({parameter} commands run at a time)"
                    ),
                    None => "too many calls are waiting already".to_owned(),
                };
                run.answer_unstarted(OutcomeKind::Overload, message, timings);
                None
            }
        }
    }

    /// Starts a run and completes with its report, on any executor. Dropping the future does not
    /// stop the command; the token does.
    pub async fn run(
        &self,
        request: Request,
        lane: Option<&Arc<LaneQueue>>,
        cancel: Option<CancelToken>,
    ) -> RunReport {
        answer_later(request, |request, done| self.submit(request, lane, cancel, done)).await
    }

    /// Starts a run and blocks until its report is there: for a request with a deadline at most
    /// until the deadline, the grace period and about 100 ms more, even when processes cannot be
    /// started. Must not be called on the runtime's thread.
    pub fn run_blocking(
        &self,
        request: Request,
        lane: Option<&Arc<LaneQueue>>,
        cancel: Option<CancelToken>,
    ) -> RunReport {
        answer_blocking(request, |request, done| {
            if let Some(ready) = self.admit(request, lane, cancel, done) {
                run_on_caller(ready);
            }
        })
    }
}

/// Starts a run by `submit` and completes with its report.
pub(crate) async fn answer_later(
    request: Request,
    submit: impl FnOnce(Request, Box<dyn FnOnce(RunReport) + Send>),
) -> RunReport {
    let submitted = request.submitted;
    let (sender, receiver) = oneshot::channel();
    submit(
        request,
        Box::new(move |report| {
            // Nobody listens when the future was dropped.
            let _ = sender.send(report);
        }),
    );
    receiver.await.unwrap_or_else(|_| lost_report(submitted))
}

/// Starts a run by `submit` and blocks until its report is there, as
/// [`run_blocking`](Runner::run_blocking) promises.
pub(crate) fn answer_blocking(
    request: Request,
    submit: impl FnOnce(Request, Box<dyn FnOnce(RunReport) + Send>),
) -> RunReport {
    let submitted = request.submitted;
    let spec = request.spec.clone();
    // The supervision keeps the promise; this is for the case that it cannot run at all. Nothing
    // is known of when a run begins that waits for its turn.
    let timeout = spec.timeout.filter(|_| request.deadline_from == DeadlineFrom::Submission);
    let patience =
        timeout.and_then(|t| t.checked_add(spec.kill_grace)?.checked_add(BLOCKING_SLACK));
    let (sender, receiver) = mpsc::sync_channel(1);
    submit(
        request,
        Box::new(move |report| {
            // Nobody listens when the wait was given up.
            let _ = sender.send(report);
        }),
    );
    let answer = match patience {
        Some(patience) => receiver.recv_timeout(patience),
        None => receiver.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
    };
    match answer {
        Ok(report) => report,
        Err(mpsc::RecvTimeoutError::Disconnected) => lost_report(submitted),
        Err(mpsc::RecvTimeoutError::Timeout) => RunReport::without_process(
            OutcomeKind::Unkillable,
            format!("{}, nor did its supervision", timeout_message(&spec)),
            waited_since(submitted),
        ),
    }
}

/// Opens `/dev/null` for each standard descriptor that is closed.
fn occupy_standard_descriptors() -> io::Result<Vec<std::fs::File>> {
    let mut guards = Vec::new();
    loop {
        let null = std::fs::File::open("/dev/null")?;
        if null.as_raw_fd() > 2 {
            return Ok(guards);
        }
        guards.push(null);
    }
}

/// Starts the runtime on a thread of ours. Tokio's own worker threads end the whole process when
/// one of them panics, which must not happen to the agent.
fn start_runtime() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // Of its threads for what blocks.
        .thread_name("mcmd-blocking")
        .on_thread_start(sys::enter_own_thread)
        .build()?;
    let handle = runtime.handle().clone();
    let serve = move || {
        loop {
            let forever = AssertUnwindSafe(|| runtime.block_on(std::future::pending::<()>()));
            if catch_unwind(forever).is_err() {
                tracing::error!("the runtime of the command runner panicked; it goes on");
                // Not a busy loop, should it happen for ever.
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    };
    sys::start_thread("mcmd-rt".to_owned(), None, serve)?;
    Ok(handle)
}

/// The report of a run whose answer was lost.
pub(crate) fn lost_report(submitted: Instant) -> RunReport {
    let message = "internal error: the answer of a run was lost";
    RunReport::without_process(OutcomeKind::SpawnError, message, waited_since(submitted))
}

/// Timings of a run that only waited.
pub(crate) fn waited_since(submitted: Instant) -> Timings {
    let waited = submitted.elapsed();
    Timings { queued: waited, spawn: Duration::ZERO, total: waited }
}
