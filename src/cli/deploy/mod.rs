//! `mesos-command deploy`: brings the module library to hosts over ssh, and back.
//!
//! * `ssh`: the way there. `steps.sh`: what is done there. `origins`: where things lie on hosts.
//! * `host`: one host, step by step. `report`: what is said of it. `failure`: what can go wrong.
//!
//! Nothing is put in place that `inspect` or `check`, run there, speaks against. The library is
//! renamed over the old one, which stays under another name, and no agent is restarted unless that
//! is asked for.

mod failure;
mod host;
mod origins;
mod report;
mod ssh;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::{SUCCESS, inspect, interrupt};
use origins::Places;
use report::Report;
use ssh::{Options, Ssh};

/// How many old libraries are kept on a host, when nothing else is said.
const KEPT: u64 = 3;

#[derive(clap::Args)]
#[command(
    after_help = "On each host, one after the other: copies library and tool into a directory beside the library's \
                  place and compares their sums; runs `inspect` and `check` there; keeps the old library under its \
                  name with the date, renames the new one into place, and prints how to restart the agent and the \
                  way back. A library that `inspect` or `check` speaks against is never put in place. The first \
                  failure ends it.\n\
                  Exit status: 0 all hosts; 1 a host cannot take it, or refuses; 2 the command line or a file here \
                  could not be used; 3 a host could not be asked (no ssh, no connection, no login, no answer in time)."
)]
pub(crate) struct Arguments {
    /// USER@HOST, as ssh takes it; several are served one after the other
    #[arg(required = true, value_name = "HOST", value_parser = host_name)]
    hosts: Vec<String>,
    /// The module library [default: libmesos_command_modules.so beside this program]
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Its name there [default: libmesos_command_modules.so]
    #[arg(long = "as", value_name = "NAME", value_parser = file_name, default_value = inspect::MODULE, hide_default_value = true)]
    name: String,
    /// The tool that looks at it there [default: this program]
    #[arg(long, value_name = "FILE")]
    tool: Option<PathBuf>,
    /// Where the tool stays there
    #[arg(long, value_name = "DIRECTORY", default_value = "/usr/local/bin", value_parser = origins::path)]
    tool_dir: String,
    /// The tool does not stay there
    #[arg(long, conflicts_with = "tool_dir")]
    without_tool: bool,
    #[command(flatten)]
    places: Places,
    /// How many old libraries stay there
    #[arg(long, value_name = "COUNT", default_value_t = KEPT, value_parser = clap::value_parser!(u64).range(1..=50))]
    keep: u64,
    /// Put the library in place again that was there before the last deployment
    #[arg(long)]
    rollback: bool,
    /// Restart the agent's service afterwards, and see that it stays up
    #[arg(long)]
    restart: bool,
    /// Connect, look, and print each step; change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    ssh: Options,
    /// One JSON object for each host
    #[arg(long)]
    json: bool,
}

/// A file here that is sent.
struct Sent {
    path: PathBuf,
    sum: String,
    bytes: u64,
}

impl Sent {
    fn new(path: &Path) -> anyhow::Result<Sent> {
        let metadata = std::fs::metadata(path);
        let metadata = metadata.with_context(|| format!("'{}' cannot be read", path.display()))?;
        if !metadata.is_file() {
            bail!("'{}' is no regular file", path.display());
        }
        Ok(Sent { path: path.to_owned(), sum: ssh::sum(path)?, bytes: metadata.len() })
    }
}

/// What is sent.
struct Local {
    module: Sent,
    tool: Sent,
}

impl Local {
    fn new(arguments: &Arguments) -> anyhow::Result<Local> {
        let program = std::env::current_exe().context("this program's path")?;
        let beside = || program.with_file_name(inspect::MODULE);
        let module = arguments.module.clone().unwrap_or_else(beside);
        let tool = arguments.tool.clone().unwrap_or(program.clone());
        let sent = Sent::new(&module).context("the module library (--module names it)")?;
        if let Some(problem) = inspect::module_problem(&module) {
            bail!("{problem}");
        }
        Ok(Local { module: sent, tool: Sent::new(&tool).context("the tool")? })
    }
}

/// Serves the hosts; the exit status.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    interrupt::install()?;
    let local = if arguments.rollback { None } else { Some(Local::new(arguments)?) };
    let mut hosts = arguments.hosts.iter();
    let mut status = SUCCESS;
    for host in hosts.by_ref() {
        let ssh = Ssh::new(host, &arguments.ssh)?;
        let mut report = Report::new(host, arguments.json);
        let ended = match &local {
            Some(local) => host::deploy(&ssh, host, arguments, local, &mut report),
            None => host::roll_back(&ssh, host, arguments, &mut report),
        };
        interrupt::leave_if_requested();
        report.end(&ended);
        if let Err(failure) = ended {
            status = failure.exit_code();
            break;
        }
    }
    for host in hosts {
        Report::not_tried(host, arguments.json);
    }
    Ok(status)
}

/// What ssh takes for a host and not for an option, and this tool for its lines.
fn host_name(text: &str) -> Result<String, String> {
    if text.starts_with('-')
        || text.is_empty()
        || text.contains(|c: char| c.is_control() || c == ' ')
    {
        return Err("give USER@HOST, HOST, or a name of ~/.ssh/config".to_owned());
    }
    Ok(text.to_owned())
}

fn file_name(text: &str) -> Result<String, String> {
    if text.contains('/') || text.starts_with(['.', '-']) {
        return Err("give a file's name; --modules-dir names its directory".to_owned());
    }
    origins::path(text)
}
