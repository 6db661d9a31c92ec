//! The call log: a line for each command that has ended, and the counters say the same.

use std::collections::BTreeMap;
use std::path::Path;

use mesos_command::call::Answer;
use mesos_command::event::Event;
use serde_json::Value;
use test_support::until;

use super::{instance, prepare};
use crate::support::{Instance, PATIENCE};

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How many lines have each value of a key, of those that have a `pid` if they are to.
fn count(lines: &[Value], key: &str, with_pid: bool) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in lines.iter().filter(|line| !with_pid || line["pid"].is_i64()) {
        if let Some(value) = line[key].as_str() {
            *counts.entry(value.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// The counters of a metric by one of its labels, those that are not zero.
fn counters(instance: &Instance, metric: &str, label: &str) -> BTreeMap<String, u64> {
    let text = mesos_command::metrics::render();
    let mut counts = BTreeMap::new();
    let own = format!("module=\"{}\"", instance.module);
    for line in text.lines().filter(|line| line.starts_with(&format!("{metric}{{"))) {
        let value = line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64;
        let Some((_, rest)) = line.split_once(&format!("{label}=\"")) else { continue };
        if line.contains(&own) && value > 0 {
            *counts.entry(rest.split('"').next().unwrap().to_owned()).or_default() += value;
        }
    }
    counts
}

#[test]
fn sums_by_outcome_and_reason_are_those_of_the_counters() {
    let prepare_script = "case $MESOS_CONTAINER_ID in
        exit*) echo 'no room' >\"$3\"; exit 3;;
        hang*) exec sleep 600;;
        json*) echo '{' >\"$2\";;
        kill*) kill -9 $$;;
        many*) head -c 3000000 /dev/zero >\"$2\";;
        esac";
    let usage = "printf '{}' >\"$2\"";
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("calls.log");
    let log = path.display().to_string();
    let more = [
        ("call_log", &*log),
        ("isolator_prepare_timeout", "300ms"),
        ("kill_grace", "0"),
        ("lifecycle_parallel", "4"),
        ("isolator_usage_cache_ttl", "600"),
        ("call_log_hits", "2"),
        ("isolator_update_command", "/nowhere/update"),
    ];
    let scripts = [("isolator_prepare", prepare_script), ("isolator_usage", usage)];
    let one = instance("control-log", &scripts, &more);
    let kinds = ["good", "exit", "hang", "json", "kill", "many"];
    let launches: Vec<_> = (0..3)
        .flat_map(|round| kinds.map(|kind| prepare(&one, &format!("{kind}{round}"))))
        .collect();
    let answers: Vec<Answer> =
        launches.into_iter().map(|launch| launch.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(answers.len(), 18);
    // A second prepare fails without a command, and of four hits of the cache the first and the
    // third are lines.
    prepare(&one, "good0").recv_timeout(PATIENCE).unwrap();
    one.call(Event::Update, "good0");
    for _ in 0..5 {
        one.usage("good0");
    }
    let expected = 18 + 1 + 1 + one.runs("isolator_usage") + 2;
    until("all lines", || lines(&path).len() >= expected);
    let all = lines(&path);
    assert_eq!(all.len(), expected, "one for each, and no other");
    let runs = counters(&one, "mesos_command_runs_total", "outcome");
    assert_eq!(count(&all, "outcome", true), runs);
    for outcome in ["ok", "exit", "timeout", "invalid_output", "signal", "output_too_large"] {
        assert!(runs.contains_key(outcome), "{outcome}: {runs:?}");
    }
    let failures = counters(&one, "mesos_command_failures_total", "reason");
    assert_eq!(count(&all, "reason", false), failures);
    assert!(failures.contains_key("command_missing") && failures.contains_key("input_error"));
    assert_eq!(one.metric("mesos_command_call_log_lost_total", ""), 0);
    let line = all.iter().find(|line| line["container"] == "exit1").unwrap();
    for (key, value) in [("task", "t"), ("framework", "f"), ("module", "control-log")] {
        assert_eq!(line[key], value, "{line}");
    }
    assert!(line["error"].as_str().unwrap().ends_with("Cause: no room"), "{line}");
    assert!(line["run_seconds"].is_f64() && line["queued_seconds"].is_f64(), "{line}");
    assert!(line["tail"].is_null() && line["text"].is_null(), "{line}");
    two_hits(&all);
}

/// Of the hits of the cache two are lines, of the container whose values they are.
fn two_hits(all: &[Value]) {
    let hits: Vec<_> = all.iter().filter(|line| line["cache"].is_string()).collect();
    assert_eq!(hits.len(), 2, "{hits:?}");
    for hit in hits {
        for (key, value) in
            [("cache", "hit"), ("event", "isolator_usage"), ("container", "good0"), ("task", "t")]
        {
            assert_eq!(hit[key], value, "{hit}");
        }
        assert_eq!((&hit["outcome"], &hit["one_of"]), (&"ok".into(), &2.into()), "{hit}");
        assert!(hit["age_seconds"].as_f64().unwrap() < 600.0 && hit["pid"].is_null(), "{hit}");
    }
}

#[test]
fn answers_from_the_cache_are_no_lines_where_none_is_wanted() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("calls.log");
    let log = path.display().to_string();
    let more = [("call_log", &*log), ("call_log_hits", "0"), ("isolator_usage_cache_ttl", "600")];
    let usage = [("isolator_usage", "printf '{}' >\"$2\"")];
    let one = instance("control-no-hits", &usage, &more);
    prepare(&one, "c1").recv_timeout(PATIENCE).unwrap();
    for _ in 0..5 {
        one.usage("c1");
    }
    // What comes later is behind them in the file.
    prepare(&one, "c2").recv_timeout(PATIENCE).unwrap();
    one.usage("c2");
    until("the last run", || lines(&path).len() >= 2);
    assert!(lines(&path).iter().all(|line| line["cache"].is_null()));
}

#[test]
fn a_log_that_is_rotated_under_load_loses_no_line() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("calls.log");
    let log = path.display().to_string();
    let one = instance("control-rotated", &[("isolator_update", "true")], &[("call_log", &log)]);
    // The file is there again as soon as there is something to write to it.
    let (mut moved, mut updates) = (0, 0);
    until("three rotations", || {
        for _ in 0..10 {
            one.call(Event::Update, &format!("c{updates}"));
            updates += 1;
        }
        if path.exists() {
            moved += 1;
            std::fs::rename(&path, place.path().join(format!("calls.log.{moved}"))).unwrap();
        }
        moved == 3
    });
    let all = || -> Vec<Value> {
        let files = std::fs::read_dir(place.path()).unwrap().flatten();
        files.flat_map(|file| lines(&file.path())).collect()
    };
    until("all lines", || all().len() == updates);
    let containers: std::collections::BTreeSet<_> =
        all().iter().map(|line| line["container"].as_str().unwrap().to_owned()).collect();
    assert_eq!(containers.len(), updates, "each once");
}
