//! One message type: the handle through which everything else uses the codec.

use std::{fmt, sync::Arc};

use super::{
    error::{DecodeError, ReadError},
    from_json::{self, Parsed},
    inspect::{self, FieldValue, Own},
    tables::{Message, Tables},
    to_json,
};

/// A message type of a [`Schema`](super::Schema). A cheap handle that keeps its schema alive.
#[derive(Clone)]
pub struct MessageType {
    tables: Arc<Tables>,
    index: u32,
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageType").field(&self.full_name()).finish()
    }
}

impl MessageType {
    pub(super) fn new(tables: Arc<Tables>, index: u32) -> MessageType {
        MessageType { tables, index }
    }

    pub(super) fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    pub(super) fn table(&self) -> &Message {
        self.tables.message(self.index)
    }

    /// For example `mesos.TaskInfo`.
    pub fn full_name(&self) -> &str {
        &self.tables.message(self.index).name
    }

    /// Appends the JSON text of a message in wire format to `out`: compact, keys sorted bytewise,
    /// unset fields with an explicit default written unless they are deprecated.
    ///
    /// The text is what the host's own writer makes of the message. So it may hold invalid UTF-8
    /// (strings pass through unchecked) and, for a NaN, a bare `NaN`. Missing required fields are
    /// no error.
    ///
    /// # Errors
    ///
    /// Bytes that are no wire format, or messages more than 200 levels deep. `out` is then as it
    /// was.
    pub fn write_json(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let start = out.len();
        out.reserve(bytes.len() * 2 + 64);
        let written = to_json::write(&self.tables, self.index, bytes, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// Reads a JSON text as the host reads it, see the [module](super).
    ///
    /// An empty or blank text is malformed here; what it means for an event is the caller's
    /// business.
    ///
    /// # Errors
    ///
    /// Text that is no JSON or no object, a value that does not fit its field, or a required field
    /// missing anywhere in the tree.
    pub fn read_json(&self, text: &[u8]) -> Result<Parsed, ReadError> {
        from_json::read(&self.tables, self.index, text, Own::Checked)
    }

    /// As [`read_json`](Self::read_json), but this type's own required fields may be missing;
    /// those below it may not.
    ///
    /// # Errors
    ///
    /// As [`read_json`](Self::read_json).
    pub fn read_json_partial(&self, text: &[u8]) -> Result<Parsed, ReadError> {
        from_json::read(&self.tables, self.index, text, Own::Ignored)
    }

    /// Reads a JSON object with one list, `{"<field>":[…]}`, as a message in which only the
    /// repeated field `field` is set.
    ///
    /// The other required fields of this type are not asked for, those below the field are. Other
    /// keys are losses. An absent, empty or null list gives empty bytes.
    ///
    /// # Errors
    ///
    /// As [`read_json`](Self::read_json); also when the type has no such repeated field.
    pub fn read_json_list(&self, field: &str, text: &[u8]) -> Result<Parsed, ReadError> {
        let message = self.tables.message(self.index);
        let rank = message.rank_of_name(field.as_bytes());
        let Some(rank) = rank.filter(|rank| message.field(*rank).cardinality.is_list()) else {
            let (message, field) = (self.full_name().to_owned(), field.to_owned());
            return Err(ReadError::NoSuchList { message, field });
        };
        from_json::read_list(&self.tables, self.index, rank, text)
    }

    /// The values of the field at `path`, names joined by points: `command.environment`. Lists on
    /// the way are gone through, so there may be several; a path that the type does not have has
    /// none.
    ///
    /// A singular message that occurs several times on the wire is shown by its last occurrence;
    /// paths through it see all of them.
    ///
    /// # Errors
    ///
    /// Bytes that are no wire format.
    pub fn find_field<'a>(
        &self,
        bytes: &'a [u8],
        path: &str,
    ) -> Result<Vec<FieldValue<'a>>, DecodeError> {
        inspect::values(&self.tables, self.index, bytes, path)
    }

    /// Whether the field at `path` is set (for a list: is not empty).
    ///
    /// # Errors
    ///
    /// Bytes that are no wire format.
    pub fn has_field(&self, bytes: &[u8], path: &str) -> Result<bool, DecodeError> {
        Ok(!self.find_field(bytes, path)?.is_empty())
    }

    /// Takes the top-level field `name` out of a message in wire format. Returns whether it was
    /// there.
    ///
    /// # Errors
    ///
    /// Bytes that are no wire format; they are then as they were.
    pub fn clear_field(&self, bytes: &mut Vec<u8>, name: &str) -> Result<bool, DecodeError> {
        let message = self.tables.message(self.index);
        match message.rank_of_name(name.as_bytes()) {
            Some(rank) => inspect::clear(&message.name, message.field(rank).number, bytes),
            None => Ok(false),
        }
    }

    /// The message type of the field at `path`, names joined by points; `None` when there is no
    /// such field, or it is no message.
    pub fn message_at(&self, path: &str) -> Option<MessageType> {
        let index = inspect::message_at(&self.tables, self.index, path)?;
        Some(MessageType::new(Arc::clone(&self.tables), index))
    }

    /// Takes the field at `path` out of a message in wire format, in every element of the lists on
    /// the way. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// Bytes that are no wire format; they are then as they were.
    pub fn clear_at(&self, bytes: &mut Vec<u8>, path: &str) -> Result<bool, DecodeError> {
        let shorter = inspect::without(&self.tables, self.index, bytes, path)?;
        let found = shorter.is_some();
        if let Some(shorter) = shorter {
            *bytes = shorter;
        }
        Ok(found)
    }

    /// Gives the top-level field `name`, a singular integer, enum or bool, the value `value` in a
    /// message in wire format. Returns whether there is such a field; nothing is changed when
    /// there is not.
    ///
    /// # Errors
    ///
    /// Bytes that are no wire format; they are then as they were.
    pub fn set_number(
        &self,
        bytes: &mut Vec<u8>,
        name: &str,
        value: u64,
    ) -> Result<bool, DecodeError> {
        let message = self.tables.message(self.index);
        let field = message.rank_of_name(name.as_bytes()).map(|rank| message.field(rank));
        let Some(field) = field.filter(|field| field.is_plain_varint()) else { return Ok(false) };
        inspect::set_varint(message, field, value, bytes)?;
        Ok(true)
    }
}
