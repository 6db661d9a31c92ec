//! The process-wide runner: its threads, and the ways to submit.

use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::containment;
use crate::outcome::OutcomeKind;
use crate::reactor::{CancelToken, Reactor, Timers};
use crate::sys::{self, User};

use super::drive::{drive, drive_here};
use super::judge::{Cause, timeout_message};
use super::lane::Admission;
use super::reply::ReplyOnce;
use super::run::Run;
use super::services::Services;
use super::supervise::Supervision;
use super::{DeadlineFrom, LaneQueue, Request, RunReport, waited_since};

/// How much longer than its timeout and grace a blocking run may take before it is given up.
const BLOCKING_SLACK: Duration = Duration::from_millis(1500);

/// Starts and supervises commands. One per process: get it with [`Runner::global`].
///
/// Its threads are named `mcmd-*` and block the host's signals: two that wait for the ends of
/// commands and hand answers over, one for timers and all that takes longer, one that reads the
/// answers of workers once there are some, and a few that come for what takes long and go again.
/// None exists before the first `global()`.
pub struct Runner {
    pub(super) services: Arc<Services>,
    /// Started with the first worker.
    worker_reactor: Mutex<Option<Arc<Reactor>>>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
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
        let _guards = sys::occupy_stdio()?;
        let services = Arc::new(Services::start()?);
        Ok(Runner { services, worker_reactor: Mutex::default() })
    }

    /// The runtime: for timers and small tasks of the engine. Nothing on it may block.
    pub fn handle(&self) -> &Handle {
        &self.services.runtime
    }

    /// The timers, which run on the runtime.
    pub(crate) fn timers(&self) -> &Arc<Timers> {
        &self.services.timers
    }

    /// Does `job`, which may take long, on a thread that nothing waits for; on the calling thread,
    /// which may be the runtime's, when there is none left.
    pub(crate) fn run_long(&self, job: Box<dyn FnOnce() + Send>) {
        match self.services.cleaner.removals.place() {
            Ok(place) => place.run(job),
            Err(_) => job(),
        }
    }

    /// As [`run_long`](Runner::run_long), but without a thread nothing is done; whether there is
    /// one.
    pub(crate) fn run_long_or_not(&self, job: Box<dyn FnOnce() + Send>) -> bool {
        match self.services.cleaner.removals.place() {
            Ok(place) => {
                place.run(job);
                true
            }
            Err(_) => false,
        }
    }

    /// The threads on which answers are handed to the host.
    pub(crate) fn reactor(&self) -> &Arc<Reactor> {
        &self.services.reactor
    }

    /// The thread that waits for the pipes of workers, started on the first call. One, because a
    /// second would be woken by each answer that comes while the first returns from the kernel; the
    /// runtime polls what waits too long for it.
    ///
    /// # Errors
    /// When it cannot be started; the next call tries again.
    pub(crate) fn worker_reactor(&self) -> io::Result<Arc<Reactor>> {
        let mut worker_reactor = self.worker_reactor.lock();
        if let Some(worker_reactor) = &*worker_reactor {
            return Ok(worker_reactor.clone());
        }
        let started = Reactor::start("mcmd-worker", 1)?;
        *worker_reactor = Some(started.clone());
        Ok(started)
    }

    /// Starts no command any more: what is submitted later, or still waits in a lane, is answered
    /// as cancelled. For good; for a program that is about to end. Those that run go on: see
    /// [`end_descendants`](super::end_descendants).
    pub fn close(&self) {
        self.services.close();
    }

    /// Removes the directories of this process in which the files of calls are made, with all that
    /// is in them. For the orderly end of a program, when no run goes on and none is expected: a
    /// run that begins nevertheless makes the directory anew, one that goes on loses its files. May
    /// be called more than once, and takes as long as removing does.
    pub fn remove_directories(&self) {
        for staging in self.services.stagings() {
            staging.remove();
        }
        containment::remove_directories();
    }

    /// Makes the private directory below `temp_dir` now, so that a place that cannot be used is
    /// known when an instance is created.
    ///
    /// # Errors
    /// When no directory can be made there.
    pub fn check_temp_dir(&self, temp_dir: Option<&Path>) -> io::Result<()> {
        self.services.staging(temp_dir).map(drop)
    }

    /// Lets commands of `user` get to the directories of their calls below `temp_dir`. At load.
    ///
    /// # Errors
    /// When there is a directory on the way that it may not enter, which is named.
    pub fn open_temp_dir(&self, temp_dir: Option<&Path>, user: &User) -> io::Result<()> {
        self.services.staging(temp_dir)?.open_to(user)
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
        if let Some(supervision) = self.admit(request, lane, cancel, done) {
            drive(supervision);
        }
    }

    /// A run that can start now, with its files; `None` when it waits in its lane or was answered.
    fn admit(
        &self,
        request: Request,
        lane: Option<&Arc<LaneQueue>>,
        cancel: Option<CancelToken>,
        done: impl FnOnce(RunReport) + Send + 'static,
    ) -> Option<Supervision> {
        let done = ReplyOnce::new(done);
        let services = self.services.clone();
        let mut run = Run { services, request, cancel, permit: None, quarantined: None, done };
        if run.is_withdrawn() {
            run.withdrawn(Cause::Cancelled, "it had not started");
            return None;
        }
        let Some(lane) = lane else { return run.prepare() };
        // Checked again when its turn comes; those ahead of it may take their time.
        if let Some(refusal) = run.request.refusal() {
            run.refuse(refusal);
            return None;
        }
        match lane.admit(run) {
            Admission::Now(admitted, permit) => {
                run = admitted;
                run.permit = Some(permit);
                run.prepare()
            }
            Admission::Later => None,
            Admission::Full(run) => {
                run.overload();
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
            if let Some(supervision) = self.admit(request, lane, cancel, done) {
                drive_here(supervision);
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
            // The receiver is gone when the future was dropped.
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
    // The supervision keeps the promise; this is for the case that it cannot run at all. When a
    // run begins that waits for its turn is not known.
    let timeout = spec.timeout.filter(|_| request.deadline_from == DeadlineFrom::Submission);
    let patience =
        timeout.and_then(|t| t.checked_add(spec.kill_grace)?.checked_add(BLOCKING_SLACK));
    let (sender, receiver) = mpsc::sync_channel(1);
    submit(
        request,
        Box::new(move |report| {
            // The receiver is gone when the wait was given up.
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

/// The report of a run whose answer was lost.
pub(crate) fn lost_report(submitted: Instant) -> RunReport {
    let message = "internal error: the answer of a run was lost";
    RunReport::without_process(OutcomeKind::SpawnError, message, waited_since(submitted))
}
