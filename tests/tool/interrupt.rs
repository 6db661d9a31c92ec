//! Ctrl-C and TERM: what runs is ended with its tree, and nothing stays.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use test_support::{until, wait_for};

use crate::support::Place;

/// A command that ignores TERM, with a child in its group and one in a session of its own.
const STUBBORN: &str = r#"trap '' TERM
sleep 1000 &
echo $! >>"$D/pids"
setsid sleep 1000 &
echo $! >>"$D/pids"
echo $$ >>"$D/pids"
dirname "$2" >>"$D/private"
: >"$D/started"
while :; do sleep 1000; done"#;

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a pid")), signal).expect("it runs");
}

/// Whether a process is there and no zombie.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn assert_all_gone(place: &Place) {
    let pids = place.read("pids");
    assert!(pids.lines().count() >= 3, "{pids}");
    for pid in pids.lines() {
        // A zombie of an init that is slow to reap is gone as well.
        assert!(!lives(pid), "process {pid} of the command lives on");
    }
    let private = place.read("private");
    // Commands beside each other add lines; all of them have the same root.
    let private = Path::new(private.lines().next().unwrap_or_default());
    let root = private.ancestors().find(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("mesos-command-tool"))
    });
    let root = root.unwrap_or_else(|| panic!("no private directory: {}", private.display()));
    assert!(!root.exists(), "{} is left", root.display());
}

#[test]
fn a_signal_ends_the_command_with_its_tree_and_leaves_nothing() {
    for (signal, event, key) in [
        (Signal::SIGINT, "isolator_watch", "isolator_watch_command"),
        (Signal::SIGTERM, "isolator_prepare", "isolator_prepare_command"),
        (Signal::SIGHUP, "isolator_usage", "isolator_usage_command"),
        (
            Signal::SIGTERM,
            "hook_slave_executor_environment_decorator",
            "hook_slave_executor_environment_decorator_command",
        ),
    ] {
        let place = Place::new();
        let command = place.script("command", STUBBORN);
        place.modules(&[(key, &command), ("kill_grace", "1")]);
        let mut tool = place.command("call", &["--json", event, event]);
        let tool = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        until("the command runs", || place.path("started").exists());
        send(&tool, signal);
        let done = tool.wait_with_output().expect("it ends");
        assert_eq!(done.status.signal(), Some(signal as i32), "{event}: {done:?}");
        assert_all_gone(&place);
        let shown = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(shown.lines().count(), 1, "the second call is not made: {shown}");
        assert!(shown.contains(r#""outcome":"cancelled""#), "{shown}");
    }
}

#[test]
fn a_second_signal_does_not_wait_for_the_grace_period() {
    let place = Place::new();
    let command = place.script("command", STUBBORN);
    place.modules(&[("isolator_prepare_command", &command), ("kill_grace", "3600")]);
    let mut tool = place.command("call", &["isolator_prepare"]);
    let mut tool = tool.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("the command runs", || place.path("started").exists());
    // Until it ends: the second one may come before the first is being handled.
    let status = wait_for("the end", || {
        send(&tool, Signal::SIGINT);
        std::thread::sleep(std::time::Duration::from_millis(100));
        tool.try_wait().expect("it can be waited for")
    });
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
    assert_all_gone(&place);
}

#[test]
fn a_load_is_ended_as_well() {
    let place = Place::new();
    let command = place.script("command", STUBBORN);
    place.modules(&[
        ("isolator_usage_command", &command),
        ("isolator_usage_cache_ttl", "0"),
        ("kill_grace", "0"),
    ]);
    let more = ["--rate", "20", "--containers", "20", "--duration", "1h", "--quiet"];
    let mut tool = place.command("load", &more);
    let tool = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    until("commands run", || place.read("pids").lines().count() > 10);
    send(&tool, Signal::SIGTERM);
    let done = tool.wait_with_output().expect("it ends");
    assert_eq!(done.status.signal(), Some(Signal::SIGTERM as i32), "{done:?}");
    assert_all_gone(&place);
}

#[test]
fn workers_end_with_the_tool() {
    let place = Place::new();
    let worker = place.program(
        "worker",
        format!(
            "#!/usr/bin/env python3\nimport os, sys\nopen('{}', 'a').write('%d\\n' % os.getpid())\n\
             sys.stdin.readline()\nprint('{{\"ready\":1}}', flush=True)\n\
             for line in sys.stdin:\n    number = line.split(':')[1].split(',')[0]\n    \
             print('{{\"id\":%s}}' % number, flush=True)\n",
            place.text("pids")
        )
        .as_bytes(),
    );
    place.modules(&[("isolator_usage_command", &worker), ("isolator_usage_mode", "worker")]);
    let (calls, done) = place.call(&["isolator_usage"]);
    assert!(done.status.success(), "{calls:?} {}", crate::support::stderr(&done));
    let pids = place.read("pids");
    assert!(!pids.is_empty());
    for pid in pids.lines() {
        assert!(!lives(pid), "worker {pid} outlives the tool");
    }
}

#[test]
fn it_ends_although_nobody_reads_what_it_says() {
    let place = Place::new();
    let command = place.script("command", STUBBORN);
    place.modules(&[("isolator_prepare_command", &command), ("kill_grace", "0")]);
    let mut tool = place.command("call", &["isolator_prepare"]);
    let mut tool = tool.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    until("the command runs", || place.path("started").exists());
    // As where whoever started both was ended first.
    drop(tool.stderr.take());
    send(&tool, Signal::SIGTERM);
    let status = wait_for("the end", || tool.try_wait().expect("it is ours"));
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    assert_all_gone(&place);
}
