//! `mesos-command sample`: an input of an event as its command finds it, or an answer.

use anyhow::anyhow;
use mesos_command::event::Event;
use serde_json::Value;

use crate::call::parse_event;
use crate::samples;

#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 all is well; 2 the command line could not be used, or the event has no answer."
)]
pub(crate) struct Arguments {
    /// The event, by its parameter prefix (isolator_usage)
    #[arg(value_parser = parse_event, required_unless_present = "all")]
    event: Option<Event>,
    /// An answer of its command instead of the input
    #[arg(long)]
    answer: bool,
    /// The input keys of all events, as `call --input` takes them
    #[arg(long, conflicts_with_all = ["answer", "event"])]
    all: bool,
    /// On several lines; a command finds one line
    #[arg(long)]
    pretty: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let text = match arguments.event {
        None => serde_json::to_string(&samples::all())?,
        Some(event) if arguments.answer => samples::answer(event)
            .ok_or_else(|| anyhow!("the output of {} is not read", event.label()))?
            .to_string(),
        Some(event) => samples::input(event)?,
    };
    if arguments.pretty {
        let value: Value = serde_json::from_str(&text)?;
        println!("{}", serde_json::to_string_pretty(&value)?);
    } else {
        println!("{text}");
    }
    Ok(true)
}
