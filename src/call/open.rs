//! A call of Mesos that is still to be answered.

use std::sync::Arc;
use std::time::Instant;

use crate::outcome::OutcomeKind;
use crate::run::RunReport;

use super::{Answer, CallFailure, Command, Container, outcome_of};

/// One call of an event that has a command.
///
/// It is counted exactly once in `mesos_command_calls_total`: by the method that ends it, each of
/// which takes it, or as cancelled when it is dropped. Calls of sampled values are the exception:
/// many of them may share one run, so the cache counts them (`isolator/sampling.rs`).
#[derive(Debug)]
pub(crate) struct Call {
    command: Arc<Command>,
    subject: Arc<str>,
    submitted: Instant,
    is_counted: bool,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The answer for Mesos, by the event's failure column.
    pub(crate) answer: Answer,
    /// The outcome that was counted.
    pub(crate) outcome: OutcomeKind,
    /// Whether its command was tried: not so when it waited for too long, or when too many others
    /// hang in the kernel.
    pub(crate) had_its_turn: bool,
}

impl Call {
    /// A call of `command` that begins now. `subject` names the task or container in log lines.
    pub(crate) fn begin(command: &Arc<Command>, subject: impl Into<Arc<str>>) -> Call {
        let (command, subject) = (command.clone(), subject.into());
        Call { command, subject, submitted: Instant::now(), is_counted: false }
    }

    /// What log lines name.
    pub(crate) fn subject(&self) -> &Arc<str> {
        &self.subject
    }

    /// When it began.
    pub(crate) fn submitted(&self) -> Instant {
        self.submitted
    }

    /// Ends it with the report of its run. `container` is what the rules for the answer ask.
    pub(crate) fn end(mut self, report: RunReport, container: Container) -> Ended {
        let had_its_turn = !report.never_had_its_turn();
        let result = self.command.conclude(report, &self.subject, container, |_| Ok(()));
        self.ended(result, had_its_turn)
    }

    /// Ends it with a failure that kept its command from being started.
    pub(crate) fn fail(mut self, failure: CallFailure) -> Ended {
        let failure = self.command.conclude_unstarted(failure, &self.subject);
        self.ended(Err(failure), true)
    }

    /// As [`fail`](Call::fail), for a call that is refused before anything was done for it: its
    /// duration is not recorded.
    pub(crate) fn refuse(mut self, failure: CallFailure) -> Answer {
        self.count(failure.outcome, false);
        self.command.answer(Err(self.command.conclude_unstarted(failure, &self.subject)))
    }

    /// Ends it without a run, because its command's condition does not hold. The answer is as that
    /// of a command that has nothing to say.
    pub(crate) fn skip(mut self) -> Answer {
        self.count(OutcomeKind::Skipped, false);
        self.command.tell_skipped(&self.subject);
        Answer::Nothing
    }

    /// Ends it well, although its command is not run for it.
    pub(crate) fn end_without_run(mut self) {
        self.count(OutcomeKind::Ok, false);
    }

    /// Ends it well: the last of its runs was concluded by the caller.
    pub(crate) fn end_after_runs(mut self) {
        self.count(OutcomeKind::Ok, true);
    }

    fn ended(&mut self, result: Result<Option<Vec<u8>>, CallFailure>, had_its_turn: bool) -> Ended {
        let outcome = outcome_of(&result);
        self.count(outcome, true);
        Ended { answer: self.command.answer(result), outcome, had_its_turn }
    }

    fn count(&mut self, outcome: OutcomeKind, timed: bool) {
        if !std::mem::replace(&mut self.is_counted, true) {
            let waited = timed.then(|| self.submitted.elapsed());
            self.command.metrics().call(outcome, waited);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.count(OutcomeKind::Cancelled, true);
    }
}
