//! The flags beside the modules: `--hooks`, `--isolation`, and both kinds of modules together.
//!
//! Sources: Mesos 1.11.0 `src/hook/manager.cpp` (splits at commas, trims nothing),
//! `src/slave/containerizer/mesos/containerizer.cpp` (tokenises, refuses duplicates).

use mesos_command::config::json::Span;
use mesos_command::config::modules_file::{ModulesFile, symbol_kind};
use mesos_command::event::ModuleKind;

use super::codes;
use super::finding::{Finding, Place};
use super::modules::{Files, looks_like_ours, place};

/// A list of names, and which text it is.
pub(super) struct List<'a> {
    pub(super) kind: ModuleKind,
    pub(super) text: &'a str,
    /// Its index among all texts.
    pub(super) source: usize,
}

impl List<'_> {
    const fn flag(&self) -> &'static str {
        match self.kind {
            ModuleKind::Hook => "--hooks",
            ModuleKind::Isolator => "--isolation",
        }
    }

    /// The names, and where they stand.
    fn names(&self) -> Vec<(&str, Span)> {
        if self.text.is_empty() {
            return Vec::new();
        }
        let mut start = 0;
        let pieces = self.text.split(',').map(|name| {
            let span = Span { start, end: start + name.len() };
            start = span.end + 1;
            (name, span)
        });
        // Empty ones are skipped in the list of isolators.
        pieces.filter(|(name, _)| self.kind == ModuleKind::Hook || !name.is_empty()).collect()
    }

    /// Looks at the names, and at our modules that are not among them.
    pub(super) fn look_at(&self, files: &Files<'_>) -> Vec<Finding> {
        let names = self.names();
        let mut found = Vec::new();
        for (index, (name, span)) in names.iter().enumerate() {
            let twice = names[..index].iter().any(|(other, _)| other == name);
            let finding = if twice {
                let message =
                    format!("'{name}' stands twice in {}; Mesos refuses that", self.flag());
                Some(Finding::error(codes::NAMED_TWICE, message).advice("keep one"))
            } else {
                self.name(name, &files.parsed)
            };
            found.extend(finding.map(|finding| finding.at(&Place::span(*span)).of(self.source)));
        }
        let (seen, _) = files.modules();
        for one in seen {
            let Some(entry) = one.module.entry().filter(|entry| entry.kind == self.kind) else {
                continue;
            };
            if names.iter().any(|(name, _)| name.trim() == entry.symbol) {
                continue;
            }
            let code = match self.kind {
                ModuleKind::Hook => codes::HOOK_NOT_NAMED,
                ModuleKind::Isolator => codes::ISOLATOR_NOT_NAMED,
            };
            let message =
                format!("{} does not name '{}', so nothing of it runs", self.flag(), entry.symbol);
            let advice = format!("add it: {}=…,{}", self.flag(), entry.symbol);
            let finding = Finding::error(code, message).advice(advice);
            found.push(finding.at(&place(one.module)).of(one.source));
        }
        found
    }

    fn name(&self, name: &str, files: &[ModulesFile]) -> Option<Finding> {
        if name.trim() != name || name.is_empty() {
            let message = match name.is_empty() {
                true => format!("an empty name in {}: Mesos refuses it", self.flag()),
                false => format!("'{name}' has blanks, which Mesos takes for a part of the name"),
            };
            let advice = "write the names with commas alone between them";
            return Some(Finding::error(codes::FLAG_BLANKS, message).advice(advice));
        }
        let other = symbol_kind(name).filter(|kind| *kind != self.kind);
        if let Some(kind) = other {
            let right = if kind == ModuleKind::Hook { "--hooks" } else { "--isolation" };
            let message = format!("'{name}' is for {right}; as it is, Mesos does not start");
            return Some(
                Finding::error(codes::NAMED_WRONG_KIND, message)
                    .advice(format!("name it in {right}")),
            );
        }
        let modules = files.iter().flat_map(|file| &file.libraries).flat_map(|it| &it.modules);
        let mut named = modules.filter_map(|module| module.name.as_ref());
        if named.any(|known| known.text == name) {
            return None;
        }
        // Isolators may be Mesos's own; hooks are modules, all of them.
        (self.kind == ModuleKind::Hook || looks_like_ours(name)).then(|| {
            let message = format!("no modules file has '{name}'; Mesos does not start");
            Finding::error(codes::NAMED_UNKNOWN, message)
                .advice("add it to a modules file, or correct the name")
        })
    }
}
