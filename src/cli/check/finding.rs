//! What a check finds: how grave, of which kind, where, what, and what to do.

use std::ops::Range;
use std::path::{Path, PathBuf};

use mesos_command::config::json::{Span, Text};

use super::codes::Code;

/// How grave a finding is.
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
    pub(super) fn label(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

/// Where in what Mesos reads something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Which of the texts, by its index.
    pub(super) source: usize,
    /// Its bytes; `None`: the text as a whole.
    pub(super) span: Option<Span>,
    /// The module's symbol.
    pub(super) symbol: Option<String>,
    /// The parameter.
    pub(super) key: Option<String>,
}

impl Place {
    /// These bytes.
    pub(super) fn span(span: Span) -> Place {
        Place { span: Some(span), ..Place::default() }
    }

    /// This string.
    pub(super) fn text(text: &Text) -> Place {
        Place::span(text.span)
    }
}

/// Another file that a finding is about: a script, an interpreter, a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) path: PathBuf,
    /// The line, from 1.
    pub(super) line: Option<u32>,
    /// The bytes of the line; `None`: all of it.
    pub(super) columns: Option<Range<usize>>,
}

/// A change that makes it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// The bytes that are replaced.
    pub(super) span: Span,
    /// What takes their place.
    pub(super) text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) code: &'static Code,
    /// Where in what Mesos reads.
    pub(super) place: Place,
    /// The other file that it is about.
    pub(super) file: Option<Foreign>,
    /// What is wrong, as a clause.
    pub(super) message: String,
    /// What to do about it; empty where the message says it.
    pub(super) advice: String,
    /// The same for a program, of the text at `place`.
    pub(super) fix: Option<Edit>,
}

impl Finding {
    pub(super) fn new(severity: Severity, code: &'static Code, message: String) -> Finding {
        let (place, file, advice, fix) = (Place::default(), None, String::new(), None);
        Finding { severity, code, place, file, message, advice, fix }
    }

    pub(super) fn error(code: &'static Code, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Error, code, message.into())
    }

    pub(super) fn warning(code: &'static Code, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, code, message.into())
    }

    pub(super) fn info(code: &'static Code, message: impl Into<String>) -> Finding {
        Finding::new(Severity::Info, code, message.into())
    }

    pub(super) fn advice(mut self, advice: impl Into<String>) -> Finding {
        self.advice = advice.into();
        self
    }

    pub(super) fn about(mut self, file: &Path, line: Option<u32>) -> Finding {
        self.file = Some(Foreign { path: file.to_owned(), line, columns: None });
        self
    }

    /// With the bytes of the other file's line.
    pub(super) fn columns(mut self, columns: Range<usize>) -> Finding {
        if let Some(file) = &mut self.file {
            file.columns = Some(columns);
        }
        self
    }

    pub(super) fn at(mut self, place: &Place) -> Finding {
        self.place = place.clone();
        self
    }

    /// Mended by other text in the place of these bytes.
    pub(super) fn fix(mut self, span: Span, text: impl Into<String>) -> Finding {
        self.fix = Some(Edit { span, text: text.into() });
        self
    }

    /// Of the text with this index.
    pub(super) fn of(mut self, source: usize) -> Finding {
        self.place.source = source;
        self
    }

    pub(super) fn is_problem(&self) -> bool {
        self.severity != Severity::Info
    }

    /// Whether both say the same of the same file: a directory that several commands are in is told
    /// once.
    pub(super) fn repeats(&self, other: &Finding) -> bool {
        self.file.is_some() && self.file == other.file && self.code == other.code
    }
}
