//! Every parameter of every instance: its value, and where that comes from.

use std::borrow::Cow;
use std::collections::HashSet;

use anyhow::{anyhow, bail};
use mesos_command::config::json::Text;
use mesos_command::config::modules_file::{Module, ModuleEntry, ModulesFile};
use mesos_command::config::{Config, EVENT_PARAMETERS, PARAMETERS, Parameter, Unset, Warning};
use mesos_command::event::{Event, ModuleKind};
use serde_json::{Value, json};

use super::parameters::unset;
use crate::source::{self, Source};
use crate::table::{self, plain};

/// One parameter as it holds.
struct Held<'a> {
    key: String,
    value: Cow<'a, str>,
    /// The line and the column; `None`: the default.
    place: Option<(usize, usize)>,
    /// What is to be known of the value.
    note: String,
}

/// An instance.
struct Instance<'a> {
    entry: ModuleEntry,
    source: &'a Source,
    line: u32,
    held: Vec<Held<'a>>,
}

/// Prints the parameters of the instances in `value`, which is what `--modules` has; only those of
/// the symbol or module_name `wanted`, if there is one.
///
/// # Errors
/// When the files cannot be read, or the agent would refuse them.
pub(super) fn print(value: &str, wanted: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let sources = source::modules(value)?;
    let files: Vec<(&Source, ModulesFile)> =
        sources.iter().map(|source| (source, ModulesFile::parse(&source.text))).collect();
    let mut instances: Vec<Instance<'_>> = Vec::new();
    for (source, file) in &files {
        if let Some(problem) = file.problems.first() {
            bail!(
                "{}:{}: {}; `mesos-command check` says more",
                source.name,
                problem.line,
                problem.what
            );
        }
        for module in file.libraries.iter().flat_map(|library| &library.modules) {
            if let Some(entry) = module.entry()
                && !instances.iter().any(|known| known.entry == entry)
            {
                instances.push(Instance::new(source, module, entry)?);
            }
        }
    }
    if let Some(wanted) = wanted {
        let name =
            |it: &Instance<'_>| crate::call::name_of(&it.entry).is_some_and(|it| it == wanted);
        instances.retain(|it| it.entry.symbol == wanted || name(it));
    }
    if instances.is_empty() {
        bail!("there is no such module of ours");
    }
    if as_json {
        let all: Vec<Value> = instances.iter().map(Instance::to_json).collect();
        println!("{}", Value::from(all));
    } else {
        for (index, instance) in instances.iter().enumerate() {
            if index > 0 {
                println!();
            }
            instance.print();
        }
    }
    Ok(())
}

impl<'a> Instance<'a> {
    fn new(
        source: &'a Source,
        module: &'a Module,
        entry: ModuleEntry,
    ) -> anyhow::Result<Instance<'a>> {
        let (config, warnings) = Config::parse(entry.kind, &entry.parameters).map_err(|error| {
            anyhow!("{}: {}: the agent refuses it: {error}", source.name, entry.symbol)
        })?;
        let reader = Reader { source, module, config: &config, warnings: &warnings };
        let general = PARAMETERS.iter().filter(|row| row.is_for(entry.kind));
        let mut held: Vec<Held<'a>> = general.map(|row| reader.held(row, None)).collect();
        for event in config.events.keys() {
            let rows = EVENT_PARAMETERS.iter().filter(|row| row.applies(*event));
            held.extend(rows.map(|row| reader.held(row, Some(*event))));
        }
        held.extend(reader.ignored(entry.kind));
        let line = module.name.as_ref().map_or(module.line, |name| name.line);
        Ok(Instance { entry, source, line, held })
    }

    fn place(&self, held: &Held<'_>) -> String {
        match held.place {
            Some((line, column)) => format!("{}:{line}:{column}", plain(&self.source.name)),
            None => "default".to_owned(),
        }
    }

    fn print(&self) {
        println!("{} ({}:{})", self.entry.symbol, plain(&self.source.name), self.line);
        let rows: Vec<Vec<String>> = self
            .held
            .iter()
            .map(|held| {
                let value = plain(&held.value).into_owned();
                let note = plain(&held.note).into_owned();
                vec![plain(&held.key).into_owned(), value, self.place(held), note]
            })
            .collect();
        table::print(&["parameter", "value", "from", "note"], &rows);
    }

    fn to_json(&self) -> Value {
        let parameters = self.held.iter().map(|held| {
            json!({
                "parameter": held.key,
                "value": held.value,
                "is_default": held.place.is_none(),
                "file": held.place.map(|_| &self.source.name),
                "line": held.place.map(|(line, _)| line),
                "column": held.place.map(|(_, column)| column),
                "note": Some(&held.note).filter(|note| !note.is_empty()),
            })
        });
        json!({
            "module": self.entry.symbol,
            "kind": self.entry.kind.label(),
            "file": self.source.name,
            "line": self.line,
            "parameters": parameters.collect::<Vec<_>>(),
        })
    }
}

struct Reader<'a, 'b> {
    source: &'a Source,
    module: &'a Module,
    config: &'b Config,
    warnings: &'b [Warning],
}

impl<'a> Reader<'a, '_> {
    /// The value that counts: the last of its key, if it is not empty.
    fn given(&self, key: &str) -> Option<&'a Text> {
        let last = self.module.parameters.iter().rfind(|parameter| parameter.key.text == key)?;
        Some(&last.value).filter(|value| !value.text.is_empty())
    }

    fn place(&self, text: &Text) -> (usize, usize) {
        let before = &self.source.text[..text.span.start.min(self.source.text.len())];
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        (text.line as usize, column)
    }

    fn note(&self, key: &str) -> String {
        let notes = self.warnings.iter().filter(|warning| warning.key() == key);
        let notes: Vec<String> = notes.map(ToString::to_string).collect();
        notes.join("; ")
    }

    fn held(&self, row: &'static Parameter, event: Option<Event>) -> Held<'a> {
        let key = row.key(event).into_owned();
        // An alias counts before the name.
        let names = row.aliases.iter().map(|alias| (*alias).to_owned()).chain([key.clone()]);
        for name in names {
            if let Some(text) = self.given(&name) {
                let (value, place) = (Cow::from(text.text.as_str()), Some(self.place(text)));
                let note = self.note(&name);
                return Held { key: name, value, place, note };
            }
        }
        let value = match (row.name, row.unset) {
            // It depends on others.
            ("isolator_usage_stale_ttl", _) => format!("{:?}", self.config.stale_ttl).into(),
            (_, Unset::Text(text)) => text.into(),
            (_, Unset::Word(_)) => unset(row, event).into(),
        };
        Held { note: self.note(&key), key, value, place: None }
    }

    /// What is given and has no effect.
    fn ignored(&self, kind: ModuleKind) -> Vec<Held<'a>> {
        let known: HashSet<&str> = mesos_command::config::keys::all(kind).collect();
        let others = self.module.parameters.iter().filter(|parameter| {
            let key = &parameter.key.text;
            let of_idle_event = mesos_command::config::keys::parameter(key)
                .and_then(|(_, event)| event)
                .is_some_and(|event| !self.config.events.contains_key(&event));
            !known.contains(key.as_str()) || of_idle_event && !parameter.value.text.is_empty()
        });
        others
            .map(|parameter| Held {
                key: parameter.key.text.clone(),
                value: parameter.value.text.as_str().into(),
                place: Some(self.place(&parameter.value)),
                note: "has no effect here".to_owned(),
            })
            .collect()
    }
}
