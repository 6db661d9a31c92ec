//! Keys and values of one instance: by the engine's own parser, so that the check says what the
//! agent will do.

use mesos_command::command::CommandLine;
use mesos_command::config::modules_file::{Module, ModuleEntry, Text};
use mesos_command::config::{Config, EventConfig, Warning, keys};
use mesos_command::event::{Event, Output};

use super::codes;
use super::finding::{Finding, Place};
use super::modules::{place, value};
use super::{Look, command, condition, found, io, places, script, warm};
use crate::private::is_user;

/// Looks at a module's parameters, which stand in `text`, and as far as `look` says at the files
/// that they name. `all` are our modules.
pub(super) fn look_at(
    module: &Module,
    all: &[&Module],
    text: &[u8],
    look: &Look<'_>,
) -> Vec<Finding> {
    let files = look.files;
    let Some(entry) = module.entry() else { return Vec::new() };
    let mut found = repeated_keys(module);
    found.extend(other_kinds_keys(module, &entry, all));
    let (config, warnings) = parse_all(module, &entry, (text, files), &mut found);
    for warning in &warnings {
        found.extend(of_warning(module, warning));
    }
    let Some(config) = config else { return found };
    if config.events.is_empty() {
        let message = "no event has a command: the module does nothing";
        found.push(
            Finding::warning(codes::NO_COMMAND, message)
                .advice("set <event>_command; `mesos-command explain` lists the events")
                .at(&place(module)),
        );
    }
    found.extend(commands(module, &config, &warnings, files));
    let ports = look.ports.look_at(&config);
    let place = place_of(module, "metrics_address");
    found.extend(ports.into_iter().map(|finding| finding.at(&place)));
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
    Some(Finding::warning(codes::VALUE_BEYOND_RIGHTS, message).advice(advice).at(&place))
}

/// Where a parameter stands.
fn place_of(module: &Module, key: &str) -> Place {
    let last = module.parameters.iter().rfind(|parameter| parameter.key.text == key);
    let span = last.map(|parameter| parameter.value.span);
    let place = place(module);
    Place { span: span.or(place.span), key: Some(key.to_owned()), ..place }
}

/// Where its key stands.
fn place_of_key(module: &Module, key: &str) -> Place {
    let last = module.parameters.iter().rfind(|parameter| parameter.key.text == key);
    let place = place_of(module, key);
    Place { span: last.map(|parameter| parameter.key.span).or(place.span), ..place }
}

fn has_key(module: &Module, key: &str) -> bool {
    module.parameters.iter().any(|parameter| parameter.key.text == key)
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn repeated_keys(module: &Module) -> Vec<Finding> {
    let parameters = &module.parameters;
    let repeated = parameters.iter().enumerate().filter_map(|(index, parameter)| {
        let key = &parameter.key.text;
        let first = parameters[..index].iter().rfind(|earlier| earlier.key.text == *key)?;
        let line = first.key.line;
        let span = Some(parameter.key.span);
        let place = Place { span, key: Some(key.clone()), ..place(module) };
        let finding = if first.value.text == parameter.value.text {
            Finding::info(
                codes::PARAMETER_REPEATED,
                format!("it stands in line {line} too, with the same value"),
            )
        } else {
            let message =
                format!("it stands in line {line} too, with another value; this one counts");
            Finding::warning(codes::PARAMETER_REPEATED, message).advice("keep one")
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
            Finding::warning(codes::PARAMETER_OTHER_KIND, message).advice(advice)
        } else {
            let message = format!("it is for modules of kind {label} and has no effect here");
            Finding::info(codes::PARAMETER_OTHER_KIND, message)
        };
        let span = Some(parameter.key.span);
        found.push(finding.at(&Place { span, ..place_of(module, key) }));
    }
    found
}

/// Parses until nothing more is refused: each refused parameter is told and left out.
fn parse_all(
    module: &Module,
    entry: &ModuleEntry,
    (text, files): (&[u8], bool),
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
        if let Some(fault) = &error.fault {
            found.push(condition::refused(fault, &place_of(module, &key), text));
            parameters.retain(|(known, _)| *known != key);
            continue;
        }
        let error = error.to_string();
        let given = parameters.iter().any(|(known, _)| *known == key);
        let finding = if given {
            let advice = "change or remove it: the agent does not start with it";
            Finding::error(codes::VALUE_REFUSED, error).advice(advice)
        } else {
            Finding::error(codes::PARAMETER_MISSING, error)
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
    let finding = match warning {
        Warning::UnknownKey { key, nearest } => {
            let place = place_of_key(module, key);
            let finding = unknown_key(key, nearest.as_deref()).at(&place);
            return Some(match (nearest, place.span) {
                // A second one of the same key would be another mistake.
                (Some(nearest), Some(span)) if !has_key(module, nearest) => {
                    finding.fix(span, quoted(nearest))
                }
                _ => finding,
            });
        }
        Warning::Advice { .. } => Finding::info(codes::ADVICE, text),
        // These are looked at in more detail.
        Warning::Command { .. } | Warning::Directory { .. } => return None,
        _ => Finding::warning(codes::VALUE_DOUBTFUL, text),
    };
    Some(finding.at(&place_of(module, warning.key())))
}

fn unknown_key(key: &str, nearest: Option<&str>) -> Finding {
    match nearest {
        Some(nearest) if Event::from_prefix(key).is_some() => {
            let message = format!("'{key}' is an event and no parameter; it is ignored");
            let advice = format!(
                "'{nearest}' was meant? The example of the original modules has the same mistake"
            );
            Finding::error(codes::PARAMETER_WITHOUT_SUFFIX, message).advice(advice)
        }
        Some(nearest) => {
            let message = format!("'{key}' is not known and ignored");
            Finding::error(codes::PARAMETER_UNKNOWN, message)
                .advice(format!("did you mean '{nearest}'?"))
        }
        None => {
            let message = format!("'{key}' is not known and ignored");
            Finding::error(codes::PARAMETER_UNKNOWN, message)
                .advice("`mesos-command explain parameters` lists them")
        }
    }
}

/// The commands, and what the engine's own look says where ours finds nothing.
fn commands(module: &Module, config: &Config, warnings: &[Warning], files: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (event, configured) in &config.events {
        found.extend(shadow(module, config, *event, (configured, files)));
        let key = format!("{}_command", event.label());
        let place = place_of(module, &key);
        let mut own = command::look_at(&configured.command, config.strict_permissions, files);
        let engine = warnings.iter().find_map(|warning| match warning {
            Warning::Command { key: known, problem } if *known == key => Some(problem),
            _ => None,
        });
        if let Some(problem) = engine.filter(|_| files && !own.iter().any(Finding::is_problem)) {
            own.push(Finding::error(codes::COMMAND, problem.to_string()));
        }
        if files {
            own.extend(io_modes(config, *event, configured));
        }
        let value = value(module, &key);
        found.extend(own.into_iter().map(|finding| mended(finding.at(&place), value)));
    }
    found
}

/// The shadow of an event, as its command is looked at; and what it does a second time.
fn shadow(
    module: &Module,
    config: &Config,
    event: Event,
    (configured, files): (&EventConfig, bool),
) -> Vec<Finding> {
    let Some(line) = &configured.shadow else { return Vec::new() };
    let key = format!("{}_shadow_command", event.label());
    let mut own = command::look_at(line, config.strict_permissions, files);
    if event.row().output == Output::Ignored || event == Event::Prepare {
        let message = format!(
            "what {} does, a shadow does a second time: whatever it leaves stays, and nobody undoes it",
            event.label()
        );
        let advice = "let it leave out effects where MESOS_COMMAND_SHADOW is set";
        own.push(Finding::info(codes::ADVICE, message).advice(advice));
    }
    let place = place_of(module, &key);
    let value = value(module, &key);
    own.into_iter().map(|finding| mended(finding.at(&place), value)).collect()
}

/// What the command's script does with files that are memfds, and may notice of warm mode.
fn io_modes(config: &Config, event: Event, configured: &EventConfig) -> Vec<Finding> {
    let memfds = io::Memfds::of(config, event, configured);
    let CommandLine::Path(_) = configured.command else { return Vec::new() };
    let Some(path) = found::resolve(configured.text()).filter(|path| path.is_file()) else {
        return Vec::new();
    };
    match script::head(&path) {
        Ok(head) if !head.starts_with(b"\x7fELF") => {
            let mut found = io::look_at(&path, &head, memfds);
            if configured.warm.is_some() {
                found.extend(warm::look_at(&path, &head));
            }
            found
        }
        _ => Vec::new(),
    }
}

/// With the text that is meant, where that is clear.
fn mended(finding: Finding, value: Option<&Text>) -> Finding {
    let Some(value) = value else { return finding };
    let meant = if finding.code == codes::COMMAND_BLANKS {
        value.text.trim()
    } else if finding.code == codes::COMMAND_QUOTED {
        value.text.trim_matches(['"', '\''])
    } else {
        return finding;
    };
    let meant = quoted(meant);
    finding.fix(value.span, meant)
}
