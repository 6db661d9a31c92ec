//! `mesos-command explain`: events, rules for answers, parameters, variables of the environment and
//! metrics, for people and for the pages that are made from them.

mod environment;
mod manual;
mod parameters;

use mesos_command::config::keys;
use mesos_command::event::rules::{self, Rule, Scope};
use mesos_command::event::{Empty, Event, InputKind, Output, Row};
use mesos_command::metrics::catalogue;
use serde_json::{Value, json};

use crate::table;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// An event's parameter prefix (isolator_usage), a parameter (kill_grace), `events`,
    /// `parameters`, `environment`, `metrics` or `rules`
    #[arg(default_value = "events")]
    what: String,
    /// Print a table as Markdown, as it stands in README.md, DIFFERENCES.md or dashboards/README.md
    #[arg(long)]
    markdown: bool,
    /// Print the rules as JSON, one object per line, with the examples that they are tested with
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the parameters as a manual page
    #[arg(long, conflicts_with_all = ["markdown", "json"])]
    man: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let markdown = arguments.markdown;
    match arguments.what.as_str() {
        "rules" if arguments.json => {
            rules::RULES.iter().for_each(|rule| println!("{}", data(rule)))
        }
        _ if arguments.json => anyhow::bail!("--json is for the rules only"),
        "parameters" if arguments.man => print!("{}", manual::page()),
        _ if arguments.man => anyhow::bail!("--man is for the parameters only"),
        "rules" if markdown => print!("{}", rules::markdown()),
        "rules" => all_rules(),
        "events" if markdown => print!("{}", keys::events_markdown()),
        "events" => events(),
        "metrics" if markdown => print!("{}", catalogue::markdown()),
        "metrics" => metrics(),
        "parameters" if markdown => print!("{}", keys::markdown()),
        "parameters" => parameters::all(),
        "environment" if markdown => print!("{}", environment::markdown()),
        "environment" => environment::all(),
        name => named(name)?,
    }
    Ok(true)
}

/// An event or a parameter.
fn named(name: &str) -> anyhow::Result<()> {
    if let Some(event) = Event::from_prefix(name) {
        one(event.row());
    } else if let Some((row, event)) = parameters::find(name) {
        parameters::one(row, event);
    } else {
        anyhow::bail!(
            "'{name}' is neither an event nor a parameter; accepted are events, parameters, \
             environment, metrics, rules, a parameter, and {}",
            Event::ALL.map(Event::label).join(", ")
        );
    }
    Ok(())
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
                row.called_by(),
            ]
        })
        .collect();
    table::print(&["event", "timeout", "when it fails", "called by"], &rows);
}

fn metrics() {
    let rows: Vec<Vec<String>> = catalogue::METRICS
        .iter()
        .map(|metric| {
            let labels: Vec<_> = metric.labels.iter().map(|label| label.name()).collect();
            let kind = metric.kind.label().to_owned();
            vec![metric.name.to_owned(), kind, labels.join(","), metric.help.to_owned()]
        })
        .collect();
    table::print(&["metric", "type", "labels", "meaning"], &rows);
}

fn one(row: &Row) {
    println!("{} ({}::{})", row.prefix, row.kind.label(), row.method);
    println!("called by: {}", row.called_by());
    let from = match (row.timeout, row.lane.counts_from_start()) {
        (None, _) => "",
        (Some(_), true) => " from the start of the command, however long that waited for its turn",
        (Some(_), false) => " from the call, with the time in which it waits for its turn",
    };
    println!("timeout: {}{from}", timeout(row));
    println!("when it fails: {}", keys::failure_default(row.event));
    println!(
        "in worker mode, while no worker is up: the command is run for the call ({0}_fallback=fail: \
         the call waits for a second, then fails)",
        row.prefix
    );
    println!("input keys:");
    for key in row.inputs.iter().chain(row.added) {
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
    for (index, rule) in rules::of(row.event).enumerate() {
        if index == 0 {
            println!("answers that must not reach Mesos:");
        }
        println!("  {}: {} ({})", rule.condition(), rule.remedy(), rule.harm);
    }
    for note in rules::notes(row.event) {
        println!("note: {note}");
    }
}

fn all_rules() {
    let rows: Vec<Vec<String>> = rules::RULES
        .iter()
        .map(|rule| vec![rule.event.label().to_owned(), rule.condition(), rule.remedy()])
        .collect();
    table::print(&["answer of", "when", "then"], &rows);
}

/// A rule for programs: those that play its example inside a real Mesos.
fn data(rule: &Rule) -> Value {
    let mended = || serde_json::from_str::<Value>(rule.mended).ok();
    json!({
        "event": rule.event.label(),
        "field": rule.path(),
        "condition": rule.condition(),
        "remedy": rule.remedy(),
        "by_host": matches!(rule.when, rules::Condition::HostRefuses),
        "command_task": rule.scope == Scope::CommandTask,
        "example": serde_json::from_str::<Value>(&rule.example()).ok(),
        "mended": mended(),
        "harm": rule.harm,
        "source": rule.source,
        "releases": rule.releases(),
    })
}
