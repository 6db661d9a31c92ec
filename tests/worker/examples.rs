//! The examples that are shipped, for real: in both of their modes.

use std::path::Path;
use std::process::Command;

use mesos_command::outcome::OutcomeKind;
use mesos_command::run::Request;
use mesos_command::staging::Input;
use tempfile::TempDir;

use super::support::{Choice, Rig, wait_for};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/workers");
/// With a byte that is no UTF-8, as Mesos lets it pass.
const INPUT: &[u8] =
    b"{\"container_config\":{\"user\":\"x\xff\"},\"container_id\":{\"value\":\"abc-1\"}}";
const NESTED: &[u8] =
    br#"{"container_config":{},"container_id":{"parent":{"value":"abc-1"},"value":"x"}}"#;

fn check(directory: TempDir, command: &Path) {
    let cgroup = directory.path().join("cgroups/abc-1");
    std::fs::create_dir_all(&cgroup).unwrap();
    std::fs::write(cgroup.join("memory.current"), "123456\n").unwrap();
    let mut choice = Choice::default();
    let mut variable = std::ffi::OsString::from("CGROUPS=");
    variable.push(directory.path().join("cgroups"));
    choice.environment.push(variable);
    let rig = Rig::of(directory, command, choice);
    let read = |input: &[u8], by_worker: bool| {
        let request = Request::new(rig.spec.clone(), Input::Text(input.into()));
        let report = rig.pool().run_blocking(request);
        assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
        assert_eq!(report.by_worker, by_worker);
        String::from_utf8(report.output).unwrap()
    };
    wait_for("the worker", || (rig.pool().up() == 1).then_some(()));
    let usage = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(value, serde_json::json!({"mem_rss_bytes": 123_456}));
    };
    for _ in 0..3 {
        usage(&read(INPUT, true));
    }
    assert!(matches!(&*read(NESTED, true), "" | "{}"));
    rig.finish();
}

/// As an ordinary command.
fn check_plain(directory: &Path, command: &Path) {
    let cgroup = directory.join("cgroups/abc-1");
    std::fs::create_dir_all(&cgroup).unwrap();
    std::fs::write(cgroup.join("memory.current"), "42\n").unwrap();
    let [input, output] = ["input", "output"].map(|name| directory.join(name));
    std::fs::write(&input, [INPUT, b"\n"].concat()).unwrap();
    let run = || {
        Command::new(command)
            .args([&input, &output])
            .arg("/dev/null")
            .env("CGROUPS", directory.join("cgroups"))
            .stdin(std::fs::File::open(&input).unwrap())
            .status()
    };
    // A worker that another test starts in the moment in which the command was written has the
    // file open until it is executed itself.
    let status = wait_for("the command to be free", || match run() {
        Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => None,
        result => Some(result.unwrap()),
    });
    assert!(status.success());
    let value: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&output).unwrap()).unwrap();
    assert_eq!(value, serde_json::json!({"mem_rss_bytes": 42}));
}

#[test]
fn the_python_worker_answers() {
    let directory = tempfile::tempdir().unwrap();
    let command = directory.path().join("usage.py");
    for name in ["usage.py", "mesos_worker.py"] {
        std::fs::copy(format!("{EXAMPLES}/{name}"), directory.path().join(name)).unwrap();
    }
    check_plain(directory.path(), &command);
    check(directory, &command);
}

#[test]
fn the_c_worker_answers() {
    let directory = tempfile::tempdir().unwrap();
    let command = directory.path().join("usage");
    let compiler = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-o"])
        .arg(&command)
        .arg(format!("{EXAMPLES}/usage.c"))
        .status()
        .expect("a C compiler");
    assert!(compiler.success());
    check_plain(directory.path(), &command);
    check(directory, &command);
}
