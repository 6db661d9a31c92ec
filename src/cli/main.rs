//! `mesos-command`: checks, explains and runs a configuration of the command modules without an
//! agent, inspects the library that an agent runs on, and asks a running agent.

mod call;
mod check;
mod deploy;
mod difference;
mod explain;
mod generate;
mod input;
mod inspect;
mod interrupt;
mod live;
mod load;
mod machine;
mod new;
mod private;
mod sample;
mod samples;
mod source;
mod table;
mod terminal;
mod test;
mod version;
mod worker_test;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// All is well.
const SUCCESS: u8 = 0;
/// The configuration has problems, or a call failed.
const PROBLEMS: u8 = 1;
/// The command line or a file could not be used.
const UNUSABLE: u8 = 2;
/// What was asked for could not be told: nobody was there to be asked.
const UNKNOWN: u8 = 3;

#[derive(Parser)]
#[command(
    name = "mesos-command",
    version,
    long_version = version::long(),
    about = "Checks, explains and runs a configuration of the Mesos command modules without an agent, and asks a running one",
    after_help = "Exit status: 0 all is well; 1 the configuration has problems, or a call, a case or a check \
                  failed; 2 the command line or a file could not be used; 3 what was asked for could not be \
                  told (inspect), or no agent or host could be asked (status, calls, kill, deploy and the like). After Ctrl-C or TERM the signal itself.\n\
                  Log lines go to stderr; RUST_LOG=debug shows more of them. Colours are for terminals, \
                  and not when NO_COLOR is set."
)]
struct Arguments {
    /// When output has colours: `auto` on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: clap::ColorChoice,
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Look for mistakes in a configuration and in what it names
    Check(check::Arguments),
    /// Run the commands of events as the agent would, and show the answers
    Call(call::Arguments),
    /// Make usage calls at a given pace and show latencies, cache results and growth
    Load(load::Arguments),
    /// Show events, their inputs and outputs, parameters, and what holds in a configuration
    Explain(explain::Arguments),
    /// Tell whether the module library works in a libmesos
    Inspect(inspect::Arguments),
    /// Bring the module library to hosts over ssh, look at it there, and back
    Deploy(deploy::Arguments),
    /// Write a command for an event, and its test
    New(new::Arguments),
    /// Print an input of an event, or an answer
    Sample(sample::Arguments),
    /// Run cases of inputs and expected answers against commands
    Test(test::Arguments),
    /// Tell whether a program keeps the protocol of workers
    WorkerTest(worker_test::Arguments),
    /// Print manual pages and completions
    Generate(generate::Arguments),
    /// Print version, revision, and the hosts that the module library knows
    Version(version::Arguments),
    /// Watch a running agent: rates, percentiles, calls in flight, failures, cache, workers
    Top(live::Top),
    /// Show the instances of a running agent: parameters, commands, workers
    Status(live::Status),
    /// Show the calls of a running agent that are not answered yet
    Calls(live::Calls),
    /// Show the last failures of a running agent
    Failures(live::Failures),
    /// Show the containers of a running agent and what the cache has of them
    Containers(live::Containers),
    /// Follow the calls of a running agent as they finish
    Tail(live::Tail),
    /// End calls of a running agent
    Kill(live::Kill),
    /// Let a running agent log inputs and outputs, or no longer
    LogLevel(live::LogLevel),
    /// Let a running agent take commands and timeouts from its modules file anew
    Reload(live::Reload),
    /// End the suspension of a hook of a running agent
    ResetBreaker(live::ResetBreaker),
    /// What `inspect` runs in a process of its own
    #[command(hide = true)]
    InspectProbe(inspect::probe::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    terminal::set_colours(arguments.color);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .with_env_filter(filter(&std::env::var("RUST_LOG").unwrap_or_default()))
        .init();
    match terminal::until_reader_is_gone(|| execute(arguments.command)) {
        None => ExitCode::from(terminal::READER_GONE),
        Some(Ok(code)) => ExitCode::from(code),
        Some(Err(error)) => {
            eprintln!("mesos-command: {error:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn execute(command: Subcommands) -> anyhow::Result<u8> {
    match command {
        Subcommands::Check(arguments) => check::run(&arguments).map(code),
        Subcommands::Call(arguments) => call::run(&arguments).map(code),
        Subcommands::Load(arguments) => load::run(&arguments).map(code),
        Subcommands::Explain(arguments) => explain::run(&arguments).map(code),
        Subcommands::Inspect(arguments) => inspect::run(&arguments),
        Subcommands::Deploy(arguments) => deploy::run(&arguments),
        Subcommands::New(arguments) => new::run(&arguments).map(code),
        Subcommands::Sample(arguments) => sample::run(&arguments).map(code),
        Subcommands::Test(arguments) => test::run(&arguments).map(code),
        Subcommands::WorkerTest(arguments) => worker_test::run(&arguments).map(code),
        Subcommands::Generate(arguments) => {
            generate::run(&arguments, Arguments::command()).map(code)
        }
        Subcommands::Version(arguments) => version::run(&arguments).map(code),
        Subcommands::Top(arguments) => live::top(&arguments),
        Subcommands::Status(arguments) => live::status(&arguments),
        Subcommands::Calls(arguments) => live::calls(&arguments),
        Subcommands::Failures(arguments) => live::failures(&arguments),
        Subcommands::Containers(arguments) => live::containers(&arguments),
        Subcommands::Tail(arguments) => live::tail(&arguments),
        Subcommands::Kill(arguments) => live::kill(&arguments),
        Subcommands::LogLevel(arguments) => live::log_level(&arguments),
        Subcommands::Reload(arguments) => live::reload(&arguments),
        Subcommands::ResetBreaker(arguments) => live::reset_breaker(&arguments),
        Subcommands::InspectProbe(arguments) => {
            inspect::probe::run(&arguments);
            Ok(SUCCESS)
        }
    }
}

/// What is logged; `wanted` is empty, or as RUST_LOG has it.
fn filter(wanted: &str) -> EnvFilter {
    // Which level an instance has is for an agent's log.
    let usual = "info,level=warn";
    EnvFilter::builder().parse_lossy(if wanted.is_empty() { usual } else { wanted })
}

fn code(well: bool) -> u8 {
    if well { SUCCESS } else { PROBLEMS }
}
