//! What is said of each host, for people as it happens and for programs at its end.

use serde_json::{Value, json};

use super::failure::Failure;
use crate::table::plain;

/// How wide the names of steps are.
const NAMES: usize = 10;

/// One host.
pub(super) struct Report {
    host: String,
    is_json: bool,
    steps: Vec<Value>,
    more: serde_json::Map<String, Value>,
}

impl Report {
    pub(super) fn new(host: &str, is_json: bool) -> Report {
        if !is_json {
            println!("{}", plain(host));
        }
        Report { host: host.to_owned(), is_json, steps: Vec::new(), more: serde_json::Map::new() }
    }

    /// Something was found or done, or would be.
    pub(super) fn step(&mut self, name: &str, text: &str) {
        let text = plain(text);
        if self.is_json {
            self.steps.push(json!({"step": name, "text": text}));
        } else {
            println!("  {name:NAMES$}  {text}");
        }
    }

    /// What the host's tool has printed for people.
    pub(super) fn quote(&self, text: &str) {
        if !self.is_json {
            for line in text.lines().filter(|line| !line.starts_with('@')) {
                println!("    {}", plain(line).trim_end());
            }
        }
    }

    /// More for programs.
    pub(super) fn add(&mut self, key: &str, value: Value) {
        self.more.insert(key.to_owned(), value);
    }

    /// The end of it: how it ended, or why it did not.
    pub(super) fn end(mut self, ended: &Result<Outcome, Failure>) {
        let (outcome, failure) = match ended {
            Ok(outcome) => (outcome.name(), Value::Null),
            Err(failure) => {
                let advice = failure.advice(&self.host);
                if !self.is_json {
                    let kind = failure.kind.name();
                    println!("  {:NAMES$}  {kind}: {}", "failed", failure.text);
                    println!("  {:NAMES$}  {advice}", "to do");
                }
                let failure = json!({"kind": failure.kind, "text": failure.text, "advice": advice});
                ("failed", failure)
            }
        };
        if self.is_json {
            let mut all = serde_json::Map::new();
            all.insert("host".to_owned(), json!(self.host));
            all.insert("outcome".to_owned(), json!(outcome));
            all.insert("steps".to_owned(), Value::Array(self.steps));
            all.append(&mut self.more);
            if !failure.is_null() {
                all.insert("failure".to_owned(), failure);
            }
            println!("{}", Value::Object(all));
        }
    }

    /// A host that nobody has tried, because one before it failed.
    pub(super) fn not_tried(host: &str, is_json: bool) {
        if is_json {
            println!("{}", json!({"host": host, "outcome": "not-tried", "steps": []}));
        } else {
            println!("{}\n  not tried, because the host before it failed", plain(host));
        }
    }
}

/// How a host ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The library is in place.
    Deployed,
    /// It was there already.
    Unchanged,
    RolledBack,
    /// `--dry-run`.
    Planned,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Outcome::Deployed => "deployed",
            Outcome::Unchanged => "unchanged",
            Outcome::RolledBack => "rolled-back",
            Outcome::Planned => "planned",
        }
    }
}
