//! A task in a container of Docker, as Mesos's own `mesos-docker-executor` runs it: its flags say
//! how the container is called and what the hooks want in the task's environment.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::Event;

/// How long a task's output may be in a message, in bytes.
const MESSAGE: usize = 16 << 10;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The flags of `mesos-docker-executor` that matter here; the others are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(super) container: String,
    docker: String,
    socket: String,
    sandbox: String,
    mapped: String,
    environment: BTreeMap<String, String>,
}

impl Flags {
    /// Reads `--name=value`, one after the other.
    pub(super) fn parse(flags: &[String]) -> anyhow::Result<Flags> {
        let mut read = Flags::default();
        for flag in flags {
            let Some((name, value)) = flag.trim_start_matches('-').split_once('=') else {
                continue;
            };
            match name {
                "container" => read.container = value.to_owned(),
                "docker" => read.docker = value.to_owned(),
                "docker_socket" => read.socket = value.to_owned(),
                "sandbox_directory" => read.sandbox = value.to_owned(),
                "mapped_directory" => read.mapped = value.to_owned(),
                "task_environment" => {
                    read.environment =
                        serde_json::from_str(value).with_context(|| format!("{name}: {value}"))?;
                }
                _ => {}
            }
        }
        anyhow::ensure!(
            !read.container.is_empty() && !read.docker.is_empty() && !read.socket.is_empty(),
            "--container, --docker and --docker_socket are needed, got {flags:?}"
        );
        Ok(read)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.docker);
        command.arg("-H").arg(format!("unix://{}", self.socket)).stdin(Stdio::null());
        command
    }

    /// Runs the task's command in a container, and tells of its start and end.
    pub(super) fn run(&self, task: &Value, events: &Sender<Event>) {
        let ended = match self.run_container(task, events) {
            Ok((true, output)) => Event::Ended("TASK_FINISHED", output),
            Ok((false, output)) => Event::Ended("TASK_FAILED", output),
            Err(error) => Event::Ended("TASK_FAILED", format!("{error:#}")),
        };
        let _ = events.send(ended);
    }

    fn run_container(
        &self,
        task: &Value,
        events: &Sender<Event>,
    ) -> anyhow::Result<(bool, String)> {
        let text = |pointer: &str| {
            task.pointer(pointer)
                .and_then(Value::as_str)
                .with_context(|| format!("the task has no {pointer}"))
        };
        let mut command = self.command();
        command.args(["run", "--network", "none", "--name", &self.container]);
        for (name, value) in &self.environment {
            command.arg("-e").arg(format!("{name}={value}"));
        }
        command
            .arg("-v")
            .arg(format!("{}:{}", self.sandbox, self.mapped))
            .arg(text("/container/docker/image")?)
            .args(["/bin/sh", "-c", text("/command/value")?])
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{} run", self.docker))?;
        while !self.is_known()? && child.try_wait()?.is_none() {
            std::thread::sleep(LOOK_AGAIN);
        }
        let _ = events.send(Event::Started);
        let done = child.wait_with_output()?;
        let mut output = String::from_utf8_lossy(&done.stdout).into_owned();
        if let Some((cut, _)) = output.char_indices().find(|(index, _)| *index >= MESSAGE) {
            output.truncate(cut);
        }
        Ok((done.status.success(), output))
    }

    /// Whether Docker knows the container.
    fn is_known(&self) -> anyhow::Result<bool> {
        let mut inspect = self.command();
        inspect.args(["inspect", "--type", "container", &self.container]);
        Ok(inspect.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
    }

    /// Ends the container.
    pub(super) fn stop(&self) {
        let mut stop = self.command();
        stop.args(["stop", "--time", "1", &self.container]).stdout(Stdio::null());
        if let Err(error) = stop.status() {
            eprintln!("mesos-host executor: {} stop: {error}", self.docker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_mesos() {
        let flags = [
            "--container=mesos-1",
            "--docker=docker",
            "--docker_socket=/run/docker.sock",
            "--sandbox_directory=/s",
            "--mapped_directory=/mnt/mesos/sandbox",
            "--initialize_driver_logging=true",
            r#"--task_environment={"A":"b=c"}"#,
        ];
        let read = Flags::parse(&flags.map(str::to_owned)).unwrap();
        assert_eq!(read.container, "mesos-1");
        assert_eq!(read.environment["A"], "b=c");
        let error = Flags::parse(&["--docker=docker".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("--container, --docker and --docker_socket"), "{error}");
    }
}
