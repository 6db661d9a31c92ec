//! Keys and values of one instance: by the engine's own parser, so that the check says what the
//! agent will do.

use mesos_command::config::modules_file::{Module, ModuleEntry};
use mesos_command::config::{Config, Warning, keys};
use mesos_command::event::Event;

use super::finding::{Finding, Place};
use super::modules::{place, value};
use super::{command, places};
use crate::private::is_user;

/// Looks at a module's parameters and, with `files`, at the files that they name. `all` are the
/// modules of ours in the file.
pub(super) fn look_at(module: &Module, all: &[&Module], files: bool) -> Vec<Finding> {
    let Some(entry) = module.entry() else { return Vec::new() };
    let mut found = repeated_keys(module);
    found.extend(other_kinds_keys(module, &entry, all));
    let (config, warnings) = parse_all(module, &entry, files, &mut found);
    for warning in &warnings {
        found.extend(of_warning(module, warning));
    }
    let Some(config) = config else { return found };
    if config.events.is_empty() {
        let message = "no event has a command: the module does nothing";
        found.push(
            Finding::warning("no-command", message)
                .advice("set <event>_command; `mesos-command explain` lists the events")
                .at(&place(module)),
        );
    }
    found.extend(commands(module, &config, &warnings, files));
    if files {
        found.extend(rights(module, &config));
        let places = places::look_at(&config);
        found.extend(places.into_iter().map(|(key, finding)| finding.at(&place_of(module, key))));
    }
    found
}

/// What this process may not give a command, which the agent may be able to.
fn rights(module: &Module, config: &Config) -> Option<Finding> {
    let error = config.check_rights().err()?;
    let place = place_of(module, &error.key);
    let message = format!("an agent with no more rights than this check refuses it: {error}");
    let advice = "run the check as the agent is run, with its limits";
    Some(Finding::warning("value-beyond-rights", message).advice(advice).at(&place))
}

/// Where a parameter stands.
fn place_of(module: &Module, key: &str) -> Place {
    let last = module.parameters.iter().rfind(|parameter| parameter.key.text == key);
    let line = last.map(|parameter| parameter.value.line);
    let place = place(module);
    Place { line: line.or(place.line), key: Some(key.to_owned()), ..place }
}

fn repeated_keys(module: &Module) -> Vec<Finding> {
    let parameters = &module.parameters;
    let repeated = parameters.iter().enumerate().filter_map(|(index, parameter)| {
        let key = &parameter.key.text;
        let first = parameters[..index].iter().rfind(|earlier| earlier.key.text == *key)?;
        let line = first.value.line;
        let place =
            Place { line: Some(parameter.key.line), key: Some(key.clone()), ..place(module) };
        let finding = if first.value.text == parameter.value.text {
            Finding::info(
                "parameter-repeated",
                format!("it stands in line {line} too, with the same value"),
            )
        } else {
            let message =
                format!("it stands in line {line} too, with another value; this one counts");
            Finding::warning("parameter-repeated", message).advice("keep one")
        };
        Some(finding.at(&place))
    });
    repeated.collect()
}

/// Keys that only the other kind of module has.
fn other_kinds_keys(module: &Module, entry: &ModuleEntry, all: &[&Module]) -> Vec<Finding> {
    let mut found = Vec::new();
    for parameter in &module.parameters {
        let key = &parameter.key.text;
        let Some(Some(kind)) = keys::find(key) else { continue };
        if kind == entry.kind {
            continue;
        }
        let (label, own) = (kind.label(), entry.kind.label());
        let elsewhere = all.iter().any(|other| {
            other.entry().is_some_and(|entry| entry.kind == kind) && value(other, key).is_some()
        });
        let finding = if key.ends_with("_command") && !parameter.value.text.is_empty() && !elsewhere
        {
            let message = format!(
                "it is for a module of kind {label}; this is one of kind {own}, so nothing runs it"
            );
            let advice = format!("move it to a module of kind {label}");
            Finding::warning("parameter-other-kind", message).advice(advice)
        } else {
            let message = format!("it is for modules of kind {label} and has no effect here");
            Finding::info("parameter-other-kind", message)
        };
        found.push(finding.at(&Place { line: Some(parameter.key.line), ..place_of(module, key) }));
    }
    found
}

/// Parses until nothing more is refused: each refused parameter is told and left out.
fn parse_all(
    module: &Module,
    entry: &ModuleEntry,
    files: bool,
    found: &mut Vec<Finding>,
) -> (Option<Config>, Vec<Warning>) {
    let mut parameters = entry.parameters.clone();
    // The agent's refusal names the first thing that is wrong with a path; here each is told, by
    // the looks at commands and directories.
    let is_strict = parameters.iter().rev().find(|(key, _)| key == "strict_permissions");
    let is_strict = is_strict.is_some_and(|(_, value)| value == "true");
    if is_strict {
        parameters.retain(|(key, _)| key != "strict_permissions");
    }
    if !files {
        // Users are those of the machine on which the agent runs.
        parameters.retain(|(key, _)| !is_user(key));
    }
    // Each round leaves one out.
    for _ in 0..=entry.parameters.len() + 1 {
        let error = match Config::parse(entry.kind, &parameters) {
            Ok((mut config, warnings)) => {
                config.strict_permissions |= is_strict;
                return (Some(config), warnings);
            }
            Err(error) => error,
        };
        let key = error.key.clone();
        let error = error.to_string();
        let given = parameters.iter().any(|(known, _)| *known == key);
        let finding = if given {
            let advice = "change or remove it: the agent does not start with it";
            Finding::error("value-refused", error).advice(advice)
        } else {
            Finding::error("parameter-missing", error)
                .advice("add it: the agent does not start without it")
        };
        let place = if given { place_of(module, &key) } else { place(module) };
        found.push(finding.at(&place));
        parameters.retain(|(known, _)| *known != key);
        if key == "module_name" {
            // So that the others are looked at too.
            parameters.push((key, "unnamed".to_owned()));
        }
    }
    (None, Vec::new())
}

fn of_warning(module: &Module, warning: &Warning) -> Option<Finding> {
    let text = warning.to_string();
    let place = place_of(module, warning.key());
    let finding = match warning {
        Warning::UnknownKey { key, nearest } if Event::from_prefix(key).is_some() => {
            let nearest = nearest.clone().unwrap_or_default();
            Finding::error(
                "parameter-without-suffix",
                format!("'{key}' is an event and no parameter; it is ignored"),
            )
            .advice(format!(
                "'{nearest}' was meant? The example of the original modules has the same mistake"
            ))
        }
        Warning::UnknownKey { nearest, .. } => {
            let advice = nearest.as_ref().map(|nearest| format!("did you mean '{nearest}'?"));
            let advice = advice
                .unwrap_or_else(|| "`mesos-command explain parameters` lists them".to_owned());
            Finding::error("parameter-unknown", "it is not known and ignored").advice(advice)
        }
        Warning::Advice { .. } => Finding::info("advice", text),
        // These are looked at in more detail.
        Warning::Command { .. } | Warning::Directory { .. } => return None,
        _ => Finding::warning("value-doubtful", text),
    };
    Some(finding.at(&place))
}

/// The commands, and what the engine's own look says where ours finds nothing.
fn commands(module: &Module, config: &Config, warnings: &[Warning], files: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (event, configured) in &config.events {
        let key = format!("{}_command", event.label());
        let place = place_of(module, &key);
        let mut own = command::look_at(configured, config.strict_permissions, files);
        let engine = warnings.iter().find_map(|warning| match warning {
            Warning::Command { key: known, problem } if *known == key => Some(problem),
            _ => None,
        });
        if let Some(problem) = engine.filter(|_| files && !own.iter().any(Finding::is_problem)) {
            own.push(Finding::error("command", problem.to_string()));
        }
        found.extend(own.into_iter().map(|finding| finding.at(&place)));
    }
    found
}
