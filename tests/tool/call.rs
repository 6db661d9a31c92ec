//! `mesos-command call`: every event, every outcome, any order.

use std::time::Instant;

use serde_json::{Value, json};
use test_support::PATIENCE;

use crate::support::{Place, stderr};

const USAGE: &str = r#"printf '{"mem_rss_bytes":7}' >"$2""#;

fn field<'a>(call: &'a Value, key: &str) -> &'a str {
    call[key].as_str().unwrap_or_else(|| panic!("{key} of {call}"))
}

fn three_containers(place: &Place) {
    let one = |name: &str| {
        let config = json!({"command_info": {"value": "x"}, "directory": format!("/{name}")});
        json!({"container_id": {"value": name}, "container_config": config})
    };
    place.input(&json!({"containers": [one("a"), one("b"), one("c")]}));
}

#[test]
fn a_batch_command_alone_answers_usage_of_one_and_of_several() {
    let place = Place::new();
    let batch = place.script(
        "batch",
        r#"cat "$1" >>"$D/inputs"; echo >>"$D/inputs"
printf '{"c1":{"mem_rss_bytes":1},"a":{"mem_rss_bytes":2},"b":{"cpus_limit":"x"}}' >"$2""#,
    );
    place.modules(&[("isolator_usage_batch_command", &batch)]);
    for event in ["isolator_usage", "isolator_usage_batch"] {
        let (calls, done) = place.call(&[event]);
        assert!(done.status.success(), "{}", stderr(&done));
        assert!(!stderr(&done).contains("containment"), "{}", stderr(&done));
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert_eq!(calls[0]["answer"], json!({"mem_rss_bytes": 1}));
        assert_eq!((&calls[0]["batch"], field(&calls[0], "outcome")), (&json!(true), "ok"));
    }
    three_containers(&place);
    std::fs::remove_file(place.path("inputs")).expect("inputs");
    let (calls, done) = place.call(&["isolator_usage"]);
    assert_eq!(done.status.code(), Some(1), "one part cannot be used: {calls:?}");
    assert_eq!(place.read("inputs").lines().count(), 1, "one run for all");
    let outcomes: Vec<_> =
        calls.iter().map(|call| (field(call, "container"), field(call, "outcome"))).collect();
    assert_eq!(outcomes, [("a", "ok"), ("b", "invalid_output"), ("c", "ok")]);
    assert_eq!(calls[0]["answer"], json!({"mem_rss_bytes": 2}));
    assert!(calls[2]["notes"].to_string().contains("nothing for it"), "{}", calls[2]);
}

#[test]
fn one_run_of_a_watch_command_is_shown_as_it_ended() {
    let place = Place::new();
    let watch = place.script(
        "watch",
        r#"echo run >>"$D/runs"; cat "$D/say" >"$2" 2>/dev/null; exit "$(cat "$D/code")""#,
    );
    place.modules(&[("isolator_watch_command", &watch), ("isolator_watch_frequence", "3600")]);
    let limitation = r#"{"message":"full","reason":"REASON_CONTAINER_LIMITATION_DISK"}"#;
    for (code, say, outcome, exit, mesos) in [
        ("0", "", "ok", 0, "keeps the container; the command would run again after 3600s"),
        ("3", "", "exit", 1, "is told nothing of the failure"),
        ("0", "no JSON", "invalid_output", 1, "is told nothing of the failure"),
        ("0", limitation, "ok", 0, "destroys the container"),
        ("0", "{}", "ok", 0, "destroys the container: `{}` is a limitation too"),
    ] {
        std::fs::write(place.path("code"), code).expect("code");
        std::fs::write(place.path("say"), say).expect("say");
        let _ = std::fs::remove_file(place.path("runs"));
        let start = Instant::now();
        let (calls, done) = place.call(&["isolator_watch"]);
        assert!(start.elapsed() < PATIENCE, "it waits for a second run");
        assert_eq!(place.read("runs"), "run\n");
        assert_eq!(
            (field(&calls[0], "outcome"), done.status.code()),
            (outcome, Some(exit)),
            "{say}"
        );
        assert!(field(&calls[0], "mesos").starts_with(mesos), "{}", calls[0]);
    }
}

#[test]
fn more_runs_of_a_watch_command_are_made_when_asked_for() {
    let place = Place::new();
    let watch = place.script(
        "watch",
        r#"echo run >>"$D/runs"; [ "$(wc -l <"$D/runs")" -lt 2 ] || echo '{}' >"$2""#,
    );
    place.modules(&[("isolator_watch_command", &watch), ("isolator_watch_frequence", "1")]);
    let (calls, _) = place.call(&["--watch-runs", "5", "isolator_watch"]);
    assert_eq!(place.read("runs"), "run\nrun\n", "until it reports a limitation");
    assert!(field(&calls[0], "mesos").starts_with("destroys"));
}

#[test]
fn every_outcome_is_told() {
    let place = Place::new();
    for (body, more, outcome, told) in [
        ("echo why >\"$3\"; echo loud >&2; exit 7", vec![], "exit", "exit code 7"),
        ("kill -USR1 $$", vec![], "signal", "signal 10 (SIGUSR1)"),
        (
            "sleep 1000",
            vec![("isolator_prepare_timeout", "1"), ("kill_grace", "0")],
            "timeout",
            "KILL",
        ),
        ("sleep 1000", vec![("isolator_prepare_timeout", "1")], "timeout", "TERM"),
        ("echo nonsense >\"$2\"", vec![], "invalid_output", "Malformed JSON"),
        (
            "printf '%100s' x >\"$2\"",
            vec![("max_output_bytes", "10")],
            "output_too_large",
            "100 bytes",
        ),
        (
            "sleep 1000 >/dev/null 2>&1 & echo $! >\"$D/pid\"",
            vec![],
            "ok",
            "live on (background=keep)",
        ),
        ("echo 'a\tb' >&2", vec![], "ok", "a\\tb"),
    ] {
        let prepare = place.script("prepare", body);
        let mut parameters = vec![("isolator_prepare_command", prepare.as_str())];
        parameters.extend(more);
        place.modules(&parameters);
        let shown = place.shown(&["isolator_prepare"]);
        assert!(
            shown.starts_with(&format!("isolator_prepare  c1  {outcome}  ")),
            "{body}: {shown}"
        );
        assert!(shown.contains(told), "{body}: {shown}");
        assert!(shown.contains("\n  Mesos     "), "{body}: {shown}");
    }
    let kept: i32 = place.read("pid").trim().parse().expect("a pid");
    let kept = nix::unistd::Pid::from_raw(kept);
    nix::sys::signal::kill(kept, nix::sys::signal::Signal::SIGKILL).expect("it lives on");
    let missing = place.text("missing");
    place.modules(&[("isolator_prepare_command", &missing)]);
    let shown = place.shown(&["isolator_prepare"]);
    assert!(shown.starts_with("isolator_prepare  c1  spawn_error  "), "{shown}");
    assert!(shown.contains("not started") && shown.contains("fails the launch"), "{shown}");
}

#[test]
fn text_of_the_command_stays_text() {
    let place = Place::new();
    let prepare = place
        .script("prepare", r#"printf '\033[2J\r\007' >&2; printf '\033]0;x\007' >"$3"; exit 1"#);
    place.modules(&[("isolator_prepare_command", &prepare)]);
    let shown = place.shown(&["isolator_prepare"]);
    assert!(shown.contains("\\x1b[2J"), "{shown}");
    assert!(shown.bytes().all(|byte| byte == b'\n' || byte >= b' '), "{shown:?}");
}

#[test]
fn the_order_of_events_does_not_matter() {
    let place = Place::new();
    let usage = place.script("usage", USAGE);
    let true_ = place.script("true", "grep -q '\"directory\"' \"$1\"");
    place.modules(&[
        ("isolator_usage_command", &usage),
        ("isolator_prepare_command", &true_),
        ("isolator_isolate_command", &true_),
        ("isolator_watch_command", &true_),
        ("isolator_cleanup_command", &true_),
        ("isolator_usage_cache_ttl", "0"),
    ]);
    let events = ["usage", "prepare", "prepare", "cleanup", "usage", "watch", "isolate", "prepare"];
    let events = events.map(|event| format!("isolator_{event}"));
    let (calls, done) = place.call(&events.each_ref().map(String::as_str));
    assert!(done.status.success(), "{calls:?} {}", stderr(&done));
    assert_eq!(calls.len(), events.len());
    for (call, event) in calls.iter().zip(&events) {
        assert_eq!((field(call, "event"), field(call, "outcome")), (event.as_str(), "ok"));
        assert_eq!(call["exit_code"], 0, "{call}");
    }
    assert_eq!(calls[0]["answer"], json!({"mem_rss_bytes": 7}));
    assert!(calls[2]["notes"].to_string().contains("forgotten"), "{}", calls[2]);
}

#[test]
fn a_hook_that_runs_behind_is_waited_for() {
    let place = Place::new();
    let lost = place.script("lost", "sleep 0.2; exit 4");
    place.modules(&[("hook_master_slave_lost_hook_command", &lost)]);
    let (calls, done) = place.call(&["hook_master_slave_lost_hook"]);
    assert_eq!(done.status.code(), Some(1));
    assert_eq!((field(&calls[0], "outcome"), &calls[0]["exit_code"]), ("exit", &json!(4)));
}

#[test]
fn what_cannot_be_called_is_said_with_exit_status_2() {
    let place = Place::new();
    place.modules(&[("isolator_usage_command", "/bin/true")]);
    let (_, done) = place.call(&["isolator_prepare"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(stderr(&done).contains("'isolator_prepare_command' is not set"), "{}", stderr(&done));
    place.input(&json!({}));
    let (_, done) = place.call(&["isolator_usage"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(stderr(&done).contains("needs the input 'container_id'"), "{}", stderr(&done));
}

#[test]
fn the_environment_chooses_how_commands_are_started_and_unknown_ways_are_refused() {
    let place = Place::new();
    let usage = place.script("usage", USAGE);
    place.modules(&[("isolator_usage_command", &usage)]);
    let call = |method: &str| {
        let mut command = place.command("call", &["isolator_usage"]);
        command.env("MESOS_COMMAND_SPAWN", method).output().expect("it runs")
    };
    for (method, is_told) in [("clone", false), ("posix_spawn", true)] {
        let done = call(method);
        assert!(done.status.success(), "{}", stderr(&done));
        let shown = String::from_utf8_lossy(&done.stdout).into_owned() + &stderr(&done);
        assert_eq!(shown.contains("commands are started by posix_spawn"), is_told, "{shown}");
    }
    for (key, value) in [("isolator_usage_nice", "5"), ("isolator_usage_rlimit_nofile", "64")] {
        place.modules(&[("isolator_usage_command", &usage), (key, value)]);
        let done = call("posix_spawn");
        assert!(!done.status.success(), "{key}");
        assert!(stderr(&done).contains(key), "{}", stderr(&done));
        assert!(stderr(&done).contains("MESOS_COMMAND_SPAWN"), "{}", stderr(&done));
    }
    place.modules(&[("isolator_usage_command", &usage)]);
    let done = call("fork");
    assert_eq!(done.status.code(), Some(2), "{}", stderr(&done));
    for word in ["MESOS_COMMAND_SPAWN", "\"fork\"", "'clone'", "'posix_spawn'"] {
        assert!(stderr(&done).contains(word), "{}", stderr(&done));
    }
}

#[test]
fn what_goes_in_and_comes_out_is_shown_when_it_is_asked_for() {
    let place = Place::new();
    let command = place.script("usage", "printf '{ \"mem_rss_bytes\": 1 }' >\"$2\"");
    place.modules(&[("isolator_usage_command", &command)]);
    let shown = place.shown(&["--verbose", "isolator_usage"]);
    for line in [
        "  input     {\"container_config\":{\"command_info\":",
        &format!("  argv      {command} INPUT OUTPUT ERROR\n"),
        "  env       MESOS_COMMAND_EVENT=isolator_usage MESOS_COMMAND_MODULE=test MESOS_CONTAINER_ID=c1 ",
        "  output    {\"mem_rss_bytes\":1}",
        "  times     waited ",
    ] {
        assert!(shown.contains(line), "no '{line}' in:\n{shown}");
    }
    let (calls, _) = place.call(&["--verbose", "isolator_usage"]);
    assert_eq!(calls[0]["detail"]["env"][0], "MESOS_COMMAND_EVENT=isolator_usage");
    let (calls, _) = place.call(&["isolator_usage"]);
    assert!(calls[0].get("detail").is_none());
}
