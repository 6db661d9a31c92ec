//! Parameters: all of them, or one in full.

use mesos_command::config::{ORIGINAL, Parameter, keys};
use mesos_command::event::Event;
use serde_json::{Value, json};

use crate::table;

/// Prints a table of all.
pub(super) fn all() {
    let rows: Vec<Vec<String>> = keys::parameters()
        .map(|row| {
            let also = row.aliases.iter().map(|alias| format!(" ({alias})"));
            vec![
                format!("{}{}", row.name, also.collect::<String>()),
                row.modules().to_owned(),
                row.unset.label().to_owned(),
                row.explained(),
            ]
        })
        .collect();
    table::print(&["parameter", "module", "default", "meaning"], &rows);
}

/// The parameter with this key, for one event or, as the table names it, for all.
pub(super) fn find(key: &str) -> Option<(&'static Parameter, Option<Event>)> {
    let as_in_table = || Some((keys::parameters().find(|row| row.name == key)?, None));
    keys::parameter(key).or_else(as_in_table)
}

/// Prints all that is known of one.
pub(super) fn one(row: &Parameter, event: Option<Event>) {
    println!("{}", row.key(event));
    for alias in row.aliases {
        println!("also: {alias}");
    }
    match event {
        Some(event) => println!("modules: {}", event.row().kind.label().to_lowercase()),
        None => println!("modules: {}", row.modules()),
    }
    println!("default: {}", unset(row, event));
    println!("accepted: {}", row.accepted(event));
    println!("since: {}", since(row));
    println!("{}", row.explained());
}

/// What holds while it is not given.
pub(super) fn unset(row: &Parameter, event: Option<Event>) -> String {
    match event {
        Some(event) if row.name == "<event>_timeout" => {
            keys::timeout_default(event).unwrap_or_else(|| "none".to_owned())
        }
        Some(event) if row.name == "<event>_failure" => keys::failure_default(event).to_owned(),
        _ => row.unset.label().to_owned(),
    }
}

/// The version that brought it, in words.
pub(super) fn since(row: &Parameter) -> &'static str {
    match row.since {
        ORIGINAL => "the original modules",
        version => version,
    }
}

/// One for programs.
pub(super) fn data(row: &Parameter, event: Option<Event>) -> Value {
    json!({
        "parameter": row.key(event),
        "also": row.aliases,
        "modules": row.modules(),
        "default": unset(row, event),
        "accepted": row.accepted(event),
        "since": since(row),
        "meaning": row.explained(),
    })
}
