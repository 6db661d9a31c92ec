//! A submission on its way to a process.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use crate::event::OutcomeKind;
use crate::metrics::FailureReason;
use crate::sys::Plan;

use super::cancel::cancelled;
use super::done::Done;
use super::lane::Place;
use super::quick::Quick;
use super::report::{Cause, timeout_message};
use super::runner::{Shared, waited_since};
use super::start::{Files, prepare, sleep_until};
use super::{CancelToken, DeadlineFrom, Request, RunReport, Timings};

/// A submission.
pub(super) struct Run {
    pub(super) shared: Arc<Shared>,
    pub(super) request: Request,
    pub(super) cancel: Option<CancelToken>,
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) done: Done,
}

/// A run that has its files, and a plan of its program.
pub(super) struct Ready {
    pub(super) run: Run,
    pub(super) files: Files,
    pub(super) plan: Plan,
    pub(super) deadline: Option<Instant>,
    /// Attempts to start it that failed.
    pub(super) attempt: usize,
}

impl Run {
    /// Makes the files; `None` when that failed and was answered. On the calling thread, so that
    /// several of them share the work.
    pub(super) fn prepare(mut self) -> Option<Ready> {
        let now = Instant::now();
        let deadline = self.request.deadline(now);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.withdrawn(Cause::Timeout, "no time was left when it could start");
            return None;
        }
        match prepare(&self.shared, &self.request, deadline) {
            Ok((files, plan)) => {
                self.request.started();
                Some(Ready { run: self, files, plan, deadline, attempt: 0 })
            }
            Err(message) => {
                let timings = waited_since(self.request.submitted);
                self.permit = None;
                let report = RunReport::without_process(OutcomeKind::SpawnError, message, timings);
                let reason = Some(FailureReason::InputError);
                self.done.answer(RunReport { reason, ..report });
                None
            }
        }
    }

    /// Answers a run that has no process.
    pub(super) fn answer_unstarted(mut self, kind: OutcomeKind, message: String, timings: Timings) {
        self.permit = None;
        self.done.answer(RunReport::without_process(kind, message, timings));
    }

    /// Answers a run that was not started because of `cause`; `place` says where it was.
    pub(super) fn withdrawn(self, cause: Cause, place: &str) {
        let message = match cause {
            Cause::Timeout => format!("{}: {place}", timeout_message(&self.request.spec)),
            _ => format!("the call was withdrawn: {place}"),
        };
        let timings = waited_since(self.request.submitted);
        self.answer_unstarted(cause.outcome(), message, timings);
    }
}

/// Waits for a permit of the lane, then starts the run.
pub(super) async fn wait_for_lane(mut run: Run, mut place: Place) {
    let deadline = match run.request.deadline_from {
        DeadlineFrom::Submission => run.request.deadline(run.request.submitted),
        DeadlineFrom::Start => None,
    };
    let place_text = "it was still waiting in its lane";
    let permit = tokio::select! {
        biased;
        permit = place.permit() => permit,
        () = sleep_until(deadline) => return run.withdrawn(Cause::Timeout, place_text),
        () = cancelled(run.cancel.as_ref()) => return run.withdrawn(Cause::Cancelled, place_text),
    };
    drop(place);
    run.permit = permit;
    if let Some(ready) = run.prepare() {
        Quick::start(ready);
    }
}
