//! JSON text to a tree, accepting what the host's parser accepts.
//!
//! serde_json reads the text as it is. Only when it refuses is the text normalised (see
//! [`normalise`](super::normalise)) and read again, so that good texts pay nothing. Depth is
//! counted here, because serde_json's own limit is lower than the host's; recursion is therefore
//! bounded by [`MAX_DEPTH`].

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{
    error::ReadError,
    normalise::{Normalised, normalise, unmark},
    number::Number,
};

/// How deep arrays and objects may lie in one another.
pub(super) const MAX_DEPTH: usize = 200;
/// How many bytes of the text an error quotes.
const QUOTED: usize = 40;

/// A string of a JSON text. Bytes, because the host lets invalid UTF-8 through.
pub(super) type Text<'a> = Cow<'a, [u8]>;

/// A JSON value.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text<'a>),
    Array(Vec<Node<'a>>),
    /// Sorted by key, each key once.
    Object(Vec<(Text<'a>, Node<'a>)>),
}

impl Node<'_> {
    /// The kind of value, with its article.
    pub(super) const fn found(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "a boolean",
            Node::Number(_) => "a number",
            Node::Text(_) => "a string",
            Node::Array(_) => "an array",
            Node::Object(_) => "an object",
        }
    }
}

/// Parses `text` and hands the tree to `then`. The tree borrows from the text or from its
/// normalised copy.
pub(super) fn with_tree<T>(
    text: &[u8],
    then: impl FnOnce(Node<'_>) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    // The host takes these two for white space after the value, serde_json does not.
    let end = text.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'..=b'\r'));
    let text = &text[..end.map_or(0, |last| last + 1)];
    let minus_zero = Cell::new(false);
    if let Ok(node) = parse(text, false, &minus_zero)
        && !minus_zero.get()
    {
        return then(node);
    }
    let normalised = normalise(text);
    match parse(&normalised.text, normalised.marked, &minus_zero) {
        Ok(node) => then(node),
        Err(error) => Err(malformed(text, &normalised, &error)),
    }
}

fn parse<'a>(
    text: &'a [u8],
    marked: bool,
    minus_zero: &Cell<bool>,
) -> Result<Node<'a>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    deserializer.disable_recursion_limit();
    let seed = Seed { depth: 0, marked, minus_zero };
    let node = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(node)
}

/// Turns serde_json's error into one that speaks of the text as it was given.
fn malformed(text: &[u8], normalised: &Normalised, error: &serde_json::Error) -> ReadError {
    let (line, column) = (error.line().max(1), error.column());
    let read = &normalised.text;
    let newline = |(at, byte): (usize, &u8)| (*byte == b'\n').then_some(at + 1);
    let line_start =
        |lines: usize| read.iter().enumerate().filter_map(newline).nth(lines).unwrap_or(0);
    let start = if line == 1 { 0 } else { line_start(line - 2) };
    let offset = normalised.original_offset(start + column.saturating_sub(1)).min(text.len());
    let (line, column, near) = position(text, offset);
    let reason = error.to_string();
    // serde_json appends a position of its own, which counts in the normalised text.
    let reason = match reason.rfind(" at line ") {
        _ if text.is_empty() => "The text is empty".to_owned(),
        Some(end) => reason[..end].to_owned(),
        None => reason,
    };
    ReadError::Malformed { reason, line, column, near }
}

/// Line and column of an offset, and what stands there: empty, or `, near "…"`.
pub(super) fn position(text: &[u8], offset: usize) -> (usize, usize, String) {
    let before = &text[..offset.min(text.len())];
    let line = memchr::memchr_iter(b'\n', before).count() + 1;
    let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
    let rest = text[before.len()..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let near = match &rest[..rest.len().min(QUOTED)] {
        b"" => String::new(),
        quoted => format!(", near \"{}\"", quoted.escape_ascii()),
    };
    (line, before.len() - start + 1, near)
}

#[derive(Clone, Copy)]
struct Seed<'c> {
    depth: usize,
    marked: bool,
    /// Set when a negative zero was met, which serde_json does not tell from the integer `-0`.
    minus_zero: &'c Cell<bool>,
}

impl Seed<'_> {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Seed { depth: self.depth + 1, ..self })
    }

    fn borrowed<'de>(self, text: &'de str) -> Text<'de> {
        if self.marked { unmark(text.as_bytes()) } else { Cow::Borrowed(text.as_bytes()) }
    }

    fn owned<'de>(self, text: &str) -> Text<'de> {
        let bytes = text.as_bytes();
        Cow::Owned(if self.marked { unmark(bytes).into_owned() } else { bytes.to_vec() })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(Number::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        let number = i64::try_from(value).map_or(Number::Large(value), Number::Int);
        Ok(Node::Number(number))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        if value == 0.0 && value.is_sign_negative() {
            self.minus_zero.set(true);
        }
        Ok(Node::Number(Number::Float(value)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(self.borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(self.owned(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        let seed = self.below()?;
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element_seed(seed)? {
            nodes.push(node);
        }
        Ok(Node::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Node<'de>, A::Error> {
        let seed = self.below()?;
        let mut members: Vec<(Text<'de>, Node<'de>)> = Vec::new();
        while let Some(key) = items.next_key_seed(Key(seed))? {
            members.push((key, items.next_value_seed(seed)?));
        }
        if !members.is_sorted_by(|a, b| a.0 < b.0) {
            // The sort is stable, so of equal keys the last in the text comes last and stays.
            members.sort_by(|a, b| a.0.cmp(&b.0));
            members.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(later, kept);
                }
                same
            });
        }
        Ok(Node::Object(members))
    }
}

struct Key<'c>(Seed<'c>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Text<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text<'de>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(self.0.borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(self.0.owned(text))
    }
}
