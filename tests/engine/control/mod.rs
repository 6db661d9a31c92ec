//! The control socket with real commands behind it: what it lists, and what it ends.

mod bounds;
mod calls;
mod events;
mod log;
mod look;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use mesos_command::event::Event;
use serde_json::Value;

use crate::support::{Instance, PATIENCE};

/// A serialised ContainerConfig with an executor (`e`, of the framework `f`) and the task `t`.
pub(super) fn config_of_task() -> Vec<u8> {
    use crate::support::field;
    let id = |text: &str| field(1, text.as_bytes());
    // ExecutorInfo: executor_id (1), framework_id (8), command (7); TaskInfo: name (1), task_id
    // (2), slave_id (3); ContainerConfig: directory (3), executor_info (8), task_info (9).
    let executor = [field(1, &id("e")), field(7, &[]), field(8, &id("f"))].concat();
    let task = [field(1, b"n"), field(2, &id("t")), field(3, &id("s"))].concat();
    [field(3, b"/x"), field(8, &executor), field(9, &task), field(11, &[])].concat()
}

/// An isolator with a control socket in its directory.
pub(super) fn instance(module: &str, scripts: &[(&str, &str)], more: &[(&str, &str)]) -> Instance {
    let place = tempfile::tempdir().unwrap().keep();
    let socket = place.join("control.sock").display().to_string();
    let instance =
        Instance::new(module, scripts, &[&[("control_socket", &*socket)], more].concat());
    std::os::unix::fs::symlink(&place, instance.path("socket")).unwrap();
    instance
}

pub(super) fn socket(instance: &Instance) -> std::path::PathBuf {
    instance.path("socket").join("control.sock")
}

/// Status and text of the answer to a request.
pub(super) fn exchange(socket: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no HTTP: {answer:?}")), body.to_owned())
}

/// The answer to a request, which has to have this status.
pub(super) fn ask(socket: &Path, method: &str, path: &str, status: u16) -> Value {
    let (found, body) = exchange(socket, &format!("{method} {path} HTTP/1.0\r\n\r\n"));
    assert_eq!(found, status, "{method} {path}: {body}");
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(value["api"], 1, "{body}");
    assert_eq!(value["pid"], std::process::id());
    value
}

/// The calls of an instance in flight, once there are so many that run and that wait.
pub(super) fn calls(instance: &Instance, running: usize, queued: usize) -> Vec<Value> {
    let path = format!("/v1/calls?module={}", instance.module);
    test_support::wait_for(&format!("{running} running and {queued} queued"), || {
        let answer = ask(&socket(instance), "GET", &path, 200);
        let all = answer["calls"].as_array().unwrap().clone();
        let count = |state| all.iter().filter(|call| call["state"] == state).count();
        let have_pids = all.iter().filter(|call| !call["pid"].is_null()).count();
        (count("running") == running && count("queued") == queued && have_pids == running)
            .then_some(all)
    })
}

/// Kills a call; what it was.
pub(super) fn kill(instance: &Instance, call: &Value) -> Value {
    let path = format!("/v1/calls/{}/kill", call["id"]);
    ask(&socket(instance), "POST", &path, 200)["killed"].clone()
}

/// The last failure of an instance.
pub(super) fn last_failure(instance: &Instance) -> Value {
    let path = format!("/v1/failures?module={}", instance.module);
    ask(&socket(instance), "GET", &path, 200)["failures"][0].clone()
}

/// Prepares a container whose config names a task.
pub(super) fn prepare(
    instance: &Instance,
    container: &str,
) -> std::sync::mpsc::Receiver<mesos_command::call::Answer> {
    use mesos_command::call::InputValue;
    let (config, id) = (config_of_task(), crate::support::id(container));
    let values = [InputValue::Message(&config), InputValue::Message(&id)];
    let (sender, receiver) = std::sync::mpsc::channel();
    let done = Box::new(move |answer| drop(sender.send(answer)));
    instance.isolator.call(Event::Prepare, &values, done);
    receiver
}
