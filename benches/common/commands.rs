//! Commands as instances have them, and a log that is seen.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::event::Event;
use mesos_command::run::CommandSpec;
use mesos_command::staging::IoMode;
use mesos_command::sys::Identity;
use mesos_command::worker::WorkerLog;

/// A command of an event with these entries of its environment.
pub(crate) fn spec(
    command: &Path,
    event: Event,
    io: IoMode,
    environment: &[&str],
) -> Arc<CommandSpec> {
    Arc::new(CommandSpec {
        event,
        module: "bench".into(),
        command: CommandLine::Path(command.into()),
        environment: environment.iter().map(|entry| (*entry).into()).collect(),
        timeout: Some(Duration::from_secs(30)),
        kill_grace: Duration::from_secs(1),
        max_output_bytes: 1 << 20,
        io,
        stdio: Stdio::Capture,
        background: Background::Kill,
        identity: Identity::default(),
        temp_dir: None,
        cgroups: None,
    })
}

pub(crate) struct Loud;

impl WorkerLog for Loud {
    fn failure(&self, text: &str) {
        eprintln!("{text}");
    }

    fn note(&self, text: &str) {
        eprintln!("{text}");
    }
}
