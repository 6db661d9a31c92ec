//! `mesos-command top`: what a running agent does, again and again.
//!
//! * `look`: what the agent says at one moment. `view`: what two looks say together, which is what
//!   `--json` prints.
//! * `draw`: a view as lines for a terminal of some size; `columns`: tables that fit it.
//! * `ui`: what is shown and in which order, as the keys have it. `keys`: bytes to keys. `screen`:
//!   the terminal. `watch`: all of them together, until somebody has seen enough.
//!
//! It asks what anybody can ask of the control socket, and changes nothing.

mod columns;
mod draw;
mod keys;
mod look;
mod screen;
mod ui;
mod view;
mod watch;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use mesos_command::config::value;

use crate::terminal;
use crate::{PROBLEMS, SUCCESS, UNKNOWN};

use super::client::NoAnswer;
use super::{Agent, STATUS_HELP};
use look::{Look, Window};
use ui::Ui;
use view::View;

/// What an object of `--json` is like.
const SCHEMA: &str = include_str!("top.schema.json");
/// The shortest and the longest time between two looks: the agent makes some hundred kilobytes of
/// text for each.
const INTERVALS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(200)..=Duration::from_secs(3600);

#[derive(clap::Args)]
#[command(
    after_help = format!("Rates and percentiles are of the last ten seconds, or of what has passed of them. Keys: q ends it, \
                          Tab and 1 to 6 change what is shown, < and > the column by which it is sorted, R the order, / filters, \
                          space pauses, + and - change the interval, h shows all of them.\n{STATUS_HELP}")
)]
pub(crate) struct Top {
    /// Look twice, an interval apart, print what that says, and end
    #[arg(long)]
    once: bool,
    /// Print one JSON object for each look instead of a screen; with --once a single one
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of these objects, and end
    #[arg(long, exclusive = true)]
    json_schema: bool,
    /// Time between two looks
    #[arg(long, default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// Only instances with this module_name
    #[arg(long)]
    module: Option<String>,
    /// Only lines with this text: an event, a module, a container, a task, a framework or a command
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    #[command(flatten)]
    agent: Agent,
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = value::duration(text)?;
    if INTERVALS.contains(&interval) {
        Ok(interval)
    } else {
        Err("accepted are 200ms to 1hrs".to_owned())
    }
}

pub(crate) fn run(arguments: &Top) -> anyhow::Result<u8> {
    if arguments.json_schema {
        print!("{SCHEMA}");
        return Ok(SUCCESS);
    }
    if !arguments.once && !arguments.json {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            bail!("top needs a terminal; --once or --json print what it would show");
        }
        return watch::run(arguments).context("the terminal cannot be used");
    }
    match print(arguments) {
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

/// Prints looks as JSON, or one for people.
fn print(arguments: &Top) -> Result<(), NoAnswer> {
    let ask = || Look::take(&arguments.agent, arguments.module.as_deref());
    let mut window = Window::new(ask()?);
    loop {
        std::thread::sleep(arguments.interval);
        window.add(ask()?);
        let view = View::of(&window, &arguments.filter);
        let text = if arguments.json {
            serde_json::to_string(&view).unwrap_or_default() + "\n"
        } else {
            let mut ui = Ui::new(arguments.filter.clone(), arguments.interval);
            draw::all(&view, &mut ui, terminal::width())
        };
        let mut out = io::stdout().lock();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() || arguments.once {
            // Done, or whoever read it has gone, as `head` does.
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_bounds() {
        assert_eq!(interval("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(interval("500ms"), Ok(Duration::from_millis(500)));
        for text in ["0", "100ms", "2hrs", "soon"] {
            interval(text).expect_err(text);
        }
    }

    #[test]
    fn the_schema_is_json() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).expect("JSON");
        assert_eq!(schema["type"], "object");
    }
}
