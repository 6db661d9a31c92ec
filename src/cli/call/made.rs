//! One call as it ended, for people and for programs.

use std::time::Duration;

use mesos_command::call::{Answer, Observed};
use mesos_command::command::Background;
use mesos_command::config::{Config, EventConfig};
use mesos_command::event::{Event, Output};
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::RunReport;
use mesos_command::schema;
use mesos_command::sys::Identity;
use serde_json::{Value, json};

use super::consequence;
use crate::interrupt;
use crate::table::plain;

/// Lines of stdout and stderr that are shown.
const SHOWN_LINES: usize = 20;

/// A run as it was observed.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) event: Event,
    /// The container's or the task's name.
    pub(super) subject: String,
    pub(super) command: String,
    pub(super) report: Option<RunReport>,
    pub(super) outcome: OutcomeKind,
    pub(super) failure: Option<String>,
    /// Why the command was not run, where that is no failure.
    skipped: Option<String>,
}

impl From<&Observed<'_>> for Run {
    fn from(observed: &Observed<'_>) -> Run {
        let failure = observed.result.as_ref().err();
        let outcome = failure.map_or(OutcomeKind::Ok, |failure| failure.outcome);
        let message = failure.map(|failure| failure.message.clone());
        let is_skipped = outcome == OutcomeKind::Skipped;
        let (failure, skipped) = if is_skipped { (None, message) } else { (message, None) };
        Run {
            event: observed.event,
            subject: observed.subject.to_owned(),
            command: observed.command.to_owned(),
            report: observed.report.cloned(),
            outcome,
            failure,
            skipped,
        }
    }
}

/// A call that was made.
pub(crate) struct Made {
    pub(super) event: Event,
    pub(super) container: String,
    answer: Answer,
    took: Duration,
    pub(super) run: Option<Run>,
    /// What the command found in its input, as far as it is known.
    pub(super) input: Option<String>,
    outcome: OutcomeKind,
    kept: bool,
    consequence: String,
    notes: Vec<String>,
    pub(super) config: Config,
}

impl Made {
    pub(super) fn new(
        config: &Config,
        event: Event,
        container: &str,
        answer: Answer,
        took: Duration,
    ) -> Made {
        let kept = config.background.unwrap_or(match event {
            Event::Usage | Event::Status => Background::Kill,
            _ => Background::Keep,
        }) == Background::Keep;
        Made {
            event,
            container: container.to_owned(),
            answer,
            took,
            run: None,
            input: None,
            outcome: OutcomeKind::Ok,
            kept,
            consequence: String::new(),
            notes: Vec::new(),
            config: config.clone(),
        }
    }

    /// With the run that answered it; without one, nothing was started.
    pub(super) fn with_run(mut self, run: Option<Run>) -> Made {
        match &run {
            None => self.notes.push(self.why_no_run().to_owned()),
            Some(run) => {
                self.outcome = run.outcome;
                if let Some(why) = &run.skipped {
                    self.notes.push(why.clone());
                }
                if run.event == Event::UsageBatch && run.skipped.is_none() {
                    self.look_into_batch(run);
                }
            }
        }
        if interrupt::requested() {
            self.outcome = OutcomeKind::Cancelled;
            self.consequence = "is not asked: the call was interrupted".to_owned();
        } else if self.outcome == OutcomeKind::Skipped {
            self.consequence = consequence::of_skipped(self.event).to_owned();
        } else {
            self.consequence =
                consequence::tell(&self.config, self.event, &self.answer, run.as_ref());
        }
        self.run = run;
        self
    }

    pub(super) fn with_note(mut self, note: Option<String>) -> Made {
        self.notes.extend(note);
        self
    }

    pub(super) fn with_input(mut self, input: Option<String>) -> Made {
        self.input = input;
        self
    }

    pub(crate) fn is_ok(&self) -> bool {
        matches!(self.outcome, OutcomeKind::Ok | OutcomeKind::Skipped)
    }

    pub(super) fn outcome(&self) -> &'static str {
        self.outcome.label()
    }

    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    /// The command that answered; empty when none ran.
    pub(super) fn command(&self) -> &str {
        self.run.as_ref().map_or("", |run| &run.command)
    }

    /// Whether a watch command reported one.
    pub(super) fn is_limitation(&self) -> bool {
        self.event == Event::Watch && matches!(self.answer, Answer::Message(_))
    }

    fn why_no_run(&self) -> &'static str {
        match (self.event, &self.answer) {
            (Event::Usage | Event::Status, Answer::Message(_)) => {
                "no command ran: the value was still in the cache"
            }
            _ => "no command ran",
        }
    }

    /// What one run for many containers had for this one.
    fn look_into_batch(&mut self, run: &Run) {
        let Some(report) = run.report.as_ref().filter(|_| run.failure.is_none()) else { return };
        let parts: Option<serde_json::Map<String, Value>> =
            serde_json::from_slice(&report.output).ok();
        let part = parts.as_ref().and_then(|parts| parts.get(&self.container));
        match (part, &self.answer) {
            (None, _) => self.notes.push("the batch's answer has nothing for it".to_owned()),
            (Some(_), Answer::Nothing) => {
                self.outcome = OutcomeKind::InvalidOutput;
                self.notes.push("its part of the batch's answer cannot be used".to_owned());
            }
            _ => {}
        }
    }

    /// The answer as JSON, as Mesos would read it, without its secrets.
    fn answer_json(&self) -> Value {
        let (Answer::Message(bytes), Output::Message(name) | Output::List { carrier: name, .. }) =
            (&self.answer, self.event.row().output)
        else {
            return Value::Null;
        };
        let mut text = Vec::new();
        let written = schema::current().message(name).map(|kind| kind.write_json(bytes, &mut text));
        match written {
            Some(Ok(())) => {
                let redacted = self.config.redact.json(&String::from_utf8_lossy(&text));
                redacted.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
            }
            _ => Value::Null,
        }
    }

    /// Whose rights its command had, and what it might take, where that is not the tool's.
    fn identity(&self) -> Identity {
        let event = self.run.as_ref().map_or(self.event, |run| run.event);
        self.config.events.get(&event).map(EventConfig::identity).unwrap_or_default()
    }

    fn report(&self) -> Option<&RunReport> {
        self.run.as_ref()?.report.as_ref()
    }

    /// How the process ended.
    fn ended(report: &RunReport) -> String {
        match (report.exit_code, report.signal) {
            _ if report.by_worker => "answered by a worker".to_owned(),
            (Some(code), _) => format!("exit code {code}"),
            (_, Some(signal)) => {
                let name = nix::sys::signal::Signal::try_from(signal);
                format!("signal {signal}{}", name.map_or(String::new(), |n| format!(" ({n})")))
            }
            _ if report.pid.is_none() => "not started".to_owned(),
            _ => "its exit status is not known".to_owned(),
        }
    }

    fn signals(report: &RunReport) -> Vec<&'static str> {
        [("TERM", report.kills.term), ("KILL", report.kills.kill)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, _)| name)
            .collect()
    }

    /// For a program: one object.
    pub(crate) fn to_json(&self) -> Value {
        let run = self.run.as_ref();
        let report = self.report();
        let identity = self.identity();
        let user = identity.user.as_ref();
        json!({
            "event": self.event.label(),
            "container": self.container,
            "outcome": self.outcome.label(),
            "took_ms": self.took.as_secs_f64() * 1e3,
            "answer": self.answer_json(),
            "failure": run.and_then(|run| run.failure.as_ref()),
            "mesos": self.consequence,
            "command": run.map(|run| &run.command),
            "uid": user.map(|user| user.uid),
            "gid": user.map(|user| user.gid),
            "groups": user.map(|user| &*user.groups),
            "nice": identity.nice,
            "rlimit_nofile": identity.open_files,
            "batch": run.is_some_and(|run| run.event == Event::UsageBatch),
            "exit_code": report.and_then(|report| report.exit_code),
            "signal": report.and_then(|report| report.signal),
            "sent": report.map(Made::signals).unwrap_or_default(),
            "strays": report.is_some_and(|report| report.strays),
            "printed": report.map(|report| String::from_utf8_lossy(&report.stdio_tail)),
            "notes": self.notes,
        })
    }

    /// For people: a line, and below it what there is to tell.
    pub(super) fn print(&self) {
        println!(
            "{}  {}  {}  {:.1} ms",
            self.event.label(),
            plain(&self.container),
            self.outcome,
            self.took.as_secs_f64() * 1e3
        );
        let tell = |what: &str, text: &str| println!("  {what:<8}  {}", plain(text));
        if let Some(run) = &self.run {
            let ended = run.report.as_ref().map_or_else(|| "not started".into(), Made::ended);
            let batch = if run.event == Event::UsageBatch { " (batch)" } else { "" };
            tell("command", &format!("{}{batch}: {ended}", run.command));
            let identity = self.identity();
            if identity != Identity::default() {
                tell("as", &identity.to_string());
            }
            if let Some(failure) = &run.failure {
                tell("failure", failure.trim_end());
            }
        }
        if let Some(report) = self.report() {
            let signals = Made::signals(report);
            if !signals.is_empty() {
                tell("sent", &signals.join(", "));
            }
            if report.strays {
                let fate = if self.kept { "live on (background=keep)" } else { "were killed" };
                tell("left", &format!("processes outlived the command and {fate}"));
            }
            print_tail(&report.stdio_tail);
        }
        let answer = self.answer_json();
        if !answer.is_null() {
            tell("answer", &answer.to_string());
        }
        for note in &self.notes {
            tell("note", note);
        }
        tell("Mesos", &self.consequence);
    }
}

/// The last lines of stdout and stderr.
fn print_tail(tail: &[u8]) {
    let text = String::from_utf8_lossy(tail);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    for (index, line) in lines[from..].iter().enumerate() {
        println!("  {:<8}  {}", if index == 0 { "printed" } else { "" }, plain(line));
    }
}
