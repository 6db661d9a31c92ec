//! The pool: what the rest of the engine sees of workers.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Lane;
use crate::outcome::OutcomeKind;
use crate::reactor::{CancelToken, FsHelpers};
use crate::run::{Lifetime, ReplyOnce, Request, RunReport, Runner, answer_blocking, answer_later};

use super::fingerprint::fingerprint;
use super::lease::Lease;
use super::look::Workers;
use super::pending::Pending;
use super::shared::{Shared, WorkerSettings};
use super::supervisor::keep_up;
use super::worker::Pool;

/// Pause between two looks at the command's file.
const LOOK_AT_FILE: Duration = Duration::from_secs(1);

/// The persistent workers of one command. Dropped, it withdraws what waits, lets busy workers
/// answer within the grace period and ends all of them; it does not wait for that.
pub struct WorkerPool {
    shared: Arc<Pool>,
}

impl std::fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerPool").field("up", &self.up()).finish_non_exhaustive()
    }
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
        let shared = Shared::new(runner, settings, lifetime.stop().child());
        // Makes the series, so that they are there as zeros.
        shared.metrics();
        let handle = shared.runner.handle();
        for _ in 0..workers {
            handle.spawn(keep_up(Arc::new(lifetime.unended()), shared.clone(), None));
        }
        handle.spawn(watch_file(shared.clone()));
        WorkerPool { shared }
    }

    /// How many workers are ready or busy now.
    pub fn up(&self) -> usize {
        self.shared.lock().up
    }

    /// How many requests wait for a worker.
    pub fn queued(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Looks at the workers, for as long as there are some.
    pub fn workers(&self) -> Workers {
        Workers(Arc::downgrade(&self.shared))
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
        self.shared.dispatch(Pending::new(request, cancel, ReplyOnce::new(done)));
    }

    /// As [`submit`](WorkerPool::submit), completing with the report on any executor. Dropping the
    /// future does not withdraw the request; the token does.
    pub async fn run(&self, request: Request, cancel: Option<CancelToken>) -> RunReport {
        answer_later(request, |request, done| self.submit(request, cancel, done)).await
    }

    /// As [`submit`](WorkerPool::submit), blocking until the report is there, as
    /// [`Runner::run_blocking`] does. For hooks, if a worker is idle, the calling thread talks to
    /// it itself.
    pub fn run_blocking(&self, request: Request) -> RunReport {
        let Some(lease) = lease(&self.shared) else {
            return answer_blocking(request, |request, done| {
                let followed = request.followed.as_ref().map(|followed| followed.cancel.clone());
                let cancel = followed.unwrap_or_else(|| self.shared.stop.clone());
                self.submit(request, Some(cancel), done)
            });
        };
        match lease.call(request) {
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
            let mut state = self.shared.lock();
            state.stopped = true;
            state.waiting.drain()
        };
        self.shared.stop.cancel();
        for pending in waiting {
            pending.withdraw(OutcomeKind::Cancelled, "the module is being taken down");
        }
    }
}

/// An idle worker for a caller that blocks, if the event is that of such calls.
fn lease(pool: &Pool) -> Option<Lease> {
    if pool.settings.spec.event.row().lane != Lane::Hook {
        return None;
    }
    loop {
        let worker = pool.lock().idle.pop()?;
        if let Some(lease) = Lease::of(worker) {
            return Some(lease);
        }
    }
}

/// Looks at the command's file and tells the workers when it has changed.
async fn watch_file(pool: Arc<Pool>) {
    let spec = pool.settings.spec.clone();
    // One that hangs is waited for: then nothing is known of the file.
    let helpers = FsHelpers::new(1);
    let look = || fingerprint(&spec, &helpers);
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
