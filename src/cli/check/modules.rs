//! Libraries, symbols and instances.

use std::path::Path;

use mesos_command::config::modules_file::{
    HOOK, ISOLATOR, Library, MAX_SUFFIX, Module, ModulesFile, Text, symbol_kind,
};
use mesos_command::event::ModuleKind;

use super::codes;
use super::finding::{Finding, Place};
use super::{Look, parameters, permissions, program};

/// What the symbols of our modules have in common.
const OURS: &str = "com_criteo_mesos_";

/// A module of a file, and the library that it is in.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) module: &'a Module,
    /// Which file, by its index.
    pub(super) source: usize,
    library: &'a str,
}

/// What is looked at: files by their names, and their texts.
pub(super) struct Files<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) texts: Vec<&'a [u8]>,
    pub(super) parsed: Vec<ModulesFile>,
    /// Whether all of them could be read.
    pub(super) is_whole: bool,
}

impl Files<'_> {
    /// All modules, ours and others'; one that stands twice once.
    pub(super) fn modules(&self) -> (Vec<Seen<'_>>, Vec<Finding>) {
        let (mut seen, mut found): (Vec<Seen<'_>>, Vec<Finding>) = Default::default();
        for (source, file) in self.parsed.iter().enumerate() {
            for library in &file.libraries {
                let path = library.file.as_ref().or(library.name.as_ref());
                let path = path.map_or("", |text| text.text.as_str());
                for module in &library.modules {
                    let one = Seen { module, source, library: path };
                    match self.repeated(&one, &seen) {
                        Some(repeated) => found.push(repeated.of(source)),
                        None => seen.push(one),
                    }
                }
            }
        }
        (seen, found)
    }

    /// `line 4`, with the file where it is another one than `here`.
    fn line(&self, seen: &Seen<'_>, at: usize, here: usize) -> String {
        let text = self.texts.get(seen.source).copied().unwrap_or_default();
        let before = &text[..at.min(text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        if seen.source == here {
            format!("line {line}")
        } else {
            format!("{}:{line}", self.names.get(seen.source).copied().unwrap_or_default())
        }
    }

    /// The same symbol twice: Mesos takes it when everything is alike.
    fn repeated(&self, one: &Seen<'_>, seen: &[Seen<'_>]) -> Option<Finding> {
        let name = &one.module.name.as_ref()?.text;
        let first =
            seen.iter().find(|seen| seen.module.name.as_ref().is_some_and(|n| n.text == *name))?;
        let entry = |module: &Module| module.entry().map(|entry| entry.parameters);
        let line = self.line(first, first.module.span.start, one.source);
        let finding = if first.library != one.library {
            let message =
                format!("'{name}' stands in {line} too, in another library; Mesos refuses that");
            Finding::error(codes::SYMBOL_TWICE, message).advice("keep one")
        } else if entry(one.module) != entry(first.module) {
            let message =
                format!("'{name}' stands in {line} too, with other parameters; Mesos refuses that");
            let advice = "give the second instance a symbol of its own, with 2 to 32 at the end";
            Finding::error(codes::SYMBOL_TWICE, message).advice(advice)
        } else {
            let message = format!("'{name}' stands in {line} too, just alike; it is one instance");
            Finding::info(codes::SYMBOL_TWICE, message)
        };
        Some(finding.at(&place(one.module)))
    }
}

/// Looks at all libraries and modules.
pub(super) fn look_at(files: &Files<'_>, look: &Look<'_>) -> Vec<Finding> {
    let (seen, mut found) = files.modules();
    for (source, file) in files.parsed.iter().enumerate() {
        for library in &file.libraries {
            found.extend(library_file(library, look).into_iter().map(|it| it.of(source)));
            let symbols = library.modules.iter().filter_map(symbol);
            found.extend(symbols.map(|finding| finding.of(source)));
        }
    }
    let ours: Vec<Seen<'_>> =
        seen.into_iter().filter(|seen| seen.module.entry().is_some()).collect();
    if ours.is_empty() && files.is_whole {
        let advice = format!("name {HOOK} or {ISOLATOR}, or one with 2 to {MAX_SUFFIX} at the end");
        found
            .push(Finding::error(codes::MODULES_NONE, "it names no module of ours").advice(advice));
    }
    found.extend(replaced(files, look));
    found.extend(shared_names(files, &ours));
    let all: Vec<&Module> = ours.iter().map(|seen| seen.module).collect();
    for one in &ours {
        let text = files.texts.get(one.source).copied().unwrap_or_default();
        let parameters = parameters::look_at(one.module, &all, text, look);
        found.extend(parameters.into_iter().map(|finding| finding.of(one.source)));
    }
    found
}

/// Whether a library that is to be put somewhere is what the agent will load from there.
fn replaced(files: &Files<'_>, look: &Look<'_>) -> Option<Finding> {
    let wanted = look.replaced?;
    let ours = |library: &&Library| library.modules.iter().any(|module| module.entry().is_some());
    let ours = || files.parsed.iter().flat_map(|file| &file.libraries).filter(ours);
    let mut named = ours().filter_map(|library| library.file.as_ref());
    if !files.is_whole || named.any(|file| Path::new(&file.text) == wanted.path) {
        return None;
    }
    let others: Vec<&str> =
        ours().filter_map(|library| Some(library.file.as_ref()?.text.as_str())).collect();
    let message = match others.as_slice() {
        [] => format!("no modules file names '{}'", wanted.path.display()),
        all => format!(
            "no modules file names '{}', so the agent goes on loading '{}'",
            wanted.path.display(),
            all.join("' and '")
        ),
    };
    let advice = codes::LIBRARY_NOT_NAMED.advice;
    // In no text at all.
    Some(Finding::warning(codes::LIBRARY_NOT_NAMED, message).advice(advice).of(usize::MAX))
}

/// The parameter that counts: the last of its key, if it is not empty.
pub(super) fn value<'a>(module: &'a Module, key: &str) -> Option<&'a Text> {
    let last = module.parameters.iter().rfind(|parameter| parameter.key.text == key)?;
    Some(&last.value).filter(|value| !value.text.is_empty())
}

pub(super) fn place(module: &Module) -> Place {
    let name = module.name.as_ref();
    let span = name.map_or(module.span, |name| name.span);
    Place { symbol: name.map(|name| name.text.clone()), ..Place::span(span) }
}

fn library_file<'a>(library: &'a Library, look: &Look<'a>) -> Vec<Finding> {
    let Some(file) = &library.file else {
        return match &library.name {
            Some(_) => Vec::new(),
            None => vec![
                Finding::error(codes::LIBRARY_UNNAMED, "a library has neither 'file' nor 'name'")
                    .advice("give 'file' the absolute path of libmesos_command_modules.so")
                    .at(&Place::span(library.span)),
            ],
        };
    };
    let mut found = Vec::new();
    let path = Path::new(&file.text);
    if let Some(name) = &library.name {
        let message = format!("'name' ('{}') has no effect beside 'file'", name.text);
        found.push(Finding::info(codes::LIBRARY_NAME_UNUSED, message));
    }
    if !file.text.contains('/') {
        let message = format!(
            "'{}' has no slash, so the dynamic linker looks for it where it looks for libraries",
            file.text
        );
        found.push(Finding::info(codes::LIBRARY_SEARCHED, message));
    } else if path.is_relative() {
        let message =
            format!("'{}' is relative to the directory in which the agent is started", file.text);
        found.push(
            Finding::warning(codes::LIBRARY_RELATIVE, message).advice("write the absolute path"),
        );
    } else if look.files {
        let path = look.library(path);
        found.extend(program::library(path));
        found.extend(permissions::file(path));
    }
    found.into_iter().map(|finding| finding.at(&Place::text(file))).collect()
}

/// Whether Mesos will find the symbol.
fn symbol(module: &Module) -> Option<Finding> {
    let place = place(module);
    let Some(name) = &module.name else {
        let message = "a module has no 'name'";
        let advice = format!("name a symbol: {HOOK} or {ISOLATOR}");
        return Some(Finding::error(codes::SYMBOL_MISSING, message).advice(advice).at(&place));
    };
    if symbol_kind(&name.text).is_some() || !looks_like_ours(&name.text) {
        return None;
    }
    let meant = if name.text.to_ascii_lowercase().contains("hook") { HOOK } else { ISOLATOR };
    let message = format!("the library has no symbol '{}'; Mesos refuses to start", name.text);
    let advice = format!("there are {meant} and {meant}2 to {meant}{MAX_SUFFIX}");
    Some(Finding::error(codes::SYMBOL_UNKNOWN, message).advice(advice).at(&place))
}

pub(super) fn looks_like_ours(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    name.starts_with(OURS) || name.contains("commandhook") || name.contains("commandisolator")
}

/// Instances of one kind with one `module_name`.
fn shared_names(files: &Files<'_>, ours: &[Seen<'_>]) -> Vec<Finding> {
    let mut found = Vec::new();
    let kind = |seen: &Seen<'_>| seen.module.entry().map(|entry| entry.kind);
    for (index, seen) in ours.iter().enumerate() {
        let module = seen.module;
        let Some(name) = value(module, "module_name") else { continue };
        let same = |other: &&Seen<'_>| {
            kind(other) == kind(seen)
                && value(other.module, "module_name").is_some_and(|known| known.text == name.text)
        };
        let Some(other) = ours[..index].iter().find(same) else { continue };
        let at = other.module.name.as_ref().map_or(other.module.span, |name| name.span);
        let line = files.line(other, at.start, seen.source);
        let what = format!("module_name '{}' is that of the module in {line} too", name.text);
        let finding = if kind(seen) == Some(ModuleKind::Isolator) {
            let message = format!("{what}: both isolators keep their contexts in the same files");
            Finding::warning(codes::MODULE_NAME_SHARED, message)
                .advice("give each isolator a module_name of its own")
        } else {
            let message = format!("{what}: their metrics are added up");
            Finding::info(codes::MODULE_NAME_SHARED, message)
        };
        let key = Some("module_name".to_owned());
        let place = Place { span: Some(name.span), key, ..place(module) };
        found.push(finding.at(&place).of(seen.source));
    }
    found
}
