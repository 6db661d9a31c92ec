//! A submission, and the answers of one that gets no process.

use std::sync::Arc;
use std::time::Instant;

use crate::outcome::{FailureReason, OutcomeKind};
use crate::reactor::{CancelToken, Expired, Expires};
use crate::staging::Noted;
use crate::sys::Pid;

use super::files::PrepareError;
use super::judge::{Cause, timeout_message};
use super::lane::Permit;
use super::quarantine::Quarantined;
use super::reply::ReplyOnce;
use super::services::Services;
use super::{DeadlineFrom, Request, RunReport, waited_since};

/// A submission.
pub(super) struct Run {
    pub(super) services: Arc<Services>,
    pub(super) request: Request,
    pub(super) cancel: Option<CancelToken>,
    pub(super) permit: Option<Permit>,
    /// Set when its leader outlived SIGKILL.
    pub(super) quarantined: Option<Quarantined>,
    pub(super) done: ReplyOnce,
}

impl Run {
    /// Whether its caller has withdrawn it.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.cancel.as_ref().is_some_and(CancelToken::is_cancelled)
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

    /// Answers a run whose files could not be made.
    pub(super) fn without_files(self, error: &PrepareError) {
        let reason = Some(FailureReason::InputError);
        self.answer_unstarted(OutcomeKind::SpawnError, error.to_string(), reason);
    }

    /// Answers a run that is not started because others hang in the kernel.
    pub(super) fn refuse(self, message: String) {
        let reason = Some(FailureReason::QuarantineFull);
        self.answer_unstarted(OutcomeKind::Unkillable, message, reason);
    }

    /// Answers a run for which its lane's queue has no room.
    pub(super) fn overload(self) {
        let message = match self.request.spec.event.row().lane.parameter() {
            Some(parameter) => {
                format!("too many calls are waiting already ({parameter} commands run at a time)")
            }
            None => "too many calls are waiting already".to_owned(),
        };
        self.answer_unstarted(OutcomeKind::Overload, message, None);
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
        self.answer_unstarted(cause.outcome(), message, None);
    }

    /// Answers a run that has no process.
    pub(super) fn answer_unstarted(
        mut self,
        kind: OutcomeKind,
        message: String,
        reason: Option<FailureReason>,
    ) {
        let timings = waited_since(self.request.submitted);
        self.permit = None;
        let report = RunReport::without_process(kind, message, timings);
        self.done.answer(RunReport { reason, ..report });
    }

    /// Notes a leader, so that the next start ends it should the host die.
    pub(super) fn note(&self, leader: Pid) -> Option<Noted> {
        let temp_dir = self.request.spec.temp_dir.as_deref();
        self.services.staging(temp_dir).ok()?.note(leader)
    }

    /// The leader, `pid`, outlived SIGKILL.
    pub(super) fn enter_quarantine(&mut self, pid: Pid) {
        let Some(quarantine) = &self.request.quarantine else { return };
        let (event, container) = (self.request.spec.event, self.request.container_id.clone());
        self.quarantined = Some(quarantine.enter(event, container, pid));
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
