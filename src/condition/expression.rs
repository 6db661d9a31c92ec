//! What a condition says.

use std::fmt;

use super::fields::{Field, Kind};

/// Bytes of a condition: the first, and the one behind the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte, from 0.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

/// A condition, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One question.
    Term(Term),
    /// The contrary.
    Not(Box<Expression>),
    /// All of these: two or more.
    All(Vec<Expression>),
    /// One of these at least: two or more.
    Any(Vec<Expression>),
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What is looked at.
    pub field: &'static Field,
    /// Which label, where it is one; otherwise empty.
    pub label: String,
    /// What is asked of it.
    pub test: Test,
    /// Where it stands.
    pub span: Span,
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Whether it is there.
    Present,
    /// Whether it has this text.
    Equal(String),
    /// Whether its text begins with this one.
    Prefix(String),
}

/// Whether a character may stand in a word, which needs no quotes.
pub(super) const fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '_' | '-' | '.' | '/' | ':' | '@' | '+')
}

impl Expression {
    /// Its terms, from left to right.
    pub fn terms(&self) -> Vec<&Term> {
        match self {
            Expression::Term(term) => vec![term],
            Expression::Not(inner) => inner.terms(),
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().flat_map(Expression::terms).collect()
            }
        }
    }

    /// How tightly its parts hang together: what hangs less tightly stands in parentheses.
    fn strength(&self) -> u8 {
        match self {
            Expression::Any(_) => 0,
            Expression::All(_) => 1,
            Expression::Not(_) => 2,
            // In parentheses behind a negation, because `!a == b` reads like `(!a) == b`.
            Expression::Term(term) if term.test != Test::Present => 2,
            Expression::Term(_) => 3,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.strength() < least {
            f.write_str("(")?;
            self.write(f, 0)?;
            return f.write_str(")");
        }
        match self {
            Expression::Term(term) => write!(f, "{term}"),
            Expression::Not(inner) => {
                f.write_str("!")?;
                let is_negation = matches!(**inner, Expression::Not(_));
                inner.write(f, if is_negation { 2 } else { 3 })
            }
            // One step more tightly, so that lists within lists of the same kind stay apart.
            Expression::All(parts) => write_parts(f, parts, " && ", 2),
            Expression::Any(parts) => write_parts(f, parts, " || ", 1),
        }
    }
}

fn write_parts(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expression],
    between: &str,
    least: u8,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        part.write(f, least)?;
    }
    Ok(())
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field.name)?;
        if self.field.kind == Kind::Label {
            f.write_str(".")?;
            write_text(f, &self.label)?;
        }
        match &self.test {
            Test::Present => Ok(()),
            Test::Equal(text) => {
                f.write_str(" == ")?;
                write_text(f, text)
            }
            Test::Prefix(text) => {
                f.write_str(" ^= ")?;
                write_text(f, text)
            }
        }
    }
}

/// A text as it can be read again: bare where it can be, else in single quotes, which need no
/// backslash in JSON.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if !text.is_empty() && text.chars().all(is_word) {
        return f.write_str(text);
    }
    f.write_str("'")?;
    for character in text.chars() {
        if matches!(character, '\'' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{character}")?;
    }
    f.write_str("'")
}
