//! The identity of a container.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::wire::{self, Field};

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
            let (value, parent) = parts(message)?;
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
        matches!(parts(&self.wire), Some((_, Some(_))))
    }
}

type Parts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Value and parent of a `mesos.ContainerID`.
fn parts(message: &[u8]) -> Option<Parts<'_>> {
    let (mut value, mut parent) = (None, None);
    for field in wire::fields(message) {
        match field.ok()? {
            Field::Bytes(1, bytes) => value = Some(bytes),
            Field::Bytes(2, bytes) => parent = Some(bytes),
            _ => {}
        }
    }
    Some((value, parent))
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
