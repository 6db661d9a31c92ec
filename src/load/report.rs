//! What a person or a program reads of a run.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::counters::Counters;
use super::options::{Options, Schedule};
use super::plot;
use super::recorder::Recorded;
use super::system::{Growth, Sample};

/// Latencies of one second, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Second {
    pub(super) at: Duration,
    pub(super) calls: u64,
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

/// Everything that a run found.
#[derive(Debug)]
pub struct Report {
    pub(super) options: Options,
    pub(super) schedule: Schedule,
    /// Calls made, those of the warm-up among them.
    pub(super) made: u64,
    /// Of them, those that were answered.
    pub(super) answers: u64,
    /// What the product counted of them.
    pub(super) counters: Counters,
    pub(super) recorded: Recorded,
    /// How far behind the schedule calls were begun.
    pub(super) behind: Histogram<u64>,
    /// The command started bare.
    pub(super) bare: Histogram<u64>,
    pub(super) seconds: Vec<Second>,
    pub(super) samples: Vec<Sample>,
    /// Before the first call and after the last answer.
    pub(super) ends: [Sample; 2],
    /// From the first call to the last answer.
    pub(super) took: Duration,
}

/// The percentiles that are shown.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

impl Report {
    /// Calls made, those of the warm-up among them.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// What is wrong; empty when nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.answers < self.made {
            let lost = self.made - self.answers;
            problems.push(format!("{lost} of {} calls were never answered", self.made));
        }
        let counted = self.counters.calls();
        if counted != self.made {
            problems.push(format!(
                "mesos_command_calls_total counts {counted} calls in all outcomes, {} were made",
                self.made
            ));
        }
        let p99 = self.all().value_at_quantile(0.99);
        if let Some(limit) = self.options.p99_at_most
            && u128::from(p99) > limit.as_nanos()
        {
            problems.push(format!("p99 is {:.0} us, above {limit:?}", p99 as f64 / 1e3));
        }
        problems
    }

    /// Prints the report in the form that the options name and draws the plot; whether nothing is
    /// wrong.
    ///
    /// # Errors
    /// When the plot cannot be written.
    pub fn finish(&self) -> std::io::Result<bool> {
        if let Some(path) = &self.options.plot {
            std::fs::write(path, plot::draw(self))?;
        }
        let text = if self.options.json { format!("{}\n", self.json()) } else { self.text() };
        // Not print!: a reader that went away is no reason to panic.
        std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?;
        Ok(self.problems().is_empty())
    }

    /// All measured latencies.
    pub(super) fn all(&self) -> Histogram<u64> {
        let mut all = self.recorded.at_once.clone();
        all.add(&self.recorded.later).expect("all histograms have the same bounds");
        all
    }

    /// Rows of the percentile table.
    fn rows(&self) -> Vec<(&'static str, Histogram<u64>)> {
        let mut rows = vec![
            ("all calls", self.all()),
            ("answered at once (hit, stale)", self.recorded.at_once.clone()),
            ("  the same, from when begun", self.recorded.from_begun.clone()),
            ("waited for a run (miss, joined)", self.recorded.later.clone()),
            ("begun behind schedule", self.behind.clone()),
            ("warm-up, all calls", self.recorded.warm_up.clone()),
            ("command started bare", self.bare.clone()),
        ];
        rows.retain(|(_, histogram)| !histogram.is_empty());
        rows
    }

    /// 99th percentile of the calls that waited, over that of the bare command.
    fn waited_to_bare(&self) -> Option<f64> {
        let p99 = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.99) as f64;
        let both = !self.bare.is_empty() && !self.recorded.later.is_empty();
        both.then(|| p99(&self.recorded.later) / p99(&self.bare))
    }

    fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let options = &self.options;
        writeln!(
            out,
            "{:.0} calls/s ({}), {} containers, {:?} after a warm-up of {:?}",
            self.schedule.rate(),
            match self.schedule.group {
                1 => "even pace".to_owned(),
                group => format!("bursts of {group} every {:?}", self.schedule.period),
            },
            options.containers,
            options.duration,
            options.warm_up,
        )?;
        write!(out, "\n{:<32} {:>9}", "latency from when due, us", "calls")?;
        for (name, _) in QUANTILES {
            write!(out, " {name:>9}")?;
        }
        writeln!(out)?;
        for (name, histogram) in self.rows() {
            write!(out, "{name:<32} {:>9}", histogram.len())?;
            for (_, quantile) in QUANTILES {
                write!(out, " {:>9.1}", histogram.value_at_quantile(quantile) as f64 / 1e3)?;
            }
            writeln!(out)?;
        }
        if let Some(ratio) = self.waited_to_bare() {
            writeln!(out, "p99 of calls that waited: {ratio:.2} x p99 of the bare command")?;
        }
        writeln!(out, "\ncalls made {}, answered {}", self.made, self.answers)?;
        let counts = |counts: &std::collections::BTreeMap<String, u64>| {
            let share = |(name, count): (&String, &u64)| {
                format!("{name} {count} ({:.2} %)", *count as f64 * 100.0 / self.made.max(1) as f64)
            };
            counts.iter().map(share).collect::<Vec<_>>().join(", ")
        };
        writeln!(out, "outcomes     {}", counts(&self.counters.outcomes))?;
        writeln!(out, "usage cache  {}", counts(&self.counters.cache))?;
        writeln!(out, "command runs {}", self.counters.runs)?;
        self.write_growth(out)?;
        let problems = self.problems();
        for problem in &problems {
            writeln!(out, "PROBLEM: {problem}")?;
        }
        if problems.is_empty() {
            writeln!(out, "nothing lost: calls made = answers = sum of all outcomes")?;
        }
        Ok(())
    }

    fn write_growth(&self, out: &mut String) -> std::fmt::Result {
        let [start, end] = self.ends;
        if let Some(growth) = Growth::of(&self.samples) {
            writeln!(
                out,
                "last 80 %    resident memory {} -> {} KiB, slope {:+.2} %/h{}; descriptors {} -> {}; \
                 threads {} -> {}",
                growth.rss[0] >> 10,
                growth.rss[1] >> 10,
                growth.rss_percent_per_hour,
                if self.took < Duration::from_secs(300) { " (too short to mean much)" } else { "" },
                growth.fds[0],
                growth.fds[1],
                growth.threads[0],
                growth.threads[1],
            )?;
        }
        writeln!(
            out,
            "before, after resident memory {} -> {} KiB; descriptors {} -> {}; threads {} -> {}",
            start.rss >> 10,
            end.rss >> 10,
            start.fds,
            end.fds,
            start.threads,
            end.threads,
        )
    }

    /// The report as one object.
    pub fn json(&self) -> Value {
        let mut latencies = serde_json::Map::new();
        for (name, histogram) in self.rows() {
            let mut row = json!({ "calls": histogram.len() });
            for (name, quantile) in QUANTILES {
                let value = histogram.value_at_quantile(quantile) as f64 / 1e3;
                row[format!("{name}_us")] = json!(value);
            }
            latencies.insert(name.to_owned(), row);
        }
        let growth = Growth::of(&self.samples).unwrap_or_default();
        let sample = |it: &Sample| json!({"rss": it.rss, "fds": it.fds, "threads": it.threads});
        json!({
            "rate": self.schedule.rate(),
            "containers": self.options.containers,
            "seconds": self.options.duration.as_secs_f64(),
            "made": self.made,
            "answers": self.answers,
            "outcomes": self.counters.outcomes,
            "cache": self.counters.cache,
            "runs": self.counters.runs,
            "latencies": latencies,
            "waited_p99_to_bare_p99": self.waited_to_bare(),
            "rss_percent_per_hour": growth.rss_percent_per_hour,
            "fds": growth.fds,
            "threads": growth.threads,
            "before": sample(&self.ends[0]),
            "after": sample(&self.ends[1]),
            "problems": self.problems(),
        })
    }
}
