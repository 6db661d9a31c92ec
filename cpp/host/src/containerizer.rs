#![expect(unsafe_code, reason = "takes over the pipe that the agent passes by number")]
//! A stand-in for `mesos-containerizer launch`, the helper that an agent starts in a container.
//!
//! It is exactly that, a stand-in for tests: it waits for the agent's go-ahead, runs the commands
//! that isolators asked to run first, and starts the executor with the environment and working
//! directory that the agent wants. Mounts, namespaces, root file systems and users are not its
//! business; a launch that asks for them fails, so that no test passes by their absence.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Parts of the launch information that this helper does not implement.
const REFUSED: [&str; 8] = [
    "mounts",
    "rootfs",
    "clone_namespaces",
    "enter_namespaces",
    "file_operations",
    "seccomp_profile",
    "tty_slave_path",
    "effective_capabilities",
];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a container's command; returns the exit code to end with.
pub(crate) fn launch() -> anyhow::Result<u8> {
    let info: Value = serde_json::from_str(&variable("LAUNCH_INFO")?)?;
    for part in REFUSED {
        if info.get(part).is_some_and(|value| value.as_array().is_none_or(|it| !it.is_empty())) {
            bail!("this stand-in for mesos-containerizer does not implement {part}");
        }
    }
    if let (Ok(read), Ok(write)) = (variable("PIPE_READ"), variable("PIPE_WRITE")) {
        wait_for_agent(read.parse()?, write.parse()?)?;
    }
    let status_file = Path::new(&variable("RUNTIME_DIRECTORY")?).join("status");
    let status = File::create(&status_file).with_context(|| status_file.display().to_string())?;

    for first in info.get("pre_exec_commands").and_then(Value::as_array).into_iter().flatten() {
        let done = command(first, &info)?.status().context("failed to run a pre-exec command")?;
        if !done.success() {
            bail!("a pre-exec command ended with {done}");
        }
    }
    let main = info.get("command").context("no command to launch")?;
    let ended = command(main, &info)?.status().context("failed to start the container")?;
    std::io::Write::write_all(&mut &status, ended.into_raw().to_string().as_bytes())?;
    // A signal has no exit code; the status file says which one it was.
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn variable(name: &str) -> anyhow::Result<String> {
    let name = format!("MESOS_CONTAINERIZER_{name}");
    std::env::var(&name).with_context(|| format!("{name} is not set: only an agent starts this"))
}

/// The agent writes a byte when the container is isolated and may run, or goes away.
fn wait_for_agent(read: RawFd, write: RawFd) -> anyhow::Result<()> {
    // SAFETY: the agent opened both for this process, which has touched neither so far.
    let (read, write) = unsafe { (OwnedFd::from_raw_fd(read), OwnedFd::from_raw_fd(write)) };
    // While this end is open the agent's death would not be seen.
    drop(write);
    let mut byte = [0];
    let count = File::from(read).read(&mut byte)?;
    anyhow::ensure!(count == 1, "the agent went away before the container could run");
    Ok(())
}

/// A `CommandInfo` as a command with the container's environment and working directory.
fn command(info: &Value, launch: &Value) -> anyhow::Result<Command> {
    let value = info.get("value").and_then(Value::as_str).context("a command without a value")?;
    let mut command = if info.get("shell").and_then(Value::as_bool).unwrap_or(true) {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", value]);
        shell
    } else {
        let mut command = Command::new(value);
        let arguments = info.get("arguments").and_then(Value::as_array);
        let mut arguments = arguments.into_iter().flatten().filter_map(Value::as_str);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments);
        command
    };
    let variables = launch.pointer("/environment/variables").and_then(Value::as_array);
    if let Some(variables) = variables {
        command.env_clear().env("PATH", DEFAULT_PATH);
        for variable in variables {
            let text = |key| variable.get(key).and_then(Value::as_str);
            if let (Some(name), Some(value)) = (text("name"), text("value")) {
                command.env(name, value);
            }
        }
    }
    if let Some(directory) = launch.get("working_directory").and_then(Value::as_str) {
        command.current_dir(directory);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_gets_the_environment_of_the_launch_and_no_other() {
        let launch = json!({
            "environment": {"variables": [{"name": "A", "value": "b"}]},
            "working_directory": "/",
        });
        let shell = json!({"value": "env; pwd"});
        let output = command(&shell, &launch).unwrap().output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().any(|line| line == "A=b"));
        assert!(!text.contains("CARGO"));
        assert!(text.ends_with("/\n"));
        let direct = json!({"shell": false, "value": "/bin/echo", "arguments": ["echo", "x y"]});
        let output = command(&direct, &launch).unwrap().output().unwrap();
        assert_eq!(output.stdout, b"x y\n");
        assert!(command(&json!({}), &launch).is_err());
    }
}
