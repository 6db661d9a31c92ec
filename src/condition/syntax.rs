//! From text to an expression, by recursive descent.

use std::fmt;

use super::expression::{Expression, Span, Term, Test, is_word};
use super::fields::{Field, Kind, fields_of, list_of};
use super::{MOST_BYTES, MOST_DEPTH};
use crate::event::Event;

/// What kind of mistake a condition has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It is not of the form of a condition.
    Syntax,
    /// It asks for what is no field, or what the event does not have.
    Field,
    /// It asks of a field what cannot be asked of it, or a value that it never has.
    Value,
}

/// Why a text is no condition of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of mistake it is.
    pub kind: FaultKind,
    /// Where.
    pub span: Span,
    /// The number of the first character there, from 1.
    pub character: usize,
    /// What is wrong, as a clause.
    pub what: String,
    /// What would be right.
    pub accepted: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}; {}", self.character, self.what, self.accepted)
    }
}

/// Reads the whole of `text`.
pub(super) fn parse(event: Event, text: &str) -> Result<Expression, Fault> {
    let mut parser = Parser { event, text, at: 0, depth: 0 };
    if text.len() > MOST_BYTES {
        let what = format!("a condition has {MOST_BYTES} bytes at the most");
        let span = Span { start: 0, end: text.len() };
        return Err(parser.fault(FaultKind::Syntax, span, what, "shorten it"));
    }
    if fields_of(event).next().is_none() {
        let what = format!("{} is about no container and no task", event.label());
        let span = Span { start: 0, end: text.len() };
        let accepted = "no condition is possible: remove it, or ask in the command itself";
        return Err(parser.fault(FaultKind::Field, span, what, accepted));
    }
    let expression = parser.any()?;
    parser.blanks();
    match parser.rest().chars().next() {
        None => Ok(expression),
        Some(')') => Err(parser.here("a parenthesis is closed that was not opened", "remove it")),
        Some(_) => Err(parser.unexpected("between two terms stands && or ||")),
    }
}

struct Parser<'a> {
    event: Event,
    text: &'a str,
    /// Where the next character is.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    /// Takes `symbol`, if it comes next.
    fn take(&mut self, symbol: &str) -> bool {
        self.blanks();
        let is_next = self.rest().starts_with(symbol);
        if is_next {
            self.at += symbol.len();
        }
        is_next
    }

    fn fault(
        &self,
        kind: FaultKind,
        span: Span,
        what: impl Into<String>,
        accepted: impl Into<String>,
    ) -> Fault {
        let character = self.text[..span.start].chars().count() + 1;
        Fault { kind, span, character, what: what.into(), accepted: accepted.into() }
    }

    /// A mistake in what comes next: the whole run of characters of its kind.
    fn here(&self, what: impl Into<String>, accepted: impl Into<String>) -> Fault {
        let rest = self.rest();
        let word = rest.find(|it: char| !is_word(it)).unwrap_or(rest.len());
        let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
        let span = Span { start: self.at, end: self.at + length };
        self.fault(FaultKind::Syntax, span, what, accepted)
    }

    /// What comes next cannot stand there.
    fn unexpected(&self, accepted: &str) -> Fault {
        let rest = self.rest();
        for (symbol, what, instead) in [
            ("==", "'==' needs a field before it", "write it as FIELD == TEXT"),
            ("=~", "there is no '=~'", "write FIELD ^= BEGINNING for a text that begins so"),
            ("!=", "there is no '!='", "write !(FIELD == TEXT)"),
            ("^=", "'^=' needs a field before it", "write it as FIELD ^= BEGINNING"),
            ("=", "'=' alone is no comparison", "write '=='"),
            ("&", "'&' alone joins nothing", "write '&&'"),
            ("|", "'|' alone joins nothing", "write '||'"),
            ("<", "there is no '<'", "texts can be compared by == and ^= only"),
            (">", "there is no '>'", "texts can be compared by == and ^= only"),
            (",", "a comma joins nothing", "write '&&' or '||'"),
            ("*", "there are no wildcards", "write FIELD ^= BEGINNING for a text that begins so"),
        ] {
            let is_joint = ["&&", "||"].iter().any(|joint| rest.starts_with(joint));
            if rest.starts_with(symbol) && !is_joint {
                let span = Span { start: self.at, end: self.at + symbol.len() };
                return self.fault(FaultKind::Syntax, span, what, instead);
            }
        }
        match rest.chars().next() {
            None => self.here("it ends too early", accepted),
            Some(character) if is_word(character) || rest.starts_with(['&', '|']) => {
                self.here("this cannot stand here", accepted)
            }
            Some(character) => {
                let what = format!("'{}' cannot stand here", character.escape_debug());
                self.here(what, accepted)
            }
        }
    }

    fn any(&mut self) -> Result<Expression, Fault> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, Fault> {
        let mut parts = vec![self.one()?];
        while self.take("&&") {
            parts.push(self.one()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn one(&mut self) -> Result<Expression, Fault> {
        self.blanks();
        let start = self.at;
        if self.rest().starts_with("!=") {
            return Err(self.unexpected(""));
        }
        if self.take("!") {
            self.deeper(start)?;
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.take("(") {
            self.deeper(start)?;
            let inner = self.any()?;
            if !self.take(")") {
                if !self.rest().is_empty() {
                    return Err(self.unexpected("accepted are &&, || and ')'"));
                }
                let span = Span { start, end: start + 1 };
                let what = "this parenthesis is not closed";
                return Err(self.fault(FaultKind::Syntax, span, what, "write ')' where it ends"));
            }
            self.depth -= 1;
            return Ok(inner);
        }
        self.term().map(Expression::Term)
    }

    fn deeper(&mut self, start: usize) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            let what = format!("negations and parentheses lie more than {MOST_DEPTH} deep");
            let span = Span { start, end: start + 1 };
            return Err(self.fault(FaultKind::Syntax, span, what, "write it with fewer"));
        }
        Ok(())
    }

    /// The characters of a word that come next, as many as there are.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|it: char| !is_word(it)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn term(&mut self) -> Result<Term, Fault> {
        let start = self.at;
        let word = self.word();
        if word.is_empty() {
            let accepted = format!("accepted are {}, '!' and '('", list_of(self.event));
            return Err(self.unexpected(&accepted));
        }
        let (field, label) = self.field(word, start)?;
        let mut span = Span { start, end: self.at };
        let test = if self.take("==") {
            let (text, at) = self.text()?;
            self.check_word(field, &text, at)?;
            Test::Equal(text)
        } else if self.take("^=") {
            Test::Prefix(self.text()?.0)
        } else {
            Test::Present
        };
        if test != Test::Present {
            span.end = self.at;
        }
        let is_possible = match field.kind {
            Kind::Text | Kind::Label => true,
            Kind::Words(_) => matches!(test, Test::Equal(_)),
            Kind::Flag => test == Test::Present,
        };
        if !is_possible {
            let what = format!("this cannot be asked of {}", field.name);
            let accepted = format!("accepted are {}", field.forms(self.event));
            return Err(self.fault(FaultKind::Value, span, what, accepted));
        }
        Ok(Term { field, label, test, span })
    }

    /// The field that a word names, and the label.
    fn field(&mut self, word: &str, start: usize) -> Result<(&'static Field, String), Fault> {
        let span = Span { start, end: self.at };
        let is_label = word == "label" || word.starts_with("label.");
        let name = if is_label { "label" } else { word };
        let found = fields_of(self.event).find(|field| field.name == name);
        let Some(field) = found else {
            let event = self.event.label();
            let known = super::fields::FIELDS.iter().any(|field| field.name == name);
            let what = match known {
                true => format!("the input of {event} has no {name}"),
                false => format!("there is no field '{word}'"),
            };
            let accepted = format!("it has {}", list_of(self.event));
            return Err(self.fault(FaultKind::Field, span, what, accepted));
        };
        if !is_label {
            return Ok((field, String::new()));
        }
        let named = word.strip_prefix("label.");
        let is_quoted = self.rest().starts_with(['\'', '"']);
        match named {
            Some("") if is_quoted => Ok((field, self.quoted()?.0)),
            Some(name) if !name.is_empty() => Ok((field, name.to_owned())),
            _ => {
                let what = "the name of the label is missing";
                let accepted = "accepted are label.NAME and label.'NAME'";
                Err(self.fault(FaultKind::Syntax, span, what, accepted))
            }
        }
    }

    /// Refuses a word that the field never has.
    fn check_word(&self, field: &'static Field, text: &str, span: Span) -> Result<(), Fault> {
        if !matches!(field.kind, Kind::Words(_)) || field.words_of(self.event).any(|it| it == text)
        {
            return Ok(());
        }
        let what = format!("{} is never '{text}' for {}", field.name, self.event.label());
        let words: Vec<&str> = field.words_of(self.event).collect();
        let accepted = format!("accepted are {}", words.join(", "));
        Err(self.fault(FaultKind::Value, span, what, accepted))
    }

    /// The text behind `==` or `^=`.
    fn text(&mut self) -> Result<(String, Span), Fault> {
        self.blanks();
        let start = self.at;
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted();
        }
        let word = self.word();
        let rest = self.rest();
        if rest.starts_with('*') {
            let span = Span { start, end: self.at + 1 };
            let what = "'*' is no wildcard";
            let accepted = "write FIELD ^= BEGINNING for a text that begins so, '*' in quotes for a star itself";
            return Err(self.fault(FaultKind::Syntax, span, what, accepted));
        }
        if word.is_empty() {
            let what = "a text is missing";
            let accepted =
                "accepted are a word of letters, digits and _-./:@+, or any text in quotes";
            return Err(self.here(what, accepted));
        }
        Ok((word.to_owned(), Span { start, end: self.at }))
    }

    /// A text in quotes, at the first of which it stands.
    fn quoted(&mut self) -> Result<(String, Span), Fault> {
        let start = self.at;
        let mut characters = self.rest().char_indices();
        let quote = characters.next().map(|(_, quote)| quote);
        let mut text = String::new();
        while let Some((index, character)) = characters.next() {
            if Some(character) == quote {
                self.at = start + index + character.len_utf8();
                return Ok((text, Span { start, end: self.at }));
            }
            if character != '\\' {
                text.push(character);
                continue;
            }
            match characters.next() {
                Some((_, escaped @ ('\'' | '"' | '\\'))) => text.push(escaped),
                _ => {
                    let span = Span { start: start + index, end: start + index + 1 };
                    let what = "a backslash stands before a quote or another backslash only";
                    let accepted = "write two for one itself";
                    return Err(self.fault(FaultKind::Syntax, span, what, accepted));
                }
            }
        }
        let span = Span { start, end: start + 1 };
        let what = "this quote is not closed";
        Err(self.fault(FaultKind::Syntax, span, what, "write the same quote where the text ends"))
    }
}

/// The only part, or all of them.
fn one_or(mut parts: Vec<Expression>, list: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            list(parts)
        }
    }
}
