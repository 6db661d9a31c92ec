//! Limits, niceness and cgroups: a warm run meets them as a plain start does, at both versions of
//! cgroups that the machine has.

use std::ffi::OsString;
use std::path::Path;

use mesos_command::call::{Answer, InputValue};
use mesos_command::command::{Containment, Limits};
use mesos_command::containment::{Chosen, Level, choose};
use mesos_command::event::Event;
use mesos_command::hook::Hook;
use mesos_command::isolator::Isolator;
use mesos_command::metrics;
use mesos_command::outcome::{OutcomeKind, WarmStart};
use mesos_command::sys::Identity;
use test_support::{CGROUP_ROOT, each_cgroup_version};

use crate::by_worker::ByWorker;
use crate::contract::{Seen, seen};
use crate::support::{Choice, Rig, wait_for, write};

/// A limit that a script meets, or not.
struct Row {
    name: &'static str,
    limits: Limits,
    identity: Identity,
    body: &'static str,
    outcome: OutcomeKind,
    /// Part of the message.
    message: &'static str,
    /// The output, if it is a certain one.
    output: Option<&'static str>,
    /// Whether a worker that does the same answers the same.
    by_worker: bool,
}

const NO_LIMITS: Limits = Limits { memory: None, pids: None };
const MEMORY: Limits = Limits { memory: Some(64 << 20), pids: None };
const SCRIPT: &str = "import sys\nopen(sys.argv[2], 'w').write('1')\n";
/// Takes memory until there is none.
const GROWS: &str = "data = []\nwhile True:\n    data.append(b'x' * (1 << 20))\n";
const CHILD_GROWS: &str = "import os\n\
    pid = os.fork()\n\
    if pid == 0:\n    data = []\n    while True:\n        data.append(b'x' * (1 << 20))\n\
    os._exit(3 if os.waitpid(pid, 0)[1] else 0)\n";
/// Makes processes until there are no more.
const FORKS: &str = "import os, time\n\
    for _ in range(100):\n    if os.fork() == 0:\n        time.sleep(600)\n        os._exit(0)\n";
const THREADS: &str = "import threading, time\n\
    for _ in range(100):\n    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n";
/// The niceness, the limit of descriptors, and how many can be opened.
const ASKS: &str = "import json, os, resource, sys\n\
    output, opened = open(sys.argv[2], 'w'), 0\n\
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)\n\
    try:\n    while True:\n        os.open('/dev/null', os.O_RDONLY)\n        opened += 1\n\
    except OSError as error:\n    json.dump([os.nice(0), limits, opened, error.errno], output)\n";

fn rows() -> Vec<Row> {
    let row = |name, limits, body, outcome, message| Row {
        name,
        limits,
        identity: Identity::default(),
        body,
        outcome,
        message,
        output: None,
        by_worker: true,
    };
    let pids = |most| Limits { memory: None, pids: Some(most) };
    let (ok, exit, oom) = (OutcomeKind::Ok, OutcomeKind::Exit, OutcomeKind::Oom);
    let too_much = "prepare_memory_max lets its processes have 67108864 bytes";
    let both = Limits { memory: Some(64 << 20), pids: Some(20) };
    let mut rows = vec![
        row("far from its limits", both, SCRIPT, ok, ""),
        row("takes too much memory", MEMORY, GROWS, oom, too_much),
        // A worker that the kernel has not ended may have met the limit in an earlier request.
        Row { by_worker: false, ..row("its child does", MEMORY, CHILD_GROWS, oom, too_much) },
        row("makes too many processes", pids(20), FORKS, exit, "prepare_pids_max let it have no"),
        row("starts too many threads", pids(8), THREADS, exit, "no more than 8 processes"),
        // Each is made in its own cgroup, or leaves that of the interpreter, which has room.
        row("one process", pids(1), SCRIPT, ok, ""),
        row("wants one more than one", pids(1), FORKS, exit, "no more than 1 processes"),
    ];
    for (most, output) in [(50, "[7, [50, 50], 46, 24]"), (12, "[7, [12, 12], 8, 24]")] {
        let identity = Identity { nice: Some(7), open_files: Some(most), ..Identity::default() };
        let asks = row("is nice and opens few files", NO_LIMITS, ASKS, ok, "");
        // A worker has the pipes of its protocol besides.
        rows.push(Row { identity, output: Some(output), by_worker: false, ..asks });
    }
    rows
}

fn chosen() -> Chosen {
    let root = std::env::var(CGROUP_ROOT).unwrap();
    let chosen = choose(Containment::Cgroup, Path::new(&root)).expect("level cgroup");
    assert_eq!(chosen.level(), Level::Cgroup);
    chosen
}

/// The runs of a rig: plainly and warm.
fn both(rig: &Rig) -> (Seen, Seen) {
    let (plain, warm) = (rig.run(false), rig.warm());
    assert!(!plain.uncontained && !warm.uncontained);
    assert_eq!(warm.warm_start, Some(WarmStart::Warm));
    (seen(plain), seen(warm))
}

#[test]
fn limits_are_met_as_by_a_plain_start() {
    each_cgroup_version("limits_are_met_as_by_a_plain_start", "limits::each_row");
}

#[test]
#[ignore = "started by limits_are_met_as_by_a_plain_start"]
fn each_row() {
    let chosen = chosen();
    for Row { name, limits, identity, body, outcome, message, output, by_worker } in rows() {
        let cgroups = chosen.pool("warm", "isolator_prepare", limits).unwrap();
        let rig = Rig::new("", body.as_bytes(), Choice { cgroups, identity, ..Choice::default() });
        let worker = by_worker.then(|| ByWorker::new(&rig, ""));
        // One after the other: neither leaves the next one less.
        for _ in 0..2 {
            let (plain, warm) = both(&rig);
            assert_eq!(plain, warm, "{name}");
            let found = worker.as_ref().map(|worker| worker.differs(&rig, &plain));
            assert_eq!(found.unwrap_or_default(), [""; 0], "{name} by a worker");
            assert_eq!(warm.outcome, outcome, "{name}: {warm:?}");
            assert!(warm.message.contains(message), "{name}: {warm:?}");
            if let Some(output) = output {
                assert_eq!(String::from_utf8_lossy(&warm.output), output, "{name}");
            }
        }
        worker.into_iter().for_each(ByWorker::finish);
        // The interpreter has met no limit.
        assert_eq!(rig.metric("mesos_command_worker_restarts_total{"), 0, "{name}");
        rig.finish();
    }
}

#[test]
fn an_interpreter_without_room_says_so_and_calls_are_plain_starts() {
    let test = "an_interpreter_without_room_says_so_and_calls_are_plain_starts";
    each_cgroup_version(test, "limits::interpreter_without_room");
}

/// Whatever is started of Python takes more memory than it may.
#[test]
#[ignore = "started by an_interpreter_without_room_says_so_and_calls_are_plain_starts"]
fn interpreter_without_room() {
    let cgroups = chosen().pool("warm", "isolator_prepare", MEMORY).unwrap();
    let large = tempfile::tempdir().unwrap();
    std::fs::write(large.path().join("sitecustomize.py"), GROWS).unwrap();
    let mut path = OsString::from("PYTHONPATH=");
    path.push(large.path());
    let choice = Choice { cgroups, environment: vec![path], ..Choice::default() };
    let rig = Rig::of(tempfile::tempdir().unwrap(), "", SCRIPT.as_bytes(), choice);
    let line = rig.log.wait("ended before it was ready");
    assert!(line.contains("prepare_memory_max lets its processes have 67108864 bytes"), "{line}");
    let (plain, warm) = (rig.run(false), rig.run(true));
    assert_eq!(warm.warm_start, Some(WarmStart::Plain), "{warm:?}");
    assert_eq!(warm.outcome, OutcomeKind::Oom, "{warm:?}");
    assert_eq!(seen(plain), seen(warm));
    rig.finish();
}

// As an instance has them.

/// Parameters of an instance with a script of Python for `event`.
fn parameters(event: &str, script: &Path, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let text = |text: &str| text.to_owned();
    let mut all = vec![
        (text("module_name"), text("warm-limits")),
        (format!("{event}_command"), script.to_str().unwrap().to_owned()),
        (format!("{event}_mode"), text("warm")),
    ];
    all.extend(more.iter().map(|(key, value)| (key.replace("EVENT", event), text(value))));
    all
}

#[test]
fn a_limit_without_cgroups_is_refused_at_load() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script.py");
    write(&script, "", SCRIPT.as_bytes());
    for (key, value) in [("EVENT_memory_max", "64MiB"), ("EVENT_pids_max", "20")] {
        let more = [("containment", "group"), (key, value)];
        for event in ["isolator_usage", "isolator_prepare"] {
            let error = Isolator::create(&parameters(event, &script, &more)).map(drop);
            refused(&error.unwrap_err().to_string(), &key.replace("EVENT", event));
        }
        let event = "hook_slave_post_fetch_hook";
        let error = Hook::create(&parameters(event, &script, &more)).map(drop);
        refused(&error.unwrap_err().to_string(), &key.replace("EVENT", event));
    }
}

fn refused(error: &str, key: &str) {
    assert!(error.contains(key) && error.contains("containment level 'cgroup'"), "{error}");
}

#[test]
fn a_limit_is_told_as_by_a_plain_start() {
    each_cgroup_version("a_limit_is_told_as_by_a_plain_start", "limits::told");
}

#[test]
#[ignore = "started by a_limit_is_told_as_by_a_plain_start"]
fn told() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script.py");
    write(&script, "", GROWS.as_bytes());
    let root = std::env::var(CGROUP_ROOT).unwrap();
    let event = "hook_slave_post_fetch_hook";
    let common =
        [("containment", "cgroup"), ("cgroup_root", &*root), ("EVENT_memory_max", "64MiB")];
    let texts = ["spawn", "warm"].map(|mode| {
        let mut all = parameters(event, &script, &common);
        all[2].1 = mode.to_owned();
        let hook = Hook::create(&all).unwrap();
        told_by(&hook, mode == "warm")
    });
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].contains("ran out of memory."), "{}", texts[0]);
    assert!(texts[0].contains("hook_slave_post_fetch_hook_memory_max lets"), "{}", texts[0]);
}

/// What a call of a hook is told, of a warm run if it is to be one.
fn told_by(hook: &Hook, is_warm: bool) -> String {
    let starts = || {
        let text = metrics::render();
        let is_its = |line: &&str| {
            line.starts_with("mesos_command_warm_starts_total{") && line.contains("start=\"warm\"")
        };
        let value = text.lines().find(is_its).and_then(|line| line.rsplit(' ').next());
        value.and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0)
    };
    wait_for("a call of that kind", || {
        let before = starts();
        // The ContainerID {value: "c"}.
        let values = [InputValue::Message(&[0x0a, 1, b'c']), InputValue::Text(b"/sandbox")];
        match hook.call(Event::SlavePostFetchHook, &values) {
            Answer::Failure(text) => (is_warm == (starts() > before)).then_some(text),
            answer => panic!("{answer:?}"),
        }
    })
}
