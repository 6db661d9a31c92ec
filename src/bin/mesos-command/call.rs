//! `mesos-command call`: runs the commands of events through the engine.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use mesos_command::call::Answer;
use mesos_command::config::modules_file::{self, ModuleEntry};
use mesos_command::event::{Event, ModuleKind, OutcomeKind, Output};
use mesos_command::hook::Hook;
use mesos_command::isolator::Isolator;
use mesos_command::{metrics, schema};
use serde_json::{Map, Value};

use crate::input::{Values, message};
use crate::table;

#[derive(clap::Args)]
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
    /// Where contexts are kept; a temporary directory unless given, never the agent's
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// One JSON object per call instead of a table
    #[arg(long)]
    json: bool,
    /// Events by their parameter prefix (isolator_usage), in the order in which they are called
    #[arg(required = true, value_parser = parse_event)]
    events: Vec<Event>,
}

/// How long a watch command without a timeout of its own may take to report something.
const WATCH_LIMIT: Duration = Duration::from_secs(10);

/// One call that was made.
struct Made {
    event: Event,
    container: String,
    answer: Answer,
    outcome: &'static str,
    took: Duration,
}

enum Module {
    Hook(Box<Hook>),
    Isolator(Isolator),
}

/// Instances by symbol, created when an event first needs them.
struct Session<'a> {
    entries: Vec<ModuleEntry>,
    state_dir: &'a Path,
    object: &'a Map<String, Value>,
    created: Vec<(String, Module)>,
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
    let temporary = TemporaryState::new()?;
    let state_dir = arguments.state_dir.as_deref().unwrap_or(&temporary.0);
    let mut session = Session { entries, state_dir, object: &object, created: Vec::new() };
    let mut made = Vec::new();
    for event in &arguments.events {
        made.push(session.call(*event)?);
    }
    if arguments.json {
        print_json(&made)
    } else {
        print_table(&made)
    }
    Ok(made.iter().all(|call| call.outcome == OutcomeKind::Ok.label()))
}

impl Session<'_> {
    fn call(&mut self, event: Event) -> anyhow::Result<Made> {
        let key = format!("{}_command", event.label());
        let configured =
            |entry: &&ModuleEntry| entry.parameters.iter().any(|(k, v)| *k == key && !v.is_empty());
        let entry = self.entries.iter().find(configured).cloned().ok_or_else(|| {
            anyhow!("no module has a command for {}: '{key}' is not set", event.label())
        })?;
        let module = self.module(&entry, event)?;
        let values = Values::new(event, self.object)?;
        let before = outcomes(event);
        let start = Instant::now();
        let answer = match &self.created[module].1 {
            Module::Hook(hook) => hook.call(event, &values.borrow()),
            Module::Isolator(isolator) => wait(isolator, event, &values)?,
        };
        let took = start.elapsed();
        let after = outcomes(event);
        let changed = after.iter().zip(&before).position(|(after, before)| after > before);
        let outcome = changed.map_or("none", |index| OutcomeKind::ALL[index].label());
        Ok(Made { event, container: self.container(), answer, outcome, took })
    }

    fn container(&self) -> String {
        let value = self.object.get("container_id").and_then(|id| id.get("value"));
        value.and_then(Value::as_str).unwrap_or("-").to_owned()
    }

    /// The index of the entry's instance.
    fn module(&mut self, entry: &ModuleEntry, event: Event) -> anyhow::Result<usize> {
        if let Some(index) = self.created.iter().position(|(symbol, _)| *symbol == entry.symbol) {
            return Ok(index);
        }
        let mut parameters = entry.parameters.clone();
        parameters.push(("state_dir".to_owned(), self.state_dir.to_string_lossy().into_owned()));
        let module = match entry.kind {
            ModuleKind::Hook => Module::Hook(Box::new(Hook::create(&parameters)?)),
            ModuleKind::Isolator => {
                let isolator = Isolator::create(&parameters)?;
                if !matches!(event, Event::Prepare | Event::Recover) {
                    self.introduce(&isolator)?;
                }
                Module::Isolator(isolator)
            }
        };
        self.created.push((entry.symbol.clone(), module));
        Ok(self.created.len() - 1)
    }

    /// Makes the input's container known to a new instance, so that usage or watch alone can be
    /// called: by its context file, as after an agent's restart.
    fn introduce(&self, isolator: &Isolator) -> anyhow::Result<()> {
        let (Some(id), Some(config)) =
            (self.object.get("container_id"), self.object.get("container_config"))
        else {
            return Ok(());
        };
        let id = message(&schema::current(), "mesos.ContainerID", id)?;
        isolator.introduce(&id, config.to_string().as_bytes()).map_err(|problem| anyhow!(problem))
    }
}

/// Calls an isolator's method and waits for its answer.
fn wait(isolator: &Isolator, event: Event, values: &Values) -> anyhow::Result<Answer> {
    let (sender, receiver) = mpsc::channel();
    isolator.call(event, &values.borrow(), Box::new(move |answer| drop(sender.send(answer))));
    let timeout = isolator.config().events.get(&event).and_then(|configured| configured.timeout);
    let limit = timeout.unwrap_or(WATCH_LIMIT) + isolator.config().kill_grace * 2;
    Ok(match receiver.recv_timeout(limit) {
        Ok(answer) => answer,
        // Only a watch loop goes on by itself: its command had nothing to report.
        Err(_) => Answer::Nothing,
    })
}

/// How many calls of `event` ended in each outcome so far, from the product's own counters.
fn outcomes(event: Event) -> Vec<u64> {
    let text = metrics::render();
    let count = |kind: OutcomeKind| {
        let lines = text.lines().filter(|line| {
            line.starts_with("mesos_command_calls_total{")
                && line.contains(&format!("event=\"{}\"", event.label()))
                && line.contains(&format!("outcome=\"{}\"", kind.label()))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    OutcomeKind::ALL.into_iter().map(count).collect()
}

pub(crate) fn name_of(entry: &ModuleEntry) -> Option<&String> {
    entry.parameters.iter().rev().find(|(key, _)| key == "module_name").map(|(_, value)| value)
}

/// The answer as JSON, as Mesos would read it, or in words.
fn shown(event: Event, answer: &Answer) -> String {
    match (answer, event.row().output) {
        (Answer::Failure(text), _) => format!("failure: {text}"),
        (Answer::Nothing, _) | (_, Output::Ignored | Output::ByContainer(_)) => {
            "nothing".to_owned()
        }
        (Answer::Message(bytes), Output::Message(name) | Output::List { carrier: name, .. }) => {
            let mut json = Vec::new();
            let kind = schema::current().message(name);
            match kind.map(|kind| kind.write_json(bytes, &mut json)) {
                Some(Ok(())) => String::from_utf8_lossy(&json).into_owned(),
                _ => "an answer that cannot be shown".to_owned(),
            }
        }
    }
}

fn print_table(made: &[Made]) {
    let rows: Vec<Vec<String>> = made
        .iter()
        .map(|call| {
            vec![
                call.event.label().to_owned(),
                call.container.clone(),
                call.outcome.to_owned(),
                format!("{:.1} ms", call.took.as_secs_f64() * 1e3),
                shown(call.event, &call.answer),
            ]
        })
        .collect();
    table::print(&["event", "container", "outcome", "took", "answer"], &rows);
}

fn print_json(made: &[Made]) {
    for call in made {
        let line = serde_json::json!({
            "event": call.event.label(),
            "container": call.container,
            "outcome": call.outcome,
            "took_ms": call.took.as_secs_f64() * 1e3,
            "answer": shown(call.event, &call.answer),
        });
        println!("{line}");
    }
}

/// A directory for contexts that goes away with the process.
pub(crate) struct TemporaryState(pub(crate) PathBuf);

impl TemporaryState {
    pub(crate) fn new() -> anyhow::Result<TemporaryState> {
        let path = std::env::temp_dir().join(format!("mesos-command.{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("'{}' cannot be made", path.display()))?;
        Ok(TemporaryState(path))
    }
}

impl Drop for TemporaryState {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
