//! Findings for people, for programs and for GitHub's annotations.

use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use mesos_command::config::json::Span;
use serde_json::{Value, json};

use super::finding::{Finding, Foreign, Severity};
use crate::source::Source;
use crate::table::plain;
use crate::terminal;

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people: the place underlined, what is wrong, what to do.
    Text,
    /// One JSON object with a list of findings.
    Json,
    /// Workflow commands of GitHub Actions, which show findings beside the lines.
    Github,
}

/// As much of another file as is read to show a line of it.
const LIMIT: u64 = 1 << 20;

/// A line of a text, and what of it is meant.
struct Excerpt {
    /// The line, from 1.
    line: usize,
    /// Its text, without anything that a terminal obeys.
    text: String,
    /// The bytes of `text` that are meant.
    range: Range<usize>,
    /// The first and the last column, from 1, in characters.
    columns: (usize, usize),
}

impl Excerpt {
    fn of(text: &[u8], span: Span) -> Excerpt {
        let start = span.start.min(text.len());
        let before = &text[..start];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = text[line_start..].iter().position(|byte| *byte == b'\n');
        let line_end = rest.map_or(text.len(), |length| line_start + length);
        let end = span.end.clamp(start, line_end.max(start));
        let shown = |bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes);
            let text = text.trim_end_matches('\r');
            text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
        };
        let head = shown(&text[line_start..start]);
        let meant = shown(&text[start..end]);
        let whole = format!("{head}{meant}{}", shown(&text[end..line_end.max(end)]));
        let first = head.chars().count() + 1;
        let last = first + meant.chars().count().max(1) - 1;
        let range = head.len()..(head.len() + meant.len());
        Excerpt { line, text: whole, range, columns: (first, last) }
    }

    /// A line of another file, or these bytes of it.
    fn of_line(file: &Foreign) -> Option<Excerpt> {
        let line = file.line?;
        let mut text = Vec::new();
        std::fs::File::open(&file.path).ok()?.take(LIMIT).read_to_end(&mut text).ok()?;
        let mut start = 0;
        for _ in 1..line {
            start += text[start..].iter().position(|byte| *byte == b'\n')? + 1;
        }
        let length = text[start..].iter().position(|byte| *byte == b'\n');
        let length = length.unwrap_or(text.len() - start);
        let columns = file.columns.clone().unwrap_or(0..length);
        Some(Excerpt::of(&text, Span { start: start + columns.start, end: start + columns.end }))
    }

    fn snippet<'a>(
        &'a self,
        path: &'a str,
        kind: AnnotationKind,
        label: &'a str,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let annotation = kind.span(self.range.clone());
        let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
        Snippet::source(&*self.text).line_start(self.line).path(path).annotation(annotation)
    }
}

/// Findings, and the texts that their places are in.
pub(super) struct Findings<'a> {
    pub(super) sources: &'a [Source],
    pub(super) all: &'a [Finding],
    /// The corrected files that were written.
    pub(super) fixed: &'a [PathBuf],
}

impl Findings<'_> {
    fn count(&self, severity: Severity) -> usize {
        self.all.iter().filter(|found| found.severity == severity).count()
    }

    pub(super) fn print(&self, format: Format) {
        match format {
            Format::Text => self.print_text(),
            Format::Json => println!("{}", self.to_json()),
            Format::Github => self.all.iter().for_each(|found| println!("{}", self.github(found))),
        }
    }

    fn source(&self, finding: &Finding) -> Option<&Source> {
        self.sources.get(finding.place.source)
    }

    /// Where in what Mesos reads.
    fn place(&self, finding: &Finding) -> Option<(String, Option<Excerpt>)> {
        let source = self.source(finding)?;
        let excerpt = finding.place.span.map(|span| Excerpt::of(&source.text, span));
        Some((plain(&source.name).into_owned(), excerpt))
    }

    fn print_text(&self) {
        let renderer = if terminal::has_colours() { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(terminal::width());
        for finding in self.all {
            println!("{}\n", self.text(finding, &renderer));
        }
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        if errors + warnings == 0 {
            println!("no problems");
            return;
        }
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        println!("{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings));
        for path in self.fixed {
            println!("written: {}", shown(path));
        }
        if let Some(first) = self.all.iter().find(|found| found.is_problem()) {
            println!("`mesos-command check --explain {}` says more", first.code.id);
        }
    }

    /// The place in the other file, if it is about one, and where it is named; what to do.
    fn text(&self, finding: &Finding, renderer: &Renderer) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Info => Level::INFO,
        };
        let id = format!("{} {}", finding.code.id, finding.code.name);
        let title = level.primary_title(plain(&finding.message)).id(id);
        let place = self.place(finding);
        let foreign = finding.file.as_ref().map(|file| (shown(&file.path), Excerpt::of_line(file)));
        let label =
            [&finding.place.symbol, &finding.place.key].map(|it| it.as_deref().unwrap_or_default());
        let label = label.map(plain).join(" ").trim().to_owned();
        let named = match (&foreign, label.is_empty()) {
            (None, _) => String::new(),
            (Some(_), true) => "named here".to_owned(),
            (Some(_), false) => format!("named here, by {label}"),
        };
        let mut group = Group::with_title(title);
        let primary = AnnotationKind::Primary;
        match &foreign {
            Some((path, Some(excerpt))) => {
                group = group.element(excerpt.snippet(path, primary, ""))
            }
            Some((path, None)) => group = group.element(Origin::path(path.clone())),
            None => {}
        }
        let kind = if foreign.is_some() { AnnotationKind::Context } else { primary };
        match &place {
            Some((path, Some(excerpt))) => {
                group = group.element(excerpt.snippet(path, kind, &named))
            }
            Some((path, None)) => group = group.element(Origin::path(path.clone())),
            None => {}
        }
        if !finding.advice.is_empty() {
            group = group.element(Level::HELP.message(plain(&finding.advice).into_owned()));
        }
        renderer.render(&[group])
    }

    fn to_json(&self) -> Value {
        let findings: Vec<Value> = self.all.iter().map(|finding| self.one(finding)).collect();
        json!({
            "findings": findings,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "written": self.fixed,
        })
    }

    fn one(&self, finding: &Finding) -> Value {
        let position = |name: &str, excerpt: Option<&Excerpt>| {
            json!({
                "file": name,
                "line": excerpt.map(|it| it.line),
                "column": excerpt.map(|it| it.columns.0),
                "end_column": excerpt.map(|it| it.columns.1 + 1),
                "text": excerpt.map(|it| &it.text[it.range.clone()]),
            })
        };
        let place = self.place(finding).map(|(name, it)| position(&name, it.as_ref()));
        let foreign = finding
            .file
            .as_ref()
            .map(|file| position(&shown(&file.path), Excerpt::of_line(file).as_ref()));
        json!({
            "severity": finding.severity.label(),
            "code": finding.code.id,
            "name": finding.code.name,
            "message": finding.message,
            "advice": finding.advice,
            "module": finding.place.symbol,
            "parameter": finding.place.key,
            "place": if foreign.is_some() { &foreign } else { &place },
            "named_by": foreign.as_ref().and(place.as_ref()),
            "fixable": finding.fix.is_some(),
        })
    }

    fn github(&self, finding: &Finding) -> String {
        let (name, excerpt) = match &finding.file {
            Some(file) => (shown(&file.path), Excerpt::of_line(file)),
            None => self.place(finding).unwrap_or_default(),
        };
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let place = excerpt.map_or_else(String::new, |it| {
            let (first, last) = it.columns;
            format!(",line={},col={first},endColumn={last}", it.line)
        });
        let title = format!("{} {}", finding.code.id, finding.code.name);
        let mut message = finding.message.clone();
        if !finding.advice.is_empty() {
            message += &format!("\n{}", finding.advice);
        }
        let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let name = data(&name).replace(':', "%3A").replace(',', "%2C");
        format!("::{command} file={name}{place},title={title}::{}", data(&message))
    }
}

fn shown(path: &Path) -> String {
    plain(&path.display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_with_columns_in_characters() {
        let text = "a\n\tü\u{1b}b\r\nc".as_bytes();
        let at = text.iter().position(|byte| *byte == b'b').expect("b");
        let excerpt = Excerpt::of(text, Span { start: at, end: at + 1 });
        assert_eq!((excerpt.line, excerpt.columns), (2, (4, 4)));
        assert_eq!(excerpt.text, "\tü\u{fffd}b");
        assert_eq!(&excerpt.text[excerpt.range], "b");
        let whole = Excerpt::of(text, Span { start: 0, end: text.len() });
        assert_eq!((whole.line, whole.text.as_str(), whole.range), (1, "a", 0..1));
        let end = Excerpt::of(text, Span { start: 100, end: 100 });
        assert_eq!((end.line, end.columns), (3, (2, 2)));
        let none = Excerpt::of(b"", Span::default());
        assert_eq!((none.line, none.columns, none.range), (1, (1, 1), 0..0));
    }
}
