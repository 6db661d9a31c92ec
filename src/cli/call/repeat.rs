//! The same call many times, and what became of all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use mesos_command::event::Event;
use serde_json::{Value, json};

use super::made::Made;

/// What many calls of one event had in common.
pub(super) struct Summary {
    event: Event,
    outcomes: BTreeMap<&'static str, usize>,
    took: Vec<Duration>,
}

impl Summary {
    pub(super) fn new(event: Event) -> Summary {
        Summary { event, outcomes: BTreeMap::new(), took: Vec::new() }
    }

    /// Adds one; whether it is the first with its outcome.
    pub(super) fn add(&mut self, made: &Made) -> bool {
        self.took.push(made.took());
        let count = self.outcomes.entry(made.outcome()).or_default();
        *count += 1;
        *count == 1
    }

    /// The time within which this share of the calls was answered, in milliseconds.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        // A share of an index is one.
        let index = (last as f64 * share).round() as usize;
        sorted.get(index).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    }

    pub(super) fn print(&self) {
        let outcomes: Vec<String> =
            self.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        println!(
            "{}  {} calls: {}; ms: min {:.1}, p50 {:.1}, p95 {:.1}, max {:.1}",
            self.event.label(),
            self.took.len(),
            outcomes.join(", "),
            self.quantile(0.0),
            self.quantile(0.5),
            self.quantile(0.95),
            self.quantile(1.0)
        );
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "event": self.event.label(),
            "calls": self.took.len(),
            "outcomes": self.outcomes,
            "ms": {
                "min": self.quantile(0.0),
                "p50": self.quantile(0.5),
                "p95": self.quantile(0.95),
                "max": self.quantile(1.0),
            },
        })
    }
}
