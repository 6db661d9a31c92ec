//! A directory with a modules file, scripts and an input, and the tool run on them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A place of a test's own. `root/temp` and `root/state` are the agent's, which stay empty.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a directory"));
        for name in ["temp", "state"] {
            std::fs::create_dir(place.path(name)).expect("a directory");
        }
        place.input(&json!({
            "container_id": {"value": "c1"},
            "container_config": {"command_info": {"value": "x"}, "directory": "/tmp"},
            "pid": 1,
            "executor_info": {"executor_id": {"value": "e1"}, "command": {"value": "x"}},
            "slave_info": {"hostname": "h"},
        }));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// A file's text; empty while there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// An executable file of shell; `$D` is the place.
    pub(crate) fn script(&self, name: &str, body: &str) -> String {
        let text = format!("#!/bin/sh\nD='{}'\n{body}\n", self.0.path().display());
        self.program(name, text.as_bytes())
    }

    /// An executable file.
    pub(crate) fn program(&self, name: &str, content: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("its mode");
        self.text(name)
    }

    pub(crate) fn input(&self, input: &Value) {
        std::fs::write(self.path("input.json"), input.to_string()).expect("the input");
    }

    /// The modules file with one module of ours: an isolator unless a key is a hook's.
    pub(crate) fn modules(&self, parameters: &[(&str, &str)]) {
        let hook = parameters.iter().any(|(key, _)| key.starts_with("hook_"));
        let symbol =
            if hook { "com_criteo_mesos_CommandHook" } else { "com_criteo_mesos_CommandIsolator" };
        let pair = |(key, value): &(&str, &str)| json!({"key": key, "value": value});
        let mut all = vec![json!({"key": "module_name", "value": "test"})];
        all.extend(parameters.iter().map(pair));
        let file = json!({"libraries": [{"file": "x.so", "modules": [
            {"name": symbol, "parameters": all}]}]});
        std::fs::write(self.path("modules.json"), file.to_string()).expect("the modules file");
    }

    /// `mesos-command SUBCOMMAND --modules … --input …`, with `more` behind it. Signals have their
    /// default dispositions, whatever the tests were started with: under nohup, or behind a shell
    /// without job control, some are ignored, which the tool respects.
    pub(crate) fn command(&self, subcommand: &str, more: &[&str]) -> Command {
        let mut command = Command::new("env");
        command.arg("--default-signal=HUP,INT,QUIT,TERM");
        command
            .arg(env!("CARGO_BIN_EXE_mesos-command"))
            .arg(subcommand)
            .arg("--modules")
            .arg(self.path("modules.json"));
        if subcommand == "call" {
            command.arg("--input").arg(self.path("input.json"));
        }
        command.args(more).env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    /// `mesos-command call --json` with `more` behind it: its calls, and all of its output.
    pub(crate) fn call(&self, more: &[&str]) -> (Vec<Value>, Output) {
        let done = self.command("call", &[&["--json"], more].concat()).output().expect("it runs");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        let calls = text.lines().map(|line| serde_json::from_str(line).expect("an object"));
        (calls.collect(), done)
    }

    /// `mesos-command call` for people.
    pub(crate) fn shown(&self, more: &[&str]) -> String {
        let done = self.command("call", more).output().expect("it runs");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

pub(crate) fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).expect("a directory").next().is_none()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
