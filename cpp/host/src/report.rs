//! What a person or a program reads of a run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sample::quantile;
use crate::scenario::Answered;

/// One line of the report.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Event or other step.
    pub(crate) what: String,
    /// Container or other object.
    pub(crate) whom: String,
    /// The answer.
    pub(crate) answer: String,
    /// Sorted times of the calls.
    pub(crate) times: Vec<Duration>,
    /// What was wrong.
    pub(crate) complaints: Vec<String>,
    /// Numbers for `--json`.
    pub(crate) numbers: Vec<(&'static str, f64)>,
}

impl Line {
    pub(crate) fn new(what: impl Into<String>, whom: impl Into<String>) -> Line {
        Line { what: what.into(), whom: whom.into(), ..Line::default() }
    }

    /// Takes the answers of a series.
    pub(crate) fn answers(&mut self, answers: &[Answered]) {
        self.times = answers.iter().map(|answered| answered.took).collect();
        self.times.sort_unstable();
        if let Some(last) = answers.last() {
            self.answer = last.answer.to_string();
        }
    }
}

/// Where lines go, and what they amount to.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    lines: usize,
    failed: usize,
}

const OUTCOME: usize = 7;
const TIME: usize = 15;
const WHAT: usize = 44;
const WHOM: usize = 8;
/// Answers come last and are cut, so that a line fits a wide terminal.
const ANSWER: usize = 72;

impl Report {
    pub(crate) fn new(json: bool) -> Report {
        Report { json, lines: 0, failed: 0 }
    }

    /// Something to know that is neither right nor wrong.
    pub(crate) fn note(&self, key: &str, value: &Value) {
        if self.json {
            println!("{}", json!({ "note": key, "value": value }));
        } else {
            println!("{key}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }

    /// The head of the table.
    pub(crate) fn head(&self) {
        if !self.json {
            println!(
                "\n{:OUTCOME$}{:>TIME$}  {:WHAT$} {:WHOM$} answer",
                "outcome", "time", "event", "container"
            );
        }
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, line: &Line) {
        self.lines += 1;
        self.failed += usize::from(!line.complaints.is_empty());
        if self.json {
            println!("{}", as_json(line));
            return;
        }
        let outcome = if line.complaints.is_empty() { "ok" } else { "FAILED" };
        println!(
            "{outcome:OUTCOME$}{:>TIME$}  {:WHAT$} {:WHOM$} {}",
            times(&line.times),
            what(line),
            line.whom,
            shortened(&line.answer, ANSWER),
        );
        for complaint in &line.complaints {
            println!("    {complaint}");
        }
    }

    /// The last line; whether everything was as expected.
    pub(crate) fn finish(self) -> bool {
        if self.json {
            println!("{}", json!({ "steps": self.lines, "failed": self.failed }));
        } else {
            println!("\n{} steps, {} failed", self.lines, self.failed);
        }
        self.failed == 0
    }
}

fn as_json(line: &Line) -> Value {
    let mut object = json!({
        "step": line.what,
        "container": line.whom,
        "answer": line.answer,
        "ok": line.complaints.is_empty(),
        "complaints": line.complaints,
    });
    if !line.times.is_empty() {
        object["calls"] = json!(line.times.len());
        for (key, share) in [("p50_us", 0.5), ("p99_us", 0.99), ("max_us", 1.0)] {
            object[key] = json!(quantile(&line.times, share).as_secs_f64() * 1e6);
        }
    }
    for (key, number) in &line.numbers {
        object[key] = json!(number);
    }
    object
}

fn times(sorted: &[Duration]) -> String {
    match sorted {
        [] => String::new(),
        [one] => format!("{one:.1?}"),
        many => format!("{:.1?}/{:.1?}", quantile(many, 0.5), quantile(many, 0.99)),
    }
}

/// The step, with the number of calls when there were several; their times are then the median and
/// the 99th percentile.
fn what(line: &Line) -> String {
    match line.times.len() {
        0 | 1 => line.what.clone(),
        calls => format!("{} x{calls}", line.what),
    }
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_answers_are_cut_at_characters() {
        assert_eq!(shortened("añb", 3), "añb");
        assert_eq!(shortened("añbc", 3), "añ…");
    }

    #[test]
    fn a_complaint_fails_the_report() {
        let mut report = Report::new(true);
        report.line(&Line::new("a", "b"));
        let mut wrong = Line::new("a", "b");
        wrong.complaints.push("no".into());
        report.line(&wrong);
        assert!(!report.finish());
    }
}
