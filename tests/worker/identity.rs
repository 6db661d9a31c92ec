//! Workers of another user.

use std::path::Path;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::hook::Hook;
use mesos_command::metrics;
use test_support::skip;

use super::support::{TOGETHER, metric, open_copy, processes, wait_for};

const PREFIX: &str = "hook_slave_post_fetch_hook";

/// Real user, effective user, and all groups of a process; its niceness.
fn seen(pid: &Path) -> (Vec<u32>, Vec<u32>, i32) {
    let status = std::fs::read_to_string(pid.join("status")).unwrap();
    let numbers = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_ascii_whitespace().map(|word| word.parse().unwrap()).collect::<Vec<u32>>()
    };
    let stat = std::fs::read_to_string(pid.join("stat")).unwrap();
    let after_name = stat.rsplit(") ").next().unwrap();
    let nice = after_name.split(' ').nth(16).unwrap().parse().unwrap();
    (numbers("Uid:"), numbers("Groups:"), nice)
}

#[test]
fn workers_have_the_identity_of_their_event() {
    if !nix::unistd::geteuid().is_root() {
        return skip("a worker of another user", "only root may become another user");
    }
    let _together = TOGETHER.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let directory = tempfile::tempdir().unwrap();
    let command = directory.path().join("worker@none");
    open_copy(directory.path(), &command);
    let id = 1_500_000_000 + std::process::id();
    let module = "worker-identity";
    let parameter = |key: &str, value: &str| (format!("{PREFIX}_{key}"), value.to_owned());
    let hook = Hook::create(&[
        ("module_name".to_owned(), module.to_owned()),
        parameter("command", command.to_str().unwrap()),
        parameter("mode", "worker"),
        parameter("user", &format!("{id}:{id}")),
        parameter("nice", "11"),
        parameter("rlimit_nofile", "99"),
    ])
    .unwrap();
    let up = || metric(module, "mesos_command_worker_up", PREFIX) == 1.0;
    wait_for("the worker", || up().then_some(()));
    let running = processes(directory.path());
    assert_eq!(running.len(), 1, "{running:?}");
    assert_eq!(seen(&running[0]), (vec![id; 4], vec![id], 11));
    let limits = std::fs::read_to_string(running[0].join("limits")).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let values: Vec<&str> = files.split_ascii_whitespace().skip(3).collect();
    assert_eq!(values, ["99", "99", "files"]);
    // Its pipes are its own, so that it can open /dev/stderr.
    for fd in 0..3 {
        let pipe = std::fs::metadata(running[0].join(format!("fd/{fd}"))).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&pipe), id, "descriptor {fd}");
    }
    let values = [InputValue::Message(&[0x0a, 1, b'c']), InputValue::Text(b"/sandbox")];
    assert_eq!(hook.call(Event::SlavePostFetchHook, &values), Answer::Nothing);
    assert!(metrics::render().contains(module));
    drop(hook);
    let left = || processes(directory.path()).is_empty();
    wait_for("the end of all processes", || left().then_some(()));
}
