//! `mesos-command explain`: the event table and the catalogue of parameters, for people.

use mesos_command::config::keys;
use mesos_command::event::{Empty, Event, InputKind, ModuleKind, Output, Row};

use crate::table;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// An event's parameter prefix (isolator_usage), `events` or `parameters`
    #[arg(default_value = "events")]
    what: String,
    /// Print the tables of events and parameters as Markdown, as they stand in the README
    #[arg(long)]
    markdown: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    match arguments.what.as_str() {
        "events" if arguments.markdown => print!("{}", keys::events_markdown()),
        "parameters" if arguments.markdown => print!("{}", keys::markdown()),
        "events" => events(),
        "parameters" => parameters(),
        name => match Event::from_prefix(name) {
            Some(event) => one(event.row()),
            None => anyhow::bail!(
                "'{name}' is no event; accepted are events, parameters, and {}",
                Event::ALL.map(Event::label).join(", ")
            ),
        },
    }
    Ok(true)
}

fn timeout(row: &Row) -> String {
    keys::timeout_default(row.event).unwrap_or_else(|| "none".to_owned())
}

fn events() {
    let rows: Vec<Vec<String>> = Event::ALL
        .into_iter()
        .map(|event| {
            let row = event.row();
            vec![
                row.prefix.to_owned(),
                timeout(row),
                keys::failure_default(event).to_owned(),
                row.caller.to_owned(),
            ]
        })
        .collect();
    table::print(&["event", "timeout", "when it fails", "called by"], &rows);
}

fn parameters() {
    let rows = keys::KEYS.iter().map(|key| ("", key));
    let families = keys::EVENT_KEYS.iter().map(|key| ("<event>", key));
    let rows: Vec<Vec<String>> = families
        .chain(rows)
        .map(|(prefix, key)| {
            let only = match key.kind {
                None => "both",
                Some(ModuleKind::Hook) => "hook",
                Some(ModuleKind::Isolator) => "isolator",
            };
            let name = match key.alias {
                Some(alias) => format!("{prefix}{} ({alias})", key.name),
                None => format!("{prefix}{}", key.name),
            };
            vec![name, only.to_owned(), key.default.to_owned(), key.meaning.to_owned()]
        })
        .collect();
    table::print(&["parameter", "module", "default", "meaning"], &rows);
}

fn one(row: &Row) {
    println!("{} ({}::{})", row.prefix, row.kind.label(), row.method);
    println!("called by: {}", row.caller);
    let from = match (row.timeout, row.lane.counts_from_start()) {
        (None, _) => "",
        (Some(_), true) => " from the start of the command, however long that waited for its turn",
        (Some(_), false) => " from the call, with the time in which it waits for its turn",
    };
    println!("timeout: {}{from}", timeout(row));
    println!("when it fails: {}", keys::failure_default(row.event));
    println!("input keys:");
    for key in row.inputs {
        let kind = match key.kind {
            InputKind::Message(name) => name.to_owned(),
            InputKind::Messages(name) => format!("list of {name}"),
            InputKind::Integer => "number".to_owned(),
            InputKind::Text => "text".to_owned(),
            InputKind::TextMap => "object of texts".to_owned(),
            InputKind::Containers => "list of {container_config, container_id}".to_owned(),
            InputKind::ScalarMap => "object of {\"value\": number}".to_owned(),
        };
        println!("  {}: {kind}{}", key.name, if key.optional { " (may be absent)" } else { "" });
    }
    match row.output {
        Output::Ignored => println!("output: not read"),
        Output::ByContainer(name) => println!("output: {{\"<container>\": JSON of {name}, …}}"),
        Output::Message(name) => println!("output: JSON of {name}"),
        Output::List { field, .. } => println!("output: {{\"{field}\":[…]}}"),
    }
    match row.empty {
        Empty::Nothing => println!("an empty output means: nothing to say"),
        Empty::Error => println!("an empty output is an error, which changes nothing"),
    }
}
