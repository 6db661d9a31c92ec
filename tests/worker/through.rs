//! Through a module instance: parameters, metrics, failure texts.

use std::path::Path;
use std::time::{Duration, Instant};

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::hook::Hook;

use super::support::{PROBE, TOGETHER, metric, processes, wait_for};

const PREFIX: &str = "hook_slave_post_fetch_hook";

fn hook(directory: &Path, fault: &str, module: &str) -> Hook {
    let command = directory.join(format!("worker@{fault}"));
    std::os::unix::fs::symlink(PROBE, &command).unwrap();
    let parameter = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let hook = Hook::create(&[
        parameter("module_name", module),
        parameter(&format!("{PREFIX}_command"), command.to_str().unwrap()),
        parameter(&format!("{PREFIX}_mode"), "worker"),
        parameter(&format!("{PREFIX}_workers"), "1"),
    ])
    .unwrap();
    wait_for("the worker", || {
        (metric(module, "mesos_command_worker_up", PREFIX) == 1.0).then_some(())
    });
    hook
}

fn call(hook: &Hook) -> Answer {
    // The ContainerID {value: "c"}.
    let values = [InputValue::Message(&[0x0a, 1, b'c']), InputValue::Text(b"/sandbox")];
    hook.call(Event::SlavePostFetchHook, &values)
}

#[test]
fn every_call_has_one_outcome() {
    let _together = TOGETHER.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let module = "worker-outcomes";
    let directory = tempfile::tempdir().unwrap();
    let hook = hook(directory.path(), "garbage=3", module);
    let mut failed = 0;
    for _ in 0..30 {
        match call(&hook) {
            Answer::Nothing => {}
            Answer::Failure(text) => {
                failed += 1;
                assert!(text.contains("Segmentation fault (core dumped)"), "{text}");
                assert!(text.contains("print to stdout"), "{text}");
            }
            answer => panic!("{answer:?}"),
        }
    }
    assert!(failed >= 1);
    let value = |name: &str, label: &str| metric(module, name, label);
    assert_eq!(value("mesos_command_calls_total", ""), 30.0);
    assert_eq!(value("mesos_command_runs_total", ""), 30.0);
    let protocol = value("mesos_command_calls_total", "outcome=\"worker_protocol\"");
    assert_eq!(protocol, f64::from(failed));
    let reason = value("mesos_command_failures_total", "reason=\"worker_protocol\"");
    assert_eq!(reason, f64::from(failed));
    drop(hook);
    wait_for("the end", || processes(directory.path()).is_empty().then_some(()));
    wait_for("none up", || (value("mesos_command_worker_up", "") == 0.0).then_some(()));
}

#[test]
fn an_error_answer_is_told_with_its_reason() {
    let _together = TOGETHER.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let module = "worker-error";
    let directory = tempfile::tempdir().unwrap();
    let hook = hook(directory.path(), "error=1", module);
    let Answer::Failure(text) = call(&hook) else { panic!("it must fail") };
    assert!(text.ends_with("answered with an error. Cause: no such container"), "{text}");
    let count = metric(module, "mesos_command_failures_total", "reason=\"worker_error\"");
    assert_eq!(count, 1.0);
    assert_eq!(call(&hook), Answer::Nothing, "it lives on");
    assert_eq!(metric(module, "mesos_command_worker_restarts_total", ""), 0.0);
    drop(hook);
    wait_for("the end", || processes(directory.path()).is_empty().then_some(()));
}

/// A program that answers only as a worker, when it may: asked otherwise, it succeeds without a
/// word.
pub(crate) const ONLY_A_WORKER: &str = r#"#!/bin/sh
[ -n "$MESOS_COMMAND_WORKER" ] || exit 0
while [ ! -e "$0.go" ]; do sleep 0.05; done
read -r greeting
echo '{"ready":1}'
while read -r line; do id=${line#*:}; echo "{\"id\":${id%%,*},\"output\":{}}"; done
"#;
const RESOURCES: &str = "hook_slave_resources_decorator";

fn only_a_worker(directory: &Path, module: &str, fallback: &str) -> Hook {
    let command = directory.join("command");
    std::fs::write(&command, ONLY_A_WORKER).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&command, mode).unwrap();
    let parameter = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Hook::create(&[
        parameter("module_name", module),
        parameter(&format!("{RESOURCES}_command"), command.to_str().unwrap()),
        parameter(&format!("{RESOURCES}_mode"), "worker"),
        parameter(&format!("{RESOURCES}_fallback"), fallback),
    ])
    .unwrap()
}

fn resources(hook: &Hook) -> Answer {
    // The SlaveInfo {hostname: "h"}.
    hook.call(Event::SlaveResourcesDecorator, &[InputValue::Message(&[0x0a, 1, b'h'])])
}

#[test]
fn a_stand_in_that_says_nothing_is_counted() {
    let _together = TOGETHER.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let module = "worker-stand-in";
    let directory = tempfile::tempdir().unwrap();
    let hook = only_a_worker(directory.path(), module, "spawn");
    let count = || metric(module, "mesos_command_silent_stand_ins_total", RESOURCES);
    assert_eq!(count(), 0.0);
    assert_eq!(resources(&hook), Answer::Nothing);
    assert_eq!(count(), 1.0);
    std::fs::write(directory.path().join("command.go"), "").unwrap();
    wait_for("the worker", || {
        (metric(module, "mesos_command_worker_up", RESOURCES) == 1.0).then_some(())
    });
    assert_eq!(resources(&hook), Answer::Message([].into()), "the worker says something");
    assert_eq!(count(), 1.0);
    drop(hook);
    wait_for("the end", || processes(directory.path()).is_empty().then_some(()));
}

#[test]
fn without_a_stand_in_a_call_waits_for_a_worker_and_then_fails() {
    let _together = TOGETHER.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let module = "worker-alone";
    let directory = tempfile::tempdir().unwrap();
    let hook = only_a_worker(directory.path(), module, "fail");
    let began = Instant::now();
    let Answer::Failure(text) = resources(&hook) else { panic!("it must fail") };
    assert!(began.elapsed() >= Duration::from_secs(1), "it did not wait");
    let why = format!("no worker is up, and {RESOURCES}_fallback=fail keeps the command from");
    assert!(text.contains(&why), "{text}");
    let down = metric(module, "mesos_command_failures_total", "reason=\"worker_down\"");
    assert_eq!(down, 1.0);
    assert_eq!(metric(module, "mesos_command_silent_stand_ins_total", RESOURCES), 0.0);
    std::fs::write(directory.path().join("command.go"), "").unwrap();
    wait_for("the worker", || {
        (metric(module, "mesos_command_worker_up", RESOURCES) == 1.0).then_some(())
    });
    assert_eq!(resources(&hook), Answer::Message([].into()));
    drop(hook);
    wait_for("the end", || processes(directory.path()).is_empty().then_some(()));
}
