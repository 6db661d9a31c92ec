//! Questions about message bytes: which required fields are missing, what a field holds, and the
//! bytes without a field or with another value in it.

use std::{collections::HashMap, iter, ops::Range};

use super::{
    decode::{Occurrence, Scan, unzigzag},
    encode::Output,
    error::DecodeError,
    tables::{Cardinality, Field, Kind, Message, Tables},
};
use crate::wire::{Malformed, field_at};

/// How many missing fields are named; a text of a mebibyte can lack hundreds of thousands.
const MAX_MISSING: usize = 1000;

/// Whether the root message's own required fields count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    Checked,
    Ignored,
}

/// A value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldValue<'a> {
    /// Any integer, enum or bool as its varint (negative ones sign-extended, zigzag undone), or
    /// the bits of a fixed-width number or double.
    Bits(u64),
    /// A string, bytes, or the wire format of a message.
    Bytes(&'a [u8]),
}

impl FieldValue<'_> {
    /// The bits of a number; `None` for text and messages.
    pub fn bits(&self) -> Option<u64> {
        match self {
            FieldValue::Bits(bits) => Some(*bits),
            FieldValue::Bytes(_) => None,
        }
    }
}

/// The paths of the missing required fields: a message's own first, in the order of declaration,
/// then those below it by field number.
pub(super) fn missing(
    tables: &Tables,
    index: u32,
    bytes: &[u8],
    own: Own,
) -> Result<Vec<String>, DecodeError> {
    let mut walk = Missing { scan: Scan::new(tables, bytes), prefix: String::new(), paths: vec![] };
    walk.message(index, 0..1, 0, own)?;
    Ok(walk.paths)
}

struct Missing<'a> {
    scan: Scan<'a>,
    /// Path of the message being walked, with a final point unless it is the root.
    prefix: String,
    paths: Vec<String>,
}

impl Missing<'_> {
    fn message(
        &mut self,
        index: u32,
        segments: Range<usize>,
        depth: usize,
        own: Own,
    ) -> Result<(), DecodeError> {
        let tables = self.scan.tables;
        let message = tables.message(index);
        if !message.can_lack || self.paths.len() >= MAX_MISSING {
            return Ok(());
        }
        let (found, _) = self.scan.message(message, segments, depth)?;
        let occurs = |scan: &Scan<'_>, rank: u32| {
            scan.stack[found.clone()].binary_search_by_key(&rank, |o| o.rank).is_ok()
        };
        for rank in message.required.iter().filter(|_| own == Own::Checked) {
            if !occurs(&self.scan, *rank) {
                self.paths.push(format!("{}{}", self.prefix, message.field(*rank).name));
            }
        }
        for (_, rank) in &message.by_number {
            let field = message.field(*rank);
            let Kind::Message(below) = field.kind else { continue };
            let occurs = occurs(&self.scan, *rank);
            // A map entry without its value has an empty one.
            if !tables.message(below).can_lack || !(occurs || message.is_map_entry) {
                continue;
            }
            let stack = &self.scan.stack[found.clone()];
            let start = found.start + stack.partition_point(|o| o.rank < *rank);
            let end = if occurs { self.scan.run_end(start, found.end) } else { start };
            let elements: Vec<Range<usize>> = match field.cardinality {
                Cardinality::Map => self.live_entries(below, start..end, depth)?,
                Cardinality::Repeated => (start..end).map(|at| at..at + 1).collect(),
                _ => iter::once(start..end).collect(),
            };
            let prefix = self.prefix.len();
            for (index, element) in elements.into_iter().enumerate() {
                self.prefix += &field.name;
                if field.cardinality.is_list() {
                    self.prefix += &format!("[{index}]");
                }
                self.prefix.push('.');
                self.message(below, element, depth + 1, Own::Checked)?;
                self.prefix.truncate(prefix);
            }
        }
        self.scan.stack.truncate(found.start);
        Ok(())
    }

    /// The entries of a map that no later entry with the same key replaces.
    fn live_entries(
        &mut self,
        entry: u32,
        run: Range<usize>,
        depth: usize,
    ) -> Result<Vec<Range<usize>>, DecodeError> {
        let message = self.scan.tables.message(entry);
        let mut last: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut keys = Vec::with_capacity(run.len());
        for at in run {
            let (found, _) = self.scan.message(message, at..at + 1, depth + 1)?;
            let is_key = |o: &&Occurrence| message.field(o.rank).number == 1;
            let key = self.scan.stack[found.clone()].iter().rfind(is_key).copied();
            let key = match (key, message.rank_of_number(1).map(|rank| message.field(rank).kind)) {
                (None, _) => Vec::new(),
                (Some(key), Some(Kind::String)) => self.scan.slice(&key).to_vec(),
                // A zero counts as the absent key that it equals.
                (Some(key), _) if key.value == 0 => Vec::new(),
                (Some(key), _) => key.value.to_le_bytes().to_vec(),
            };
            self.scan.stack.truncate(found.start);
            last.insert(key.clone(), at);
            keys.push((key, at));
        }
        let live = keys.into_iter().filter(|(key, at)| last.get(key) == Some(at));
        Ok(live.map(|(_, at)| at..at + 1).collect())
    }
}

/// The values of the field at `path` (names joined by points), through every element of the lists
/// on the way. A path that the message type does not have has no values.
pub(super) fn values<'a>(
    tables: &Tables,
    index: u32,
    bytes: &'a [u8],
    path: &str,
) -> Result<Vec<FieldValue<'a>>, DecodeError> {
    let mut scan = Scan::new(tables, bytes);
    let mut index = index;
    // Each group is one message: the occurrences that are concatenated to it.
    let mut groups: Vec<Range<usize>> = iter::once(0..1).collect();
    let mut names = path.split('.').peekable();
    let mut depth = 0;
    while let Some(name) = names.next() {
        let message = tables.message(index);
        let Some(rank) = message.rank_of_name(name.as_bytes()) else { return Ok(vec![]) };
        let field = message.field(rank);
        let mut below = Vec::new();
        for group in groups {
            let (found, _) = scan.message(message, group, depth)?;
            let start = found.start + scan.stack[found.clone()].partition_point(|o| o.rank < rank);
            if start == found.end || scan.stack[start].rank != rank {
                continue;
            }
            let end = scan.run_end(start, found.end);
            match field.cardinality {
                Cardinality::Repeated | Cardinality::Map => {
                    below.extend((start..end).map(|at| at..at + 1));
                }
                _ => below.push(start..end),
            }
        }
        groups = below;
        match field.kind {
            Kind::Message(next) => index = next,
            _ if names.peek().is_some() => return Ok(vec![]),
            _ => {}
        }
        if names.peek().is_none() {
            return Ok(groups
                .iter()
                .map(|group| value(bytes, field.kind, &scan.stack[group.end - 1]))
                .collect());
        }
        depth += 1;
    }
    Ok(vec![])
}

fn value<'a>(bytes: &'a [u8], kind: Kind, occurrence: &Occurrence) -> FieldValue<'a> {
    match kind {
        Kind::String | Kind::Bytes | Kind::Message(_) => {
            FieldValue::Bytes(&bytes[occurrence.span()])
        }
        Kind::Sint32 | Kind::Sint64 => FieldValue::Bits(unzigzag(occurrence.value) as u64),
        _ => FieldValue::Bits(occurrence.value),
    }
}

/// Takes every top-level occurrence of the field with this number out of the bytes. Returns
/// whether there was one.
pub(super) fn clear(message: &str, number: u32, bytes: &mut Vec<u8>) -> Result<bool, DecodeError> {
    let mut spans = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let raw = field_at(bytes, at).map_err(|Malformed { offset, what }| DecodeError {
            offset,
            message: message.to_owned(),
            what,
        })?;
        if raw.number == number {
            spans.push(at..raw.end);
        }
        at = raw.end;
    }
    for span in spans.iter().rev() {
        bytes.drain(span.clone());
    }
    Ok(!spans.is_empty())
}

/// The index of the message type at `path`; `None` when there is no such field, or it is no
/// message.
pub(super) fn message_at(tables: &Tables, index: u32, path: &str) -> Option<u32> {
    path.split('.').try_fold(index, |index, name| {
        let message = tables.message(index);
        match message.field(message.rank_of_name(name.as_bytes())?).kind {
            Kind::Message(below) => Some(below),
            _ => None,
        }
    })
}

/// The bytes without the field at `path`, in every element of the lists on the way; `None` when it
/// is not there.
pub(super) fn without(
    tables: &Tables,
    index: u32,
    bytes: &[u8],
    path: &str,
) -> Result<Option<Vec<u8>>, DecodeError> {
    let message = tables.message(index);
    let (name, below) = path.split_once('.').unwrap_or((path, ""));
    let Some(rank) = message.rank_of_name(name.as_bytes()) else { return Ok(None) };
    let field = message.field(rank);
    let mut out = Output::with_capacity(bytes.len());
    let (mut at, mut found) = (0, false);
    while at < bytes.len() {
        let raw = field_at(bytes, at).map_err(|Malformed { offset, what }| DecodeError {
            offset,
            message: message.name.to_string(),
            what,
        })?;
        let (start, end) = (at, raw.end);
        at = end;
        if raw.number == field.number {
            if below.is_empty() {
                found = true;
                continue;
            }
            if let Kind::Message(index) = field.kind
                && let Some(shorter) = without(tables, index, &bytes[raw.at..end], below)?
            {
                found = true;
                out.bytes(field, &shorter);
                continue;
            }
        }
        out.raw(&bytes[start..end]);
    }
    Ok(found.then(|| out.into_bytes()))
}

/// Sets a top-level field that is a varint on the wire, in place of what it was.
pub(super) fn set_varint(
    message: &Message,
    field: &Field,
    value: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    clear(&message.name, field.number, bytes)?;
    let mut out = Output::with_capacity(12);
    out.varint(field, value);
    bytes.extend_from_slice(out.as_bytes());
    Ok(())
}
