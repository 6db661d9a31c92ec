//! `mesos-command explain`: events, rules for answers, parameters, variables of the environment and
//! metrics, for people and for the pages that are made from them.

mod effective;
mod environment;
mod event;
mod json_schema;
mod manual;
mod matched;
mod parameters;

use std::path::{Path, PathBuf};

use mesos_command::config::keys;
use mesos_command::event::Event;
use mesos_command::event::rules::{self, Rule, Scope};
use mesos_command::metrics::catalogue;
use serde_json::{Value, json};

use crate::{check, table};
use json_schema::Side;
use matched::Wanted;

#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 all is well; 2 the command line or a file could not be used, or there is nothing of \
                  that name."
)]
pub(crate) struct Arguments {
    /// An event's parameter prefix (isolator_usage), a parameter (kill_grace), a code of a finding
    /// (MC012), `events`, `parameters`, `environment`, `metrics`, `rules` or `codes`
    #[arg(default_value = "events")]
    what: String,
    /// Show every parameter of every instance in this configuration, its value, and where that
    /// comes from; MODULES is what `--modules` or `--modules_dir` of the agent or master names
    #[arg(long, value_name = "MODULES", conflicts_with_all = ["markdown", "man", "json_schema"])]
    effective: Option<String>,
    /// Show for whom commands are run: with --modules what each condition (`<event>_when`) makes of
    /// this input, without it what conditions could ask; INPUT is a JSON object with the input keys
    /// of the events, as `mesos-command call` takes it
    #[arg(long = "match", value_name = "INPUT",
          conflicts_with_all = ["markdown", "man", "json_schema", "effective"])]
    matched: Option<PathBuf>,
    /// With --match: what `--modules` or `--modules_dir` of the agent or master names
    #[arg(long, value_name = "MODULES", requires = "matched")]
    modules: Option<String>,
    /// With --effective or --modules: only the module with this symbol or module_name
    #[arg(long)]
    module: Option<String>,
    /// Print a table as Markdown, as it stands in the documents
    #[arg(long)]
    markdown: bool,
    /// Print JSON; of the rules one object per line, with the examples that they are tested with
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the parameters as a manual page
    #[arg(long, conflicts_with_all = ["markdown", "json"])]
    man: bool,
    /// Print the JSON Schema of an event's input or output
    #[arg(long, value_enum, value_name = "SIDE", conflicts_with_all = ["markdown", "json", "man"])]
    json_schema: Option<Side>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(path) = &arguments.matched {
        print_matched(arguments, path)?;
    } else if arguments.module.is_some() && arguments.effective.is_none() {
        anyhow::bail!("--module needs --effective or --modules");
    } else if let Some(value) = &arguments.effective {
        effective::print(value, arguments.module.as_deref(), arguments.json)?;
    } else if let Some(side) = arguments.json_schema {
        print_schema(&arguments.what, side)?;
    } else if arguments.man {
        match arguments.what.as_str() {
            "parameters" => print!("{}", manual::page()),
            _ => anyhow::bail!("--man is for the parameters only"),
        }
    } else if arguments.markdown {
        print!("{}", markdown(&arguments.what)?);
    } else if arguments.json {
        print_data(&arguments.what)?;
    } else {
        print_text(&arguments.what)?;
    }
    Ok(true)
}

fn print_matched(arguments: &Arguments, path: &Path) -> anyhow::Result<()> {
    let event = match arguments.what.as_str() {
        "events" => None,
        name => Some(crate::call::parse_event(name).map_err(|text| anyhow::anyhow!("{text}"))?),
    };
    let wanted = Wanted {
        object: &crate::call::read_object(path)?,
        event,
        modules: arguments.modules.as_deref(),
        module: arguments.module.as_deref(),
    };
    matched::print(&wanted, arguments.json)
}

fn print_text(what: &str) -> anyhow::Result<()> {
    match what {
        "rules" => all_rules(),
        "events" => events(),
        "metrics" => metrics(),
        "parameters" => parameters::all(),
        "environment" => environment::all(),
        "codes" => print!("{}", check::codes_text()),
        name => named(name)?,
    }
    Ok(())
}

fn markdown(what: &str) -> anyhow::Result<String> {
    Ok(match what {
        "rules" => rules::markdown(),
        "events" => keys::events_markdown(),
        "metrics" => catalogue::markdown(),
        "parameters" => keys::markdown(),
        "environment" => environment::markdown(),
        "codes" => check::codes_markdown(),
        _ => anyhow::bail!(
            "--markdown is for events, parameters, environment, metrics, rules and codes"
        ),
    })
}

fn print_data(what: &str) -> anyhow::Result<()> {
    let data = match what {
        "rules" => {
            rules::all().for_each(|rule| println!("{}", data(rule)));
            return Ok(());
        }
        "events" => Event::ALL.into_iter().map(|event| event::data(event.row())).collect(),
        "parameters" => keys::parameters().map(|row| parameters::data(row, None)).collect(),
        "environment" => environment::data(),
        "metrics" => catalogue::METRICS.iter().map(metric).collect(),
        "codes" => check::codes_data(),
        name => match (Event::from_prefix(name), parameters::find(name)) {
            (Some(event), _) => event::data(event.row()),
            (None, Some((row, event))) => parameters::data(row, event),
            (None, None) => return Err(unknown(name)),
        },
    };
    println!("{data}");
    Ok(())
}

fn print_schema(name: &str, side: Side) -> anyhow::Result<()> {
    let event = Event::from_prefix(name)
        .ok_or_else(|| anyhow::anyhow!("--json-schema is for events, and '{name}' is none"))?;
    let schema = json_schema::of(event.row(), side)
        .ok_or_else(|| anyhow::anyhow!("the output of {name} is not read, so it has no schema"))?;
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(())
}

fn unknown(name: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "'{name}' is neither an event nor a parameter; accepted are events, parameters, \
         environment, metrics, rules, codes, a code, a parameter, and {}",
        Event::ALL.map(Event::label).join(", ")
    )
}

/// An event, a parameter or a code.
fn named(name: &str) -> anyhow::Result<()> {
    if let Some(event) = Event::from_prefix(name) {
        event::print(event.row())?;
    } else if let Some((row, event)) = parameters::find(name) {
        parameters::one(row, event);
    } else if let Some(text) = check::explain_code(name) {
        print!("{text}");
    } else {
        return Err(unknown(name));
    }
    Ok(())
}

fn metric(metric: &catalogue::Metric) -> Value {
    let labels: Vec<_> = metric.labels.iter().map(|label| label.name()).collect();
    json!({
        "metric": metric.name,
        "type": metric.kind.label(),
        "labels": labels,
        "meaning": metric.help,
    })
}

fn events() {
    let rows: Vec<Vec<String>> = Event::ALL
        .into_iter()
        .map(|event| {
            let row = event.row();
            vec![
                row.prefix.to_owned(),
                event::timeout(row),
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

fn all_rules() {
    let rows: Vec<Vec<String>> = rules::all()
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
