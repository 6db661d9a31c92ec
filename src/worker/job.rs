//! Requests on their way to a worker, and back from those who could not finish them.

use std::time::{Duration, Instant};

use crate::outcome::FailureReason;
use crate::outcome::OutcomeKind;
use crate::reactor::{CancelToken, Expired, Expires};
use crate::run::{ReplyOnce, Request, RunReport, Timings, waited_since};

use super::loss::Failure;
use super::protocol::Reply;

/// How much of the text of an error answer is passed on.
const ERROR_BYTES: usize = 4096;

/// A request on its way.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) cancel: Option<CancelToken>,
    /// Until when it waits for a worker to come up; `None` while one is up.
    pub(super) patience: Option<Instant>,
    pub(super) done: ReplyOnce,
}

/// A request that is left to the worker's task.
pub(super) enum Returned {
    /// The worker has not seen it.
    Unseen(Job),
    /// The worker has it.
    Begun(Begun),
    /// It was answered, but not with an output; after this time in the queue.
    Answered(Job, Duration, Reply),
    /// The worker is lost; after this time in the queue.
    Lost(Failure, Job, Duration),
}

/// A request that a worker has.
pub(super) struct Begun {
    pub(super) job: Job,
    pub(super) queued: Duration,
    pub(super) deadline: Option<Instant>,
    pub(super) id: u64,
    /// What was heard of the answer.
    pub(super) heard: Vec<u8>,
}

impl Job {
    /// Answers a request that no worker has seen.
    pub(super) fn withdraw(mut self, outcome: OutcomeKind, message: &str) {
        let timings = waited_since(self.request.submitted);
        let report = RunReport::without_process(outcome, message, timings);
        self.done.answer(RunReport { by_worker: true, ..report });
    }

    /// Answers a request that has waited too long.
    pub(super) fn give_up(mut self, expired: Expired) {
        let prefix = self.request.spec.event.label();
        let own = self.request.waits_until();
        if expired == Expired::Deadline
            && self.patience.is_some_and(|patience| own.is_none_or(|own| patience < own))
        {
            let message = format!(
                "no worker is up, and {prefix}_fallback=fail keeps the command from being run for \
                 the call"
            );
            let timings = waited_since(self.request.submitted);
            let report = RunReport::without_process(OutcomeKind::SpawnError, message, timings);
            let reason = Some(FailureReason::WorkerDown);
            return self.done.answer(RunReport { by_worker: true, reason, ..report });
        }
        let (outcome, message) = match expired {
            Expired::Deadline => {
                (OutcomeKind::Timeout, format!("none of {prefix}_workers was free for it in time"))
            }
            Expired::Cancelled => (
                OutcomeKind::Cancelled,
                "the call was withdrawn: it was still waiting for a worker".to_owned(),
            ),
        };
        self.withdraw(outcome, &message);
    }
}

impl Expires for Job {
    fn deadline(&self) -> Option<Instant> {
        [self.request.waits_until(), self.patience].into_iter().flatten().min()
    }

    fn cancel(&self) -> Option<&CancelToken> {
        self.cancel.as_ref()
    }
}

/// A report of a worker's request up to now.
pub(super) fn blank(outcome: OutcomeKind, request: &Request, queued: Duration) -> RunReport {
    let total = request.submitted.elapsed();
    let timings = Timings { queued, spawn: Duration::ZERO, total };
    RunReport { by_worker: true, ..RunReport::without_process(outcome, String::new(), timings) }
}

/// The report of a request that was answered.
pub(super) fn settled(mut report: RunReport, reply: Reply) -> RunReport {
    match reply {
        Reply::Output(output) => {
            report.output_bytes = output.len() as u64;
            report.output = output;
        }
        Reply::Error(text) => {
            report.outcome = OutcomeKind::Exit;
            report.error_file = text.into_bytes();
            report.error_file.truncate(ERROR_BYTES);
        }
    }
    report
}
