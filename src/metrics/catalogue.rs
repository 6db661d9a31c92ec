//! Every metric, as data: the one place that names them.
//!
//! A row is a metric and the field that counts it. Registration, HELP and TYPE lines, the table in
//! the documentation, and the checks of dashboards and rules follow from it. The rows of a group
//! have labels in common and come into being together: as zeros, so that `rate()` and alerts see
//! their first increment.

use std::fmt::Write;
use std::sync::Arc;

use metrics::{Counter, Gauge};

use super::define::{MOST_LABELS, catalogue, joined, metric};
use super::handle::{
    ByAheadResult, ByCacheResult, ByOutcome, ByReason, ByRestart, ByShadowResult, BySignal,
    ByWarmStart, Handle,
};
use super::histogram::Histogram;
use super::info::Info;
use super::registrar::Registrar;
pub use super::terms::{Kind, Label, Metric, Unit};

/// Upper bounds of all histogram buckets, in seconds: 10 µs to 60 s in steps of 1, 2, 5, and 30 s,
/// the usual deadline. A spawned command takes 0.5 ms at the least and a worker answers in tens of
/// microseconds, so both ends are met; the deadlines 2 s, 5 s and 30 s are bounds themselves.
pub const BUCKETS: [f64; 22] = [
    0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
    0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0,
];

catalogue! {
    /// Of one event, from the start of an instance that has a command for it.
    EventSeries: [Label::Module, Label::Event] => {
        calls: ByOutcome = {
            name: "mesos_command_calls_total",
            unit: Count,
            help: "Calls by Mesos that have ended, by how they ended; the sum is the number of calls made.",
        }
        call_duration: Histogram = {
            name: "mesos_command_call_duration_seconds",
            unit: Seconds,
            help: "Time from a call by Mesos to its answer, for calls that ran a command or waited for one; \
                   answers from the cache are not timed.",
        }
        runs: ByOutcome = {
            name: "mesos_command_runs_total",
            unit: Count,
            help: "Commands that have ended (processes and worker requests), by how they ended.",
        }
        run_duration: Histogram = {
            name: "mesos_command_run_duration_seconds",
            unit: Seconds,
            help: "Time from the start of a command, or of a worker request, to its end.",
        }
        spawn_duration: Histogram = {
            name: "mesos_command_spawn_duration_seconds",
            unit: Seconds,
            help: "Time that starting a process took, until it executed the command.",
        }
        queue_duration: Histogram = {
            name: "mesos_command_queue_duration_seconds",
            unit: Seconds,
            help: "Time from submission of a command until it was started.",
        }
        timeouts: Counter = {
            name: "mesos_command_timeouts_total",
            unit: Count,
            help: "Commands whose deadline passed, running or still queued.",
        }
        failures: ByReason = {
            name: "mesos_command_failures_total",
            unit: Count,
            help: "Failures by reason, counted where they happen: once by the command that failed, or by the \
                   call when it failed without running one.",
        }
        running: Gauge = {
            name: "mesos_command_running",
            unit: Count,
            help: "Commands and worker requests that run now, those that hang in the kernel with them.",
        }
        strays: Counter = {
            name: "mesos_command_strays_total",
            unit: Count,
            help: "Commands that left processes behind when they ended, kept or killed.",
        }
        uncontained: Counter = {
            name: "mesos_command_uncontained_total",
            unit: Count,
            help: "Commands at containment level `cgroup` that were started without a cgroup, because none \
                   could be had.",
        }
        output_bytes: Counter = {
            name: "mesos_command_output_bytes_total",
            unit: Bytes,
            help: "Bytes of output read from commands and workers.",
        }
        lossy_outputs: Counter = {
            name: "mesos_command_lossy_outputs_total",
            unit: Count,
            help: "Accepted outputs of which something was dropped or changed: unknown keys or enum names, \
                   wrapped integers.",
        }
    }

    /// Of one event in worker or warm mode. An event without workers has no such series, so that
    /// `worker_up == 0` means what it says.
    WorkerSeries: [Label::Module, Label::Event] => {
        up: Gauge = {
            name: "mesos_command_worker_up",
            unit: Count,
            help: "Persistent workers that are ready or busy now, and warm interpreters; while it is 0, commands \
                   are spawned or, with fallback=fail, calls fail.",
        }
        restarts: ByRestart = {
            name: "mesos_command_worker_restarts_total",
            unit: Count,
            help: "Persistent workers and warm interpreters that had to be started again, by why the one before \
                   was lost.",
        }
        repeated: Counter = {
            name: "mesos_command_worker_repeated_requests_total",
            unit: Count,
            help: "Requests that were made again, once, because their worker was lost while it had several and not \
                   by them.",
        }
        silent_stand_ins: Counter = {
            name: "mesos_command_silent_stand_ins_total",
            unit: Count,
            help: "Commands that were run because no worker was up and that succeeded with an empty output: they \
                   may be programs that answer only as a worker.",
        }
    }

    /// Of one event in warm mode.
    WarmSeries: [Label::Module, Label::Event] => {
        starts: ByWarmStart = {
            name: "mesos_command_warm_starts_total",
            unit: Count,
            help: "Commands of events with mode=warm that have ended, by how their process began.",
        }
    }

    /// Of one event with a shadow command.
    ShadowSeries: [Label::Module, Label::Event] => {
        results: ByShadowResult = {
            name: "mesos_command_shadow_total",
            unit: Count,
            help: "Shadow commands by how they compared with the command: same, different, failed (where the \
                   command did not), dropped (not run or withdrawn, because too many others were).",
        }
    }

    /// Of all isolators of one name, from the first on.
    IsolatorSeries: [Label::Module] => {
        queued: Gauge = {
            name: "mesos_command_queued",
            unit: Count,
            help: "Commands that wait for their start now.",
        }
        cache_requests: ByCacheResult = {
            name: "mesos_command_usage_cache_requests_total",
            unit: Count,
            help: "Usage calls by how the cache answered: hit (fresh), ahead (fresh, because it was refreshed \
                   ahead of the call), stale (expired but served), miss (started a command), joined (waits \
                   for a command under way).",
        }
        refreshes_ahead: ByAheadResult = {
            name: "mesos_command_usage_refreshes_ahead_total",
            unit: Count,
            help: "Values that were refreshed ahead of calls, by whether one asked for them while they were \
                   fresh (used) or not (wasted); counted when that is known.",
        }
        value_age: Histogram = {
            name: "mesos_command_usage_value_age_seconds",
            unit: Seconds,
            help: "Age of usage values when they are served: each when it is served first, and whenever it is \
                   past its TTL or a call has waited for it.",
        }
        cache_entries: Gauge = {
            name: "mesos_command_usage_cache_entries",
            unit: Count,
            help: "Containers with a value in the usage cache now.",
        }
        containers: Gauge = {
            name: "mesos_command_containers",
            unit: Count,
            help: "Containers that the isolator has a context of now.",
        }
    }

    /// Of all instances of one name, from the first on.
    ModuleSeries: [Label::Module] => {
        kills: BySignal = {
            name: "mesos_command_kills_total",
            unit: Count,
            help: "Signals sent to end a command's process group.",
        }
        contained: Gauge = {
            name: "mesos_command_contained",
            unit: Count,
            help: "1 when each command runs in a cgroup of its own (containment level `cgroup`), 0 when it \
                   is a process group (`group`).",
        }
        config: Arc<Info> = {
            name: "mesos_command_config_info",
            unit: Info,
            help: "Always 1; the label is a hash of the parameters that hold for the instances of the name, \
                   defaults too, without their secrets: agents with another one are configured differently.",
        }
        reloaded: Gauge = {
            name: "mesos_command_reload_success_timestamp_seconds",
            unit: Seconds,
            help: "When the parameters were last taken from the modules file: at load, or by a reload (Unix time).",
        }
        reload_failures: Counter = {
            name: "mesos_command_reload_failures_total",
            unit: Count,
            help: "Reloads of the modules file that have failed, so that all parameters stayed as they were.",
        }
        call_log_lost: Counter = {
            name: "mesos_command_call_log_lost_total",
            unit: Count,
            help: "Lines that are missing in the call log, because it could not be written or was too slow.",
        }
        quarantined: Gauge = {
            name: "mesos_command_quarantined",
            unit: Count,
            help: "Commands and workers that outlived SIGKILL and hang in the kernel now.",
        }
    }

    /// Of the process, from its start.
    Process: [] => {
        panics: Counter = {
            name: "mesos_command_panics_total",
            unit: Count,
            help: "Panics in the module, caught before they left it.",
        }
        stream_lines_dropped: Counter = {
            name: "mesos_command_stream_lines_dropped_total",
            unit: Count,
            help: "Finished calls that a client who follows them (`mesos-command tail`) was not told of, \
                   because it read too slowly.",
        }
    }

    /// Of the process, from its first instance on.
    Starts: [Label::StartMethod] => {
        spawn_info: Gauge = {
            name: "mesos_command_spawn_info",
            unit: Info,
            help: "Always 1; the label is how commands are started, as MESOS_COMMAND_SPAWN says.",
        }
    }

    /// Of the process, once the version of the host is known.
    Versions: [Label::Version, Label::MesosVersion] => {
        build_info: Gauge = {
            name: "mesos_command_build_info",
            unit: Info,
            help: "Always 1; the labels are the versions of the module and of the Mesos that loaded it.",
        }
    }
}

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
    for metric in METRICS {
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
        for metric in METRICS {
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
        assert_eq!(find("mesos_command_calls_total"), METRICS.first());
        assert_eq!(find("mesos_command_call_duration_seconds_bucket"), METRICS.get(1));
        assert_eq!(find("mesos_command_call_duration_seconds"), None);
        assert_eq!(find("mesos_command_calls_total_count"), None);
        assert_eq!(find("mesos_command_nothing"), None);
    }
}
