//! Reads protobuf wire format against the tables.
//!
//! A [`Scan`] lists the occurrences of a message's known fields: in the order of the field ranks,
//! and within a field in wire order, whatever order the bytes have. Packed lists are taken apart,
//! unknown fields, values of another wire type and unknown enum numbers are left out, and of a
//! oneof only the member that was last on the wire remains: just as the host's own parser sees
//! the bytes. A singular message that occurs several times is the concatenation of its
//! occurrences, so a message is always given as a range of occurrences.
//!
//! The occurrences of a message being walked stay on one stack shared by all levels; whoever
//! pushes truncates.

use std::ops::Range;

use super::{
    error::DecodeError,
    tables::{Field, Kind, Message, Tables},
};
use crate::wire::{self, BYTES, FIXED32, FIXED64, Malformed, VARINT};

/// How deep messages may lie in one another.
pub(super) const MAX_DEPTH: usize = 200;
/// One value of a known field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrence {
    pub(super) rank: u32,
    /// Where its value starts.
    pub(super) at: usize,
    /// The varint or the bits of a fixed value; the length of anything length-delimited.
    pub(super) value: u64,
}

impl Occurrence {
    /// Where the value of a length-delimited occurrence lies.
    pub(super) fn span(&self) -> Range<usize> {
        self.at..self.at + self.value as usize
    }
}

/// A walk over the bytes of one root message.
pub(super) struct Scan<'a> {
    pub(super) tables: &'a Tables,
    pub(super) bytes: &'a [u8],
    pub(super) stack: Vec<Occurrence>,
}

impl<'a> Scan<'a> {
    /// Starts with the root message as the only occurrence on the stack.
    pub(super) fn new(tables: &'a Tables, bytes: &'a [u8]) -> Scan<'a> {
        let root = Occurrence { rank: 0, at: 0, value: bytes.len() as u64 };
        let mut stack = Vec::with_capacity(64);
        stack.push(root);
        Scan { tables, bytes, stack }
    }

    /// The bytes of a length-delimited occurrence.
    pub(super) fn slice(&self, occurrence: &Occurrence) -> &'a [u8] {
        &self.bytes[occurrence.span()]
    }

    /// Pushes the occurrences of a message that consists of the `segments` on the stack. Returns
    /// where they lie, and whether a value was left out because its enum does not know it.
    pub(super) fn message(
        &mut self,
        message: &Message,
        segments: Range<usize>,
        depth: usize,
    ) -> Result<(Range<usize>, bool), DecodeError> {
        let base = self.stack.len();
        let mut unknown_enum = false;
        for segment in segments {
            let span = self.stack[segment].span();
            let fault = |Malformed { offset, what }| DecodeError {
                offset,
                message: message.name.clone().into_string(),
                what,
            };
            if depth > MAX_DEPTH {
                let what = "messages lie too deep in one another";
                return Err(fault(Malformed { offset: span.start, what }));
            }
            unknown_enum |= self.segment(message, span).map_err(fault)?;
        }
        if message.has_oneof {
            self.settle_oneofs(message, base);
        }
        let order = |occurrence: &Occurrence| (occurrence.rank, occurrence.at);
        if !self.stack[base..].is_sorted_by_key(order) {
            self.stack[base..].sort_unstable_by_key(order);
        }
        Ok((base..self.stack.len(), unknown_enum))
    }

    /// The end of the run of one field that starts at `from`.
    pub(super) fn run_end(&self, from: usize, end: usize) -> usize {
        let rank = self.stack[from].rank;
        let length = self.stack[from..end].iter().take_while(|o| o.rank == rank).count();
        from + length
    }

    fn segment(&mut self, message: &Message, span: Range<usize>) -> Result<bool, Malformed> {
        let bytes = &self.bytes[..span.end];
        let mut unknown_enum = false;
        let mut at = span.start;
        while at < span.end {
            let raw = wire::field_at(bytes, at)?;
            at = raw.end;
            let Some(rank) = message.rank_of_number(raw.number) else { continue };
            let field = message.field(rank);
            let expected = wire_type(field.kind);
            let occurrence = Occurrence { rank, at: raw.at, value: raw.value };
            if raw.wire == expected {
                unknown_enum |= self.push(field, occurrence);
            } else if raw.wire == BYTES && field.cardinality.is_list() {
                unknown_enum |= self.unpack(field, occurrence, expected)?;
            }
        }
        Ok(unknown_enum)
    }

    /// Pushes an occurrence, unless it is a number that its enum does not have.
    fn push(&mut self, field: &Field, occurrence: Occurrence) -> bool {
        if let Kind::Enum(index) = field.kind {
            let known = self.tables.enumeration(index).name_of(occurrence.value as i32).is_some();
            if !known {
                return true;
            }
        }
        self.stack.push(occurrence);
        false
    }

    fn unpack(&mut self, field: &Field, packed: Occurrence, wire: u8) -> Result<bool, Malformed> {
        let span = packed.span();
        let bytes = &self.bytes[..span.end];
        let mut unknown_enum = false;
        let mut at = span.start;
        while at < span.end {
            let (value, end) = wire::scalar(bytes, at, wire)?;
            unknown_enum |= self.push(field, Occurrence { rank: packed.rank, at, value });
            at = end;
        }
        Ok(unknown_enum)
    }

    /// Drops the occurrences that a later member of the same oneof replaced.
    fn settle_oneofs(&mut self, message: &Message, base: usize) {
        // Of each oneof seen from the end: the last member, and whether another one lies before.
        let mut seen: Vec<(u32, u32, bool)> = Vec::new();
        let mut keep = vec![true; self.stack.len() - base];
        for (at, occurrence) in self.stack[base..].iter().enumerate().rev() {
            let Some(oneof) = message.field(occurrence.rank).oneof else { continue };
            match seen.iter_mut().find(|entry| entry.0 == oneof) {
                None => seen.push((oneof, occurrence.rank, false)),
                Some((_, last, broken)) => {
                    *broken |= *last != occurrence.rank;
                    keep[at] = !*broken;
                }
            }
        }
        let mut flags = keep.into_iter();
        let mut index = 0;
        self.stack.retain(|_| {
            index += 1;
            index <= base || flags.next().unwrap_or(true)
        });
    }
}

/// The wire type of one value of this kind.
const fn wire_type(kind: Kind) -> u8 {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => FIXED64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => FIXED32,
        Kind::String | Kind::Bytes | Kind::Message(_) => BYTES,
        _ => VARINT,
    }
}

/// The tag of a field whose values are written one by one.
pub(super) const fn tag_of(field: &Field) -> u32 {
    field.number << 3 | wire_type(field.kind) as u32
}

/// Decodes the zigzag form of the signed kinds.
pub(super) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
