//! Arguments that several subcommands have.

use std::path::PathBuf;

use clap::Args;
use mesos_command::event::Event;

use crate::ballast::{self, Ballast};
use crate::library;

/// A release of Mesos.
#[derive(Debug, Args)]
pub(crate) struct MesosArgs {
    /// The Mesos release.
    #[arg(long = "mesos", default_value = "1.11.0")]
    pub(crate) version: String,
    /// The directory that fetch.py filled [default: $REAL_MESOS_DIR or beside this program].
    #[arg(long)]
    mesos_dir: Option<PathBuf>,
}

impl MesosArgs {
    /// The directory of the release.
    pub(crate) fn directory(&self) -> anyhow::Result<PathBuf> {
        library::directory(self.mesos_dir.as_deref(), &self.version)
    }

    /// Whether modules of the release are called for an event.
    pub(crate) fn calls(&self, event: Event) -> bool {
        event.row().since.is_none_or(|since| numbers(&self.version) >= numbers(since))
    }
}

/// The numbers of a version.
fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// What this process hosts, and as what kind of agent.
#[derive(Debug, Args)]
pub(crate) struct HostArgs {
    #[command(flatten)]
    pub(crate) mesos: MesosArgs,
    /// The modules file; ${LIBRARY}, ${SCRATCH}, ${HOST} and --set names are filled in.
    #[arg(long)]
    pub(crate) modules: PathBuf,
    /// NAME=VALUE for the files.
    #[arg(long)]
    pub(crate) set: Vec<String>,
    /// File for what Mesos and the modules log (to standard error otherwise).
    #[arg(long)]
    log: Option<PathBuf>,
    /// Bytes of memory to hold, to imitate a big agent.
    #[arg(long, default_value_t = 0)]
    touch_memory: usize,
    /// File descriptors to hold, to imitate a busy agent.
    #[arg(long, default_value_t = 0)]
    open_fds: usize,
}

impl HostArgs {
    /// Makes this process what Mesos expects, and sends its log where it belongs. Comes first.
    pub(crate) fn prepare_process(&self) -> anyhow::Result<()> {
        ballast::prepare_process(self.log.as_deref())
    }

    /// Memory and descriptors of a big agent, for as long as this is kept.
    pub(crate) fn ballast(&self) -> anyhow::Result<Ballast> {
        Ballast::new(self.touch_memory, self.open_fds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_called_since_its_release() {
        let calls = |version: &str, event| {
            MesosArgs { version: version.to_owned(), mesos_dir: None }.calls(event)
        };
        let young = Event::MasterLaunchTaskResourceDecorator;
        assert!(!calls("1.7.3", young) && calls("1.8.0", young) && calls("1.10.0", young));
        assert!(calls("1.7.3", Event::Prepare));
    }
}
