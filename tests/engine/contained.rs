//! Containment as an instance has it: its parameters, its metric, and what ends with a container.

use mesos_command::call::Answer;
use mesos_command::event::Event;
use mesos_command::hook::Hook;
use test_support::{skip, until};

use crate::support::Instance;

fn alive(bench: &Instance, name: &str) -> bool {
    let pid = std::fs::read_to_string(bench.path(name)).unwrap_or_default();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A daemon that notes its number as `<container>.pid`.
const DAEMON: &str = "d=$(dirname \"$0\")/$MESOS_CONTAINER_ID.pid\n\
    setsid sh -c 'printf %s $$ >\"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 600' \"$d\" &\n\
    while [ ! -e \"$d\" ]; do sleep 0.01; done";

#[test]
fn what_prepare_left_running_ends_with_its_container_if_that_is_wanted() {
    let test = "what_prepare_left_running_ends_with_its_container_if_that_is_wanted";
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "cgroups need root");
    }
    for (background, cleanup) in [("container", true), ("container", false), ("keep", true)] {
        let commands = [("isolator_prepare", DAEMON), ("isolator_cleanup", "")];
        let commands = &commands[..if cleanup { 2 } else { 1 }];
        let name = format!("{background}-{cleanup}");
        let bench = Instance::new(
            &name,
            commands,
            &[("background", background), ("containment", "cgroup"), ("kill_grace", "200ms")],
        );
        assert_eq!(bench.metric("mesos_command_contained", ""), 1);
        for container in ["one", "two"] {
            assert_eq!(bench.call(Event::Prepare, container), Answer::Nothing);
        }
        assert_eq!(bench.call(Event::Cleanup, "one"), Answer::Nothing);
        if background == "container" {
            until("the daemon's end", || !alive(&bench, "one.pid"));
            assert!(alive(&bench, "two.pid"), "its container is there");
        } else {
            assert!(alive(&bench, "one.pid"), "nobody ends it");
            let pid = std::fs::read_to_string(bench.path("one.pid")).unwrap();
            let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
        }
        bench.call(Event::Cleanup, "two");
        if background == "keep" {
            let pid = std::fs::read_to_string(bench.path("two.pid")).unwrap();
            let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
        }
        until("the end of both", || !alive(&bench, "one.pid") && !alive(&bench, "two.pid"));
    }
}

#[test]
fn what_cannot_be_contained_is_refused_with_the_reason() {
    let refusal = |parameters: &[(&str, &str)]| {
        let all: Vec<_> =
            [("module_name", "m"), ("hook_slave_remove_executor_hook_command", "/bin/true")]
                .iter()
                .chain(parameters)
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
        Hook::create(&all).map(drop).map_err(|error| error.to_string())
    };
    let text = refusal(&[("background", "container")]).unwrap_err();
    assert!(text.contains("only an isolator hears of the cleanup"), "{text}");
    for (key, value) in [("memory_max", "64MiB"), ("pids_max", "20")] {
        let key = format!("hook_slave_remove_executor_hook_{key}");
        let text = refusal(&[("containment", "group"), (&key, value)]).unwrap_err();
        assert!(text.contains(&key) && text.contains("containment level 'cgroup'"), "{text}");
    }
    for (key, value, accepted) in [
        ("hook_slave_remove_executor_hook_pids_max", "0", "whole numbers from 1"),
        ("hook_slave_remove_executor_hook_memory_max", "1KiB", "bytes from 1MiB"),
        ("containment", "jail", "accepted are auto, group, cgroup"),
        ("cgroup_root", "/sys/fs/cgroup/x", "accepted are relative paths without '..'"),
        ("cgroup_root", "../x", "accepted are relative paths without '..'"),
    ] {
        let text = refusal(&[(key, value)]).unwrap_err();
        assert!(text.contains(accepted) && text.contains(key), "{text}");
    }
    assert_eq!(refusal(&[("containment", "group")]), Ok(()));
}
