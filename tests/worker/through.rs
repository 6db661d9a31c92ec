//! Through a module instance: parameters, metrics, failure texts.

use std::path::Path;

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
