//! `mesos-command call`: runs the commands of events through the engine.
//!
//! * `session`: the instances, and each event's calls in whatever order they stand on the command
//!   line. `containers`: whom the input names. `made`: one call as it ended, for people and
//!   programs. `consequence`: what Mesos would make of the answer.

mod consequence;
mod containers;
mod made;
mod session;

use std::path::PathBuf;

use anyhow::{Context, bail};
use mesos_command::config::modules_file::{self, ModuleEntry};
use mesos_command::event::Event;
use mesos_command::run::end_descendants;
use serde_json::{Map, Value};

use crate::interrupt;
use crate::private::{Private, Told};
use session::Session;

#[derive(clap::Args)]
#[command(
    after_help = "Nothing of an agent's is used: contexts and the directories of calls are private to the tool and \
                  go with it, metrics are neither served nor written.\n\
                  An isolator's container is known from its first event on, whichever that is. With a list \
                  `containers` of {container_id, container_config} in the input, each event is called for all \
                  of them; usage for all at once, as Mesos asks.\n\
                  Ctrl-C and TERM end the command that runs with its tree.\n\
                  Exit status: 0 every call's outcome is ok; 1 another outcome; 2 the command line or a file \
                  could not be used."
)]
pub(crate) struct Arguments {
    /// The modules file that `--modules` of the agent or master names
    #[arg(long)]
    modules: PathBuf,
    /// JSON object with the input keys of the events (`mesos-command explain EVENT` lists them)
    #[arg(long)]
    input: PathBuf,
    /// Only the module with this symbol (com_criteo_mesos_CommandIsolator2) or module_name
    #[arg(long)]
    module: Option<String>,
    #[command(flatten)]
    told: Told,
    /// Runs of a watch command, with its pause between them, unless one reports a limitation
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    watch_runs: u32,
    /// Show secrets in answers, which the parameter `redact` hides
    #[arg(long)]
    show_secrets: bool,
    /// One JSON object per call instead of lines for people
    #[arg(long)]
    json: bool,
    /// Events by their parameter prefix (isolator_usage), in the order in which they are called
    #[arg(required = true, value_parser = parse_event)]
    events: Vec<Event>,
}

fn parse_event(text: &str) -> Result<Event, String> {
    Event::from_prefix(text)
        .ok_or_else(|| format!("accepted are {}", Event::ALL.map(Event::label).join(", ")))
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(&arguments.input)
        .with_context(|| format!("'{}' cannot be read", arguments.input.display()))?;
    let object: Map<String, Value> = serde_json::from_str(&text)
        .with_context(|| format!("'{}' is no JSON object", arguments.input.display()))?;
    let mut entries = modules_file::read(&arguments.modules)?;
    if let Some(wanted) = &arguments.module {
        entries.retain(|entry| entry.symbol == *wanted || name_of(entry) == Some(wanted));
        if entries.is_empty() {
            bail!("no module has the symbol or module_name '{wanted}'");
        }
    }
    if arguments.show_secrets {
        let shown = ("redact".to_owned(), "none".to_owned());
        entries.iter_mut().for_each(|entry| entry.parameters.push(shown.clone()));
    }
    interrupt::install()?;
    let private = Private::new()?;
    let mut session = Session::new(entries, &private, &arguments.told, &object)?;
    session.watch_runs = arguments.watch_runs;
    let mut well = true;
    let called = arguments.events.iter().try_for_each(|event| {
        let made = session.call(*event)?;
        for call in &made {
            well &= call.is_ok();
            if arguments.json {
                println!("{}", call.to_json());
            } else {
                call.print();
            }
        }
        interrupt::leave_if_requested();
        Ok(())
    });
    drop(session);
    // Workers; what an event left in the background on purpose is no descendant any more.
    end_descendants(interrupt::grace());
    called.map(|()| well)
}

pub(crate) fn name_of(entry: &ModuleEntry) -> Option<&String> {
    entry.parameters.iter().rev().find(|(key, _)| key == "module_name").map(|(_, value)| value)
}
