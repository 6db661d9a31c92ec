//! From a run's report to a result: parsed, counted and logged once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::escape::one_line;
use crate::event::{Event, Output};
use crate::outcome::OutcomeKind;
use crate::outcome::{FailureReason, KillSignal};
use crate::run::RunReport;
use crate::schema::{Parsed, split_json_object};
use crate::worker::WorkerLog;

use super::decode::{decode, decode_part};
use super::failure::CallResult;
use super::finished::Finished;
use super::fresh_for::{fresh_for, is_it};
use super::{CallFailure, Command, Container, Observed, log, outcome_of, rules};

/// What is logged of captured stdout and stderr, in bytes.
const LOGGED_TAIL: usize = 1024;

/// An answer by container.
pub type Parts = BTreeMap<String, Result<Part, CallFailure>>;

/// One of the answers in an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The serialised message.
    pub bytes: Vec<u8>,
    /// For how long it is good, if it says so.
    pub fresh_for: Option<Duration>,
}

impl Command {
    /// Reads the answer out of `report`, counts the run and logs what went wrong.
    ///
    /// `subject` names the task or container in log lines; `container` is what the event's rules
    /// ask. `check` looks at a well-formed answer and may refuse it, after the rules were applied.
    /// The *call* is not counted: see [`Call`](super::Call).
    pub(crate) fn conclude(
        &self,
        report: RunReport,
        subject: &str,
        container: Container,
        check: impl FnOnce(&[u8]) -> Result<(), CallFailure>,
    ) -> CallResult {
        let result = match CallFailure::from_report(&self.text, &report) {
            Some(failure) => Err(failure),
            None => self.read(&report.output, subject).and_then(|answer| match answer {
                Some(mut bytes) => {
                    self.apply_rules(&mut bytes, subject, container)?;
                    check(&bytes).map(|()| Some(bytes))
                }
                None => Ok(None),
            }),
        };
        let result = if_queued(&report, result);
        self.count(&report, &result);
        self.log(&report, &result, subject);
        self.doubt_stand_in(&report, subject);
        self.observed(Some(&report), &result, subject);
        if let Some(shadow) = &self.shadow {
            shadow.follow(&report, &result, subject, container);
        }
        result
    }

    /// Counts and logs a call that failed before its command could be started.
    pub(super) fn conclude_unstarted(&self, failure: CallFailure, subject: &str) -> CallFailure {
        self.metrics().failure(failure.reason);
        self.log_failure(&failure.message, subject);
        let result = Err(failure.clone());
        self.observed(None, &result, subject);
        failure
    }

    /// A call is not made because the condition does not hold: for those who follow calls.
    pub(crate) fn tell_skipped(&self, subject: &str) {
        let skipped = self.skipped();
        if self.is_debug() {
            let text = format!("Command \"{}\": {}", self.text, skipped.message);
            tracing::info!("{}", self.line(subject, &text));
        }
        self.observed(None, &Err(skipped), subject);
    }

    /// Counts a call of a sampled value that is not made because the condition does not hold. As
    /// common as an answer from the cache, so that nobody is told but an observer.
    pub(crate) fn skip_sample(&self, event: Event, subject: &str) {
        self.metrics.event(event).call(OutcomeKind::Skipped, None);
        if self.observing.is_set() {
            let result = &Err(self.skipped());
            let (event, command) = (self.row.event, self.text.as_str());
            self.observing.notify(&Observed { event, command, subject, report: None, result });
        }
    }

    /// Why the command is not run. What leaves out containers without a condition is their class.
    fn skipped(&self) -> CallFailure {
        let prefix = self.row.prefix;
        CallFailure::skipped(&match self.condition() {
            Some(_) => format!("{prefix}_when does not hold"),
            None => "skip_debug_containers leaves the container out".to_owned(),
        })
    }

    fn observed(&self, report: Option<&RunReport>, result: &CallResult, subject: &str) {
        if let Some(live) = &self.live {
            let is_failure = result.as_ref().is_err_and(CallFailure::is_told);
            if is_failure || live.is_followed() {
                let finished = Finished::new(&self.spec, &self.redact, report, result, subject);
                live.finished(report, finished, is_failure);
            }
        }
        let (event, command) = (self.row.event, self.text.as_str());
        self.observing.notify(&Observed { event, command, subject, report, result });
    }

    fn read(&self, output: &[u8], subject: &str) -> CallResult {
        let Some(kind) = &self.output else { return Ok(None) };
        if let Output::ByContainer(_) = self.row.output {
            // Its parts are read one by one, see `read_by_container`.
            let is_empty = output.iter().all(u8::is_ascii_whitespace);
            return Ok((!is_empty).then(|| output.to_vec()));
        }
        let parsed = decode(self.row, kind, output)?;
        Ok(parsed.map(|parsed| self.tell_losses(parsed, subject)))
    }

    /// For how long an answer of usage or status is good, if it says so.
    pub(crate) fn fresh_for(&self, answer: &[u8], subject: &str) -> Option<Duration> {
        match fresh_for(answer)? {
            Ok(time) => Some(time),
            Err(text) => {
                self.metrics().lossy_output();
                self.note(subject, || format!("output of command \"{}\": {text}", self.text));
                None
            }
        }
    }

    /// Refuses or mends what must not reach Mesos.
    fn apply_rules(
        &self,
        answer: &mut Vec<u8>,
        subject: &str,
        container: Container,
    ) -> Result<(), CallFailure> {
        let Some(kind) = &self.output else { return Ok(()) };
        let changes = rules::apply(self.row.event, kind, answer, container)?;
        if !changes.is_empty() {
            self.metrics().lossy_output();
            self.note(subject, || {
                format!("output of command \"{}\" was changed: {}", self.text, changes.join("; "))
            });
        }
        Ok(())
    }

    /// The message of an output. What was lost of it is counted and noted.
    fn tell_losses(&self, parsed: Parsed, subject: &str) -> Vec<u8> {
        let Parsed { bytes, mut losses } = parsed;
        if self.row.lane.samples() {
            losses.retain(|loss| !is_it(loss));
        }
        if !losses.is_empty() {
            self.metrics().lossy_output();
            self.note(subject, || {
                let shown: Vec<String> = losses.iter().take(5).map(ToString::to_string).collect();
                format!("output of command \"{}\": {}", self.text, shown.join("; "))
            });
        }
        bytes
    }

    /// Splits an answer by container: each with its serialised message, or why it has none.
    ///
    /// Each part is read as if it stood alone in an output file. Where the whole is no JSON, what
    /// can be read of it is kept, and the rest is logged and counted.
    pub fn read_by_container(&self, output: &[u8], subject: &str) -> Result<Parts, CallFailure> {
        let split = split_json_object(output);
        if let Some(damage) = split.damage {
            let text = format!(
                "Unable to read the output of command \"{}\": {damage}; accepted is \
                 {{\"<container>\":{{…}},…}}",
                self.text
            );
            if split.members.is_empty() {
                return Err(CallFailure::invalid_output(text));
            }
            self.metrics().failure(FailureReason::InvalidOutput);
            self.log_failure(&format!("{text}; what can be read of it is taken"), subject);
        }
        let Some(kind) = &self.output else { return Ok(Parts::new()) };
        let most = self.spec.max_output_bytes;
        let read = |(container, text): (std::borrow::Cow<'_, [u8]>, &[u8])| {
            let part = if text.len() as u64 > most {
                let size = text.len();
                Err(CallFailure::new(
                    OutcomeKind::OutputTooLarge,
                    format!(
                        "the container's part of the output has {size} bytes; max_output_bytes \
                         accepts {most}"
                    ),
                ))
            } else {
                decode_part(self.row, kind, text).map(|parsed| Part {
                    bytes: self.tell_losses(parsed, subject),
                    fresh_for: self.fresh_for(text, subject),
                })
            };
            (String::from_utf8_lossy(&container).into_owned(), part)
        };
        Ok(split.members.into_iter().map(read).collect())
    }

    fn count(&self, report: &RunReport, result: &CallResult) {
        let metrics = self.metrics();
        let outcome = outcome_of(result);
        if report.pid.is_some() {
            metrics.queue(report.timings.queued);
            if !report.by_worker {
                metrics.spawn(report.timings.spawn);
            }
            metrics.run(outcome, report.timings.total.saturating_sub(report.timings.queued));
        }
        metrics.output_bytes(report.output_bytes);
        if report.strays {
            metrics.stray();
        }
        if report.uncontained {
            metrics.uncontained();
        }
        self.count_kills(report);
        if outcome == OutcomeKind::Timeout {
            metrics.timeout();
        }
        if let Some(start) = report.warm_start {
            metrics.warm_start(start);
        }
        if let Err(failure) = result
            && failure.is_told()
        {
            metrics.failure(failure.reason);
        }
    }

    /// Notes a process that stood in for a worker and succeeded without a word: a program that
    /// knows only how to be a worker does that, and then a container starts without what it
    /// prepares.
    fn doubt_stand_in(&self, report: &RunReport, subject: &str) {
        let stood_in = self.has_workers && !report.by_worker && report.outcome == OutcomeKind::Ok;
        // A watch command mostly has nothing to say.
        let speaks = self.output.is_some() && self.row.event != Event::Watch;
        if stood_in && speaks && report.output.iter().all(u8::is_ascii_whitespace) {
            self.metrics().worker().silent_stand_in();
            let text = format!(
                "command \"{}\" was run because no worker was up, and wrote nothing; if it answers \
                 only as a worker, set {}_fallback=fail",
                self.text, self.row.prefix
            );
            self.log_failure(&text, subject);
        }
    }

    fn count_kills(&self, report: &RunReport) {
        for _ in 0..report.kills.term {
            self.metrics.kill(KillSignal::Term);
        }
        for _ in 0..report.kills.kill {
            self.metrics.kill(KillSignal::Kill);
        }
    }

    fn log(&self, report: &RunReport, result: &CallResult, subject: &str) {
        let tail = log::tail(&report.stdio_tail, LOGGED_TAIL);
        match result {
            Err(failure) if !failure.is_told() => {}
            Err(failure) => {
                let mut text = format!(
                    "{} (module {}, event {}, outcome {}, after {:.3?})",
                    failure.message.trim_end(),
                    self.spec.module,
                    self.row.prefix,
                    failure.outcome,
                    report.timings.total
                );
                if !tail.is_empty() {
                    text += &format!(" its stdout and stderr end with: {tail}");
                }
                self.log_failure(&text, subject);
            }
            Ok(_) if !tail.is_empty() => {
                self.note(subject, || format!("command \"{}\" printed: {tail}", self.text));
            }
            Ok(_) => {}
        }
        if self.is_debug() {
            let text = format!(
                "Command \"{}\" ended: {} after {:.3?}, output {}",
                self.text,
                outcome_of(result),
                report.timings.total,
                self.redact.text(&report.output)
            );
            tracing::info!("{}", self.line(subject, &text));
        }
    }

    /// With `debug`: how old the value is that so many callers are answered with, and `how` that
    /// comes.
    pub fn tell_served(&self, subject: &str, callers: usize, age: Duration, how: &str) {
        if self.is_debug() {
            let callers = if callers == 1 { String::new() } else { format!("{callers} callers ") };
            let text =
                format!("Answering {callers}with a value {:.3} s old ({how})", age.as_secs_f64());
            tracing::info!("{}", self.line(subject, &text));
        }
    }

    /// One warning line about a failure, rate-limited.
    pub fn log_failure(&self, text: &str, subject: &str) {
        if let Some(count) = self.failures.permit(Instant::now()) {
            let line = self.line(subject, text);
            tracing::warn!("{line}{}", log::left_out(count));
        }
    }

    /// One line about a success, rate-limited.
    pub fn note(&self, subject: &str, text: impl FnOnce() -> String) {
        if let Some(count) = self.notes.permit(Instant::now()) {
            let line = self.line(subject, &text());
            tracing::info!("{line}{}", log::left_out(count));
        }
    }

    /// A log line about a call. Subject and text may quote anybody.
    pub(super) fn line(&self, subject: &str, text: &str) -> String {
        one_line(&format!("{}{text}", log::prefix(subject, self.row.method))).into_owned()
    }
}

/// A result whose reason says so when its command had not been started at the deadline.
fn if_queued(report: &RunReport, result: CallResult) -> CallResult {
    result.map_err(|failure| match (failure.outcome, report.pid) {
        (OutcomeKind::Timeout, None) => {
            CallFailure { reason: FailureReason::TimeoutQueued, ..failure }
        }
        _ => failure,
    })
}

impl WorkerLog for Command {
    fn failure(&self, text: &str) {
        self.log_failure(text, "");
    }

    fn note(&self, text: &str) {
        self.note("", || text.to_owned());
    }
}
