//! Shadow commands (`<event>_shadow_command`): run with the input of a command that has ended,
//! and compared with it. Nothing of them is ever used.
//!
//! A shadow is started by the runtime when the answer of the command is known, so that it holds up
//! neither the command nor the answer. The shadows of an instance share a lane of their own; what
//! comes while that is full is dropped and counted. What a shadow leaves running is ended with it,
//! it counts neither as a call nor as a run, and one that hangs in the kernel fills a quarantine of
//! their own.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::command::{Background, CommandLine};
use crate::escape::one_line;
use crate::event::Row;
use crate::metrics::ModuleMetrics;
use crate::outcome::{OutcomeKind, ShadowResult};
use crate::redact::Redaction;
use crate::run::{
    CommandSpec, DeadlineFrom, LaneQueue, Lifetime, Quarantine, Request, RunReport, Runner, Unended,
};
use crate::schema::{MessageType, Parsed};

use super::decode::decode;
use super::failure::CallResult;
use super::finished::seconds;
use super::log::{self, Limiter};
use super::{CallFailure, Container, rules};

/// Shadows of an instance that run at a time.
const PARALLEL: usize = 4;
/// Shadows of an instance that run or wait; more are dropped.
const MOST: usize = 64;
/// Shadows of an instance that outlive SIGKILL with which no more are started.
const QUARANTINE: usize = 8;
/// Differences of an event that are kept for those who ask.
const KEPT: usize = 8;
/// What is shown of an answer, in bytes.
const SHOWN: usize = 1024;
/// Tells a shadow that it is one.
const VARIABLE: &str = "MESOS_COMMAND_SHADOW=1";

/// What the shadows of an instance share.
#[derive(Debug)]
pub(super) struct Shadows {
    runner: Arc<Runner>,
    lifetime: Arc<Lifetime>,
    lane: Arc<LaneQueue>,
    quarantine: Arc<Quarantine>,
    taken: AtomicUsize,
}

/// A place that a shadow has taken; given back when dropped.
#[derive(Debug)]
struct Place {
    shared: Arc<Shadows>,
    /// The end of the instance waits for it.
    _unended: Unended,
}

/// The shadow of the command of one event.
#[derive(Debug)]
pub(super) struct Shadow {
    shared: Arc<Shadows>,
    row: &'static Row,
    spec: Arc<CommandSpec>,
    output: Option<MessageType>,
    redact: Redaction,
    metrics: Arc<ModuleMetrics>,
    lines: Limiter,
    /// How many there were of each result.
    results: [AtomicU64; ShadowResult::ALL.len()],
    differences: Mutex<VecDeque<Value>>,
}

/// The answer of the command, as far as it is compared.
struct Real {
    answer: Result<Option<Vec<u8>>, OutcomeKind>,
    subject: String,
    container: Container,
}

impl Shadows {
    pub(super) fn new(
        runner: &Arc<Runner>,
        lifetime: &Arc<Lifetime>,
        metrics: &Arc<ModuleMetrics>,
    ) -> Arc<Shadows> {
        let counted = metrics.clone();
        let quarantine = Quarantine::new(QUARANTINE, move |event, enters| {
            counted.quarantined(event, enters);
        });
        Arc::new(Shadows {
            runner: runner.clone(),
            lifetime: lifetime.clone(),
            lane: LaneQueue::new(PARALLEL, None),
            quarantine,
            taken: AtomicUsize::new(0),
        })
    }

    fn take(self: &Arc<Self>) -> Option<Place> {
        let more = |taken| (taken < MOST).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place { shared: self.clone(), _unended: self.lifetime.unended() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shadow {
    /// The shadow `command` beside the one with this `spec`, whose answers are read as `output`.
    pub(super) fn new(
        shared: &Arc<Shadows>,
        command: &CommandLine,
        spec: &CommandSpec,
        output: Option<MessageType>,
        redact: &Redaction,
        metrics: &Arc<ModuleMetrics>,
    ) -> Shadow {
        let environment: Vec<OsString> =
            spec.environment.iter().cloned().chain([VARIABLE.into()]).collect();
        let spec = CommandSpec {
            command: command.clone(),
            environment: environment.into(),
            background: Background::Kill,
            ..spec.clone()
        };
        // So that its series are there as zeros.
        metrics.event(spec.event).shadow();
        Shadow {
            shared: shared.clone(),
            row: spec.event.row(),
            spec: Arc::new(spec),
            output,
            redact: redact.clone(),
            metrics: metrics.clone(),
            lines: Limiter::new(),
            results: Default::default(),
            differences: Mutex::default(),
        }
    }

    /// Runs with the input of a command that has ended with `report`, whose result is `result`.
    /// Does not wait for that.
    pub(super) fn follow(
        self: &Arc<Self>,
        report: &RunReport,
        result: &CallResult,
        subject: &str,
        container: Container,
    ) {
        let has_run = report.pid.is_some() || report.by_worker;
        let is_withdrawn = report.outcome == OutcomeKind::Cancelled;
        let Some(followed) = report.followed.as_ref().filter(|_| has_run && !is_withdrawn) else {
            return;
        };
        let Some(place) = self.shared.take() else { return self.count(ShadowResult::Dropped) };
        let real = Real {
            answer: result.clone().map_err(|failure| failure.outcome),
            subject: subject.to_owned(),
            container,
        };
        let (input, container_id) = (followed.input.clone(), followed.container_id.clone());
        let shadow = self.clone();
        // Making its files and starting it takes longer than handing over the answer.
        self.shared.runner.handle().spawn(async move {
            let shared = &place.shared;
            let request = Request {
                container_id,
                deadline_from: DeadlineFrom::Start,
                quarantine: Some(shared.quarantine.clone()),
                ..Request::new(shadow.spec.clone(), input)
            };
            let (runner, lane) = (shared.runner.clone(), shared.lane.clone());
            let cancel = shared.lifetime.stop().child();
            let ended = move |report: RunReport| {
                shadow.compare(&report, &real);
                drop(place);
            };
            runner.submit(request, Some(&lane), Some(cancel), ended);
        });
    }

    fn count(&self, result: ShadowResult) {
        self.results[result as usize].fetch_add(1, Ordering::Relaxed);
        self.metrics.event(self.row.event).shadow().series.results.of(result).increment(1);
    }

    fn compare(&self, report: &RunReport, real: &Real) {
        if report.outcome == OutcomeKind::Cancelled || report.never_had_its_turn() {
            return self.count(ShadowResult::Dropped);
        }
        let answer = self.answer(report, real.container);
        let result = match (&real.answer, &answer) {
            (Ok(one), Ok(other)) if self.are_equal(one.as_deref(), other.as_deref()) => {
                ShadowResult::Same
            }
            (Err(one), Err(other)) if *one == other.outcome => ShadowResult::Same,
            (Ok(_), Err(_)) => ShadowResult::Failed,
            _ => ShadowResult::Different,
        };
        self.count(result);
        if result != ShadowResult::Same {
            self.tell(result, real, &answer);
        }
    }

    /// What Mesos would have got from it.
    fn answer(&self, report: &RunReport, container: Container) -> CallResult {
        if let Some(failure) = CallFailure::from_report(&self.text(), report) {
            return Err(failure);
        }
        let Some(kind) = &self.output else { return Ok(None) };
        let Some(Parsed { mut bytes, .. }) = decode(self.row, kind, &report.output)? else {
            return Ok(None);
        };
        rules::apply(self.row.event, kind, &mut bytes, container)?;
        Ok(Some(bytes))
    }

    /// Whether two answers are the same message: whatever the order of its fields was.
    fn are_equal(&self, one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
        one == other || one.is_some() && other.is_some() && self.json(one) == self.json(other)
    }

    /// An answer as JSON, with its keys in order; empty where there is none.
    fn json(&self, answer: Option<&[u8]>) -> Vec<u8> {
        let mut text = Vec::new();
        if let (Some(kind), Some(bytes)) = (&self.output, answer) {
            // It was encoded by us, so it is well-formed.
            let _ = kind.write_json(bytes, &mut text);
        }
        text
    }

    /// The command as messages quote it.
    fn text(&self) -> String {
        self.spec.command.text().to_string_lossy().into_owned()
    }

    /// An answer for people: without its secrets, and its beginning if it is long.
    fn shown(&self, answer: &Result<Option<Vec<u8>>, String>) -> String {
        match answer {
            Err(failure) => log::tail(failure.as_bytes(), SHOWN),
            Ok(None) => "nothing".to_owned(),
            Ok(Some(bytes)) => {
                let mut text = self.redact.text(&self.json(Some(bytes)));
                if text.len() > SHOWN {
                    let end = (0..=SHOWN).rev().find(|end| text.is_char_boundary(*end));
                    text.truncate(end.unwrap_or_default());
                    text.push('…');
                }
                text
            }
        }
    }

    /// Keeps what differs for those who ask, and writes a line, rate-limited.
    fn tell(&self, result: ShadowResult, real: &Real, answer: &CallResult) {
        let failed = |outcome: &OutcomeKind| format!("a failure ({outcome})");
        let of_real = self.shown(&real.answer.clone().map_err(|outcome| failed(&outcome)));
        let shown = self.redact.parameter("", &self.text());
        // Words of a failure name the command, too.
        let told = |failure: CallFailure| failure.message.trim_end().replace(&self.text(), &shown);
        let own = self.shown(&answer.clone().map_err(told));
        let difference = json!({
            "time": seconds(SystemTime::now()),
            "subject": real.subject,
            "result": result.label(),
            "command": of_real,
            "shadow": own,
        });
        {
            let mut kept = self.differences.lock();
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(difference);
        }
        let Some(left_out) = self.lines.permit(Instant::now()) else { return };
        let what = match result {
            ShadowResult::Failed => "failed where the command did not",
            _ => "answers otherwise than the command",
        };
        let text = format!(
            "{}shadow command \"{shown}\" {what} (module {}, event {}): the command {of_real}, the \
             shadow {own}",
            log::prefix(&real.subject, self.row.method),
            self.spec.module,
            self.row.prefix
        );
        tracing::warn!("{}{}", one_line(&text), log::left_out(left_out));
    }

    /// What is shown of it on the control socket: the newest difference first.
    pub(super) fn to_json(&self) -> Value {
        let results = ShadowResult::ALL.map(|result| {
            let count = self.results[result as usize].load(Ordering::Relaxed);
            (result.label().to_owned(), count.into())
        });
        let differences: Vec<Value> = self.differences.lock().iter().rev().cloned().collect();
        json!({
            "event": self.row.prefix,
            "command": self.redact.parameter("", &self.text()),
            "results": Value::Object(results.into_iter().collect()),
            "differences": differences,
        })
    }
}
