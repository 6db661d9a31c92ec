//! `mesos-command load` as an operator uses it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn load(directory: &Path, script: &str, more: &[&str]) -> Output {
    let usage = directory.join("usage");
    std::fs::write(&usage, script).expect("the script");
    std::fs::set_permissions(&usage, PermissionsExt::from_mode(0o755)).expect("its mode");
    let modules = serde_json::json!({"libraries": [{"file": "x.so", "modules": [
        {"name": "com_criteo_mesos_CommandHook", "parameters": [
            {"key": "module_name", "value": "hook"}]},
        {"name": "com_criteo_mesos_CommandIsolator2", "parameters": [
            {"key": "module_name", "value": "load"},
            {"key": "isolator_usage_command", "value": usage},
            {"key": "isolator_usage_cache_ttl", "value": "100ms"},
            {"key": "isolator_usage_stale_while_revalidate", "value": "1secs"}]}]}]});
    let file = directory.join("modules.json");
    std::fs::write(&file, modules.to_string()).expect("the modules file");
    Command::new(env!("CARGO_BIN_EXE_mesos-command"))
        .args(["load", "--rate", "500", "--containers", "10", "--duration", "600ms"])
        .args(["--warm-up", "200ms", "--modules"])
        .arg(&file)
        .args(more)
        .output()
        .expect("it starts")
}

#[test]
fn everything_adds_up_and_is_drawn() {
    let directory = tempfile::tempdir().expect("a directory");
    let plot = directory.path().join("plot.svg");
    let plot_argument = plot.display().to_string();
    let more = ["--json", "--bare", "3", "--plot", &plot_argument];
    let done = load(directory.path(), "#!/bin/sh\nprintf '{\"mem_rss_bytes\":1}' >\"$2\"\n", &more);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("calls"), "no progress: {said}");
    let found: Value = serde_json::from_slice(&done.stdout).expect("one JSON object");
    assert_eq!(found["made"], 400);
    assert_eq!(found["answers"], 400);
    let sum = |key: &str| -> u64 {
        let counts = found[key].as_object().expect("an object");
        counts.values().map(|count| count.as_u64().expect("a count")).sum()
    };
    assert_eq!((sum("outcomes"), sum("cache")), (400, 400));
    let served = |how: &str| found["cache"][how].as_u64().unwrap_or_default();
    assert!(served("hit") > 0, "{found}");
    // What would be old when it is asked for is refreshed ahead, once the pace is known.
    assert!(served("stale") + served("ahead") > 0, "{found}");
    assert!(found["runs"].as_u64() >= Some(10), "at least one for each container");
    assert_eq!(found["latencies"]["all calls"]["calls"], 300);
    assert_eq!(found["latencies"]["command started bare"]["calls"], 3);
    let drawn = std::fs::read_to_string(plot).expect("the plot");
    assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
    assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
}

#[test]
fn failing_commands_are_answered_too_and_bursts_are_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let more = ["--pattern", "bursts", "--burst", "10", "--quiet"];
    let done = load(directory.path(), "#!/bin/sh\nexit 3\n", &more);
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}");
    assert!(text.contains("bursts of 10 every 20ms"), "{text}");
    assert!(text.contains("exit 400 (100.00 %)"), "{text}");
    assert!(text.contains("nothing lost"), "{text}");
}

#[test]
fn what_is_missed_is_a_problem_and_contradictions_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = "#!/bin/sh\nprintf '{}' >\"$2\"\n";
    let done = load(directory.path(), script, &["--p99-at-most", "1ns"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stdout).contains("PROBLEM: p99 is"));
    let done = load(directory.path(), script, &["--every", "10ms"]);
    assert_eq!(done.status.code(), Some(2));
    let done = load(directory.path(), script, &["--module", "hook"]);
    assert_eq!(done.status.code(), Some(2));
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(text.contains("no isolator in the modules file has a command for usage"), "{text}");
}

#[test]
fn a_bare_command_that_fails_is_refused_before_the_load() {
    let directory = tempfile::tempdir().expect("a directory");
    let done = load(directory.path(), "#!/nonexistent/interpreter\n", &["--bare", "3"]);
    let text = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{text}");
    assert!(text.contains("the bare command: "), "{text}");
    assert!(!text.contains("calls"), "progress of a load: {text}");
}
