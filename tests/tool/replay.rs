//! Failed calls that were kept: shown, and made again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use mesos_command::call::{Answer, InputValue};
use mesos_command::control::{DEFAULT_DIRECTORY, FAILURES};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use serde_json::Value;
use test_support::{skip, wait_for};

use crate::support::{Place, stderr};

const SOON: Duration = Duration::from_secs(20);
/// Planted where it must not come out again.
const SECRET: &str = "pl4nt3d";

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("short");
    [&[number << 3 | 2, length], value].concat()
}

/// A container's config with a secret in the environment of its command: an ordinary variable with
/// a telling name.
fn config() -> Vec<u8> {
    // ContainerConfig: directory (3), command_info (11); CommandInfo: environment (2);
    // Environment: variables (1); Variable: name (1), value (2).
    let variable = [field(1, b"DB_PASSWORD"), field(2, SECRET.as_bytes())].concat();
    let command = field(2, &field(1, &variable));
    [field(3, b"/x"), field(11, &command)].concat()
}

fn tool(arguments: &[&str]) -> std::process::Output {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    tool.args(arguments).env_remove("RUST_LOG").output().expect("it runs")
}

fn kept(module: &str) -> Vec<PathBuf> {
    let parent = Path::new(DEFAULT_DIRECTORY).join(FAILURES).join(format!("isolator-{module}"));
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.map(|entry| entry.path()).collect();
    found.retain(|path| path.join("failure.json").exists());
    found.sort();
    found
}

/// An isolator whose prepare fails, with words, and whose usage answers what cannot be used; with
/// secrets everywhere.
struct Agent {
    module: String,
    place: Place,
    isolator: Isolator,
}

impl Agent {
    fn new() -> Agent {
        let module = format!("tool-replay-{}", std::process::id());
        let place = Place::new();
        let fails = "grep -q c2 \"$1\" && exit 0; echo no >\"$3\"; exit 3";
        let unusable = format!("printf '{{\"token\":\"{SECRET}\",' >\"$2\"");
        let parameters = [
            ("module_name", module.clone()),
            ("state_dir", place.text("state")),
            ("temp_dir", place.text("temp")),
            ("control_socket", place.text("c.sock")),
            ("call_log", place.text("calls.log")),
            ("api_token", SECRET.to_owned()),
            ("isolator_prepare_command", place.script("p", fails)),
            ("isolator_usage_command", place.script("i", &unusable)),
            ("isolator_watch_command", format!("DB_PASSWORD={SECRET} sh -c 'exec sleep 600'")),
        ];
        let parameters = parameters.map(|(key, value)| (key.to_owned(), value));
        let isolator = Isolator::create(&parameters).expect("accepted");
        Agent { module, place, isolator }
    }

    fn begin(&self, event: Event, container: &str) -> mpsc::Receiver<Answer> {
        let (config, id) = (config(), field(1, container.as_bytes()));
        let values = match event {
            Event::Prepare => vec![InputValue::Message(&config), InputValue::Message(&id)],
            _ => vec![InputValue::Absent, InputValue::Message(&id)],
        };
        let (sender, receiver) = mpsc::channel();
        self.isolator.call(event, &values, Box::new(move |answer| drop(sender.send(answer))));
        receiver
    }

    /// A call for the container whose prepare fails.
    fn call(&self, event: Event) -> Answer {
        self.begin(event, "c1").recv_timeout(SOON).expect("an answer")
    }

    /// All that an operator can see of it.
    fn seen(&self) -> Vec<Vec<u8>> {
        let socket = self.place.text("c.sock");
        let ask = |arguments: &[&str]| {
            tool(&[arguments, &["--json", "--socket", &socket]].concat()).stdout
        };
        let mut seen = vec![ask(&["failures"]), ask(&["status"]), ask(&["containers", "c1"])];
        seen.push(wait_for("the watch among the calls", || {
            let calls = ask(&["calls"]);
            String::from_utf8_lossy(&calls).contains("isolator_watch").then_some(calls)
        }));
        seen.push(wait_for("both lines of the log", || {
            let log = std::fs::read(self.place.path("calls.log")).ok()?;
            (log.iter().filter(|byte| **byte == b'\n').count() >= 2).then_some(log)
        }));
        for directory in kept(&self.module) {
            let files = std::fs::read_dir(directory).expect("listed").flatten();
            seen.extend(files.map(|file| std::fs::read(file.path()).expect("readable")));
        }
        seen
    }
}

#[test]
fn a_failure_is_shown_and_fails_in_the_same_way_again_and_its_secrets_are_nowhere() {
    if !nix::unistd::geteuid().is_root() {
        return skip("kept failures", "only root can make a directory in /run");
    }
    let agent = Agent::new();
    let Answer::Failure(text) = agent.call(Event::Prepare) else { panic!("it fails") };
    agent.begin(Event::Prepare, "c2").recv_timeout(SOON).expect("an answer");
    let _watch = agent.begin(Event::Watch, "c2");
    let directory = wait_for("a kept failure", || kept(&agent.module).pop());
    let shown = tool(&["failures", "show", &directory.display().to_string()]);
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    for part in [text.as_str(), "[redacted]", "isolator_prepare", "input.json:", "environment = "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let bytes = std::fs::read(directory.join("failure.json")).expect("there");
    let failure: Value = serde_json::from_slice(&bytes).expect("JSON");
    let by_number = tool(&["failures", "show", &failure["id"].to_string(), "--json"]);
    assert_eq!(by_number.status.code(), Some(0), "{}", stderr(&by_number));
    assert_eq!(tool(&["failures", "show", "nonsense"]).status.code(), Some(2));

    let again = tool(&["call", "--json", "--replay", &directory.display().to_string()]);
    assert_eq!(again.status.code(), Some(1), "{}", stderr(&again));
    let made: Value = serde_json::from_slice(&again.stdout).expect("a call");
    assert_eq!(made["outcome"], failure["outcome"], "{made}");
    assert!(made.to_string().contains("return code 3"), "{made}");
    assert!(stderr(&again).contains("secrets were not kept"), "{}", stderr(&again));

    // One that fails while others of the process are being kept may be left out.
    wait_for("another that is kept", || {
        agent.call(Event::Usage);
        (kept(&agent.module).len() > 1).then_some(())
    });
    let seen = agent.seen();
    assert!(seen.len() > 9 && seen.iter().all(|bytes| !bytes.is_empty()), "{}", seen.len());
    for bytes in &seen {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(SECRET), "{text}");
    }
    let parent = directory.parent().expect("a parent").to_owned();
    drop(agent);
    std::fs::remove_dir_all(parent).expect("removed");
}
