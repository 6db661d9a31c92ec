//! Hosts a real libmesos and drives modules through Mesos's own managers.
//!
//! `run` plays a scenario against ModuleManager, HookManager and isolators; `cluster` runs tasks on
//! a whole master and agent; `load` makes usage calls at a pace; `descriptors` writes the message types of a Mesos release to files.
//! For the cluster this program also is the executor (`executor`) and a stand-in for Mesos's
//! containerizer helper (`containerizer`), which the agent starts.
//!
//! Exit codes: 0 everything as expected; 1 something was not; 2 usage or set-up error.

mod ballast;
mod clock;
mod cluster;
mod containerizer;
mod executor;
mod glue;
mod http;
mod library;
mod load;
mod mesos;
mod modules;
mod report;
mod scenario;
mod schema;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Hosts a real libmesos and drives command modules through Mesos's own managers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a scenario inside a real libmesos.
    Run(Run),
    /// Makes usage calls at a given pace through an isolator inside a real libmesos.
    Load(Load),
    /// Compares usage calls that run their command with bare starts of it, in alternating rounds.
    Ratio(Ratio),
    /// Runs tasks on a whole master and agent with the modules loaded.
    Cluster(Cluster),
    /// Writes the descriptors of a Mesos release's messages to a directory.
    Descriptors {
        #[command(flatten)]
        mesos: Mesos,
        /// The directory, made when missing.
        #[arg(long)]
        out: PathBuf,
    },
    /// Master and agent, for `cluster`.
    #[command(hide = true)]
    ClusterProcess {
        /// The directory of the real library.
        #[arg(long)]
        directory: PathBuf,
        /// The modules file, filled in.
        #[arg(long)]
        modules: PathBuf,
    },
    /// An executor, started by the agent of a cluster.
    #[command(hide = true)]
    Executor {
        /// Ends its task after so many milliseconds; otherwise when it is killed.
        #[arg(long)]
        run_ms: Option<u64>,
    },
    /// A stand-in for Mesos's containerizer helper, started by the agent of a cluster.
    #[command(hide = true)]
    Containerizer {
        /// What Mesos's helper is asked to do; only `launch` is known.
        action: String,
    },
}

#[derive(Debug, Args)]
struct Mesos {
    /// The Mesos release.
    #[arg(long = "mesos", default_value = "1.11.0")]
    version: String,
    /// The directory that fetch.py filled [default: $REAL_MESOS_DIR or beside this program].
    #[arg(long)]
    mesos_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    mesos: Mesos,
    /// The modules file; ${LIBRARY}, ${SCRATCH}, ${HOST} and --set names are filled in.
    #[arg(long)]
    modules: PathBuf,
    /// The scenario file.
    #[arg(long)]
    scenario: PathBuf,
    /// NAME=VALUE for the modules file and the scenario.
    #[arg(long)]
    set: Vec<String>,
    /// Bytes of memory to hold, to imitate a big agent.
    #[arg(long, default_value_t = 0)]
    touch_memory: usize,
    /// File descriptors to hold, to imitate a busy agent.
    #[arg(long, default_value_t = 0)]
    open_fds: usize,
    /// One JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
    /// File for what Mesos and the modules log (to standard error otherwise).
    #[arg(long)]
    log: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Load {
    #[command(flatten)]
    mesos: Mesos,
    /// The modules file, filled in as for `run`; its first isolator is called.
    #[arg(long)]
    modules: PathBuf,
    /// NAME=VALUE for the modules file.
    #[arg(long)]
    set: Vec<String>,
    /// File for what Mesos and the modules log (to standard error otherwise, with the progress).
    #[arg(long)]
    log: Option<PathBuf>,
    /// Bytes of memory to hold, to imitate a big agent.
    #[arg(long, default_value_t = 0)]
    touch_memory: usize,
    /// File descriptors to hold, to imitate a busy agent.
    #[arg(long, default_value_t = 0)]
    open_fds: usize,
    #[command(flatten)]
    options: load_generator::Options,
}

#[derive(Debug, Args)]
struct Ratio {
    #[command(flatten)]
    mesos: Mesos,
    /// The modules file, filled in as for `run`; its first isolator is called.
    #[arg(long)]
    modules: PathBuf,
    /// NAME=VALUE for the modules file.
    #[arg(long)]
    set: Vec<String>,
    /// File for what Mesos and the modules log (to standard error otherwise).
    #[arg(long)]
    log: Option<PathBuf>,
    /// Bytes of memory to hold, to imitate a big agent.
    #[arg(long, default_value_t = 0)]
    touch_memory: usize,
    /// File descriptors to hold, to imitate a busy agent.
    #[arg(long, default_value_t = 0)]
    open_fds: usize,
    #[command(flatten)]
    ratios: load::Ratios,
}

#[derive(Debug, Args)]
struct Cluster {
    #[command(flatten)]
    mesos: Mesos,
    /// The modules file, filled in as for `run`; without one, no modules.
    #[arg(long)]
    modules: Option<PathBuf>,
    /// NAME=VALUE for the modules file.
    #[arg(long)]
    set: Vec<String>,
    /// How many tasks to launch, each in a container of its own.
    #[arg(long, default_value_t = 9)]
    tasks: usize,
    /// Seconds within which all of them must run.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Ends the agent in this way while containers live, and starts it again.
    #[arg(long)]
    restart: Option<cluster::End>,
    /// How the agent is ended at last, with requests in flight.
    #[arg(long, default_value = "stop")]
    end: cluster::End,
    /// The commands record their runs: compare that with what was done.
    #[arg(long)]
    records: bool,
    /// The watch command ends every task: wait for that, twice, and see that the agent lives.
    #[arg(long, conflicts_with_all = ["restart", "records"])]
    limited: bool,
    /// Work directory to use and to keep; otherwise a temporary one.
    #[arg(long)]
    work_dir: Option<PathBuf>,
    /// One JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("mesos-host: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn execute(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Run(run) => {
            ballast::prepare_process(run.log.as_deref())?;
            scenario::run(&scenario::Options {
                mesos: run.mesos.version,
                mesos_dir: run.mesos.mesos_dir,
                modules: run.modules,
                scenario: run.scenario,
                set: run.set,
                touch_memory: run.touch_memory,
                open_fds: run.open_fds,
                json: run.json,
            })
        }
        Command::Load(it) => {
            ballast::prepare_process(it.log.as_deref())?;
            let setup = load::Setup {
                mesos: it.mesos.version,
                mesos_dir: it.mesos.mesos_dir,
                modules: it.modules,
                set: it.set,
                touch_memory: it.touch_memory,
                open_fds: it.open_fds,
                json: it.options.json,
            };
            load::run(&setup, &it.options)
        }
        Command::Ratio(it) => {
            ballast::prepare_process(it.log.as_deref())?;
            let setup = load::Setup {
                mesos: it.mesos.version,
                mesos_dir: it.mesos.mesos_dir,
                modules: it.modules,
                set: it.set,
                touch_memory: it.touch_memory,
                open_fds: it.open_fds,
                json: it.ratios.json,
            };
            load::ratios(&setup, &it.ratios)
        }
        Command::Cluster(it) => cluster::run(&cluster::Options {
            mesos: it.mesos.version,
            mesos_dir: it.mesos.mesos_dir,
            modules: it.modules,
            set: it.set,
            tasks: it.tasks,
            patience: Duration::from_secs(it.patience),
            restart: it.restart,
            end: it.end,
            records: it.records,
            limited: it.limited,
            work_dir: it.work_dir,
            json: it.json,
        }),
        Command::ClusterProcess { directory, modules } => {
            cluster::serve(&directory, &modules).map(|()| true)
        }
        Command::Executor { run_ms } => {
            executor::run(run_ms.map(Duration::from_millis)).map(|()| true)
        }
        Command::Containerizer { action } => {
            anyhow::ensure!(action == "launch", "this stand-in only knows launch");
            std::process::exit(containerizer::launch()?.into())
        }
        Command::Descriptors { mesos, out } => {
            let loaded =
                library::load(&library::directory(mesos.mesos_dir.as_deref(), &mesos.version)?)?;
            for kind in mesos::BY_VALUE {
                if let Some(size) = mesos::message_size(loaded, kind) {
                    println!("{kind}: {size} bytes");
                }
            }
            for (name, bytes) in mesos::descriptors(loaded) {
                let path = out.join(&name).with_extension("pb");
                let parent = path.parent().context("a descriptor without a directory")?;
                std::fs::create_dir_all(parent)?;
                std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
                println!("{}", path.display());
            }
            Ok(true)
        }
    }
}
