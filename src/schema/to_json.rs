//! Message bytes to JSON text.
//!
//! Compact, keys sorted bytewise, unset fields with an explicit default written unless they are
//! deprecated, enum values by name, bytes in base64: what the host's own writer made of the same
//! message for the original modules. Missing required fields are no error here.

use std::ops::Range;

use super::{
    decode::{Occurrence, Scan, unzigzag},
    error::DecodeError,
    tables::{Cardinality, Field, Kind, Tables},
    text,
};

/// Appends the JSON text of the message `index` with these bytes. On an error `out` keeps what
/// was written until then.
pub(super) fn write(
    tables: &Tables,
    index: u32,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let mut writer = Writer { scan: Scan::new(tables, bytes), out };
    writer.message(index, 0..1, 0)
}

struct Writer<'a, 'o> {
    scan: Scan<'a>,
    out: &'o mut Vec<u8>,
}

impl Writer<'_, '_> {
    fn message(
        &mut self,
        index: u32,
        segments: Range<usize>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        let message = self.scan.tables.message(index);
        let (found, _) = self.scan.message(message, segments, depth)?;
        let mut defaults = message.defaults.iter().copied().peekable();
        let opening = self.out.len();
        let mut at = found.start;
        while at < found.end {
            let rank = self.scan.stack[at].rank;
            let end = self.scan.run_end(at, found.end);
            while let Some(unset) = defaults.next_if(|unset| *unset < rank) {
                self.unset(message.field(unset));
            }
            defaults.next_if_eq(&rank);
            self.field(message.field(rank), at..end, depth)?;
            at = end;
        }
        for unset in defaults {
            self.unset(message.field(unset));
        }
        // Each member was written with a comma before it; the first comma becomes the brace.
        match self.out.get_mut(opening) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
        self.scan.stack.truncate(found.start);
        Ok(())
    }

    fn unset(&mut self, field: &Field) {
        if let Some(text) = &field.when_unset {
            self.out.push(b',');
            self.out.extend_from_slice(text);
        }
    }

    /// Writes `,"name":value` for a field with at least one occurrence.
    fn field(&mut self, field: &Field, run: Range<usize>, depth: usize) -> Result<(), DecodeError> {
        let last = self.scan.stack[run.end - 1];
        if field.cardinality == Cardinality::Map {
            return self.map(field, run, depth);
        }
        if field.implicit && last.value == 0 && !matches!(field.kind, Kind::Message(_)) {
            return Ok(());
        }
        self.out.push(b',');
        self.out.extend_from_slice(&field.key);
        if field.cardinality != Cardinality::Repeated {
            return match field.kind {
                Kind::Message(index) => self.message(index, run, depth + 1),
                kind => {
                    self.scalar(kind, &last);
                    Ok(())
                }
            };
        }
        let mut opener = b'[';
        for at in run {
            self.out.push(opener);
            opener = b',';
            match field.kind {
                Kind::Message(index) => self.message(index, at..at + 1, depth + 1)?,
                kind => {
                    let value = self.scan.stack[at];
                    self.scalar(kind, &value);
                }
            }
        }
        self.out.push(b']');
        Ok(())
    }

    fn scalar(&mut self, kind: Kind, value: &Occurrence) {
        let bits = value.value;
        match kind {
            Kind::Double => text::double(f64::from_bits(bits), self.out),
            Kind::Float => text::double(f32::from_bits(bits as u32).into(), self.out),
            Kind::Int32 | Kind::Sfixed32 => text::signed((bits as i32).into(), self.out),
            Kind::Int64 | Kind::Sfixed64 => text::signed(bits as i64, self.out),
            Kind::Uint32 | Kind::Fixed32 => text::unsigned((bits as u32).into(), self.out),
            Kind::Uint64 | Kind::Fixed64 => text::unsigned(bits, self.out),
            Kind::Sint32 => {
                text::signed((unzigzag((bits as u32).into()) as i32).into(), self.out);
            }
            Kind::Sint64 => text::signed(unzigzag(bits), self.out),
            Kind::Bool => self.out.extend_from_slice(if bits == 0 { b"false" } else { b"true" }),
            Kind::String => text::string(self.scan.slice(value), self.out),
            Kind::Bytes => text::base64(self.scan.slice(value), self.out),
            Kind::Enum(index) => {
                // The scan leaves out numbers without a name; a map value that is absent is the
                // first value, which exists in every enum.
                let name = self.scan.tables.enumeration(index).name_of(bits as i32);
                text::string(name.unwrap_or_default().as_bytes(), self.out);
            }
            Kind::Message(_) => self.out.extend_from_slice(b"{}"),
        }
    }

    /// Writes a map as an object with its keys sorted; of equal keys the last entry counts.
    fn map(&mut self, field: &Field, run: Range<usize>, depth: usize) -> Result<(), DecodeError> {
        let Kind::Message(index) = field.kind else { return Ok(()) };
        let entry = self.scan.tables.message(index);
        let (Some(key), Some(value)) = (entry.rank_of_number(1), entry.rank_of_number(2)) else {
            return Ok(());
        };
        let mut entries: Vec<(Vec<u8>, usize)> = Vec::with_capacity(run.len());
        for at in run {
            let (found, unknown_enum) = self.scan.message(entry, at..at + 1, depth + 1)?;
            if !unknown_enum {
                let last = self.scan.stack[found.clone()].iter().rfind(|o| o.rank == key);
                entries.push((self.map_key(entry.field(key).kind, last.copied()), at));
            }
            self.scan.stack.truncate(found.start);
        }
        if entries.is_empty() {
            return Ok(());
        }
        entries.sort();
        entries.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
        self.out.push(b',');
        self.out.extend_from_slice(&field.key);
        let mut opener = b'{';
        for (key, at) in entries {
            self.out.push(opener);
            opener = b',';
            text::string(&key, self.out);
            self.out.push(b':');
            let (found, _) = self.scan.message(entry, at..at + 1, depth + 1)?;
            self.map_value(entry.field(value).kind, value, found.clone(), depth + 2)?;
            self.scan.stack.truncate(found.start);
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The text of a map key; an entry without one has the zero of its type.
    fn map_key(&mut self, kind: Kind, key: Option<Occurrence>) -> Vec<u8> {
        let key = key.unwrap_or(Occurrence { rank: 0, at: 0, value: 0 });
        if kind == Kind::String {
            return self.scan.slice(&key).to_vec();
        }
        let start = self.out.len();
        self.scalar(kind, &key);
        self.out.split_off(start)
    }

    fn map_value(
        &mut self,
        kind: Kind,
        rank: u32,
        entry: Range<usize>,
        depth: usize,
    ) -> Result<(), DecodeError> {
        let own = |o: &Occurrence| o.rank == rank;
        let from = entry.start + self.scan.stack[entry.clone()].partition_point(|o| o.rank < rank);
        let end = from + self.scan.stack[from..entry.end].iter().take_while(|o| own(o)).count();
        match kind {
            Kind::Message(index) => self.message(index, from..end, depth),
            kind if from < end => {
                let last = self.scan.stack[end - 1];
                self.scalar(kind, &last);
                Ok(())
            }
            kind => {
                let first = match kind {
                    Kind::Enum(index) => {
                        let values = &self.scan.tables.enumeration(index).values;
                        values.first().map_or(0, |value| value.1 as u64)
                    }
                    _ => 0,
                };
                self.scalar(kind, &Occurrence { rank, at: 0, value: first });
                Ok(())
            }
        }
    }
}
