//! `mesos-command tail`: finished calls of a running agent, as they finish.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde_json::Value;

use crate::{PROBLEMS, SUCCESS, UNKNOWN};

use super::client::{NoAnswer, query};
use super::mark::Mark;
use super::words::{clock, duration, text};
use super::{Agent, STATUS_HELP};

/// An agent that says nothing for this long, not even that it is there, is gone: it does so every
/// two seconds.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
#[command(
    after_help = format!("A line for each command that has ended and each call that failed without one; answers from the cache \
                          are none. What comes faster than it is read is dropped, and the number is told.\n{STATUS_HELP}")
)]
pub(crate) struct Tail {
    /// Only of instances with this module_name
    #[arg(long)]
    module: Option<String>,
    /// Only of this event, by its parameter prefix
    #[arg(long)]
    event: Option<String>,
    /// Only with this outcome (ok, exit, timeout and so on)
    #[arg(long)]
    outcome: Option<String>,
    /// Only of this container
    #[arg(long)]
    container: Option<String>,
    /// End after so many lines
    #[arg(long)]
    count: Option<u64>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    agent: Agent,
}

pub(crate) fn run(arguments: &Tail) -> anyhow::Result<u8> {
    match follow(arguments) {
        Ok(()) => Ok(SUCCESS),
        Err(why) => {
            eprintln!("mesos-command: {why}");
            Ok(match why {
                NoAnswer::Refused(_) => PROBLEMS,
                NoAnswer::Nobody(_) => UNKNOWN,
            })
        }
    }
}

fn follow(arguments: &Tail) -> Result<(), NoAnswer> {
    let socket = arguments.agent.find()?;
    let filter = [
        ("module", arguments.module.as_deref()),
        ("event", arguments.event.as_deref()),
        ("outcome", arguments.outcome.as_deref()),
        ("container", arguments.container.as_deref()),
    ];
    let begun = socket.begin("GET", &query("/v1/events", &filter), Some(SILENCE))?;
    let status = begun.status;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    for line in begun.body.lines() {
        let line = line.map_err(|error| socket.no(&error))?;
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        if status != 200 {
            return Err(NoAnswer::Refused(text(&event["error"])));
        }
        // The first line, and those that only say that the agent is there.
        if event["heartbeat"] == true || event["following"] == true {
            continue;
        }
        if say(&event, arguments.json).is_err() {
            // Whoever read the lines has gone, as `head` does.
            return Ok(());
        }
        if event["dropped"].is_null() {
            left -= 1;
        }
        if left == 0 {
            return Ok(());
        }
    }
    Err(NoAnswer::Nobody("the agent has ended the connection".to_owned()))
}

fn say(event: &Value, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{event}")?;
    } else {
        writeln!(out, "{}", line(event))?;
    }
    out.flush()
}

fn line(event: &Value) -> String {
    if !event["dropped"].is_null() {
        let line = format!("({} more were dropped: they came too fast)", event["dropped"]);
        return Mark::Doubtful.of(&line);
    }
    let about = [("container", &event["container"]), ("task", &event["task"])];
    let about = about.iter().filter(|(_, value)| !value.is_null());
    let about: String = about.map(|(key, value)| format!(" {key} {}", text(value))).collect();
    let why = match &event["text"] {
        Value::Null => String::new(),
        why => format!(": {}", text(why)),
    };
    let line = format!(
        "{} {:>6} {} '{}' {} {}{about}{why}",
        clock(&event["time"]),
        text(&event["id"]),
        text(&event["event"]),
        text(&event["module"]),
        text(&event["outcome"]),
        duration(&event["run_seconds"]),
    );
    // What was skipped was meant to be.
    let is_well = event["outcome"] == "ok" || event["outcome"] == "skipped";
    if is_well { line } else { Mark::Bad.of(&line) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_happened_to_whom() {
        let event = json!({"time": 0.0, "id": 7, "event": "isolator_usage", "module": "m",
            "outcome": "exit", "run_seconds": 0.5, "container": "c1", "text": "no\u{1b}[2J luck"});
        let expected = "1970-01-01T00:00:00Z      7 isolator_usage 'm' exit 0.50s container c1: \
                        no\\x1b[2J luck";
        assert_eq!(line(&event), expected);
        assert!(line(&json!({"dropped": 9})).contains("9 more were dropped"));
    }
}
