//! Libraries, symbols and instances.

use std::path::Path;

use mesos_command::config::modules_file::{
    HOOK, ISOLATOR, Library, MAX_SUFFIX, Module, ModulesFile, Text, symbol_kind,
};
use mesos_command::event::ModuleKind;

use super::finding::{Finding, Place};
use super::{parameters, permissions, program};

/// What the symbols of our modules have in common.
const OURS: &str = "com_criteo_mesos_";

/// A module that was seen, and the library that it is in.
struct Seen<'a> {
    module: &'a Module,
    library: &'a str,
}

/// Looks at all libraries and modules; `files` says whether at the files that they name too.
pub(super) fn look_at(file: &ModulesFile, files: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut seen: Vec<Seen<'_>> = Vec::new();
    for library in &file.libraries {
        found.extend(library_file(library, files));
        let path = library.file.as_ref().or(library.name.as_ref());
        let path = path.map_or("", |text| text.text.as_str());
        for module in &library.modules {
            found.extend(symbol(module));
            if let Some(repeated) = repeated(module, path, &seen) {
                found.push(repeated);
                continue;
            }
            seen.push(Seen { module, library: path });
        }
    }
    let ours: Vec<&Module> =
        seen.iter().map(|seen| seen.module).filter(|module| module.entry().is_some()).collect();
    if ours.is_empty() && file.problems.is_empty() {
        let advice = format!("name {HOOK} or {ISOLATOR}, or one with 2 to {MAX_SUFFIX} at the end");
        found.push(Finding::error("modules-none", "it names no module of ours").advice(advice));
    }
    found.extend(shared_names(&ours));
    for module in &ours {
        found.extend(parameters::look_at(module, &ours, files));
    }
    found
}

/// The parameter that counts: the last of its key, if it is not empty.
pub(super) fn value<'a>(module: &'a Module, key: &str) -> Option<&'a Text> {
    let last = module.parameters.iter().rfind(|parameter| parameter.key.text == key)?;
    Some(&last.value).filter(|value| !value.text.is_empty())
}

pub(super) fn place(module: &Module) -> Place {
    let name = module.name.as_ref();
    let line = name.map_or(module.line, |name| name.line);
    Place { line: Some(line), symbol: name.map(|name| name.text.clone()), key: None }
}

fn library_file(library: &Library, files: bool) -> Vec<Finding> {
    let Some(file) = &library.file else {
        return match &library.name {
            Some(_) => Vec::new(),
            None => vec![
                Finding::error("library-unnamed", "a library has neither 'file' nor 'name'")
                    .advice("give 'file' the absolute path of libmesos_command_modules.so")
                    .at(&Place::line(library.line)),
            ],
        };
    };
    let mut found = Vec::new();
    let path = Path::new(&file.text);
    if let Some(name) = &library.name {
        let message = format!("'name' ('{}') has no effect beside 'file'", name.text);
        found.push(Finding::info("library-name-unused", message));
    }
    if !file.text.contains('/') {
        let message = format!(
            "'{}' has no slash, so the dynamic linker looks for it where it looks for libraries",
            file.text
        );
        found.push(Finding::info("library-searched", message));
    } else if path.is_relative() {
        let message =
            format!("'{}' is relative to the directory in which the agent is started", file.text);
        found.push(Finding::warning("library-relative", message).advice("write the absolute path"));
    } else if files {
        found.extend(program::library(path));
        found.extend(permissions::file(path));
    }
    found.into_iter().map(|finding| finding.at(&Place::line(file.line))).collect()
}

/// Whether Mesos will find the symbol.
fn symbol(module: &Module) -> Option<Finding> {
    let place = place(module);
    let Some(name) = &module.name else {
        let message = "a module has no 'name'";
        let advice = format!("name a symbol: {HOOK} or {ISOLATOR}");
        return Some(Finding::error("symbol-missing", message).advice(advice).at(&place));
    };
    if symbol_kind(&name.text).is_some() || !looks_like_ours(&name.text) {
        return None;
    }
    let meant = if name.text.to_ascii_lowercase().contains("hook") { HOOK } else { ISOLATOR };
    let message = format!("the library has no symbol '{}'; Mesos refuses to start", name.text);
    let advice = format!("there are {meant} and {meant}2 to {meant}{MAX_SUFFIX}");
    Some(Finding::error("symbol-unknown", message).advice(advice).at(&place))
}

fn looks_like_ours(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    name.starts_with(OURS) || name.contains("commandhook") || name.contains("commandisolator")
}

/// The same symbol twice: Mesos takes it when everything is alike.
fn repeated(module: &Module, library: &str, seen: &[Seen<'_>]) -> Option<Finding> {
    let name = &module.name.as_ref()?.text;
    let first =
        seen.iter().find(|seen| seen.module.name.as_ref().is_some_and(|n| n.text == *name))?;
    let entry = |module: &Module| module.entry().map(|entry| entry.parameters);
    let line = first.module.line;
    let finding = if first.library != library {
        let message =
            format!("'{name}' stands in line {line} too, in another library; Mesos refuses that");
        Finding::error("symbol-twice", message).advice("keep one")
    } else if entry(module) != entry(first.module) {
        let message = format!(
            "'{name}' stands in line {line} too, with other parameters; Mesos refuses that"
        );
        let advice = "give the second instance a symbol of its own, with 2 to 32 at the end";
        Finding::error("symbol-twice", message).advice(advice)
    } else {
        let message = format!("'{name}' stands in line {line} too, just alike; it is one instance");
        Finding::info("symbol-twice", message)
    };
    Some(finding.at(&place(module)))
}

/// Instances of one kind with one `module_name`.
fn shared_names(ours: &[&Module]) -> Vec<Finding> {
    let mut found = Vec::new();
    let kind = |module: &Module| module.entry().map(|entry| entry.kind);
    for (index, module) in ours.iter().enumerate() {
        let Some(name) = value(module, "module_name") else { continue };
        let same = |other: &&&Module| {
            kind(other) == kind(module)
                && value(other, "module_name").is_some_and(|known| known.text == name.text)
        };
        let Some(other) = ours[..index].iter().find(same) else { continue };
        let line = other.name.as_ref().map_or(other.line, |name| name.line);
        let what = format!("module_name '{}' is that of the module in line {line} too", name.text);
        let finding = if kind(module) == Some(ModuleKind::Isolator) {
            let message = format!("{what}: both isolators keep their contexts in the same files");
            Finding::warning("module-name-shared", message)
                .advice("give each isolator a module_name of its own")
        } else {
            Finding::info("module-name-shared", format!("{what}: their metrics are added up"))
        };
        let place = Place { line: Some(name.line), ..place(module) };
        found.push(finding.at(&Place { key: Some("module_name".to_owned()), ..place }));
    }
    found
}
