//! Requests that wait for a worker or for its answer, and the reports that they end with.

use std::time::{Duration, Instant};

use crate::outcome::FailureReason;
use crate::outcome::OutcomeKind;
use crate::reactor::{CancelToken, Expired, Expires};
use crate::run::{CommandSpec, ReplyOnce, Request, RunReport, Timings, unix_seconds, waited_since};
use crate::sys::Pid;

use super::exchange::Exchange;
use super::protocol::Reply;

/// How much of the text of an error answer is passed on.
const ERROR_BYTES: usize = 4096;

/// A request that is not answered yet.
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) cancel: Option<CancelToken>,
    /// Until when it waits for a worker to come up; `None` while one is up.
    pub(super) patience: Option<Instant>,
    pub(super) reply: ReplyOnce,
    pub(super) taken_up: TakenUp,
    /// It was lost with a worker that had others too, and is asked for once more: alone.
    pub(super) repeated: bool,
}

/// A request that a worker has and has not answered.
pub(super) struct Asked {
    /// Of the request, in the exchange.
    pub(super) id: u64,
    pub(super) pending: Pending,
    /// Whether the worker was sent a cancel for it. Its deadline is the end of the grace then, and
    /// its call is answered.
    pub(super) cancelled: bool,
    /// Of a worker that is lost: whether it cannot have seen the request.
    pub(super) unseen: bool,
}

/// When a worker took a request up.
#[derive(Clone, Copy, Default)]
pub(super) struct TakenUp {
    /// How long it had waited then.
    pub(super) queued: Duration,
    /// When the worker is ended that has not answered it by then.
    pub(super) deadline: Option<Instant>,
}

/// Asks the worker `pid`, which takes the request up `now`, with the number `id`. `buffer` is
/// written over.
///
/// # Errors
/// When its input cannot be read, in words for people.
pub(super) fn take_up(
    request: &Request,
    now: Instant,
    pid: Pid,
    exchange: &mut Exchange,
    id: u64,
    buffer: Vec<u8>,
) -> Result<TakenUp, String> {
    let input = request.input.bytes()?;
    let queued = now.saturating_duration_since(request.submitted);
    let deadline = request.deadline(now);
    let until = deadline.and_then(|deadline| unix_seconds(deadline, now));
    let event = request.spec.event.label();
    exchange.ask(id, event, until.as_deref(), &input, buffer);
    request.started();
    request.has_process(pid);
    Ok(TakenUp { queued, deadline })
}

impl Pending {
    pub(super) fn new(request: Request, cancel: Option<CancelToken>, reply: ReplyOnce) -> Pending {
        let (patience, taken_up) = (None, TakenUp::default());
        Pending { request, cancel, patience, reply, taken_up, repeated: false }
    }

    /// A report of it as far as it has come.
    pub(super) fn report(&self, outcome: OutcomeKind) -> RunReport {
        report(outcome, &self.request, self.taken_up)
    }

    /// A report of one that a worker has not answered by its deadline.
    pub(super) fn late(&self) -> RunReport {
        let message = late(&self.request.spec);
        RunReport { message, ..self.report(OutcomeKind::Timeout) }
    }

    /// Answers one whose input cannot be read.
    pub(super) fn refuse(mut self, message: String) {
        self.taken_up.queued = self.request.submitted.elapsed();
        let report = self.report(OutcomeKind::SpawnError);
        self.reply.answer(RunReport { message, ..report });
    }

    /// Answers one that no worker has seen.
    pub(super) fn withdraw(mut self, outcome: OutcomeKind, message: &str) {
        let timings = waited_since(self.request.submitted);
        let report = RunReport::without_process(outcome, message, timings);
        self.reply.answer(RunReport { by_worker: true, ..report });
    }

    /// Answers one that has waited too long.
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
            return self.reply.answer(RunReport { by_worker: true, reason, ..report });
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

impl Expires for Pending {
    fn deadline(&self) -> Option<Instant> {
        [self.request.waits_until(), self.patience].into_iter().flatten().min()
    }

    fn cancel(&self) -> Option<&CancelToken> {
        self.cancel.as_ref()
    }
}

/// What is said of a request that a worker has not answered by its deadline.
pub(super) fn late(spec: &CommandSpec) -> String {
    let (timeout, prefix) = (spec.timeout.unwrap_or_default(), spec.event.label());
    format!("its worker did not answer within {timeout:?}, its {prefix}_timeout")
}

/// A report of a worker's request up to now.
pub(super) fn report(outcome: OutcomeKind, request: &Request, taken_up: TakenUp) -> RunReport {
    let total = request.submitted.elapsed();
    let timings = Timings { queued: taken_up.queued, spawn: Duration::ZERO, total };
    RunReport { by_worker: true, ..RunReport::without_process(outcome, String::new(), timings) }
}

/// The report of a request that the worker `pid` has answered with `reply`.
pub(crate) fn answered(pid: Pid, mut report: RunReport, reply: Reply) -> RunReport {
    report.pid = Some(pid);
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
