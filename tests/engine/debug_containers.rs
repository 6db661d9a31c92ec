//! `skip_debug_containers`: nothing is run for containers of class DEBUG, neither when they are
//! prepared nor when a restarted agent finds them.

use std::sync::mpsc;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{collect_log, logged};

use crate::support::{PATIENCE, bytes, write_script};

/// Names of containers as Mesos makes them.
const TASK: &str = "d1f8a3c0-3b7d-4d7e-9d0c-012345678901";
const CHECK: &str = "d1f8a3c0-3b7d-4d7e-9d0c-012345678902";
const GONE: &str = "d1f8a3c0-3b7d-4d7e-9d0c-012345678903";
const WORK: &str = "/work/a/slaves/S/frameworks/F/executors/E/runs";

/// An agent's isolator, whose commands leave their inputs.
struct Agent {
    isolator: Isolator,
}

fn agent(place: &TempDir, skips: bool) -> Agent {
    let path = |name: &str| place.path().join(name).display().to_string();
    let mut parameters = vec![
        ("module_name".to_owned(), "debug-containers".to_owned()),
        ("state_dir".to_owned(), path("state")),
        ("control_socket".to_owned(), "none".to_owned()),
        ("keep_failures".to_owned(), "0".to_owned()),
        ("skip_debug_containers".to_owned(), skips.to_string()),
    ];
    for event in ["prepare", "isolate", "update", "usage", "status", "cleanup", "recover"] {
        let script = path(event);
        write_script(script.as_ref(), "cat \"$1\" >>\"$0.seen\"; echo >>\"$0.seen\"");
        parameters.push((format!("isolator_{event}_command"), script));
    }
    Agent { isolator: Isolator::create(&parameters).unwrap() }
}

/// The task's container, or one that was made in it for a check.
fn id(name: &str) -> Value {
    match name {
        TASK => json!({"value": TASK}),
        child => json!({"value": child, "parent": {"value": TASK}}),
    }
}

impl Agent {
    fn call(&self, event: Event, values: &[InputValue<'_>]) -> Answer {
        let (sender, receiver) = mpsc::channel();
        self.isolator.call(event, values, Box::new(move |answer| drop(sender.send(answer))));
        receiver.recv_timeout(PATIENCE).unwrap()
    }

    fn prepare(&self, name: &str) {
        let mut config = json!({"directory": format!("{WORK}/{TASK}"), "command_info": {}});
        if name != TASK {
            config["container_class"] = "DEBUG".into();
        }
        let config = bytes("mesos.slave.ContainerConfig", &config);
        let id = bytes("mesos.ContainerID", &id(name));
        let values = [InputValue::Message(&config), InputValue::Message(&id)];
        assert_eq!(self.call(Event::Prepare, &values), Answer::Nothing);
    }

    /// What else Mesos calls of a container.
    fn play(&self, name: &str, events: &[Event]) {
        let id = bytes("mesos.ContainerID", &id(name));
        for event in events {
            let mut values = vec![InputValue::Absent, InputValue::Message(&id)];
            match event {
                Event::Isolate => values.push(InputValue::Integer(1)),
                Event::Update => {
                    values.extend([InputValue::Absent, InputValue::Messages(Vec::new())]);
                }
                _ => {}
            }
            let answer = self.call(*event, &values);
            assert!(!matches!(answer, Answer::Failure(_)), "{event:?}: {answer:?}");
        }
    }

    /// The task lives; its check is one that Mesos is about to destroy.
    fn recover(&self) {
        let state =
            json!({"container_id": id(TASK), "pid": 1, "directory": format!("{WORK}/{TASK}")});
        let state = bytes("mesos.slave.ContainerState", &state);
        let orphan = bytes("mesos.ContainerID", &id(CHECK));
        let values = [InputValue::Messages(vec![&orphan]), InputValue::Messages(vec![&state])];
        assert_eq!(self.call(Event::Recover, &values), Answer::Nothing);
    }
}

fn seen(place: &TempDir, event: &str) -> String {
    std::fs::read_to_string(place.path().join(format!("{event}.seen"))).unwrap_or_default()
}

const CALLS: [Event; 4] = [Event::Isolate, Event::Update, Event::Usage, Event::Status];

#[test]
fn they_are_left_out_before_and_after_a_restart_of_the_agent() {
    collect_log();
    let place = tempfile::tempdir().unwrap();
    let first = agent(&place, true);
    for name in [TASK, CHECK, GONE] {
        first.prepare(name);
        first.play(name, &CALLS);
    }
    drop(first);
    let second = agent(&place, true);
    second.recover();
    for name in [TASK, CHECK] {
        second.play(name, &CALLS);
        second.play(name, &[Event::Cleanup]);
    }
    for event in ["prepare", "isolate", "update", "usage", "status", "cleanup"] {
        let seen = seen(&place, event);
        assert!(seen.contains(TASK), "{event}: {seen}");
        assert!(!seen.contains(CHECK) && !seen.contains(GONE), "{event}: {seen}");
    }
    // Of one that is gone, and was left out, recover is not told either.
    let recovered: Value = serde_json::from_str(&seen(&place, "recover")).unwrap();
    assert_eq!(recovered.get("lost"), None, "{recovered}");
    let doubt = format!("container {TASK}.{CHECK} is recovered without its context");
    assert_eq!(logged(&doubt), [""; 0]);
    let contexts = std::fs::read_dir(place.path().join("state/debug-containers"));
    assert_eq!(contexts.map_or(0, Iterator::count), 0, "none stays");
}

#[test]
fn what_holds_is_what_the_agent_is_started_with() {
    let place = tempfile::tempdir().unwrap();
    let first = agent(&place, false);
    first.prepare(TASK);
    first.prepare(CHECK);
    assert!(seen(&place, "prepare").contains(CHECK));
    drop(first);
    let second = agent(&place, true);
    second.recover();
    second.play(CHECK, &CALLS);
    for event in ["isolate", "update", "usage", "status"] {
        assert_eq!(seen(&place, event), "", "{event}");
    }
}
