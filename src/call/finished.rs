//! A request that has ended, as it is told to people: what came of it, and whose it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::control::Told;
use crate::event::{Event, ModuleKind};
use crate::outcome::{FailureReason, OutcomeKind};
use crate::redact::Redaction;
use crate::run::{CommandSpec, RunReport, next_number};

use super::about::About;
use super::{CallFailure, log, outcome_of};

/// What is kept of the text of a failure, in bytes.
const MOST_TEXT: usize = 4096;
/// What is kept of captured stdout and stderr, in bytes.
const MOST_TAIL: usize = 1024;

/// How many have ended, of all instances.
static ENDED: AtomicU64 = AtomicU64::new(0);

/// A run that has ended, or a call that failed without one.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    /// In the order of their ends, of all instances.
    pub(super) order: u64,
    /// The number that it had in flight.
    pub(super) id: u64,
    at: SystemTime,
    module: Arc<str>,
    pub(super) event: Event,
    command: String,
    subject: String,
    container: Option<Arc<str>>,
    about: About,
    pub(super) outcome: OutcomeKind,
    reason: Option<FailureReason>,
    pid: Option<i32>,
    exit_code: Option<i32>,
    signal: Option<i32>,
    by_worker: bool,
    queued: Duration,
    ran: Duration,
    input_bytes: usize,
    output_bytes: u64,
    text: String,
    tail: String,
}

impl Finished {
    /// What is told of a run of `spec`, or, without a report, of a call that failed before.
    pub(super) fn new<T>(
        spec: &CommandSpec,
        redact: &Redaction,
        report: Option<&RunReport>,
        result: &Result<T, CallFailure>,
        subject: &str,
    ) -> Finished {
        let followed = report.and_then(|report| report.followed.as_ref());
        let failure = result.as_ref().err();
        let timings = report.map(|report| report.timings).unwrap_or_default();
        // Words of a failure name the command, too.
        let command = spec.command.text().to_string_lossy();
        let shown = redact.parameter("", &command);
        let told = |text: &str| bounded(&text.trim_end().replace(&*command, &shown));
        Finished {
            order: ENDED.fetch_add(1, Ordering::Relaxed),
            id: followed.map_or_else(next_number, |followed| followed.id),
            at: SystemTime::now(),
            module: spec.module.clone(),
            event: spec.event,
            command: shown.clone(),
            subject: subject.to_owned(),
            container: match followed {
                Some(followed) => followed.container_id.clone(),
                // Of a call that was skipped: no request was made that would have it.
                None if is_of_container(spec.event, outcome_of(result)) => Some(subject.into()),
                None => None,
            },
            about: followed.map(|followed| About::input(&followed.input)).unwrap_or_default(),
            outcome: outcome_of(result),
            reason: failure.filter(|failure| failure.is_told()).map(|failure| failure.reason),
            pid: report.and_then(|report| report.pid).map(|pid| pid.as_raw()),
            exit_code: report.and_then(|report| report.exit_code),
            signal: report.and_then(|report| report.signal),
            by_worker: report.is_some_and(|report| report.by_worker),
            queued: timings.queued,
            ran: timings.total.saturating_sub(timings.queued),
            input_bytes: followed.map_or(0, |followed| followed.input.len()),
            output_bytes: report.map_or(0, |report| report.output_bytes),
            text: failure.map(|failure| told(&failure.message)).unwrap_or_default(),
            tail: report.map(|it| log::tail(&it.stdio_tail, MOST_TAIL)).unwrap_or_default(),
        }
    }

    /// All of it as JSON. What it has not is left out.
    pub(super) fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| {
            let is_empty = value.is_null() || value.as_str().is_some_and(str::is_empty);
            if !is_empty {
                object.insert(key.to_owned(), value);
            }
        };
        put("id", json!(self.id));
        put("time", json!(seconds(self.at)));
        put("module", json!(&*self.module));
        put("event", json!(self.event.label()));
        put("command", json!(self.command));
        put("subject", json!(self.subject));
        put("container", json!(self.container.as_deref()));
        put("task", json!(self.about.task));
        put("executor", json!(self.about.executor));
        put("framework", json!(self.about.framework));
        put("outcome", json!(self.outcome.label()));
        put("reason", json!(self.reason.map(FailureReason::label)));
        put("pid", json!(self.pid));
        put("exit_code", json!(self.exit_code));
        put("signal", json!(self.signal));
        put("by_worker", json!(self.by_worker));
        put("queued_seconds", json!(self.queued.as_secs_f64()));
        put("run_seconds", json!(self.ran.as_secs_f64()));
        put("input_bytes", json!(self.input_bytes));
        put("output_bytes", json!(self.output_bytes));
        put("text", json!(self.text));
        put("tail", json!(self.tail));
        Value::Object(object)
    }
}

/// Whether the subject of a call without a request is a container.
fn is_of_container(event: Event, outcome: OutcomeKind) -> bool {
    outcome == OutcomeKind::Skipped && event.row().kind == ModuleKind::Isolator
}

impl Told for Finished {
    fn key(&self, key: &str) -> Option<&str> {
        match key {
            "module" => Some(&self.module),
            "event" => Some(self.event.label()),
            "outcome" => Some(self.outcome.label()),
            "container" => self.container.as_deref(),
            _ => None,
        }
    }

    fn json(&self) -> Value {
        self.to_json()
    }
}

/// Unix time in seconds.
pub(super) fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Milliseconds are enough, and read better.
    (since.as_secs_f64() * 1000.0).round() / 1000.0
}

/// The beginning of a text.
fn bounded(text: &str) -> String {
    let mut end = text.len().min(MOST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
