//! `mesos-command call`: runs the commands of events through the engine.
//!
//! * `session`: the instances, and each event's calls in whatever order they stand on the command
//!   line. `containers`: whom the input names. `made`: one call as it ended, for people and
//!   programs. `consequence`: what Mesos would make of the answer. `detail`: what went into
//!   it. `repeat`: many calls of one event. `compare`: two commands with the same inputs.
//!   `replay`: a call that an agent has kept.

mod compare;
mod consequence;
pub(crate) mod containers;
mod detail;
pub(crate) mod made;
mod repeat;
mod replay;
pub(crate) mod session;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use mesos_command::config::keys;
use mesos_command::config::modules_file::{HOOK, ISOLATOR, ModuleEntry};
use mesos_command::event::{Event, ModuleKind};
use mesos_command::run::end_descendants;
use serde_json::{Map, Value};

use crate::private::{Private, Told};
use crate::{interrupt, samples, source};
use repeat::Summary;
use session::Session;

#[derive(Clone, clap::Args)]
#[command(
    after_help = "Nothing of an agent's is used: contexts and the directories of calls are private to the tool and \
                  go with it, metrics are neither served nor written.\n\
                  Without --input the input is that of `mesos-command sample --all`.\n\
                  An isolator's container is known from its first event on, whichever that is. With a list \
                  `containers` of {container_id, container_config} in the input, each event is called for all \
                  of them; usage for all at once, as Mesos asks.\n\
                  Ctrl-C and TERM end the command that runs with its tree.\n\
                  Exit status: 0 every call's outcome is ok or skipped (with --diff: the commands agree); 1 another \
                  outcome (or they differ); 2 the command line or a file could not be used."
)]
pub(crate) struct Arguments {
    /// What `--modules` or `--modules_dir` of the agent or master names: file:///path, a path, a
    /// directory, or JSON
    #[arg(long, required_unless_present_any = ["command", "replay"], conflicts_with = "command")]
    modules: Option<String>,
    /// This command for each of the events, instead of a configuration
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// A parameter beside those of the configuration (isolator_usage_mode=worker); it counts
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_pair)]
    set: Vec<(String, String)>,
    /// JSON object with the input keys of the events (`mesos-command explain EVENT` lists them)
    #[arg(long)]
    input: Option<PathBuf>,
    /// Make the failed call again that an agent has kept in this directory (`mesos-command failures
    /// show` names it), with its input and its parameters, where none are named
    #[arg(long, value_name = "DIRECTORY")]
    replay: Option<PathBuf>,
    /// Only the module with this symbol (com_criteo_mesos_CommandIsolator2) or module_name
    #[arg(long)]
    module: Option<String>,
    #[command(flatten)]
    told: Told,
    /// Runs of a watch command, with its pause between them, unless one reports a limitation
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    watch_runs: u32,
    /// Call each event so often, without a cache, and show how long the calls took
    #[arg(long, default_value_t = 1, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Call this command as well, with the same inputs, and show where it answers otherwise
    #[arg(long, value_name = "COMMAND")]
    diff: Option<String>,
    /// Show input, arguments, environment, output and times of each call as well
    #[arg(long, short, conflicts_with = "diff")]
    verbose: bool,
    /// Show secrets in answers, which the parameter `redact` hides
    #[arg(long)]
    show_secrets: bool,
    /// One JSON object per call instead of lines for people
    #[arg(long)]
    json: bool,
    /// Events by their parameter prefix (isolator_usage), in the order in which they are called
    #[arg(required_unless_present = "replay", value_parser = parse_event)]
    events: Vec<Event>,
}

pub(crate) fn parse_event(text: &str) -> Result<Event, String> {
    Event::from_prefix(text)
        .ok_or_else(|| format!("accepted are {}", Event::ALL.map(Event::label).join(", ")))
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("accepted are KEY=VALUE")?;
    match keys::parameter(key) {
        Some(_) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("there is no parameter '{key}'")),
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    match &arguments.replay {
        Some(directory) => run_as_told(&replay::replayed(arguments, directory)?),
        None => run_as_told(arguments),
    }
}

fn run_as_told(arguments: &Arguments) -> anyhow::Result<bool> {
    let object = match &arguments.input {
        Some(path) => read_object(path)?,
        None => samples::all(),
    };
    let entries = entries(arguments)?;
    interrupt::install()?;
    let private = Private::new()?;
    let session = |entries| {
        let mut session = Session::new(entries, &private, &arguments.told, &object)?;
        session.watch_runs = arguments.watch_runs;
        anyhow::Ok(session)
    };
    let called = match &arguments.diff {
        None => session(entries).and_then(|mut session| call(arguments, &mut session)),
        Some(other) => {
            let other = replaced(&entries, &arguments.events, other)?;
            let (first, second) = (session(entries), session(other));
            first.and_then(|mut first| compare_all(arguments, &mut first, &mut second?))
        }
    };
    // Workers; what an event left in the background on purpose is no descendant any more.
    end_descendants(interrupt::grace());
    called
}

/// A file with a JSON object.
pub(crate) fn read_object(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("'{shown}' cannot be read"))?;
    serde_json::from_str(&text).with_context(|| format!("'{shown}' is no JSON object"))
}

/// Calls all events; whether every outcome is `ok`.
fn call(arguments: &Arguments, session: &mut Session<'_>) -> anyhow::Result<bool> {
    let mut well = true;
    for event in &arguments.events {
        let mut summary = Summary::new(*event);
        for _ in 0..arguments.repeat {
            for made in session.call(*event)? {
                well &= made.is_ok();
                let is_first = summary.add(&made);
                if arguments.json {
                    let mut data = made.to_json();
                    if arguments.verbose {
                        data["detail"] = detail::data(&made);
                    }
                    println!("{data}");
                } else if is_first {
                    made.print();
                    if arguments.verbose {
                        detail::print(&made);
                    }
                }
            }
            interrupt::leave_if_requested();
        }
        match (arguments.repeat, arguments.json) {
            (1, _) => {}
            (_, true) => println!("{}", summary.to_json()),
            (_, false) => summary.print(),
        }
    }
    Ok(well)
}

/// Calls all events with both; whether they agree.
fn compare_all(
    arguments: &Arguments,
    first: &mut Session<'_>,
    second: &mut Session<'_>,
) -> anyhow::Result<bool> {
    let mut agree = true;
    for event in &arguments.events {
        for _ in 0..arguments.repeat {
            let pairs = first.call(*event)?.into_iter().zip(second.call(*event)?);
            for (one, other) in pairs {
                let differences = compare::differences(&one, &other);
                agree &= differences.is_empty();
                compare::print(*event, &one, &other, &differences, arguments.json);
            }
            interrupt::leave_if_requested();
        }
    }
    Ok(agree)
}

/// The instances that the command line asks for.
fn entries(arguments: &Arguments) -> anyhow::Result<Vec<ModuleEntry>> {
    let mut entries = match (&arguments.modules, &arguments.command) {
        (Some(modules), _) => source::entries(modules)?,
        (None, Some(command)) => of_command(command, &arguments.events)?,
        (None, None) => bail!("--modules or --command is needed"),
    };
    if let Some(wanted) = &arguments.module {
        entries.retain(|entry| entry.symbol == *wanted || name_of(entry) == Some(wanted));
        if entries.is_empty() {
            bail!("no module has the symbol or module_name '{wanted}'");
        }
    }
    for entry in &mut entries {
        let mut add = |key: &str, value: &str| {
            entry.parameters.push((key.to_owned(), value.to_owned()));
        };
        if arguments.show_secrets {
            add("redact", "none");
        }
        // With a cache, only the first of them would run.
        let is_again = arguments.repeat > 1 || arguments.diff.is_some();
        let is_batch = arguments.events.contains(&Event::UsageBatch);
        if is_again && entry.kind == ModuleKind::Isolator && !is_batch {
            add("isolator_usage_cache_ttl", "0");
        }
        arguments.set.iter().for_each(|(key, value)| add(key, value));
    }
    Ok(entries)
}

/// Instances that have this command for each of the events.
pub(crate) fn of_command(command: &str, events: &[Event]) -> anyhow::Result<Vec<ModuleEntry>> {
    let command = absolute(command)?;
    let kinds = [(ModuleKind::Hook, HOOK), (ModuleKind::Isolator, ISOLATOR)];
    let entries = kinds.into_iter().map(|(kind, symbol)| {
        let of_kind = events.iter().filter(|event| event.row().kind == kind);
        let commands = of_kind.map(|event| (format!("{}_command", event.label()), command.clone()));
        let mut parameters: Vec<(String, String)> = commands.collect();
        parameters.insert(0, ("module_name".to_owned(), "call".to_owned()));
        ModuleEntry { symbol: symbol.to_owned(), kind, parameters }
    });
    Ok(entries.filter(|entry| entry.parameters.len() > 1).collect())
}

/// A path with a slash as an absolute one; a name is looked up as the module does.
pub(crate) fn absolute(command: &str) -> anyhow::Result<String> {
    if !command.contains('/') {
        return Ok(command.to_owned());
    }
    let path = std::path::absolute(command).context("the command's path")?;
    Ok(path.to_string_lossy().into_owned())
}

/// The instances with another command for these events.
fn replaced(
    entries: &[ModuleEntry],
    events: &[Event],
    command: &str,
) -> anyhow::Result<Vec<ModuleEntry>> {
    let command = absolute(command)?;
    let keys: Vec<String> =
        events.iter().map(|event| format!("{}_command", event.label())).collect();
    let mut entries = entries.to_vec();
    for (key, value) in entries.iter_mut().flat_map(|entry| &mut entry.parameters) {
        if keys.contains(key) {
            value.clone_from(&command);
        }
    }
    Ok(entries)
}

pub(crate) fn name_of(entry: &ModuleEntry) -> Option<&String> {
    entry.parameters.iter().rev().find(|(key, _)| key == "module_name").map(|(_, value)| value)
}
