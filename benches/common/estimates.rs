//! What criterion has found in this run, for the lines of `figure.rs`.

use std::time::SystemTime;

use crate::figure::Figure;
use crate::settings::results;

/// Estimates of the benchmarks that were measured since this was made.
pub(crate) struct Estimates {
    since: SystemTime,
}

impl Estimates {
    pub(crate) fn begin() -> Self {
        Self { since: SystemTime::now() }
    }

    /// The median of a benchmark in nanoseconds; `None` for one that a filter has left out.
    pub(crate) fn median(&self, group: &str, name: &str) -> Option<f64> {
        let [group, name] = [group, name].map(|part| part.replace('/', "_"));
        let file = results().join(group).join(name).join("new/estimates.json");
        let written = file.metadata().and_then(|found| found.modified()).ok()?;
        if written < self.since {
            return None;
        }
        let text = std::fs::read(&file).expect("criterion's estimates are readable");
        let estimates: serde_json::Value = serde_json::from_slice(&text).expect("they are JSON");
        Some(estimates["median"]["point_estimate"].as_f64().expect("they have a median"))
    }

    /// Prints the median of a benchmark as a figure in nanoseconds.
    pub(crate) fn print(&self, figure: Figure, group: &str, name: &str) {
        if let Some(median) = self.median(group, name) {
            figure.print(median);
        }
    }
}
