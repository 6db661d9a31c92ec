//! Asking a running agent: this process, with instances of the engine and a control socket.

use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::Duration;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use serde_json::{Value, json};
use test_support::{skip, wait_for};

use crate::support::{Place, stderr};

/// Far more than the end of a killed command takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// An isolator whose control socket is in a place of its own.
pub(crate) struct Agent {
    pub(crate) place: Place,
    isolator: Isolator,
}

pub(crate) fn agent(module: &str, prepare: &str) -> Agent {
    agent_with(module, prepare, |_| Vec::new())
}

/// With these parameters, too.
pub(crate) fn agent_with(
    module: &str,
    prepare: &str,
    more: impl FnOnce(&Place) -> Vec<(&'static str, String)>,
) -> Agent {
    let place = Place::new();
    let parameters = [
        ("module_name", module.to_owned()),
        ("state_dir", place.text("state")),
        ("temp_dir", place.text("temp")),
        ("control_socket", place.text("c.sock")),
        ("kill_grace", "0".to_owned()),
        ("keep_failures", "0".to_owned()),
        ("isolator_prepare_command", place.script("prepare", prepare)),
    ];
    let parameters = parameters.into_iter().chain(more(&place));
    let parameters: Vec<_> = parameters.map(|(key, value)| (key.to_owned(), value)).collect();
    let isolator = Isolator::create(&parameters).expect("accepted");
    Agent { place, isolator }
}

impl Agent {
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        let socket = self.place.text("c.sock");
        tool(&[arguments, &["--socket", &socket]].concat())
    }

    pub(crate) fn shown(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.shown(&[arguments, &["--json"]].concat())).expect("an object")
    }

    /// Starts a prepare of a container.
    pub(crate) fn prepare(&self, container: &str) -> mpsc::Receiver<Answer> {
        // ContainerConfig: directory (3), command_info (11).
        let config = [0x1a, 2, b'/', b'x', 0x5a, 0];
        let values = [InputValue::Message(&config), InputValue::Message(&id(container))];
        self.call(Event::Prepare, &values)
    }

    /// Starts an isolate of a container.
    pub(crate) fn isolate(&self, container: &str) -> mpsc::Receiver<Answer> {
        let id = id(container);
        let values = [InputValue::Absent, InputValue::Message(&id), InputValue::Integer(1)];
        self.call(Event::Isolate, &values)
    }

    fn call(&self, event: Event, values: &[InputValue<'_>]) -> mpsc::Receiver<Answer> {
        let (sender, receiver) = mpsc::channel();
        let done = Box::new(move |answer| drop(sender.send(answer)));
        self.isolator.call(event, values, done);
        receiver
    }
}

/// A ContainerID.
fn id(container: &str) -> Vec<u8> {
    let length = u8::try_from(container.len()).expect("short");
    [&[0x0a, length], container.as_bytes()].concat()
}

pub(crate) fn tool(arguments: &[&str]) -> Output {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    tool.args(arguments).env_remove("RUST_LOG").output().expect("it runs")
}

#[test]
fn a_call_that_hangs_is_found_and_killed() {
    let agent = agent("tool-kill", "exec sleep 600");
    assert!(agent.shown(&["calls", "--module", "tool-kill"]).contains("no call is in flight"));
    let launch = agent.prepare("c1");
    let call = wait_for("the call", || {
        let answer = agent.json(&["calls", "--module", "tool-kill"]);
        answer["calls"].as_array()?.iter().find(|call| call["pid"].is_i64()).cloned()
    });
    let (id, pid) = (call["id"].to_string(), call["pid"].to_string());
    let table = agent.shown(&["calls", "--module", "tool-kill"]);
    let row = table.lines().find(|line| line.starts_with(&id)).unwrap_or_else(|| panic!("{table}"));
    for part in ["running", "isolator_prepare", "c1", &pid, &agent.place.text("prepare")] {
        assert!(row.contains(part), "{part}: {table}");
    }
    assert!(!table.contains('\u{1b}'), "colours are for terminals");
    let killed = agent.shown(&["kill", &id]);
    assert!(killed.contains(&format!("killed call {id}: isolator_prepare")), "{killed}");
    let answer = launch.recv_timeout(SOON).expect("an answer");
    let Answer::Failure(text) = answer else { panic!("{answer:?}") };
    assert!(text.contains("was killed by an operator"), "{text}");
    let failures = agent.shown(&["failures", "--module", "tool-kill"]);
    assert!(failures.contains(&text) && failures.contains("cancelled, killed"), "{failures}");
    // Again, and one that never was: refused.
    for gone in [&*id, "999999999"] {
        let refused = agent.ask(&["kill", gone]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains("no call"), "{}", stderr(&refused));
    }
}

#[test]
fn status_containers_and_the_log_level_are_shown_and_set() {
    let agent = agent("tool-status", "true");
    agent.prepare("c1").recv_timeout(SOON).expect("an answer");
    let status = agent.shown(&["status", "--module", "tool-status"]);
    for part in ["isolator 'tool-status'", "1 containers", "kill_grace = 0", "isolator_prepare: "] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert!(!status.contains("(default)"));
    let all = agent.shown(&["status", "--module", "tool-status", "--parameters"]);
    assert!(all.contains("max_output_bytes = 1MiB (default)"), "{all}");
    let containers = agent.shown(&["containers", "--module", "tool-status"]);
    assert!(containers.lines().any(|line| line.starts_with("c1 ")), "{containers}");
    let one = agent.shown(&["containers", "c1", "--module", "tool-status"]);
    assert!(one.contains("\"directory\": \"/x\""), "{one}");
    let level = agent.shown(&["log-level", "debug", "--module", "tool-status"]);
    assert_eq!(level, "isolator 'tool-status': debug=true\n");
    assert_eq!(agent.json(&["status", "--module", "tool-status"])["instances"][0]["debug"], true);
    agent.shown(&["log-level", "normal", "--module", "tool-status"]);
    assert_eq!(agent.ask(&["status", "--module", "nobody"]).status.code(), Some(1));
    assert_eq!(agent.ask(&["reset-breaker", "isolator_usage"]).status.code(), Some(1));
    assert_eq!(agent.ask(&["log-level", "loud"]).status.code(), Some(2));
}

#[test]
fn a_command_is_shown_with_its_mode() {
    let agent = agent_with("tool-mode", "true", |place| {
        let script = place.program("isolate.py", b"#!/usr/bin/python3\n");
        vec![
            ("isolator_isolate_command", script),
            ("isolator_isolate_mode", "warm".to_owned()),
            ("isolator_isolate_timeout", "7s".to_owned()),
        ]
    });
    let status = agent.shown(&["status", "--module", "tool-mode"]);
    let command = |event: &str, name: &str| format!("  {event}: {} (", agent.place.text(name));
    let warm = command("isolator_isolate", "isolate.py") + "timeout 7.00s, mode warm)\n";
    assert!(status.contains(&warm), "{status}");
    let plain = command("isolator_prepare", "prepare");
    let line = status.lines().find(|line| line.starts_with(&plain)).expect(&status);
    assert!(!line.contains("mode"), "{line}");
    wait_for("the interpreter", || {
        let status = agent.shown(&["status", "--module", "tool-mode"]);
        let is_up = |line: &&str| {
            line.starts_with("  warm interpreter of isolator_isolate: pid ")
                && line.contains(" 1 ready, ")
        };
        status.lines().find(is_up).map(str::to_owned)
    });
}

#[test]
fn a_warm_interpreter_that_cannot_be_started_is_shown_with_the_reason() {
    let agent = agent_with("tool-no-interpreter", "true", |place| {
        let script = place.program("isolate.py", b"");
        let interpreter = place.script("python3", "echo no luck >&2; exit 3");
        std::fs::write(&script, format!("#!{interpreter}\n")).expect("a script");
        vec![("isolator_isolate_command", script), ("isolator_isolate_mode", "warm".to_owned())]
    });
    wait_for("the reason", || {
        let status = agent.shown(&["status", "--module", "tool-no-interpreter"]);
        let none = "no warm interpreter of isolator_isolate: it ended before it was ready";
        let line = status.lines().find(|line| line.contains(none))?;
        line.contains("no luck").then(|| line.to_owned())
    });
}

/// Writes an environment with one variable.
fn variable(value: u32) -> String {
    let json = json!({"environment": {"variables": [{"name": "A", "value": value.to_string()}]}});
    format!("printf '%s' '{json}' >\"$2\"")
}

#[test]
fn in_what_a_shadow_differs_is_shown_by_places() {
    let agent = agent_with("tool-shadow", &variable(1), |place| {
        let shadow = place.script("shadow", &variable(2));
        vec![("isolator_prepare_shadow_command", shadow)]
    });
    let arguments = ["status", "--module", "tool-shadow"];
    let before = agent.shown(&arguments);
    let script = agent.place.text("shadow");
    assert!(before.contains(&format!("  shadow of isolator_prepare: {script}\n")), "{before}");
    assert!(before.contains("    0 same, 0 different, 0 failed, 0 dropped\n"), "{before}");
    agent.prepare("c1").recv_timeout(SOON).expect("an answer");
    let status = wait_for("the comparison", || {
        Some(agent.shown(&arguments)).filter(|status| status.contains("1 different"))
    });
    assert!(status.contains("    0 same, 1 different, 0 failed, 0 dropped\n"), "{status}");
    assert!(status.contains(" of c1: different\n"), "{status}");
    let place = "      environment.variables[0].value: \"2\", not \"1\"\n";
    assert!(status.contains(place), "{status}");
}

#[test]
fn finished_calls_are_followed() {
    let agent = agent("tool-tail", "echo no >\"$3\"; exit 3");
    let socket = agent.place.text("c.sock");
    let arguments = ["tail", "--module", "tool-tail", "--count", "2", "--socket", &socket];
    let mut tail = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    let tail = tail.args(arguments).stdout(std::process::Stdio::piped()).spawn().expect("it runs");
    // It follows from some moment on.
    let mut number = 0;
    let mut tail = Some(tail);
    let shown = wait_for("two lines", || {
        number += 1;
        agent.prepare(&format!("c{number}")).recv_timeout(SOON).expect("an answer");
        let ended = tail.as_mut()?.try_wait().expect("it can be asked").is_some();
        ended.then(|| tail.take()?.wait_with_output().ok()).flatten()
    });
    let text = String::from_utf8(shown.stdout).expect("UTF-8");
    assert_eq!((shown.status.code(), text.lines().count()), (Some(0), 2), "{text}");
    for line in text.lines() {
        assert!(line.contains("isolator_prepare 'tool-tail' exit"), "{text}");
        assert!(line.ends_with("exited with return code 3. Cause: no"), "{text}");
    }
    assert_eq!(agent.ask(&["tail", "--event", "nonsense"]).status.code(), Some(1));
}

#[test]
fn where_nobody_can_be_asked_it_says_why() {
    let place = Place::new();
    let none = tool(&["calls", "--socket", &place.text("none.sock")]);
    assert_eq!(none.status.code(), Some(3));
    assert!(stderr(&none).contains("there is no such socket"), "{}", stderr(&none));
    drop(std::os::unix::net::UnixListener::bind(place.path("dead.sock")).expect("bound"));
    let dead = tool(&["calls", "--socket", &place.text("dead.sock")]);
    assert_eq!(dead.status.code(), Some(3));
    assert!(stderr(&dead).contains("nobody listens"), "{}", stderr(&dead));
    let pid = tool(&["calls", "--pid", "4194305"]);
    assert_eq!(pid.status.code(), Some(3));
}

#[test]
fn an_agent_is_found_by_itself_or_among_others() {
    if !nix::unistd::geteuid().is_root() {
        return skip("the default control socket", "only root can make a directory in /run");
    }
    let place = Place::new();
    let parameters = [("module_name", "tool-found"), ("state_dir", &place.text("state"))];
    let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let _isolator = Isolator::create(&parameters).expect("accepted");
    let pid = std::process::id().to_string();
    let own = tool(&["status", "--pid", &pid, "--module", "tool-found"]);
    assert_eq!(own.status.code(), Some(0), "{}", stderr(&own));
    // Other agents, and tests, may run on this machine.
    let found = tool(&["status", "--module", "tool-found"]);
    match found.status.code() {
        Some(0) => {}
        Some(3) => assert!(stderr(&found).contains(&format!("{pid} (")), "{}", stderr(&found)),
        other => panic!("{other:?}: {}", stderr(&found)),
    }
}
