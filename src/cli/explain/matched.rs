//! For whom commands are run: what conditions make of an input.

use anyhow::{anyhow, bail};
use mesos_command::condition::{self, Asked, Condition, Given};
use mesos_command::config::Config;
use mesos_command::config::modules_file::ModuleEntry;
use mesos_command::event::{Event, InputKind};
use mesos_command::redact::Redaction;
use mesos_command::schema::{self, MessageType};
use serde_json::{Map, Value, json};

use crate::call::containers;
use crate::input::message;
use crate::source;
use crate::table::{self, plain};

/// What is asked for.
pub(super) struct Wanted<'a> {
    /// The input.
    pub(super) object: &'a Map<String, Value>,
    /// This event alone.
    pub(super) event: Option<Event>,
    /// What `--modules` has.
    pub(super) modules: Option<&'a str>,
    /// The symbol or module_name of the only module.
    pub(super) module: Option<&'a str>,
}

/// A message of the input.
struct Message {
    key: &'static str,
    kind: MessageType,
    bytes: Vec<u8>,
}

/// What is decided for one event of one instance.
struct Decided<'a> {
    entry: &'a ModuleEntry,
    event: Event,
    /// Of whom; empty for one without an ID.
    about: String,
    condition: Option<&'a Condition>,
    asked: Vec<Asked>,
    runs: bool,
}

/// Prints the decisions of the instances in a configuration, or without one the fields that an
/// input has.
///
/// # Errors
/// When a file cannot be read, the agent would refuse it, or the input does not fit.
pub(super) fn print(wanted: &Wanted<'_>, as_json: bool) -> anyhow::Result<()> {
    match wanted.modules {
        Some(modules) => print_decisions(wanted, modules, as_json),
        None => print_fields(wanted, as_json),
    }
}

/// The inputs that the object has: of each of its containers, or the only one.
fn inputs(object: &Map<String, Value>) -> anyhow::Result<Vec<(String, Map<String, Value>)>> {
    let containers = containers::of(object)?;
    if containers.is_empty() {
        return Ok(vec![(String::new(), object.clone())]);
    }
    Ok(containers.into_iter().map(|one| (one.name, one.object)).collect())
}

/// The messages that a condition of `event` looks at, as far as the object has them.
fn messages(event: Event, object: &Map<String, Value>) -> anyhow::Result<Vec<Message>> {
    let schema = schema::current();
    let inputs = condition::looked_at(event).row().inputs.iter();
    let given = inputs.filter_map(|key| match key.kind {
        InputKind::Message(name) => Some((key.name, name, object.get(key.name)?)),
        _ => None,
    });
    given
        .map(|(key, name, value)| {
            let of_input = |error: anyhow::Error| error.context(format!("input '{key}'"));
            let kind = schema.message(name).ok_or_else(|| anyhow!("there is no '{name}'"))?;
            Ok(Message { key, kind, bytes: message(&schema, name, value).map_err(of_input)? })
        })
        .collect()
}

fn given(messages: &[Message]) -> Vec<Given<'_>> {
    messages.iter().map(|Message { key, kind, bytes }| Given { key, kind, bytes }).collect()
}

fn print_decisions(wanted: &Wanted<'_>, modules: &str, as_json: bool) -> anyhow::Result<()> {
    let mut entries = source::entries(modules)?;
    if let Some(module) = wanted.module {
        let name = |it: &ModuleEntry| crate::call::name_of(it).is_some_and(|it| it == module);
        entries.retain(|it| it.symbol == module || name(it));
    }
    if entries.is_empty() {
        bail!("there is no such module of ours");
    }
    let mut configs = Vec::new();
    for entry in &entries {
        let parsed = Config::parse(entry.kind, &entry.parameters);
        let refused = |error| anyhow!("{}: the agent refuses it: {error}", entry.symbol);
        configs.push((entry, parsed.map_err(refused)?.0));
    }
    let inputs = inputs(wanted.object)?;
    let mut decided = Vec::new();
    for (entry, config) in &configs {
        for (about, object) in &inputs {
            let events = config.events.iter();
            for (event, command) in events.filter(|it| wanted.event.is_none_or(|one| one == *it.0))
            {
                let messages = messages(*event, object)?;
                let given = given(&messages);
                let condition = command.when.as_deref();
                let runs = condition.is_none_or(|condition| condition.holds(&given));
                let asked = condition.map(|it| it.asked(&given)).unwrap_or_default();
                let asked = asked.into_iter().map(|it| without_secret(config, it)).collect();
                let about = about.clone();
                decided.push(Decided { entry, event: *event, about, condition, asked, runs });
            }
        }
    }
    if decided.is_empty() {
        bail!("no module has a command for {}", wanted.event.map_or("any event", Event::label));
    }
    if as_json {
        println!("{}", decided.iter().map(Decided::to_json).collect::<Value>());
    } else {
        decided.iter().for_each(Decided::print);
    }
    Ok(())
}

/// What was found of a label whose name the parameter `redact` has stays hidden.
fn without_secret(config: &Config, asked: Asked) -> Asked {
    let name = asked.term.split_whitespace().next().unwrap_or_default();
    let name = name.strip_prefix("label.").unwrap_or_default().to_owned();
    let found = asked.found.iter().map(|text| config.redact.parameter(&name, text)).collect();
    Asked { found, ..asked }
}

impl Decided<'_> {
    fn name(&self) -> &str {
        crate::call::name_of(self.entry).map_or("", String::as_str)
    }

    fn print(&self) {
        let verdict = if self.runs { "runs" } else { "skipped" };
        let about = if self.about.is_empty() { "" } else { &format!("  {}", plain(&self.about)) };
        println!("{}  {}{about}  {verdict}", plain(self.name()), self.event.label());
        let Some(condition) = self.condition else {
            println!("  it has no condition");
            return;
        };
        println!("  when      {}", plain(condition.text()));
        for asked in &self.asked {
            let found = match asked.found.as_slice() {
                [] => "absent".to_owned(),
                found => {
                    let quoted: Vec<String> = found.iter().map(|it| format!("'{it}'")).collect();
                    quoted.join(", ")
                }
            };
            let holds = if asked.holds { "true" } else { "false" };
            println!("  {holds:<8}  {}: {}", plain(&asked.term), plain(&found));
        }
    }

    fn to_json(&self) -> Value {
        let asked = self
            .asked
            .iter()
            .map(|asked| json!({"term": asked.term, "found": asked.found, "holds": asked.holds}));
        json!({
            "module": self.entry.symbol,
            "module_name": self.name(),
            "event": self.event.label(),
            "container": Some(&self.about).filter(|about| !about.is_empty()),
            "when": self.condition.map(Condition::text),
            "terms": asked.collect::<Vec<_>>(),
            "runs": self.runs,
        })
    }
}

fn print_fields(wanted: &Wanted<'_>, as_json: bool) -> anyhow::Result<()> {
    if wanted.module.is_some() {
        bail!("--module needs --effective or --modules");
    }
    // Labels may have secrets; there is no configuration that would say which.
    let redaction = Redaction::default();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for event in Event::ALL.into_iter().filter(|it| wanted.event.is_none_or(|one| one == *it)) {
        for (about, object) in inputs(wanted.object)? {
            let messages = messages(event, &object)?;
            if messages.is_empty() {
                continue;
            }
            for field in condition::fields_of(event) {
                let found = condition::values_of(field, event, &given(&messages));
                let found: Vec<String> =
                    found.iter().map(|text| redaction.parameter("", text)).collect();
                let found = if found.is_empty() { "absent".to_owned() } else { found.join(", ") };
                rows.push(vec![
                    event.label().to_owned(),
                    about.clone(),
                    field.shown().to_owned(),
                    plain(&found).into_owned(),
                ]);
            }
        }
    }
    if rows.is_empty() {
        let event = wanted.event.map_or("any event", Event::label);
        bail!("the input has nothing that a condition of {event} could ask");
    }
    if as_json {
        let one = |row: &Vec<String>| json!({"event": row[0], "container": row[1], "field": row[2], "found": row[3]});
        println!("{}", rows.iter().map(one).collect::<Value>());
    } else {
        table::print(&["event", "container", "field", "found"], &rows);
    }
    Ok(())
}
