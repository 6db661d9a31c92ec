//! What the command line names: modules, and the flags beside them.

use mesos_command::config::json::Span;
use mesos_command::event::ModuleKind;

use super::Arguments;
use super::codes;
use super::finding::{Finding, Place};
use super::flags::List;
use super::ports::Ports;
use crate::source::{self, Flags, Source};

/// All texts, those of modules first.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) sources: Vec<Source>,
    /// How many of them are of modules.
    pub(super) modules: usize,
    /// Whether these are the files of a directory.
    pub(super) is_directory: bool,
    /// The indexes of `hooks` and `isolation`, where they are known.
    lists: Vec<(ModuleKind, usize)>,
    pub(super) ports: Ports,
    /// What the flags themselves have wrong.
    pub(super) early: Vec<Finding>,
}

impl Given {
    /// Reads all of it.
    ///
    /// # Errors
    /// A file or a directory that cannot be read.
    pub(super) fn new(arguments: &Arguments) -> anyhow::Result<Given> {
        let mut flags = match &arguments.from {
            Some(directory) => Flags::from_directory(directory)?,
            None => Flags::default(),
        };
        let mut values: Vec<String> = arguments.modules.iter().cloned().collect();
        values
            .extend(flags.modules.iter().map(|it| String::from_utf8_lossy(&it.text).into_owned()));
        let (mut sources, mut is_directory) = (Vec::new(), false);
        for value in &values {
            let read = source::modules(value)?;
            is_directory |= std::path::Path::new(value).is_dir();
            sources.extend(read);
        }
        let modules = sources.len();
        for (given, flag, name) in [
            (&arguments.hooks, &mut flags.hooks, "--hooks"),
            (&arguments.isolation, &mut flags.isolation, "--isolation"),
        ] {
            if let Some(value) = given {
                *flag = Some(Source::flag(name, value));
            }
        }
        let text = |it: &Option<Source>| {
            it.as_ref().map(|it| String::from_utf8_lossy(&it.text).into_owned())
        };
        let (port, resources) = (text(&flags.port), text(&flags.resources));
        let here = !arguments.without_files;
        let ports = Ports::new(port.as_deref(), resources.as_deref(), here);
        let mut lists = Vec::new();
        for (kind, list) in
            [(ModuleKind::Hook, flags.hooks), (ModuleKind::Isolator, flags.isolation)]
        {
            if let Some(list) = list {
                lists.push((kind, sources.len()));
                sources.push(list);
            }
        }
        let mut given = Given { sources, modules, is_directory, lists, ports, early: Vec::new() };
        if arguments.from.is_some() {
            given.look_at_flags(&flags.modules);
        }
        Ok(given)
    }

    /// Mesos takes `modules` or `modules_dir`.
    fn look_at_flags(&mut self, modules: &[Source]) {
        match modules {
            [] => {
                let message = "neither `modules` nor `modules_dir` is among the flags";
                self.early.push(
                    // In no text at all.
                    Finding::warning(codes::FLAG_ABSENT, message)
                        .advice(codes::FLAG_ABSENT.advice)
                        .of(usize::MAX),
                );
            }
            [_] => {}
            [_, second, ..] => {
                let (index, end) = (self.sources.len(), second.text.len());
                self.sources.push(second.clone());
                let place = Place { source: index, ..Place::span(Span { start: 0, end }) };
                let message = "`modules` and `modules_dir` are both given; Mesos refuses to start";
                self.early.push(
                    Finding::error(codes::MODULES_TOGETHER, message).advice("keep one").at(&place),
                );
            }
        }
    }

    /// The lists of hooks and isolators that are known.
    pub(super) fn lists(&self) -> impl Iterator<Item = List<'_>> {
        self.lists.iter().map(|(kind, source)| List {
            kind: *kind,
            text: std::str::from_utf8(&self.sources[*source].text).unwrap_or_default(),
            source: *source,
        })
    }
}
