//! `mesos-command status`, `calls`, `failures`, `containers`, `kill`, `log-level`, `reload`,
//! `reset-breaker`, `tail`, `top`: what a running agent or master says and does over its control
//! socket.
//!
//! * `client`: which agent, and a request to it. `kept`: failed calls in files. `show`, `shadow`,
//!   `words`, `mark`: tables for people.

mod client;
mod kept;
mod mark;
mod shadow;
mod show;
mod tail;
mod top;
mod words;

use serde_json::Value;

use client::{NoAnswer, query};

pub(crate) use client::Agent;
pub(crate) use kept::read_json;
pub(crate) use tail::{Tail, run as tail};
pub(crate) use top::{Top, run as top};

use crate::{PROBLEMS, SUCCESS, UNKNOWN};

/// What stands at the end of the help of each of them.
const STATUS_HELP: &str = "Exit status: 0 the agent has answered; 1 it refuses: there is no such call, module or event, or its modules file cannot be used; 2 the command \
     line could not be used; 3 no agent could be asked.\n\
     The agent is found by itself where one has a control socket in /run/mesos-command (parameter \
     `control_socket`), which is for root and the agent's user.";

/// What all of them have.
#[derive(clap::Args)]
pub(crate) struct Common {
    #[command(flatten)]
    agent: Agent,
    /// The answer of the agent as it is, one JSON object
    #[arg(long)]
    json: bool,
}

/// What those about instances have.
#[derive(clap::Args)]
pub(crate) struct Chosen {
    /// Only of instances with this module_name
    #[arg(long)]
    module: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Chosen {
    /// `path` with what chooses instances, and `more`.
    fn query(&self, path: &str, more: &[(&str, Option<&str>)]) -> String {
        query(path, &[&[("module", self.module.as_deref())], more].concat())
    }
}

#[derive(clap::Args)]
#[command(after_help = STATUS_HELP)]
pub(crate) struct Status {
    /// With all parameters, the defaults too
    #[arg(long)]
    parameters: bool,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(clap::Args)]
#[command(after_help = STATUS_HELP)]
pub(crate) struct Calls {
    /// The oldest so many
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(clap::Args)]
#[command(after_help = STATUS_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Failures {
    #[command(subcommand)]
    kept: Option<Kept>,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(clap::Args)]
#[command(after_help = STATUS_HELP)]
pub(crate) struct Containers {
    /// The one with this ID (PARENT.CHILD if it is nested), with its context and its values
    container: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(clap::Args)]
#[command(
    after_help = format!("The command and its processes get TERM, and KILL after `kill_grace`. Its call fails, with \
                          `killed` as its reason, and Mesos is told that an operator has killed it: a launch fails, a \
                          hook changes nothing, usage answers its last good value, a watch goes on.\n{STATUS_HELP}")
)]
pub(crate) struct Kill {
    /// Numbers of calls, which `mesos-command calls` shows
    #[arg(required = true)]
    ids: Vec<u64>,
    #[command(flatten)]
    common: Common,
}

/// What can be done with failures that are kept in files.
#[derive(clap::Subcommand)]
enum Kept {
    /// Show all that was kept of a failed call: input, output, what it said
    Show(kept::Show),
}

/// How much an instance logs.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Level {
    /// Inputs and outputs of every command, without their secrets: as `debug=true`
    Debug,
    /// What every instance logs
    Normal,
}

#[derive(clap::Args)]
#[command(after_help = STATUS_HELP)]
pub(crate) struct LogLevel {
    /// Until the agent is restarted
    level: Level,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(clap::Args)]
#[command(
    after_help = format!("A hook whose command has timed out three times in a row is suspended: its calls are answered at \
                          once. This ends that.\n{STATUS_HELP}")
)]
pub(crate) struct ResetBreaker {
    /// The event by its parameter prefix (hook_slave_run_task_label_decorator)
    event: String,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(clap::Args)]
#[command(
    after_help = format!("The agent reads the file that `--modules` named when it was started (or the parameter \
                          `reload_from`), checks it as `mesos-command check` does, and takes commands, timeouts, \
                          failure answers, lifetimes, limits and workers from it: for all instances, or for none if \
                          there is a mistake. Calls that are on their way end as they began. Parameters that need a \
                          restart are named, and stay as they are.\n{STATUS_HELP}")
)]
pub(crate) struct Reload {
    #[command(flatten)]
    chosen: Chosen,
}

pub(crate) fn status(arguments: &Status) -> anyhow::Result<u8> {
    let path = arguments.chosen.query("/v1/status", &[]);
    let show = |answer: &Value| show::status(answer, arguments.parameters);
    ask(&arguments.chosen.common, "GET", &path, show)
}

pub(crate) fn calls(arguments: &Calls) -> anyhow::Result<u8> {
    let limit = arguments.limit.map(|limit| limit.to_string());
    let path = arguments.chosen.query("/v1/calls", &[("limit", limit.as_deref())]);
    ask(&arguments.chosen.common, "GET", &path, show::calls)
}

pub(crate) fn failures(arguments: &Failures) -> anyhow::Result<u8> {
    if let Some(Kept::Show(show)) = &arguments.kept {
        return kept::show(show).map(|()| SUCCESS);
    }
    let path = arguments.chosen.query("/v1/failures", &[]);
    ask(&arguments.chosen.common, "GET", &path, show::failures)
}

pub(crate) fn containers(arguments: &Containers) -> anyhow::Result<u8> {
    let container = arguments.container.as_deref();
    let path = arguments.chosen.query("/v1/containers", &[("container", container)]);
    ask(&arguments.chosen.common, "GET", &path, |answer| match container {
        None => show::containers(answer),
        Some(_) => show::container(answer),
    })
}

pub(crate) fn kill(arguments: &Kill) -> anyhow::Result<u8> {
    let mut worst = SUCCESS;
    for id in &arguments.ids {
        let path = format!("/v1/calls/{id}/kill");
        worst = worst.max(ask(&arguments.common, "POST", &path, show::killed)?);
    }
    Ok(worst)
}

pub(crate) fn log_level(arguments: &LogLevel) -> anyhow::Result<u8> {
    let debug = match arguments.level {
        Level::Debug => "true",
        Level::Normal => "false",
    };
    let path = arguments.chosen.query("/v1/log-level", &[("debug", Some(debug))]);
    ask(&arguments.chosen.common, "POST", &path, show::log_level)
}

pub(crate) fn reload(arguments: &Reload) -> anyhow::Result<u8> {
    let path = arguments.chosen.query("/v1/reload", &[]);
    ask(&arguments.chosen.common, "POST", &path, show::reload)
}

pub(crate) fn reset_breaker(arguments: &ResetBreaker) -> anyhow::Result<u8> {
    let path = format!("/v1/breakers/{}/reset", client::encode(&arguments.event));
    let path = arguments.chosen.query(&path, &[]);
    ask(&arguments.chosen.common, "POST", &path, show::reset)
}

/// Asks the agent and shows its answer; the exit status.
fn ask(common: &Common, method: &str, path: &str, show: impl FnOnce(&Value)) -> anyhow::Result<u8> {
    let answer = common.agent.find().and_then(|socket| socket.ask(method, path));
    Ok(match answer {
        Ok(answer) if common.json => {
            println!("{answer}");
            SUCCESS
        }
        Ok(answer) => {
            show(&answer);
            SUCCESS
        }
        Err(why) => {
            eprintln!("mesos-command: {why}");
            match why {
                NoAnswer::Refused(_) => PROBLEMS,
                NoAnswer::Nobody(_) => UNKNOWN,
            }
        }
    })
}
