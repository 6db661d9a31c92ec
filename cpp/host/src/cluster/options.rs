//! What a cluster run is asked for.

use std::path::PathBuf;
use std::time::Duration;

use super::readers::Readers;
use crate::options::MesosArgs;

/// How a cluster process is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum End {
    /// Master and agent are destroyed, then main returns.
    Stop,
    /// Main returns, whatever is in flight.
    Exit,
    /// SIGKILL.
    Kill,
}

/// What to run and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Cluster {
    #[command(flatten)]
    pub(super) mesos: MesosArgs,
    /// The modules file, filled in as for `run`; without one, no modules.
    #[arg(long)]
    pub(super) modules: Option<PathBuf>,
    /// NAME=VALUE for the modules file.
    #[arg(long)]
    pub(super) set: Vec<String>,
    /// How many tasks to launch, each in a container of its own.
    #[arg(long, default_value_t = 9)]
    pub(super) tasks: usize,
    /// Seconds within which all of them must run.
    #[arg(long, default_value = "60", value_parser = seconds)]
    pub(super) patience: Duration,
    /// Ends the agent in this way while containers live, and starts it again.
    #[arg(long)]
    pub(super) restart: Option<End>,
    /// How the agent is ended at last, with requests in flight.
    #[arg(long, default_value = "stop")]
    pub(super) end: End,
    /// The commands record their runs: compare that with what was done.
    #[arg(long)]
    pub(super) records: bool,
    /// The watch command ends every task: wait for that, twice, and see that the agent lives.
    #[arg(long, conflicts_with_all = ["restart", "records"])]
    pub(super) limited: bool,
    /// The prepare command of the task "held" makes this file and hangs: wait until somebody has
    /// ended it, see that its launch fails and the task "next" runs, and stay for as long as the
    /// file does.
    #[arg(long, conflicts_with_all = ["restart", "records", "limited"])]
    pub(super) held: Option<PathBuf>,
    /// The socket of a Docker daemon: tasks run in its containers as well.
    #[arg(long, conflicts_with_all = ["restart", "records", "limited", "held"], requires = "image")]
    pub(super) docker: Option<PathBuf>,
    /// An image that this daemon has, with a shell, for `--docker`.
    #[arg(long)]
    pub(super) image: Option<String>,
    /// Reads the statistics at a pace instead, as SECONDSxREADS: `2x15`, or several readers at a
    /// time, `2x30,10x6`. Given several times, one after the other.
    #[arg(long, conflicts_with_all = ["restart", "records", "limited", "held", "docker"])]
    pub(super) readers: Vec<Readers>,
    /// Work directory to use and to keep; otherwise a temporary one.
    #[arg(long)]
    pub(super) work_dir: Option<PathBuf>,
    /// One JSON object per line instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}
