//! Who may do what with a directory of contexts: agents that share one, strangers' files, and
//! contexts of containers that are gone.
//!
//! Another agent is another process. Here it is an isolator that knows the directory by another
//! name (a symbolic link), so that the two find each other only by what is on disk.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use tempfile::TempDir;
use test_support::{skip, until};

use crate::support::{PATIENCE, field, id, write_script};

/// A container's name as Mesos makes it.
fn uuid(number: u8) -> String {
    format!("0b1f8a3c-3b7d-4d7e-9d0c-0123456789{number:02x}")
}

/// A machine with a state directory that agents share.
struct Machine {
    directory: TempDir,
}

/// An agent's isolator between its start and its end.
struct Agent {
    isolator: Isolator,
    work_dir: &'static str,
}

impl Machine {
    fn new() -> Machine {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("state")).unwrap();
        for alias in ["a", "b"] {
            std::os::unix::fs::symlink("state", directory.path().join(alias)).unwrap();
        }
        // Each run leaves its input under the name of its event.
        let keep = format!("cat \"$1\" >>{}/seen.$MESOS_COMMAND_EVENT", directory.path().display());
        for event in ["isolator_cleanup", "isolator_recover"] {
            write_script(&directory.path().join(event), &keep);
        }
        write_script(&directory.path().join("failing"), &format!("{keep}; exit 1"));
        Machine { directory }
    }

    /// Starts an agent that has the state directory under the name `alias`.
    fn agent(&self, alias: &str, work_dir: &'static str, more: &[(&str, &str)]) -> Agent {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let mut parameters = vec![
            ("module_name".to_owned(), "m".to_owned()),
            ("state_dir".to_owned(), path(alias)),
            ("isolator_cleanup_command".to_owned(), path("isolator_cleanup")),
        ];
        parameters.extend(more.iter().map(|(key, script)| ((*key).to_owned(), path(script))));
        Agent { isolator: Isolator::create(&parameters).unwrap(), work_dir }
    }

    fn context(&self, number: u8) -> PathBuf {
        self.directory.path().join("state/m").join(uuid(number))
    }

    /// What the commands of `event` were given so far.
    fn seen(&self, event: &str) -> String {
        let path = self.directory.path().join(format!("seen.{event}"));
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

impl Agent {
    fn sandbox(&self, number: u8) -> String {
        let run = "slaves/S/frameworks/F/executors/E/runs";
        format!("{}/{run}/{}", self.work_dir, uuid(number))
    }

    fn call(&self, event: Event, values: &[InputValue<'_>]) -> Answer {
        let (sender, receiver) = mpsc::channel();
        self.isolator.call(event, values, Box::new(move |answer| drop(sender.send(answer))));
        receiver.recv_timeout(PATIENCE).unwrap()
    }

    fn prepare(&self, number: u8) {
        // directory (3) and an empty command_info (11).
        let config = [field(3, self.sandbox(number).as_bytes()), field(11, b"")].concat();
        let id = id(&uuid(number));
        let values = [InputValue::Message(&config), InputValue::Message(&id)];
        assert_eq!(self.call(Event::Prepare, &values), Answer::Nothing);
    }

    /// Recovers the containers that Mesos knows to be alive.
    fn recover(&self, live: &[u8]) {
        // container_id (2), pid (3), directory (4).
        let states: Vec<Vec<u8>> = live
            .iter()
            .map(|number| {
                let sandbox = self.sandbox(*number);
                [field(2, &id(&uuid(*number))), vec![0x18, 1], field(4, sandbox.as_bytes())]
                    .concat()
            })
            .collect();
        let states = states.iter().map(Vec::as_slice).collect();
        let values = [InputValue::Messages(Vec::new()), InputValue::Messages(states)];
        assert_eq!(self.call(Event::Recover, &values), Answer::Nothing);
    }

    fn cleanup(&self, number: u8) {
        let id = id(&uuid(number));
        let values = [InputValue::Absent, InputValue::Message(&id)];
        assert_eq!(self.call(Event::Cleanup, &values), Answer::Nothing);
    }
}

#[test]
fn agents_that_share_a_directory_never_lose_each_others_contexts() {
    let machine = Machine::new();
    let (a, b) = (machine.agent("a", "/work/a", &[]), machine.agent("b", "/work/b", &[]));
    for number in 1..4 {
        a.prepare(number);
        b.prepare(number + 10);
    }
    // One after the other is restarted: while the other runs, and while it does not.
    drop(a);
    let a = machine.agent("a", "/work/a", &[]);
    a.recover(&[1, 2]);
    drop(b);
    drop(a);
    let a = machine.agent("a", "/work/a", &[]);
    a.recover(&[1, 2]);
    assert!(!machine.context(3).exists(), "alone, it removes what is certainly its own");
    let b = machine.agent("b", "/work/b", &[]);
    b.recover(&[11, 12]);
    assert!(machine.context(13).exists(), "while another agent runs nothing is removed");
    for number in [1, 2] {
        a.cleanup(number);
        b.cleanup(number + 10);
    }
    let seen = machine.seen("isolator_cleanup");
    for (agent, numbers) in [(&a, [1, 2]), (&b, [11, 12])] {
        for number in numbers {
            assert!(seen.contains(&agent.sandbox(number)), "{number} had no context: {seen}");
            assert!(!machine.context(number).exists(), "{number}");
        }
    }
}

#[test]
fn an_agent_whose_predecessor_still_dies_has_its_contexts() {
    let machine = Machine::new();
    let dying = machine.agent("a", "/work/a", &[]);
    dying.prepare(1);
    dying.prepare(2);
    // The same agent again; the lock of the former one is still held.
    let successor = machine.agent("b", "/work/a", &[]);
    successor.recover(&[1]);
    assert!(machine.context(2).exists(), "it may be just being prepared");
    drop(dying);
    successor.cleanup(1);
    assert!(machine.seen("isolator_cleanup").contains(&successor.sandbox(1)));
}

#[test]
fn a_directory_of_strangers_keeps_its_files() {
    let machine = Machine::new();
    let a = machine.agent("a", "/work/a", &[]);
    a.prepare(1);
    let directory = machine.directory.path().join("state/m");
    let config = std::fs::read_to_string(machine.context(1)).unwrap();
    let strangers = [
        ("modules.json".to_owned(), config.clone()),
        ("notes.txt".to_owned(), "notes".to_owned()),
        (uuid(2), "notes".to_owned()),
        (uuid(3), config.replace("/work/a/", "/work/other/")),
        (uuid(4), config.replacen('{', "{\"not_of_mesos\":1,", 1)),
        (uuid(5), String::new()),
        (".mcmd~mine".to_owned(), String::new()),
    ];
    for (name, text) in &strangers {
        std::fs::write(directory.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink(machine.context(1), machine.context(6)).unwrap();
    std::fs::create_dir(machine.context(7)).unwrap();
    drop(a);
    let a = machine.agent("a", "/work/a", &[]);
    a.recover(&[]);
    assert!(machine.context(1).exists(), "nothing tells this process its work directory");
    drop(a);
    // A live container tells it, and so the lost context of the first one goes; nothing else.
    let a = machine.agent("a", "/work/a", &[]);
    a.recover(&[9]);
    assert!(!machine.context(1).exists());
    for (name, text) in &strangers {
        assert_eq!(&std::fs::read_to_string(directory.join(name)).unwrap(), text, "{name}");
    }
    assert!(machine.context(6).is_symlink() && machine.context(7).is_dir());
}

#[test]
fn lost_contexts_go_to_the_recover_command_first() {
    let machine = Machine::new();
    let failing = [("isolator_recover_command", "failing")];
    let a = machine.agent("a", "/work/a", &failing);
    a.prepare(1);
    a.prepare(2);
    drop(a);
    let a = machine.agent("a", "/work/a", &failing);
    a.recover(&[2]);
    let own = format!("\"container_id\":{{\"value\":\"{}\"}}", uuid(1));
    assert!(machine.seen("isolator_recover").contains(&own), "it was told");
    assert!(machine.context(1).exists(), "it failed, so it is told again");
    drop(a);
    let a = machine.agent("a", "/work/a", &[("isolator_recover_command", "isolator_recover")]);
    let before = machine.seen("isolator_recover").len();
    a.recover(&[2]);
    let input = machine.seen("isolator_recover").split_off(before);
    let input: serde_json::Value = serde_json::from_str(&input).unwrap();
    assert_eq!(input["lost"][0]["container_id"]["value"], uuid(1));
    assert_eq!(input["lost"][0]["container_config"]["directory"], a.sandbox(1));
    assert_eq!(input["lost"].as_array().unwrap().len(), 1);
    assert_eq!(input["states"][0]["container_id"]["value"], uuid(2));
    assert!(!machine.context(1).exists() && machine.context(2).exists());
}

#[test]
fn what_was_to_run_until_a_lost_containers_cleanup_ends_when_it_is_recovered() {
    let test = "what_was_to_run_until_a_lost_containers_cleanup_ends_when_it_is_recovered";
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "cgroups need root");
    }
    let machine = Machine::new();
    let daemon = "d=$(dirname \"$0\")/$MESOS_CONTAINER_ID.pid\n\
        setsid sh -c 'printf %s $$ >\"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 600' \"$d\" &\n\
        while [ ! -e \"$d\" ]; do sleep 0.01; done";
    write_script(&machine.directory.path().join("daemon"), daemon);
    let agent = || {
        let path = |name: &str| machine.directory.path().join(name).display().to_string();
        let parameters = [
            ("module_name", "m".to_owned()),
            ("state_dir", path("a")),
            ("isolator_prepare_command", path("daemon")),
            ("background", "container".to_owned()),
            ("containment", "cgroup".to_owned()),
            ("kill_grace", "200ms".to_owned()),
        ];
        let parameters: Vec<_> =
            parameters.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        Agent { isolator: Isolator::create(&parameters).unwrap(), work_dir: "/work/a" }
    };
    let alive = |number| {
        let path = machine.directory.path().join(format!("{}.pid", uuid(number)));
        let pid = std::fs::read_to_string(path).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let a = agent();
    a.prepare(1);
    a.prepare(2);
    drop(a);
    let a = agent();
    a.recover(&[2]);
    until("the end of what the lost one had", || !alive(1));
    assert!(alive(2), "its container is there");
    a.cleanup(2);
    until("the end of the other", || !alive(2));
}

#[test]
fn two_isolators_of_one_agent_with_one_name_both_have_their_contexts() {
    let machine = Machine::new();
    let pair = || (machine.agent("a", "/work/a", &[]), machine.agent("a", "/work/a", &[]));
    let (one, two) = pair();
    one.prepare(1);
    two.prepare(1);
    drop((one, two));
    let (one, two) = pair();
    one.recover(&[1]);
    two.recover(&[1]);
    one.cleanup(1);
    assert!(machine.context(1).exists(), "the other one has not cleaned up yet");
    // The agent dies here, and comes back for the orphan.
    drop((one, two));
    let (one, two) = pair();
    one.recover(&[1]);
    two.recover(&[1]);
    two.cleanup(1);
    one.cleanup(1);
    assert_eq!(machine.seen("isolator_cleanup").matches("\"directory\"").count(), 3);
    assert!(!Path::new(&machine.context(1)).exists());
}
