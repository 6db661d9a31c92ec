//! Hosts a real libmesos and drives modules through Mesos's own managers.
//!
//! `run` plays a scenario against ModuleManager, HookManager and isolators; `cluster` runs tasks on
//! a whole master and agent; `load` makes usage calls at a pace; `descriptors` writes the message
//! types of a Mesos release to files.
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
mod options;
mod report;
mod sample;
mod scenario;
mod schema;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use executor::Work;
use options::MesosArgs;

#[derive(Debug, Parser)]
#[command(about = "Hosts a real libmesos and drives command modules through Mesos's own managers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays a scenario inside a real libmesos.
    Run(scenario::Run),
    /// Makes usage calls at a given pace through an isolator inside a real libmesos.
    Load(load::Load),
    /// Compares usage calls that run their command with bare starts of it, in alternating rounds.
    Ratio(load::Ratio),
    /// Makes usage calls at a given pace and lets containers live and end, for tests/soak/soak.py.
    #[command(hide = true)]
    Soak(load::Soak),
    /// Runs tasks on a whole master and agent with the modules loaded.
    Cluster(cluster::Cluster),
    /// Writes the descriptors of a Mesos release's messages to a directory.
    Descriptors {
        #[command(flatten)]
        mesos: MesosArgs,
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
    /// A stand-in for Mesos's executor of tasks in containers of Docker, started by the agent.
    #[command(hide = true)]
    DockerExecutor {
        /// The flags of mesos-docker-executor.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// A stand-in for Mesos's containerizer helper, started by the agent of a cluster.
    #[command(hide = true)]
    Containerizer {
        /// What Mesos's helper is asked to do; only `launch` is known.
        action: String,
    },
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
        Command::Run(run) => scenario::run(&run),
        Command::Load(load) => load::run(&load),
        Command::Ratio(ratio) => load::compare(&ratio),
        Command::Soak(soak) => load::soak(&soak),
        Command::Cluster(cluster) => cluster::run(&cluster),
        Command::ClusterProcess { directory, modules } => {
            cluster::serve(&directory, &modules).map(|()| true)
        }
        Command::Executor { run_ms } => {
            executor::run(Work::Wait(run_ms.map(Duration::from_millis))).map(|()| true)
        }
        Command::DockerExecutor { flags } => executor::run(Work::docker(&flags)?).map(|()| true),
        Command::Containerizer { action } => {
            anyhow::ensure!(action == "launch", "this stand-in only knows launch");
            std::process::exit(containerizer::launch()?.into())
        }
        Command::Descriptors { mesos, out } => descriptors(&mesos, &out).map(|()| true),
    }
}

/// Prints the sizes of the messages that are passed by value, and writes all descriptors.
fn descriptors(mesos: &MesosArgs, out: &Path) -> anyhow::Result<()> {
    let loaded = library::load(&mesos.directory()?)?;
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
    Ok(())
}
