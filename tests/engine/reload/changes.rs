//! What follows a reload, and what needs a restart.

use std::time::{Duration, Instant};

use mesos_command::call::Answer;
use mesos_command::event::Event;
use test_support::{collect_log, logged};

use super::{Rig, at, place};
use crate::support::{PATIENCE, until};

const ONE: &str = "printf '{\"mem_rss_bytes\":1}' >\"$2\"";
const TWO: &str = "printf '{\"mem_rss_bytes\":2}' >\"$2\"";

#[test]
fn a_value_of_the_cache_expires_with_the_command_that_brought_it() {
    let scripts = place(&[("u1", ONE), ("u2", TWO)]);
    let [one, two] = ["u1", "u2"].map(|name| at(scripts.path(), name));
    let ttl = ("isolator_usage_cache_ttl", "600");
    let rig = Rig::new("reload-cache", scripts, &[("isolator_usage_command", &one), ttl], &[]);
    rig.call(Event::Prepare, "c");
    assert_eq!([rig.usage("c"), rig.usage("c")], [r#"{"mem_rss_bytes":1}"#; 2]);
    assert_eq!(rig.metric("mesos_command_runs_total", ""), 1.0);
    // Nothing that values depend on.
    rig.write(&[("isolator_usage_command", &one), ttl, ("kill_grace", "1s")], &[]);
    let [isolator, _] = rig.reload();
    assert_eq!(isolator["changed"].as_array().unwrap().len(), 0, "the default, given");
    assert_eq!(rig.usage("c"), r#"{"mem_rss_bytes":1}"#);
    assert_eq!(rig.metric("mesos_command_runs_total", ""), 1.0);
    rig.write(&[("isolator_usage_command", &two), ttl], &[]);
    rig.reload();
    assert_eq!([rig.usage("c"), rig.usage("c")], [r#"{"mem_rss_bytes":2}"#; 2]);
    assert_eq!(rig.metric("mesos_command_runs_total", ""), 2.0);
    // A life that is shorter holds at once, too.
    rig.write(&[("isolator_usage_command", &two), ("isolator_usage_cache_ttl", "1ms")], &[]);
    rig.reload();
    until("another run", || {
        rig.usage("c");
        rig.metric("mesos_command_runs_total", "") > 3.0
    });
}

#[test]
fn a_usage_command_that_hangs_keeps_nobody_from_the_one_in_its_place() {
    let scripts = place(&[("hang", "echo run >>\"$0.runs\"; exec sleep 600"), ("u2", TWO)]);
    let [hang, two] = ["hang", "u2"].map(|name| at(scripts.path(), name));
    let long = ("isolator_usage_timeout", "600");
    let command = |path| [("isolator_usage_command", path), long, ("kill_grace", "0")];
    let rig = Rig::new("reload-hang", scripts, &command(hang.as_str()), &[]);
    rig.call(Event::Prepare, "c");
    let waits = rig.start(Event::Usage, "c");
    until("its start", || rig.place.path().join("hang.runs").exists());
    rig.write(&command(&two), &[]);
    rig.reload();
    assert_eq!(rig.usage("c"), r#"{"mem_rss_bytes":2}"#, "it does not wait for the one before");
    assert!(waits.try_recv().is_err(), "who came before still does");
    let calls = crate::control::ask(&rig.socket(), "GET", "/v1/calls?module=reload-hang", 200);
    let id = calls["calls"][0]["id"].as_u64().unwrap();
    crate::control::ask(&rig.socket(), "POST", &format!("/v1/calls/{id}/kill"), 200);
    waits.recv_timeout(PATIENCE).unwrap();
    assert_eq!(rig.usage("c"), r#"{"mem_rss_bytes":2}"#, "its failure is forgotten");
}

#[test]
fn a_call_on_its_way_keeps_its_timeout_and_its_failure_answer() {
    let scripts = place(&[("hang", "echo run >>\"$0.runs\"; exec sleep 600")]);
    let hang = at(scripts.path(), "hang");
    let command = ("isolator_prepare_command", hang.as_str());
    let slow = [command, ("isolator_prepare_timeout", "600"), ("kill_grace", "0")];
    let rig = Rig::new("reload-flight", scripts, &slow, &[]);
    let first = rig.start(Event::Prepare, "first");
    until("its start", || rig.place.path().join("hang.runs").exists());
    let quick = [
        command,
        ("isolator_prepare_timeout", "1"),
        ("isolator_prepare_failure", "ignore"),
        ("lifecycle_parallel", "2"),
        ("kill_grace", "0"),
    ];
    rig.write(&quick, &[]);
    rig.reload();
    let second = rig.call(Event::Prepare, "second");
    assert_eq!(second, Answer::Nothing, "its timeout is short, and its failure ignored");
    assert!(first.try_recv().is_err(), "the first one goes on");
    let calls = crate::control::ask(&rig.socket(), "GET", "/v1/calls?module=reload-flight", 200);
    let id = calls["calls"][0]["id"].as_u64().unwrap();
    crate::control::ask(&rig.socket(), "POST", &format!("/v1/calls/{id}/kill"), 200);
    let answer = first.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(answer, Answer::Failure(_)), "as it was when it began: {answer:?}");
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_holds() {
    collect_log();
    let scripts = place(&[("p", "true"), ("h", "true")]);
    let (command, hook) = (at(scripts.path(), "p"), at(scripts.path(), "h"));
    let first = [("isolator_prepare_command", command.as_str()), ("isolator_prepare_timeout", "7")];
    let rig = Rig::new("reload-restart", scripts, &first, &[]);
    let wanted = [
        ("isolator_prepare_command", command.as_str()),
        ("isolator_prepare_timeout", "9"),
        ("nested", "false"),
        ("isolator_update_command", command.as_str()),
        ("isolator_update_when", "nested"),
        ("isolator_isolate_command", command.as_str()),
        ("debug", "true"),
    ];
    rig.write(&wanted, &[("hook_slave_attributes_decorator_command", &hook)]);
    let [isolator, of_hook] = rig.reload();
    let keys = |value: &serde_json::Value, list: &str| -> Vec<String> {
        let all = value[list].as_array().unwrap();
        all.iter().map(|one| one["key"].as_str().unwrap().to_owned()).collect()
    };
    let pending = keys(&isolator, "needs_restart");
    assert!(pending.contains(&"nested".to_owned()), "{pending:?}");
    assert!(pending.contains(&"isolator_update_command".to_owned()), "{pending:?}");
    assert!(pending.iter().all(|key| key == "nested" || key.starts_with("isolator_update_")));
    let changed = keys(&isolator, "changed");
    for key in ["isolator_prepare_timeout", "isolator_isolate_command", "debug"] {
        assert!(changed.contains(&key.to_owned()), "{key}: {changed:?}");
    }
    let pending = keys(&of_hook, "needs_restart");
    assert!(pending.contains(&"hook_slave_attributes_decorator_command".to_owned()), "{pending:?}");
    assert!(rig.isolator.supports_nesting(), "it stays");
    assert_eq!(rig.holds("isolator_prepare_timeout"), "9");
    let status = rig.status();
    assert_eq!(status["debug"], true);
    assert!(status["reloaded_seconds"].is_f64(), "{status}");
    assert!(status["needs_restart"].as_array().unwrap().contains(&"nested".into()), "{status}");
    let line = logged("isolator module 'reload-restart' is reloaded: ").pop().unwrap();
    assert!(line.contains("isolator_prepare_timeout=9 (was 7)"), "{line}");
    assert!(line.contains("need a restart of the agent: ") && line.contains("nested=false"));
    // The event that was added is run.
    rig.call(Event::Prepare, "c");
    assert_eq!(rig.metric("mesos_command_runs_total", "event=\"isolator_prepare\""), 1.0);
}

#[test]
fn the_lanes_follow_and_what_waits_keeps_its_place() {
    let scripts = place(&[(
        "u",
        "echo run >>\"$0.runs\"; while [ ! -e \"$0.go\" ]; do sleep 0.02; done; echo '{}' >\"$2\"",
    )]);
    let (path, command) = (scripts.path().to_owned(), at(scripts.path(), "u"));
    let usage = ("isolator_usage_command", command.as_str());
    let timeout = ("isolator_usage_timeout", "600");
    let narrow = [usage, timeout, ("max_parallel", "1")];
    let rig = Rig::new("reload-lanes", scripts, &narrow, &[]);
    let running = || {
        let text = std::fs::read_to_string(path.join("u.runs")).unwrap_or_default();
        text.lines().count()
    };
    let waiting: Vec<_> = (0..6)
        .map(|number| {
            rig.call(Event::Prepare, &format!("c{number}"));
            rig.start(Event::Usage, &format!("c{number}"))
        })
        .collect();
    until("the first", || running() == 1);
    rig.write(&[usage, timeout, ("max_parallel", "4")], &[]);
    rig.reload();
    until("four at a time", || running() == 4);
    rig.write(&narrow, &[]);
    rig.reload();
    std::fs::write(path.join("u.go"), "").unwrap();
    for answer in waiting {
        answer.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(running(), 6);
}

#[test]
fn a_watch_goes_on_with_the_command_that_holds() {
    let scripts = place(&[
        ("w1", "echo run >>\"$0.runs\""),
        ("w2", "printf '{\"message\":\"two\"}' >\"$2\""),
    ]);
    let paths = ["w1", "w2"].map(|name| at(scripts.path(), name));
    let runs = scripts.path().join("w1.runs");
    let parameters = |path| [("isolator_watch_command", path), ("isolator_watch_interval", "10ms")];
    let rig = Rig::new("reload-watch", scripts, &parameters(paths[0].as_str()), &[]);
    rig.call(Event::Prepare, "c");
    let watch = rig.start(Event::Watch, "c");
    until("its first run", || runs.exists());
    rig.write(&parameters(paths[1].as_str()), &[]);
    rig.reload();
    let Answer::Message(_) = watch.recv_timeout(PATIENCE).unwrap() else { panic!("no limitation") };
    assert_eq!(rig.metric("mesos_command_calls_total", "isolator_watch"), 1.0);
}

#[test]
fn a_file_that_is_watched_is_read_when_it_has_changed() {
    let scripts = place(&[("u1", ONE), ("u2", TWO)]);
    let [one, two] = ["u1", "u2"].map(|name| at(scripts.path(), name));
    let auto = ("reload", "auto");
    let rig = Rig::new("reload-auto", scripts, &[("isolator_usage_command", &one), auto], &[auto]);
    rig.call(Event::Prepare, "c");
    assert_eq!(rig.usage("c"), r#"{"mem_rss_bytes":1}"#);
    let before = rig.metric("mesos_command_reload_success_timestamp_seconds", "");
    // The first look may not have been taken yet.
    let mut written = Instant::now();
    rig.write(&[("isolator_usage_command", &two), auto], &[auto]);
    until("the new command", || {
        if written.elapsed() > Duration::from_secs(10) {
            rig.write(&[("isolator_usage_command", &two), auto], &[auto]);
            written = Instant::now();
        }
        rig.usage("c") == r#"{"mem_rss_bytes":2}"#
    });
    assert!(rig.metric("mesos_command_reload_success_timestamp_seconds", "") > before);
}
