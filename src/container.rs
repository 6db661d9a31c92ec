//! The identity of a container.

use std::sync::Arc;

use smallvec::SmallVec;

/// Nesting deeper than this is no container ID of Mesos.
const MAX_DEPTH: usize = 64;
/// Begins the name of a context file that is being written. Not of a fixed part of the ID: with
/// anything added to it, a long ID would no longer fit into a file name.
pub const TEMPORARY_PREFIX: &str = ".mcmd~";
/// The longest name of a file (`NAME_MAX`, limits.h).
const MAX_FILE_NAME: usize = 255;

/// A serialised `mesos.ContainerID`: of one that is not nested (a UUID's text, 38 bytes) without
/// memory of its own.
pub type Wire = SmallVec<[u8; 40]>;

/// A container's ID in both of its forms. The serialised one comes last, because what is read
/// with it comes next where IDs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ContainerId {
    /// `parent.child`, as Mesos prints it and as the original named its files.
    pub text: Arc<str>,
    /// The serialised `mesos.ContainerID`. The host serialises fields in their order, so equal IDs
    /// are equal bytes; contexts are found by it because a lookup then needs no allocation.
    pub wire: Wire,
}

impl ContainerId {
    /// Reads a serialised `mesos.ContainerID` (1: value, 2: parent).
    ///
    /// Returns nothing for bytes that are no such message or have no value.
    pub fn from_wire(wire: &[u8]) -> Option<ContainerId> {
        let mut names = Vec::new();
        let mut current = Some(wire);
        while let Some(message) = current {
            if names.len() == MAX_DEPTH {
                return None;
            }
            let (value, parent) = fields(message)?;
            names.push(String::from_utf8_lossy(value?));
            current = parent;
        }
        names.reverse();
        Some(ContainerId { wire: wire.into(), text: names.join(".").into() })
    }

    /// Whether the text may name a file: Mesos allows no slash in an ID, but the module trusts
    /// nothing that becomes a path.
    pub fn is_file_name(&self) -> bool {
        let text = &*self.text;
        !text.is_empty()
            && text != "."
            && text != ".."
            && text.len() <= MAX_FILE_NAME
            && !text.starts_with(TEMPORARY_PREFIX)
            && !text.contains(['/', '\0'])
    }

    /// Whether the container has a parent.
    pub fn is_nested(&self) -> bool {
        matches!(fields(&self.wire), Some((_, Some(_))))
    }
}

/// The last field `number` with a length-delimited value in a serialised message.
pub fn bytes_field(message: &[u8], number: u32) -> Option<&[u8]> {
    let mut reader = Reader(message);
    let mut found = None;
    while let Some((field, value)) = reader.next().ok()? {
        if field == number {
            found = value;
        }
    }
    found
}

type Fields<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Value and parent of a `mesos.ContainerID`.
fn fields(message: &[u8]) -> Option<Fields<'_>> {
    let mut reader = Reader(message);
    let (mut value, mut parent) = (None, None);
    while let Some((field, bytes)) = reader.next().ok()? {
        match field {
            1 => value = bytes,
            2 => parent = bytes,
            _ => {}
        }
    }
    Some((value, parent))
}

/// Number and, for length-delimited ones, bytes of a field.
type Field<'a> = (u32, Option<&'a [u8]>);

struct Reader<'a>(&'a [u8]);

struct Malformed;

impl<'a> Reader<'a> {
    /// Number and, for length-delimited ones, bytes of the next field; `None` at the end.
    fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        let value = match tag & 7 {
            0 => {
                self.varint()?;
                None
            }
            1 => self.take(8).map(|_| None)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Some(self.take(length)?)
            }
            5 => self.take(4).map(|_| None)?,
            _ => return Err(Malformed),
        };
        Ok(Some((number, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The serialised ID of `names`, outermost first.
    pub(crate) fn wire(names: &[&str]) -> Vec<u8> {
        let mut message = Vec::new();
        for name in names {
            let parent = std::mem::take(&mut message);
            message.extend([0x0a, name.len() as u8]);
            message.extend(name.as_bytes());
            if !parent.is_empty() {
                message.extend([0x12, parent.len() as u8]);
                message.extend(parent);
            }
        }
        message
    }

    #[test]
    fn texts_go_from_the_outermost_container_inwards() {
        let id = |names: &[&str]| ContainerId::from_wire(&wire(names)).expect("an ID");
        assert_eq!(&*id(&["a"]).text, "a");
        assert_eq!(&*id(&["a", "b", "c"]).text, "a.b.c");
        assert!(id(&["a", "b"]).is_nested() && !id(&["a"]).is_nested());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for bytes in [&[][..], &[0x0a], &[0x0a, 5, b'x'], &[0x12, 0], &[0xff; 12], &[0x0b]] {
            assert_eq!(ContainerId::from_wire(bytes), None, "{bytes:?}");
        }
        let deep = vec!["x"; 20];
        assert!(ContainerId::from_wire(&wire(&deep)).is_some());
    }

    #[test]
    fn only_harmless_ids_name_files() {
        let names_file =
            |text: &str| ContainerId { wire: Wire::new(), text: text.into() }.is_file_name();
        assert!(names_file("3f1c.b"));
        assert!(names_file(&"x".repeat(255)), "as long as a file name may be");
        for text in ["", ".", "..", "a/b", "a\0b", ".mcmd~1-1", &"x".repeat(256)] {
            assert!(!names_file(text), "{text:?}");
        }
    }
}
