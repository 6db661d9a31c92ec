//! From the end of a leader to the report of its run.

use crate::containment::Exceeded;
use crate::event::Output;
use crate::outcome::OutcomeKind;
use crate::staging::{OutputProblem, RunFiles};
use crate::sys::{ExitStatus, Pid};

use super::request::MARGIN;
use super::{CommandSpec, Kills, Request, RunReport, Timings};
use crate::reactor::Exit;

/// How much of the error file is read.
pub(super) const ERROR_BYTES: u64 = 4096;

/// Why we ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The deadline passed.
    Timeout,
    /// The caller withdrew it.
    Cancelled,
    /// The output outgrew its limit; the size that was seen.
    TooLarge(u64),
    /// All its files together did; so many bytes were seen.
    FilesTooLarge(u64),
}

impl Cause {
    pub(super) fn outcome(self) -> OutcomeKind {
        match self {
            Cause::Timeout => OutcomeKind::Timeout,
            Cause::Cancelled => OutcomeKind::Cancelled,
            Cause::TooLarge(_) | Cause::FilesTooLarge(_) => OutcomeKind::OutputTooLarge,
        }
    }
}

/// An output that is larger is read and parsed on a thread of its own: to parse a mebibyte takes as
/// long as many runs do. In bytes.
const LARGE_OUTPUT: u64 = 64 * 1024;

/// Which outputs may be read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Those that are not large.
    Small,
    /// All.
    Any,
    /// Large ones nowhere: there is no room for another.
    NoRoom,
}

/// The part of a report that follows from how the leader ended; `None` when that takes reading a
/// large output, which `reading` does not allow.
pub(super) fn judge(
    request: &Request,
    io: &RunFiles,
    cause: Option<Cause>,
    exit: Exit,
    reading: Reading,
) -> Option<RunReport> {
    let spec = &request.spec;
    let mut report = RunReport::without_process(OutcomeKind::Ok, String::new(), Timings::default());
    match exit {
        Exit::Status(ExitStatus::Exited(code)) => report.exit_code = Some(code),
        Exit::Status(ExitStatus::Signaled(signal)) => report.signal = Some(signal),
        Exit::Lost => {}
    }
    report.outcome = match (cause, exit) {
        (Some(cause), _) => cause.outcome(),
        (None, Exit::Status(ExitStatus::Exited(0))) => OutcomeKind::Ok,
        (None, Exit::Status(ExitStatus::Exited(_))) => OutcomeKind::Exit,
        (None, Exit::Status(ExitStatus::Signaled(_))) => OutcomeKind::Signal,
        (None, Exit::Lost) => OutcomeKind::StatusLost,
    };
    match cause {
        Some(Cause::Timeout) => report.message = timeout_message(spec),
        Some(Cause::Cancelled) => report.message = "the call was withdrawn".to_owned(),
        Some(Cause::TooLarge(size)) => {
            report.message = too_large_message(spec, size);
            report.output_bytes = size;
        }
        Some(Cause::FilesTooLarge(size)) => {
            report.message = files_too_large_message(request, size);
            report.output_bytes = io.output_size().unwrap_or(0);
        }
        None if report.outcome == OutcomeKind::StatusLost => {
            report.message = "the exit status was collected by somebody else in the process \
                              (or SIGCHLD is ignored)"
                .to_owned();
        }
        None => {}
    }
    if report.outcome == OutcomeKind::Ok && spec.event.row().output != Output::Ignored {
        let most_here = if reading == Reading::Any { u64::MAX } else { LARGE_OUTPUT };
        match io.read_output(spec.max_output_bytes, most_here) {
            Err(OutputProblem::NotHere(size)) if reading == Reading::NoRoom => {
                report.outcome = OutcomeKind::Overload;
                report.message = "too many large outputs wait to be read already".to_owned();
                report.output_bytes = size;
            }
            Err(OutputProblem::NotHere(_)) => return None,
            output => take_output(spec, output, &mut report),
        }
    }
    if report.outcome != OutcomeKind::Ok {
        report.error_file = io.read_error(ERROR_BYTES);
    }
    Some(report)
}

/// A limit that processes have met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LimitMet {
    /// The kernel ended some of them for their memory.
    pub(crate) is_memory: bool,
    /// The parameter and what it lets them have, in words for people.
    pub(crate) text: String,
}

impl LimitMet {
    /// What the processes of a command have met.
    pub(super) fn of(spec: &CommandSpec, exceeded: Exceeded) -> Option<LimitMet> {
        let limits = spec.cgroups.as_ref().map(|pool| pool.limits()).unwrap_or_default();
        let prefix = spec.event.label();
        if let (true, Some(most)) = (exceeded.memory, limits.memory) {
            let text = format!("{prefix}_memory_max lets its processes have {most} bytes");
            return Some(LimitMet { is_memory: true, text });
        }
        let most = limits.pids.filter(|_| exceeded.pids)?;
        let text =
            format!("{prefix}_pids_max let it have no more than {most} processes and threads");
        Some(LimitMet { is_memory: false, text })
    }
}

/// Says of a command that failed by itself which limits its processes had met.
pub(super) fn explain_limits(
    mut report: RunReport,
    spec: &CommandSpec,
    exceeded: Exceeded,
) -> RunReport {
    if !matches!(report.outcome, OutcomeKind::Exit | OutcomeKind::Signal) {
        return report;
    }
    if let Some(met) = LimitMet::of(spec, exceeded) {
        if met.is_memory {
            report.outcome = OutcomeKind::Oom;
        }
        report.message = met.text;
    }
    report
}

fn take_output(spec: &CommandSpec, output: Result<Vec<u8>, OutputProblem>, report: &mut RunReport) {
    match output {
        Ok(output) => {
            report.output_bytes = output.len() as u64;
            report.output = output;
        }
        Err(OutputProblem::TooLarge(size) | OutputProblem::NotHere(size)) => {
            report.outcome = OutcomeKind::OutputTooLarge;
            report.message = too_large_message(spec, size);
            report.output_bytes = size;
        }
        Err(OutputProblem::NotAFile(message)) => {
            report.outcome = OutcomeKind::InvalidOutput;
            report.message = message;
        }
    }
}

fn too_large_message(spec: &CommandSpec, size: u64) -> String {
    let most = spec.max_output_bytes;
    let counted = match spec.event.row().output {
        Output::ByContainer(_) => " (for each container, and 64MiB in all)",
        _ => "",
    };
    format!("the output has {size} bytes; max_output_bytes{counted} accepts {most}")
}

fn files_too_large_message(request: &Request, size: u64) -> String {
    let most = request.most_bytes();
    format!(
        "the files of the command take {size} bytes; max_output_bytes, with {} MiB and the input, \
         accepts {most}",
        MARGIN >> 20
    )
}

pub(super) fn timeout_message(spec: &CommandSpec) -> String {
    let timeout = spec.timeout.unwrap_or_default();
    format!("the command did not end within {timeout:?}, its {}_timeout", spec.event.label())
}

/// A report for a leader that outlived SIGKILL, or that cannot be reached.
pub(super) fn unkillable(request: &Request, cause: Cause, pid: Pid, kills: Kills) -> RunReport {
    let why = match cause {
        Cause::Timeout => timeout_message(&request.spec),
        Cause::Cancelled => "the call was withdrawn".to_owned(),
        Cause::TooLarge(size) => too_large_message(&request.spec, size),
        Cause::FilesTooLarge(size) => files_too_large_message(request, size),
    };
    let message = format!(
        "{why}; the command was killed but does not end: it hangs in the kernel; supervision goes on"
    );
    let kind = OutcomeKind::Unkillable;
    RunReport {
        pid: Some(pid),
        kills,
        ..RunReport::without_process(kind, message, Timings::default())
    }
}
