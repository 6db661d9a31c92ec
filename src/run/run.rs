//! A submission on its way to a process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::outcome::FailureReason;
use crate::outcome::OutcomeKind;
use crate::sys::{Pid, Plan};

use super::fast_path::FastRun;
use super::lane::Permit;
use super::quarantine::Quarantined;
use super::reply::ReplyOnce;
use super::report::{Cause, timeout_message};
use super::runner::{Shared, waited_since};
use super::start::{Files, begin_on_disk, prepare};
use super::{DeadlineFrom, Request, RunReport, Timings};
use crate::reactor::CancelToken;
use crate::reactor::{Expired, Expires};

/// A submission.
pub(super) struct Run {
    pub(super) shared: Arc<Shared>,
    pub(super) request: Request,
    pub(super) cancel: Option<CancelToken>,
    pub(super) permit: Option<Permit>,
    /// Set when its leader outlived SIGKILL.
    pub(super) quarantined: Option<Quarantined>,
    pub(super) done: ReplyOnce,
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
    /// Starts a run that waited in its lane.
    pub(super) fn start(self) {
        // It may have waited too long, or was withdrawn, and nobody has looked since.
        if let Some(expired) = self.expired(Instant::now()) {
            return self.give_up(expired);
        }
        if let Some(ready) = self.prepare() {
            FastRun::start(ready);
        }
    }

    /// Answers a run that has waited in its lane for too long.
    pub(super) fn give_up(self, expired: Expired) {
        let cause = match expired {
            Expired::Deadline => Cause::Timeout,
            Expired::Cancelled => Cause::Cancelled,
        };
        let place = match self.request.spec.event.row().lane.parameter() {
            Some(parameter) => {
                format!("it was still waiting for its turn ({parameter} commands run at a time)")
            }
            None => "it was still waiting for its turn".to_owned(),
        };
        self.withdrawn(cause, &place);
    }

    /// Makes the files; `None` when that failed and was answered. On the calling thread, so that
    /// several of them share the work.
    pub(super) fn prepare(self) -> Option<Ready> {
        if let Some(refusal) = self.request.refusal() {
            self.refuse(refusal);
            return None;
        }
        let now = Instant::now();
        let deadline = self.request.deadline(now);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.withdrawn(Cause::Timeout, "no time was left when it could start");
            return None;
        }
        if self.shared.closed.load(Ordering::Relaxed) {
            self.withdrawn(Cause::Cancelled, "the program is about to end");
            return None;
        }
        match prepare(&self.shared, &self.request, deadline) {
            Ok((files, plan)) => {
                self.request.started();
                let ready = Ready { run: self, files, plan, deadline, attempt: 0 };
                if ready.files.io.on_disk().is_none() {
                    return Some(ready);
                }
                let runtime = ready.run.shared.runtime.clone();
                runtime.spawn(begin_on_disk(ready));
                None
            }
            Err(message) => {
                self.without_files(message);
                None
            }
        }
    }

    /// Answers a run whose files could not be made.
    pub(super) fn without_files(mut self, message: String) {
        let timings = waited_since(self.request.submitted);
        self.permit = None;
        let report = RunReport::without_process(OutcomeKind::SpawnError, message, timings);
        let reason = Some(FailureReason::InputError);
        self.done.answer(RunReport { reason, ..report });
    }

    /// The leader, `pid`, outlived SIGKILL.
    pub(super) fn enter_quarantine(&mut self, pid: Pid) {
        let Some(quarantine) = &self.request.quarantine else { return };
        let (event, container) = (self.request.spec.event, self.request.container_id.clone());
        self.quarantined = Some(quarantine.enter(event, container, pid));
    }

    /// Answers a run that is not started because others hang in the kernel.
    pub(super) fn refuse(mut self, message: String) {
        let timings = waited_since(self.request.submitted);
        self.permit = None;
        let report = RunReport::without_process(OutcomeKind::Unkillable, message, timings);
        self.done.answer(RunReport { reason: Some(FailureReason::QuarantineFull), ..report });
    }

    /// Answers a run that has no process.
    pub(super) fn answer_unstarted(mut self, kind: OutcomeKind, message: String, timings: Timings) {
        self.permit = None;
        self.done.answer(RunReport::without_process(kind, message, timings));
    }

    /// Answers a run that was not started because of `cause`; `place` says where it was.
    pub(super) fn withdrawn(self, cause: Cause, place: &str) {
        let message = match cause {
            Cause::Timeout if self.request.deadline_from == DeadlineFrom::Start => {
                let waited = self.request.submitted.elapsed();
                format!("the command had not started after {waited:.0?}: {place}")
            }
            Cause::Timeout => format!("{}: {place}", timeout_message(&self.request.spec)),
            _ => format!("the call was withdrawn: {place}"),
        };
        let timings = waited_since(self.request.submitted);
        self.answer_unstarted(cause.outcome(), message, timings);
    }
}

impl Expires for Run {
    fn deadline(&self) -> Option<Instant> {
        self.request.waits_until()
    }

    fn cancel(&self) -> Option<&CancelToken> {
        self.cancel.as_ref()
    }
}
