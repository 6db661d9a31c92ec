//! `mesos-command`: checks, explains and runs a configuration of the command modules without an
//! agent.

mod call;
mod check;
mod explain;
mod input;
mod load;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// All is well.
const SUCCESS: u8 = 0;
/// The configuration has problems, or a call failed.
const PROBLEMS: u8 = 1;
/// The command line or a file could not be used.
const UNUSABLE: u8 = 2;

#[derive(Parser)]
#[command(
    name = "mesos-command",
    version,
    about = "Checks, explains and runs a configuration of the Mesos command modules, without an agent",
    after_help = "Exit status: 0 all is well; 1 the configuration has problems or a call failed; \
                  2 the command line or a file could not be used.\n\
                  Log lines go to stderr; RUST_LOG=debug shows more of them."
)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Look for mistakes in a modules file
    Check(check::Arguments),
    /// Run the commands of events as the agent would, and show the answers
    Call(call::Arguments),
    /// Make usage calls at a given pace and show latencies, cache results and growth
    Load(load::Arguments),
    /// Show events, their inputs and outputs, and the parameters
    Explain(explain::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .with_env_filter(
            tracing_subscriber::EnvFilter::builder()
                .with_default_directive(tracing_subscriber::filter::LevelFilter::INFO.into())
                .from_env_lossy(),
        )
        .init();
    let result = match arguments.command {
        Subcommands::Check(arguments) => check::run(&arguments),
        Subcommands::Call(arguments) => call::run(&arguments),
        Subcommands::Load(arguments) => load::run(&arguments),
        Subcommands::Explain(arguments) => explain::run(&arguments),
    };
    match result {
        Ok(true) => ExitCode::from(SUCCESS),
        Ok(false) => ExitCode::from(PROBLEMS),
        Err(error) => {
            eprintln!("mesos-command: {error:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}
