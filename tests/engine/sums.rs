//! The sum of `mesos_command_calls_total` is the number of calls, whatever became of them.

use mesos_command::call::Answer;
use mesos_command::event::Event;
use test_support::dropped_unanswered;

use crate::support::{Instance, until};

fn calls(bench: &Instance, event: &str, outcome: &str) -> u64 {
    let series = format!("event=\"{event}\",outcome=\"{outcome}\"");
    bench.metric("mesos_command_calls_total", &series)
}

#[test]
fn a_watch_is_one_call_however_often_its_command_runs() {
    let bench = Instance::new(
        "sum-watch",
        &[("isolator_watch", "")],
        &[("isolator_watch_frequence", "10ms")],
    );
    bench.call(Event::Prepare, "c");
    let watching = bench.start(Event::Watch, "c");
    until("some runs", || bench.runs("isolator_watch") >= 3);
    assert_eq!(bench.metric("mesos_command_calls_total", "isolator_watch"), 0, "it has not ended");
    bench.call(Event::Cleanup, "c");
    until("its end", || calls(&bench, "isolator_watch", "cancelled") == 1);
    dropped_unanswered(&watching);
    assert_eq!(bench.metric("mesos_command_calls_total", "isolator_watch"), 1);
    assert!(bench.metric("mesos_command_runs_total", "isolator_watch") >= 3);
}

#[test]
fn a_watch_that_finds_a_limitation_is_one_call_that_ended_well() {
    let script = "[ $(wc -l <\"$0.runs\") -lt 3 ] || printf '{\"message\":\"m\"}' >\"$2\"";
    let more = [("isolator_watch_frequence", "10ms")];
    let bench = Instance::new("sum-limit", &[("isolator_watch", script)], &more);
    bench.call(Event::Prepare, "c");
    assert!(matches!(bench.call(Event::Watch, "c"), Answer::Message(_)));
    assert_eq!(calls(&bench, "isolator_watch", "ok"), 1);
    assert_eq!(bench.metric("mesos_command_calls_total", "isolator_watch"), 1);
    assert_eq!(bench.metric("mesos_command_runs_total", "isolator_watch"), 3);
}

#[test]
fn calls_that_are_answered_without_a_run_are_counted_too() {
    let scripts = [("isolator_prepare", ""), ("isolator_usage", ""), ("isolator_cleanup", "")];
    let bench = Instance::new("sum-without", &scripts, &[]);
    bench.call(Event::Cleanup, "unknown");
    assert_eq!(calls(&bench, "isolator_cleanup", "ok"), 1);
    bench.call(Event::Usage, "unknown");
    assert_eq!(calls(&bench, "isolator_usage", "ok"), 1);
    assert_eq!(bench.metric("mesos_command_failures_total", "no_context"), 1);
    bench.call(Event::Prepare, "c");
    assert!(matches!(bench.call(Event::Prepare, "c"), Answer::Failure(_)), "prepared twice");
    assert_eq!(calls(&bench, "isolator_prepare", "ok"), 1);
    assert_eq!(calls(&bench, "isolator_prepare", "spawn_error"), 1);
    assert_eq!(bench.metric("mesos_command_failures_total", "input_error"), 1);
    assert_eq!(bench.metric("mesos_command_runs_total", ""), 1);
}

#[test]
fn the_cache_metrics_are_about_usage_alone() {
    let scripts =
        [("isolator_usage", "printf '{}' >\"$2\""), ("isolator_status", "printf '{}' >\"$2\"")];
    let bench = Instance::new("sum-cache", &scripts, &[("isolator_usage_cache_ttl", "60secs")]);
    bench.call(Event::Prepare, "c");
    for _ in 0..3 {
        bench.call(Event::Status, "c");
        bench.call(Event::Usage, "c");
    }
    assert_eq!(bench.metric("mesos_command_usage_cache_requests_total", ""), 3);
    assert_eq!(bench.metric("mesos_command_usage_cache_requests_total", "hit"), 2);
    until("the entry", || bench.metric("mesos_command_usage_cache_entries", "") == 1);
    assert_eq!(calls(&bench, "isolator_status", "ok"), 3);
    bench.call(Event::Cleanup, "c");
    assert_eq!(bench.metric("mesos_command_usage_cache_entries", ""), 0);
}

#[test]
fn a_command_that_is_missing_or_denied_is_counted_as_such() {
    let nowhere = [("isolator_isolate_command", "/nonexistent/command")];
    let missing = Instance::new("sum-missing", &[], &nowhere);
    missing.call(Event::Prepare, "c");
    assert!(matches!(missing.call(Event::Isolate, "c"), Answer::Failure(_)));
    assert_eq!(missing.metric("mesos_command_failures_total", "reason=\"command_missing\""), 1);
    assert_eq!(missing.metric("mesos_command_failures_total", ""), 1);

    let denied = Instance::new("sum-denied", &[], &[("isolator_isolate_command", "/etc/passwd")]);
    denied.call(Event::Prepare, "c");
    assert!(matches!(denied.call(Event::Isolate, "c"), Answer::Failure(_)));
    assert_eq!(denied.metric("mesos_command_failures_total", "reason=\"command_denied\""), 1);
    assert_eq!(calls(&denied, "isolator_isolate", "spawn_error"), 1);
}
