//! Why a call failed, with the text for Mesos.

use crate::escape::one_line_bytes;
use crate::outcome::FailureReason;
use crate::outcome::OutcomeKind;
use crate::run::RunReport;

/// A call without a usable result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallFailure {
    /// The counted outcome.
    pub outcome: OutcomeKind,
    /// The counted reason.
    pub reason: FailureReason,
    /// The text for Mesos.
    pub message: String,
}

/// The serialised answer, `None` for an empty output; or why there is none.
pub(super) type CallResult = Result<Option<Vec<u8>>, CallFailure>;

/// The outcome to count for a result.
pub(crate) fn outcome_of<T>(result: &Result<T, CallFailure>) -> OutcomeKind {
    result.as_ref().map_or_else(|failure| failure.outcome, |_| OutcomeKind::Ok)
}

impl CallFailure {
    /// A failure whose reason is just its outcome.
    pub fn new(outcome: OutcomeKind, message: String) -> CallFailure {
        let reason = FailureReason::of(outcome).unwrap_or(FailureReason::SpawnError);
        CallFailure { outcome, reason, message }
    }

    /// No failure: the command is not run for this container or task, because of this parameter.
    pub(super) fn skipped(by: &str) -> CallFailure {
        let message = format!("{by}: the command is not run");
        CallFailure::new(OutcomeKind::Skipped, message)
    }

    /// Whether it is counted, logged and kept as a failure: not so when it was only withdrawn, or
    /// its command is for others.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self.outcome, OutcomeKind::Cancelled | OutcomeKind::Skipped)
            || matches!(self.reason, FailureReason::Killed | FailureReason::Suspended)
    }

    /// An output that cannot be used.
    pub fn invalid_output(message: String) -> CallFailure {
        CallFailure::new(OutcomeKind::InvalidOutput, message)
    }

    /// A well-formed output over which Mesos would end the agent or fail the launch unexplained.
    pub fn refused_output(message: String) -> CallFailure {
        let reason = FailureReason::RefusedOutput;
        CallFailure { outcome: OutcomeKind::InvalidOutput, reason, message }
    }

    /// An input that the host gave and that could not be rendered: the command did not run.
    pub fn input(message: String) -> CallFailure {
        let reason = FailureReason::InputError;
        CallFailure { outcome: OutcomeKind::SpawnError, reason, message }
    }

    /// The failure that a report describes; `None` when the run succeeded.
    ///
    /// The texts for exit codes and signals are those of the original, which operators match in
    /// their logs.
    pub fn from_report(command: &str, report: &RunReport) -> Option<CallFailure> {
        let reason = FailureReason::of(report.outcome);
        let message = match report.outcome {
            OutcomeKind::Ok => return None,
            OutcomeKind::Exit if report.by_worker && report.exit_code.is_none() => {
                with_cause(format!("Command \"{command}\" answered with an error."), report)
            }
            OutcomeKind::Exit => {
                let code = report.exit_code.unwrap_or_default();
                with_cause(format!("Command \"{command}\" exited with return code {code}."), report)
            }
            OutcomeKind::Signal => {
                let signal = report.signal.unwrap_or_default();
                with_cause(format!("Command \"{command}\" exited via signal {signal}."), report)
            }
            OutcomeKind::Timeout => {
                with_cause(format!("Command \"{command}\" took too long to execute."), report)
            }
            OutcomeKind::Oom => {
                with_cause(format!("Command \"{command}\" ran out of memory."), report)
            }
            OutcomeKind::Cancelled if report.is_killed => killed(command, report),
            OutcomeKind::Cancelled => format!("Command \"{command}\" was cancelled."),
            _ => format!("Command \"{command}\" failed: {}", report.message),
        };
        let reason = match (report.outcome, report.exit_code, report.signal) {
            (OutcomeKind::Exit, None, _) if report.by_worker => FailureReason::WorkerError,
            (OutcomeKind::Exit, Some(126 | 127), _) => FailureReason::ExitNotRunnable,
            (OutcomeKind::Cancelled, ..) if report.is_killed => FailureReason::Killed,
            (OutcomeKind::Signal, _, Some(libc::SIGKILL)) => FailureReason::SignalKill,
            _ => report.reason.or(reason).unwrap_or(FailureReason::SpawnError),
        };
        Some(CallFailure { outcome: report.outcome, reason, message })
    }
}

/// The words for a call that an operator has killed.
fn killed(command: &str, report: &RunReport) -> String {
    let waited = report.timings.total;
    match report.pid {
        Some(pid) => format!(
            "Command \"{command}\" was killed by an operator after {waited:.1?} (process {pid})."
        ),
        None => format!(
            "Command \"{command}\" was killed by an operator after {waited:.1?}, before it was \
             started."
        ),
    }
}

fn with_cause(mut text: String, report: &RunReport) -> String {
    if !report.message.is_empty() {
        text += &format!(" ({})", report.message);
    }
    let cause = report.error_file.trim_ascii_end();
    if !cause.trim_ascii().is_empty() {
        text += " Cause: ";
        text += &one_line_bytes(cause);
    }
    text
}
