//! `mesos-command worker-test`: whether a program keeps the protocol of workers
//! (examples/workers/README.md).
//!
//! Each check starts the program anew and speaks to it without the engine, so that what it does
//! wrong is told by what it said. `talk` is the exchange of lines.

mod checks;
mod talk;

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use mesos_command::event::Event;
use serde_json::{Value, json};

use crate::call::{absolute, parse_event};
use crate::table::plain;
use checks::{CHECKS, Check, Verdict};

#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 every check passed; 1 one failed; 2 the command could not be started.\n\
                  examples/workers/README.md has the protocol."
)]
pub(crate) struct Arguments {
    /// The worker: one path
    command: String,
    /// The event whose sample input is sent
    #[arg(long, default_value = "isolator_usage", value_parser = parse_event)]
    event: Event,
    /// Seconds that each answer may take
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Only this check; may be given again
    #[arg(long = "check", value_name = "CHECK", value_parser = names())]
    checks: Vec<String>,
    /// One JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

/// The names of all checks.
fn names() -> PossibleValuesParser {
    CHECKS.iter().map(|check| check.name).collect::<Vec<_>>().into()
}

/// What every check needs.
struct Subject {
    command: String,
    event: Event,
    timeout: Duration,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let subject = Subject {
        command: absolute(&arguments.command)?,
        event: arguments.event,
        timeout: Duration::from_secs(arguments.timeout),
    };
    let mut results = Vec::new();
    let (mut tried, mut failed) = (0, 0);
    let is_asked = |check: &&Check| {
        arguments.checks.is_empty() || arguments.checks.iter().any(|it| it == check.name)
    };
    let asked: Vec<&Check> = CHECKS.iter().filter(is_asked).collect();
    for check in &asked {
        let verdict = (check.run)(&subject)?;
        tried += 1;
        let is_greeted = check.name != CHECKS[0].name || verdict.is_ok();
        failed += usize::from(verdict.is_err());
        if arguments.json {
            results.push(json!({
                "check": check.name,
                "passed": verdict.is_ok(),
                "told": verdict.as_ref().unwrap_or_else(|problem| problem),
                "advice": verdict.is_err().then_some(check.advice),
            }));
        } else {
            print(check, &verdict);
        }
        // All that follows begins with it.
        if !is_greeted {
            break;
        }
    }
    let (passed, untried) = (tried - failed, asked.len() - tried);
    if arguments.json {
        let all: Value = json!({
            "passed": passed,
            "failed": failed,
            "not_tried": untried,
            "checks": results,
        });
        println!("{all}");
    } else {
        let untried = if untried == 0 { String::new() } else { format!(", {untried} not tried") };
        println!("{passed} passed, {failed} failed{untried}");
    }
    Ok(failed == 0)
}

fn print(check: &Check, verdict: &Verdict) {
    match verdict {
        Ok(told) => println!("ok    {:<10} {}", check.name, plain(told)),
        Err(problem) => {
            println!("FAIL  {:<10} {}", check.name, plain(problem));
            println!("      {:<10} {}", "", check.advice);
        }
    }
}
