//! `mesos-command worker-test`: workers that break the protocol, each in its own way.

use std::process::Command;

use serde_json::Value;
use test_support::repository;

use crate::support::Place;

/// For a worker that answers, however late.
const PATIENT: [&str; 2] = ["--timeout", "60"];
/// Seconds for one that does not: enough to start an interpreter.
const SHORT: &str = "15";

/// What was checked, and how it came out; what was told.
fn checked(command: &str, more: &[&str]) -> (Vec<(String, bool, String)>, Option<i32>) {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    let done =
        tool.args([&["worker-test", "--json", command], more].concat()).output().expect("it runs");
    let all: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |it: &Value| (text(&it["check"]), it["passed"] == true, text(&it["told"]));
    let checks = all["checks"].as_array().expect("a list").iter().map(one).collect();
    (checks, done.status.code())
}

/// A worker in Python: `answer(request)` says what is printed for a request.
fn worker(place: &Place, body: &str) -> String {
    let text = format!(
        r#"#!/usr/bin/env python3
import json, os, sys, time
def say(text):
    sys.stdout.write(text)
    sys.stdout.flush()
if "MESOS_COMMAND_WORKER" not in os.environ:
    sys.exit(0)
{body}
"#
    );
    place.program("worker", text.as_bytes())
}

const GOOD: &str = r#"for line in sys.stdin:
    request = json.loads(line)
    if "mesos_command_worker" in request:
        say('{"ready":1}\n')
    else:
        say(json.dumps({"id": request["id"], "output": {}}) + "\n")"#;

#[test]
fn the_example_keeps_the_protocol() {
    let (checks, status) =
        checked(&repository("examples/workers/usage.py").display().to_string(), &PATIENT);
    assert!(checks.iter().all(|check| check.1) && status == Some(0), "{checks:#?}");
    let place = Place::new();
    let (checks, status) = checked(&worker(&place, GOOD), &PATIENT);
    assert!(checks.iter().all(|check| check.1) && status == Some(0), "{checks:#?}");
    assert_eq!(checks.len(), 11);
}

#[test]
fn a_worker_that_takes_many_requests_keeps_the_protocol() {
    let (checks, status) =
        checked(&repository("examples/workers/usage_async.py").display().to_string(), &PATIENT);
    assert!(checks.iter().all(|check| check.1) && status == Some(0), "{checks:#?}");
    let told = |name: &str| checks.iter().find(|it| it.0 == name).expect("it is made").2.clone();
    assert!(
        told("handshake").ends_with("takes 16 requests at a time, takes cancels"),
        "{checks:?}"
    );
    assert!(told("multiplex").starts_with("16 requests at a time, answered in "), "{checks:?}");
    assert!(told("cancel").starts_with("answered once, with error "), "{checks:?}");
}

/// What is wrong, the worker's text, the check that it fails, and what is told of it.
type Case = (&'static str, String, &'static str, &'static str);

fn change(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

fn faulty() -> Vec<Case> {
    vec![
        ("no greeting", change("{\"ready\":1}", "{\"ready\":2}"), "handshake", "{\"ready\":1}"),
        ("silence", "time.sleep(600)".to_owned(), "handshake", "said nothing"),
        ("an end", "sys.exit(3)".to_owned(), "handshake", "exit status: 3"),
        ("prose", change("'{\"ready\":1}\\n'", "'hello\\n'"), "handshake", "no JSON"),
        (
            "another id",
            change("request[\"id\"]", "request[\"id\"] + 1"),
            "echo",
            "answered request 7",
        ),
        (
            "chatter",
            change("{}}) + \"\\n\"", "{}}) + \"\\ndone\\n\""),
            "echo",
            "'done' without being asked",
        ),
        ("both", change("\"output\": {}", "\"output\": {}, \"error\": 1"), "echo", "both"),
        ("no end of line", change("{}}) + \"\\n\")", "{}}))"), "echo", "said nothing"),
        ("one only", format!("{GOOD}\n        break"), "many", "closed its output"),
        (
            "short lines",
            change(
                "for line in sys.stdin:\n",
                "for line in iter(lambda: sys.stdin.readline(65536), ''):\n",
            ),
            "huge",
            "",
        ),
        (
            "strict keys",
            change(
                "    else:\n",
                "    elif set(request) > {'id', 'event', 'deadline', 'input'}: sys.exit(4)\n    else:\n",
            ),
            "unknown",
            "exit status: 4",
        ),
        (
            "no care",
            change(
                "    else:\n",
                "    else:\n        request['input']['container_config']['directory']\n",
            ),
            "garbage",
            "closed its output",
        ),
        ("no end", format!("{GOOD}\ntime.sleep(600)"), "eof", "did not end"),
    ]
}

/// What those do wrong that take many requests at a time, or cancels.
fn faulty_with_many() -> Vec<Case> {
    vec![
        (
            "a wish that is none",
            change("\"ready\":1", "\"ready\":1,\"multiplex\":0"),
            "handshake",
            "its `multiplex` is 0",
        ),
        (
            "no word",
            change("\"ready\":1", "\"ready\":1,\"cancel\":1"),
            "handshake",
            "its `cancel` is 1",
        ),
        (
            "one answer for all",
            change(
                "say(json.dumps({\"id\": request[\"id\"],",
                "ids = globals().setdefault('ids', []); ids.append(request['id'])\n        \
                 say(json.dumps({\"id\": ids[0],",
            )
            .replace("\"ready\":1", "\"ready\":1,\"multiplex\":3"),
            "multiplex",
            "which is answered or was not asked",
        ),
        (
            "an answer too many",
            change("else:\n", "elif 'cancel' in request: say('{\"id\":20}\\n')\n    else:\n")
                .replace("\"ready\":1", "\"ready\":1,\"cancel\":true"),
            "cancel",
            "to a cancel of what it had answered",
        ),
    ]
}

#[test]
fn what_breaks_it_is_told() {
    for (what, body, check, told) in faulty().into_iter().chain(faulty_with_many()) {
        let place = Place::new();
        let waits = told.contains("said nothing") || told.contains("did not end");
        let seconds = if waits { SHORT } else { "60" };
        let command = worker(&place, &body);
        let (checks, status) = checked(&command, &["--check", check, "--timeout", seconds]);
        let found = checks.iter().find(|it| it.0 == check).expect("it is made");
        assert_eq!(checks.len(), 1, "{what}");
        assert!(!found.1 && found.2.contains(told), "{what}: {checks:#?}");
        assert_eq!(status, Some(1), "{what}");
    }
}

/// All that follows begins with the greeting.
#[test]
fn without_a_greeting_nothing_else_is_tried() {
    let place = Place::new();
    let (checks, status) = checked(&worker(&place, "sys.exit(3)"), &PATIENT);
    let names: Vec<&str> = checks.iter().map(|it| it.0.as_str()).collect();
    assert_eq!((names, status), (vec!["handshake"], Some(1)));
}

#[test]
fn what_cannot_be_started_is_no_failure() {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    let done = tool.args(["worker-test", "/no/such/worker"]).output().expect("it runs");
    assert_eq!(done.status.code(), Some(2));
}
