//! A file system that stops answering under one instance, while others go on.
//!
//! The instances live in a process of their own; this one serves the file system, and watches that
//! the other one can end.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mesos_command::call::Answer;
use mesos_command::event::Event;
use test_support::{DyingFs, PATIENCE, in_time, skip};

use crate::support::Instance;

const PLACE: &str = "ENGINE_TEST_DEAD_PLACE";
const MOUNT: &str = "ENGINE_TEST_DEAD_MOUNT";
const STOP: &str = "ENGINE_TEST_DEAD_STOP";

/// Of all commands here.
const TIMEOUT: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_millis(200);

/// What the process printed when all of the test was done.
const DONE: &str = "everything was asked for";

#[test]
fn a_dead_file_system_under_the_command() {
    stops_answering_under("command");
}

#[test]
fn a_file_system_that_dies_while_it_starts_a_command() {
    stops_answering_under("failing command");
}

#[test]
fn a_dead_file_system_under_the_state_directory() {
    stops_answering_under("state");
}

#[test]
fn a_dead_file_system_under_the_temporary_directory() {
    stops_answering_under("temporary");
}

fn stops_answering_under(place: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (mount, stop) = (directory.path().join("mount"), directory.path().join("stop"));
    std::fs::create_dir(&mount).unwrap();
    let dying = match DyingFs::mount(&mount, &stop) {
        Ok(dying) => dying,
        Err(reason) => return skip("a file system that stops answering", &reason),
    };
    let said = directory.path().join("said");
    let host = Command::new(std::env::current_exe().unwrap())
        .args(["dead_storage::in_the_host", "--exact", "--ignored", "--nocapture"])
        .env(PLACE, place)
        .env(MOUNT, &mount)
        .env(STOP, &stop)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&said).unwrap())
        .stderr(std::fs::File::options().append(true).open(&said).unwrap())
        .spawn()
        .unwrap();
    let ended = ends(host, &said);
    let said = std::fs::read_to_string(&said).unwrap_or_default();
    // What hangs there goes on when this does.
    drop(dying);
    assert!(ended && said.contains(DONE), "{place}: ended: {ended}\n{said}");
}

/// Whether the process ends soon after it has done everything.
fn ends(mut host: Child, said: &Path) -> bool {
    let is_done = || std::fs::read_to_string(said).is_ok_and(|text| text.contains(DONE));
    let begun = Instant::now();
    while !is_done() && begun.elapsed() < PATIENCE * 3 {
        if host.try_wait().is_ok_and(|status| status.is_some()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = host.kill();
    let done = Instant::now();
    while done.elapsed() < PATIENCE / 3 {
        if host.try_wait().is_ok_and(|status| status.is_some()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

#[test]
#[ignore = "started by the other tests of this module"]
fn in_the_host() {
    let value = |name: &str| std::env::var(name).unwrap();
    let (place, mount) = (value(PLACE), value(MOUNT));
    let dead = dying_instance(&place, Path::new(&mount));
    let healthy = healthy_instance();
    assert_eq!(dead.call(Event::Prepare, "before"), Answer::Nothing);
    assert_eq!(healthy.call(Event::Prepare, "before"), Answer::Nothing);
    if place == "failing command" {
        // The first start fails, late enough to be seen by the runtime's thread.
        std::fs::write(value(STOP), "fail").unwrap();
        let _ = dead.start(Event::Usage, "before");
        std::thread::sleep(Duration::from_millis(400));
    }
    std::fs::write(value(STOP), "").unwrap();

    // The threads that call are the agent's: they are not held.
    let asked = Instant::now();
    let calls = [
        dead.start(Event::Usage, "before"),
        dead.start(Event::Prepare, "after"),
        dead.start(Event::Isolate, "before"),
        dead.start(Event::Cleanup, "before"),
    ];
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());

    let limit = TIMEOUT + GRACE + Duration::from_millis(100);
    let mut number = 0;
    in_time("calls of another instance", limit, || {
        number += 1;
        let container = format!("c{number}");
        let events = [Event::Prepare, Event::Isolate, Event::Usage, Event::Cleanup];
        let took = events.map(|event| {
            let start = Instant::now();
            let answer = healthy.call(event, &container);
            assert!(matches!(answer, Answer::Nothing), "{event:?}: {answer:?}");
            start.elapsed()
        });
        took.into_iter().max().unwrap()
    });
    assert_eq!(healthy.runs("isolator_cleanup"), number, "its commands did run");

    // Nobody waits for ever for what is dead.
    for call in calls {
        call.recv_timeout(PATIENCE).unwrap();
    }
    println!("{DONE}");
    // As an agent does; the test waits for it.
    std::process::exit(0);
}

const SCRIPTS: [(&str, &str); 4] = [
    ("isolator_prepare", ""),
    ("isolator_isolate", ""),
    ("isolator_usage", ""),
    ("isolator_cleanup", ""),
];

/// An instance of which one part is on the file system.
fn dying_instance(place: &str, mount: &Path) -> Instance {
    let path = |name: &str| mount.join(name).display().to_string();
    let directory = path("directory");
    std::fs::create_dir(&directory).unwrap();
    match place {
        "state" => instance("dying", &SCRIPTS, &[("state_dir", &directory)]),
        "temporary" => instance("dying", &SCRIPTS, &[("temp_dir", &directory)]),
        _ => {
            let file = path("command");
            std::fs::write(&file, "#!/bin/sh\n").unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&file, mode).unwrap();
            let commands = SCRIPTS.map(|(event, _)| (format!("{event}_command"), file.clone()));
            let commands: Vec<_> = commands.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            instance("dying", &[], &commands)
        }
    }
}

/// One whose usage command hangs, and whose others do not.
fn healthy_instance() -> Instance {
    let mut scripts = SCRIPTS;
    scripts[2].1 = "exec sleep 60";
    instance("healthy", &scripts, &[])
}

fn instance(name: &str, scripts: &[(&str, &str)], more: &[(&str, &str)]) -> Instance {
    let timeout = TIMEOUT.as_secs().to_string();
    let grace = format!("{}ms", GRACE.as_millis());
    let keys = SCRIPTS.map(|(event, _)| format!("{event}_timeout"));
    let mut all: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), &*timeout)).collect();
    all.extend([("kill_grace", &*grace), ("isolator_usage_cache_ttl", "0")]);
    all.extend(more);
    Instance::new(name, scripts, &all)
}
