//! What a check finds: how grave, of which kind, where, what, and what to do.

use std::path::{Path, PathBuf};

use crate::table::plain;

/// How grave a finding is. Errors and warnings are problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// The agent does not start, or the command cannot work.
    Error,
    /// It works, but hardly as it was meant, or is unsafe.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    fn label(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// Where in a modules file something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The line, from 1.
    pub(super) line: Option<u32>,
    /// The module's symbol.
    pub(super) symbol: Option<String>,
    /// The parameter.
    pub(super) key: Option<String>,
}

impl Place {
    /// A line of the modules file.
    pub(super) fn line(line: u32) -> Place {
        Place { line: Some(line), ..Place::default() }
    }

    fn text(&self, modules: &Path) -> String {
        let mut text = plain(&modules.display().to_string()).into_owned();
        if let Some(line) = self.line {
            text += &format!(":{line}");
        }
        for name in [&self.symbol, &self.key].into_iter().flatten() {
            text += &format!(" {}", plain(name));
        }
        text
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// A stable name of the kind of finding: lower case, words joined by hyphens.
    pub(super) kind: &'static str,
    /// Where in the modules file.
    pub(super) place: Place,
    /// The other file that it is about, and its line: a script, an interpreter, a directory.
    pub(super) file: Option<(PathBuf, Option<u32>)>,
    /// What is wrong, as a clause.
    pub(super) message: String,
    /// What to do about it; empty where the message says it.
    pub(super) advice: String,
}

impl Finding {
    pub(super) fn new(severity: Severity, kind: &'static str, message: String) -> Finding {
        let (place, file, advice) = (Place::default(), None, String::new());
        Finding { severity, kind, place, file, message, advice }
    }

    pub(super) fn error(kind: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Error, kind, message.into())
    }

    pub(super) fn warning(kind: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, kind, message.into())
    }

    pub(super) fn info(kind: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Info, kind, message.into())
    }

    pub(super) fn advice(mut self, advice: impl Into<String>) -> Finding {
        self.advice = advice.into();
        self
    }

    pub(super) fn about(mut self, file: &Path, line: Option<u32>) -> Finding {
        self.file = Some((file.to_owned(), line));
        self
    }

    pub(super) fn at(mut self, place: &Place) -> Finding {
        self.place = place.clone();
        self
    }

    pub(super) fn is_problem(&self) -> bool {
        self.severity != Severity::Info
    }

    /// Whether both say the same of the same file: a directory that several commands are in is told
    /// once.
    pub(super) fn repeats(&self, other: &Finding) -> bool {
        self.file.is_some() && self.file == other.file && self.kind == other.kind
    }

    /// Up to three lines: what, named by what, what to do.
    pub(super) fn print(&self, modules: &Path) {
        let (head, message) = (self.severity.label(), plain(&self.message));
        let place = self.place.text(modules);
        match &self.file {
            None => println!("{head}[{}]: {place}: {message}", self.kind),
            Some((file, line)) => {
                let line = line.map_or_else(String::new, |line| format!(":{line}"));
                let file = file.display().to_string();
                let file = plain(&file);
                println!("{head}[{}]: {file}{line}: {message}", self.kind);
                println!("  named by: {place}");
            }
        }
        if !self.advice.is_empty() {
            println!("  what to do: {}", plain(&self.advice));
        }
    }
}
