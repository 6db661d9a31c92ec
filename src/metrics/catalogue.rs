//! Every metric, as data: the one place that names them.
//!
//! Registration, HELP and TYPE lines, the table in the documentation, and the checks of
//! dashboards and rules read [`METRICS`]. A new metric needs a constant and its line in the list;
//! `CONTRIBUTING.md` has the rest.

use std::fmt::Write;

use crate::event::Event;
use crate::outcome::OutcomeKind;
use crate::outcome::{CacheResult, FailureReason, KillSignal, WorkerRestart};

/// What a metric counts as for Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; use `rate()` or `increase()`.
    Counter,
    /// A present value.
    Gauge,
    /// Classic histogram with the bounds of [`BUCKETS`].
    Histogram,
}

impl Kind {
    /// The word of the TYPE line.
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// What a value is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things, named by the metric.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Always 1: the labels are the information.
    Info,
}

impl Unit {
    /// The word for the documentation.
    pub const fn label(self) -> &'static str {
        match self {
            Unit::Count => "count",
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::Info => "info",
        }
    }
}

/// A label and the values it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// `module_name` of the instance, as the operator wrote it.
    Module,
    /// Parameter prefix of the event: `isolator_usage`.
    Event,
    /// [`OutcomeKind`].
    Outcome,
    /// [`FailureReason`].
    FailureReason,
    /// [`CacheResult`].
    CacheResult,
    /// [`KillSignal`].
    Signal,
    /// [`WorkerRestart`].
    RestartReason,
    /// Version of this product.
    Version,
    /// Version of the Mesos that loaded it.
    MesosVersion,
}

impl Label {
    /// The label's name.
    pub const fn name(self) -> &'static str {
        match self {
            Label::Module => "module",
            Label::Event => "event",
            Label::Outcome => "outcome",
            Label::FailureReason | Label::RestartReason => "reason",
            Label::CacheResult => "result",
            Label::Signal => "signal",
            Label::Version => "version",
            Label::MesosVersion => "mesos_version",
        }
    }

    /// All values that the label can have; `None` when they are not known in advance (few all the
    /// same: instances and versions).
    pub fn values(self) -> Option<Vec<&'static str>> {
        Some(match self {
            Label::Module | Label::Version | Label::MesosVersion => return None,
            Label::Event => Event::ALL.map(Event::label).to_vec(),
            Label::Outcome => OutcomeKind::ALL.map(OutcomeKind::label).to_vec(),
            Label::FailureReason => FailureReason::ALL.map(FailureReason::label).to_vec(),
            Label::CacheResult => CacheResult::ALL.map(CacheResult::label).to_vec(),
            Label::Signal => KillSignal::ALL.map(KillSignal::label).to_vec(),
            Label::RestartReason => WorkerRestart::ALL.map(WorkerRestart::label).to_vec(),
        })
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Full name, unit and `_total` suffixes included.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// What is measured.
    pub unit: Unit,
    /// Labels, in the order of the exposition.
    pub labels: &'static [Label],
    /// The HELP text: one sentence, without a line break.
    pub help: &'static str,
}

/// Upper bounds of all histogram buckets, in seconds: 10 µs to 60 s in steps of 1, 2, 5, and 30 s,
/// the usual deadline. A spawned command takes 0.5 ms at the least and a worker answers in tens of
/// microseconds, so both ends are met; the deadlines 2 s, 5 s and 30 s are bounds themselves.
pub const BUCKETS: [f64; 22] = [
    0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
    0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0,
];

const MODULE: &[Label] = &[Label::Module];
const BY_EVENT: &[Label] = &[Label::Module, Label::Event];
const BY_OUTCOME: &[Label] = &[Label::Module, Label::Event, Label::Outcome];

const fn counter(name: &'static str, labels: &'static [Label], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: Unit::Count, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [Label], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: Unit::Count, labels, help }
}

const fn seconds(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, unit: Unit::Seconds, labels: BY_EVENT, help }
}

/// Calls by outcome.
pub const CALLS: Metric = counter(
    "mesos_command_calls_total",
    BY_OUTCOME,
    "Calls by Mesos that have ended, by how they ended; the sum is the number of calls made.",
);
/// Duration of calls that ran or waited.
pub const CALL_DURATION: Metric = seconds(
    "mesos_command_call_duration_seconds",
    "Time from a call by Mesos to its answer, for calls that ran a command or waited for one; \
     answers from the cache are not timed.",
);
/// Runs by outcome.
pub const RUNS: Metric = counter(
    "mesos_command_runs_total",
    BY_OUTCOME,
    "Commands that have ended (processes and worker requests), by how they ended.",
);
/// Duration of runs.
pub const RUN_DURATION: Metric = seconds(
    "mesos_command_run_duration_seconds",
    "Time from the start of a command, or of a worker request, to its end.",
);
/// Duration of spawns.
pub const SPAWN_DURATION: Metric = seconds(
    "mesos_command_spawn_duration_seconds",
    "Time that starting a process took, until it executed the command.",
);
/// Time in the queue.
pub const QUEUE_DURATION: Metric = seconds(
    "mesos_command_queue_duration_seconds",
    "Time from submission of a command until it was started.",
);
/// Passed deadlines.
pub const TIMEOUTS: Metric = counter(
    "mesos_command_timeouts_total",
    BY_EVENT,
    "Commands whose deadline passed, running or still queued.",
);
/// Failures by reason.
pub const FAILURES: Metric = counter(
    "mesos_command_failures_total",
    &[Label::Module, Label::Event, Label::FailureReason],
    "Failures by reason, counted where they happen: once by the command that failed, or by the \
     call when it failed without running one.",
);
/// Commands that run now.
pub const RUNNING: Metric = gauge(
    "mesos_command_running",
    BY_EVENT,
    "Commands and worker requests that run now, those that hang in the kernel with them.",
);
/// Commands that wait now.
pub const QUEUED: Metric =
    gauge("mesos_command_queued", MODULE, "Commands that wait for their start now.");
/// Requests to the usage cache.
pub const CACHE_REQUESTS: Metric = counter(
    "mesos_command_usage_cache_requests_total",
    &[Label::Module, Label::CacheResult],
    "Usage calls by how the cache answered: hit (fresh), stale (expired but served), miss \
     (started a command), joined (waits for a command under way).",
);
/// Containers in the usage cache.
pub const CACHE_ENTRIES: Metric = gauge(
    "mesos_command_usage_cache_entries",
    MODULE,
    "Containers with a value in the usage cache now.",
);
/// Signals sent.
pub const KILLS: Metric = counter(
    "mesos_command_kills_total",
    &[Label::Module, Label::Signal],
    "Signals sent to end a command's process group.",
);
/// Runs that left processes behind.
pub const STRAYS: Metric = counter(
    "mesos_command_strays_total",
    BY_EVENT,
    "Commands that left processes behind when they ended, kept or killed.",
);
/// Worker restarts.
pub const WORKER_RESTARTS: Metric = counter(
    "mesos_command_worker_restarts_total",
    &[Label::Module, Label::Event, Label::RestartReason],
    "Persistent workers that had to be started again, by why the one before was lost.",
);
/// Workers that are ready.
pub const WORKER_UP: Metric = gauge(
    "mesos_command_worker_up",
    BY_EVENT,
    "Persistent workers that are ready or busy now; while it is 0, commands are spawned or, with \
     fallback=fail, calls fail.",
);
/// Commands that hang in the kernel.
pub const QUARANTINED: Metric = gauge(
    "mesos_command_quarantined",
    MODULE,
    "Commands and workers that outlived SIGKILL and hang in the kernel now.",
);
/// Stand-ins that wrote nothing.
pub const SILENT_STAND_INS: Metric = counter(
    "mesos_command_silent_stand_ins_total",
    BY_EVENT,
    "Commands that were run because no worker was up and that succeeded with an empty output: they \
     may be programs that answer only as a worker.",
);
/// Containers known.
pub const CONTAINERS: Metric =
    gauge("mesos_command_containers", MODULE, "Containers that the isolator has a context of now.");
/// Output read.
pub const OUTPUT_BYTES: Metric = Metric {
    unit: Unit::Bytes,
    ..counter(
        "mesos_command_output_bytes_total",
        BY_EVENT,
        "Bytes of output read from commands and workers.",
    )
};
/// Answers of which something was lost.
pub const LOSSY_OUTPUTS: Metric = counter(
    "mesos_command_lossy_outputs_total",
    BY_EVENT,
    "Accepted outputs of which something was dropped or changed: unknown keys or enum names, \
     wrapped integers.",
);
/// Panics.
pub const PANICS: Metric =
    counter("mesos_command_panics_total", &[], "Panics in the module, caught before they left it.");
/// Versions.
pub const BUILD_INFO: Metric = Metric {
    unit: Unit::Info,
    ..gauge(
        "mesos_command_build_info",
        &[Label::Version, Label::MesosVersion],
        "Always 1; the labels are the versions of the module and of the Mesos that loaded it.",
    )
};

/// All metrics, in the order of the documentation.
pub static METRICS: [Metric; 23] = [
    CALLS,
    CALL_DURATION,
    RUNS,
    RUN_DURATION,
    SPAWN_DURATION,
    QUEUE_DURATION,
    TIMEOUTS,
    FAILURES,
    RUNNING,
    QUEUED,
    CACHE_REQUESTS,
    CACHE_ENTRIES,
    KILLS,
    STRAYS,
    WORKER_RESTARTS,
    WORKER_UP,
    SILENT_STAND_INS,
    QUARANTINED,
    CONTAINERS,
    OUTPUT_BYTES,
    LOSSY_OUTPUTS,
    PANICS,
    BUILD_INFO,
];

/// The metric whose series, histogram suffixes included, are called `series`.
pub fn find(series: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| {
        let rest = series.strip_prefix(metric.name);
        match metric.kind {
            Kind::Histogram => matches!(rest, Some("_bucket" | "_sum" | "_count")),
            Kind::Counter | Kind::Gauge => rest == Some(""),
        }
    })
}

/// The table of the documentation, in Markdown. A test holds the committed copy against it.
pub fn markdown() -> String {
    let mut table =
        String::from("| Metric | Type | Unit | Labels | Meaning |\n|---|---|---|---|---|\n");
    for metric in &METRICS {
        let labels: Vec<_> =
            metric.labels.iter().map(|label| format!("`{}`", label.name())).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} |",
            metric.name,
            metric.kind.label(),
            metric.unit.label(),
            if labels.is_empty() { "–".to_owned() } else { labels.join(", ") },
            metric.help,
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for metric in &METRICS {
            assert!(metric.name.starts_with("mesos_command_"), "{}", metric.name);
            let total = metric.name.ends_with("_total");
            assert_eq!(total, metric.kind == Kind::Counter, "{}", metric.name);
            match metric.unit {
                Unit::Seconds => assert!(metric.name.ends_with("_seconds"), "{}", metric.name),
                Unit::Bytes => assert!(metric.name.contains("_bytes"), "{}", metric.name),
                Unit::Info => assert!(metric.name.ends_with("_info"), "{}", metric.name),
                Unit::Count => {}
            }
            assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.name);
            assert_eq!(METRICS.iter().filter(|other| other.name == metric.name).count(), 1);
        }
    }

    #[test]
    fn bounds_grow_from_10_microseconds_to_a_minute() {
        assert!(BUCKETS.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!((BUCKETS[0], BUCKETS[BUCKETS.len() - 1]), (1e-5, 60.0));
    }

    #[test]
    fn series_are_found_by_their_exposed_names() {
        assert_eq!(find("mesos_command_calls_total"), Some(&CALLS));
        assert_eq!(find("mesos_command_call_duration_seconds_bucket"), Some(&CALL_DURATION));
        assert_eq!(find("mesos_command_call_duration_seconds"), None);
        assert_eq!(find("mesos_command_calls_total_count"), None);
        assert_eq!(find("mesos_command_nothing"), None);
    }
}
