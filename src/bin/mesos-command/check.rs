//! `mesos-command check`: looks for mistakes in a modules file.

use std::path::PathBuf;

use mesos_command::config::{Config, Warning, modules_file};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The modules file that `--modules` of the agent or master names
    modules: PathBuf,
}

/// Prints what is wrong; an unknown key is an error here, because nobody reads warnings of a
/// check.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut problems = 0;
    let mut names: Vec<(String, String)> = Vec::new();
    for entry in modules_file::read(&arguments.modules)? {
        let symbol = &entry.symbol;
        match Config::parse(entry.kind, &entry.parameters) {
            Err(error) => {
                problems += 1;
                println!("error: {symbol}: {error}");
            }
            Ok((config, warnings)) => {
                for warning in &warnings {
                    let error = !matches!(warning, Warning::Advice(_));
                    problems += usize::from(error);
                    println!("{}: {symbol}: {warning}", if error { "error" } else { "warning" });
                }
                let name = (format!("{:?}", entry.kind), config.module_name.to_string());
                if names.contains(&name) {
                    println!(
                        "warning: {symbol}: another {} has the module_name '{}': they share state",
                        name.0, name.1
                    );
                }
                names.push(name);
                let events: Vec<&str> = config.events.keys().map(|event| event.label()).collect();
                println!(
                    "{symbol}: module_name '{}', events: {}",
                    config.module_name,
                    list(&events)
                );
            }
        }
    }
    println!("{}", if problems == 0 { "no problems" } else { "there are problems" });
    Ok(problems == 0)
}

fn list(events: &[&str]) -> String {
    if events.is_empty() { "none".to_owned() } else { events.join(", ") }
}
