//! JSON text to message bytes.
//!
//! Follows the host's own conversion: keys are looked up by exact name and applied in sorted
//! order, null leaves a field unset, a lone value is a list of one, nested arrays flatten, strings
//! serve as numbers, and required fields are checked once over the whole tree. What the host drops
//! or bends in silence is done the same way, and noted as a [`Loss`].
//!
//! Lists are never written packed, which every parser accepts. Fields are written in the order in
//! which they are applied, so for a oneof the bytes end with the member that counts; earlier
//! members are taken out again.

mod scalar;

use super::{
    encode::Output,
    error::{Loss, LossKind, ReadError},
    inspect,
    json::{self, Node},
    path::Path,
    tables::{Cardinality, Field, Kind, Tables},
};

/// How deep the host's own parser lets messages lie in one another when it reads our bytes.
const MAX_DEPTH: usize = 100;
/// How many losses are told of one text.
const MAX_LOSSES: usize = 100;

/// A message read from JSON text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The message in wire format. Empty when nothing is set.
    pub bytes: Vec<u8>,
    /// What of the text did not reach the message; the first hundred.
    pub losses: Vec<Loss>,
}

/// Reads the message `index`.
pub(super) fn read(
    tables: &Tables,
    index: u32,
    text: &[u8],
    own: inspect::Own,
) -> Result<Parsed, ReadError> {
    json::with_tree(text, |node| {
        let Node::Object(members) = node else {
            return Err(ReadError::NotAnObject { found: node.found() });
        };
        let mut reader = Reader::new(tables, text.len());
        reader.message(index, &members, &Path::Root, 0)?;
        reader.finish(index, own)
    })
}

/// Reads `{"<field>":[…]}` as a message `index` in which only the field of this rank is set.
pub(super) fn read_list(
    tables: &Tables,
    index: u32,
    rank: u32,
    text: &[u8],
) -> Result<Parsed, ReadError> {
    json::with_tree(text, |node| {
        let Node::Object(members) = node else {
            return Err(ReadError::NotAnObject { found: node.found() });
        };
        let field = tables.message(index).field(rank);
        let mut reader = Reader::new(tables, text.len());
        for (key, value) in &members {
            let path = Path::Key(&Path::Root, key);
            if **key == *field.name.as_bytes() {
                reader.apply(field, value, &path, 0)?;
            } else {
                reader.lose(LossKind::UnknownKey, &path, String::new);
            }
        }
        reader.finish(index, inspect::Own::Ignored)
    })
}

struct Reader<'t> {
    tables: &'t Tables,
    out: Output,
    losses: Vec<Loss>,
    /// Some required field was left out (if of a oneof's replaced member, it does not matter).
    lacking: bool,
}

/// Whether applying a value has set the field.
type Set = bool;

impl<'t> Reader<'t> {
    fn new(tables: &'t Tables, text_length: usize) -> Reader<'t> {
        let out = Output::with_capacity(text_length / 2);
        Reader { tables, out, losses: Vec::new(), lacking: false }
    }

    fn finish(self, index: u32, own: inspect::Own) -> Result<Parsed, ReadError> {
        if self.lacking {
            // Bytes that were just written are well-formed, so the walk cannot fail.
            let fields =
                inspect::missing(self.tables, index, self.out.as_bytes(), own).unwrap_or_default();
            if !fields.is_empty() {
                return Err(ReadError::MissingRequired { fields });
            }
        }
        Ok(Parsed { bytes: self.out.into_bytes(), losses: self.losses })
    }

    fn lose(&mut self, kind: LossKind, path: &Path<'_>, value: impl FnOnce() -> String) {
        if self.losses.len() < MAX_LOSSES {
            let (path, stored) = (path.to_string(), String::new());
            self.losses.push(Loss { kind, path, value: value(), stored });
        }
    }

    fn message(
        &mut self,
        index: u32,
        members: &[(json::Text<'_>, Node<'_>)],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), ReadError> {
        let tables = self.tables;
        let message = tables.message(index);
        if depth > MAX_DEPTH {
            return Err(ReadError::Conversion {
                what: format!("Messages lie deeper than {MAX_DEPTH} levels in one another"),
                path: path.to_string(),
                expected: "fewer levels".to_owned(),
            });
        }
        let mut required = 0;
        let mut oneofs: Vec<(u32, usize, usize)> = Vec::new();
        for (key, value) in members {
            let path = Path::Key(path, key);
            let Some(rank) = message.rank_of_name(key) else {
                self.lose(LossKind::UnknownKey, &path, String::new);
                continue;
            };
            let field = message.field(rank);
            let start = self.out.len();
            let set = self.apply(field, value, &path, depth)?;
            required += usize::from(set && field.cardinality == Cardinality::Required);
            if let Some(oneof) = field.oneof.filter(|_| set) {
                self.replace(&mut oneofs, oneof, start);
            }
        }
        self.lacking |= required < message.required.len();
        Ok(())
    }

    /// Takes the earlier member of a oneof out, now that another was written from `start`.
    fn replace(&mut self, oneofs: &mut Vec<(u32, usize, usize)>, oneof: u32, start: usize) {
        let mut start = start;
        if let Some(earlier) = oneofs.iter().position(|entry| entry.0 == oneof) {
            let (_, from, to) = oneofs.remove(earlier);
            self.out.remove(from..to);
            start -= to - from;
            for entry in oneofs.iter_mut().filter(|entry| entry.1 >= to) {
                entry.1 -= to - from;
                entry.2 -= to - from;
            }
        }
        oneofs.push((oneof, start, self.out.len()));
    }

    /// Applies one value to a field, as often as a list has elements.
    fn apply(
        &mut self,
        field: &Field,
        node: &Node<'_>,
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Set, ReadError> {
        match node {
            Node::Null => Ok(false),
            Node::Array(nodes) if field.cardinality.is_list() => {
                let mut set = false;
                for (at, node) in nodes.iter().enumerate() {
                    set |= self.apply(field, node, &Path::Index(path, at), depth)?;
                }
                Ok(set)
            }
            Node::Array(_) => Err(self.unexpected(field, node, path)),
            Node::Object(members) => match field.kind {
                Kind::Message(index) if field.cardinality == Cardinality::Map => {
                    for (key, value) in members {
                        self.entry(field, index, (key, value), &Path::Key(path, key), depth)?;
                    }
                    Ok(!members.is_empty())
                }
                Kind::Message(index) => {
                    let start = self.out.open(field);
                    self.message(index, members, path, depth + 1)?;
                    self.out.close(start);
                    Ok(true)
                }
                _ => Err(self.unexpected(field, node, path)),
            },
            Node::Text(text) => self.text(field, text, path),
            Node::Bool(value) => match field.kind {
                Kind::Bool => {
                    self.out.varint(field, u64::from(*value));
                    Ok(true)
                }
                _ => Err(self.unexpected(field, node, path)),
            },
            Node::Number(number) => match self.number(field, *number, path) {
                true => Ok(true),
                false => Err(self.unexpected(field, node, path)),
            },
        }
    }

    /// Writes one map entry: the key's text is converted as a string value would be.
    fn entry(
        &mut self,
        field: &Field,
        index: u32,
        (key, value): (&[u8], &Node<'_>),
        path: &Path<'_>,
        depth: usize,
    ) -> Result<(), ReadError> {
        let tables = self.tables;
        let entry = tables.message(index);
        let start = self.out.open(field);
        if let Some(rank) = entry.rank_of_number(1) {
            self.text(entry.field(rank), key, path)?;
        }
        if let Some(rank) = entry.rank_of_number(2) {
            let set = self.apply(entry.field(rank), value, path, depth + 1)?;
            // An entry without its value has an empty one, which can lack required fields.
            self.lacking |= !set && entry.can_lack;
        }
        self.out.close(start);
        Ok(())
    }

    fn unexpected(&self, field: &Field, node: &Node<'_>, path: &Path<'_>) -> ReadError {
        let found = node.found();
        let kind = found.split_once(' ').map_or(found, |(_, kind)| kind);
        ReadError::Conversion {
            what: format!("Not expecting a JSON {kind} for field '{}'", field.name),
            path: path.to_string(),
            expected: expected(self.tables, field),
        }
    }
}

/// What a field accepts, for an error text.
fn expected(tables: &Tables, field: &Field) -> String {
    let single = match field.kind {
        Kind::Double | Kind::Float => "a number, a numeric string, \"Infinity\" or \"-Infinity\"",
        Kind::Bool => "true or false",
        Kind::String => "a string",
        Kind::Bytes => "a base64 string",
        Kind::Message(_) if field.cardinality == Cardinality::Map => return "an object".to_owned(),
        Kind::Message(_) => "an object",
        Kind::Enum(index) => {
            let values = &tables.enumeration(index).values;
            let names: Vec<_> = values.iter().take(12).map(|value| &*value.0).collect();
            let more = if values.len() > names.len() { ", …" } else { "" };
            return format!("one of {}{more}", names.join(", "));
        }
        _ => "an integer or a numeric string",
    };
    match field.cardinality {
        Cardinality::Repeated => format!("{single}, or an array of such"),
        _ => single.to_owned(),
    }
}
