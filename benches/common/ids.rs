//! IDs of containers.

/// The serialised ID of a container, with a value as long as Mesos's own.
pub(crate) fn id(number: usize) -> Vec<u8> {
    let text = format!("{number:08x}-0000-4000-8000-000000000000");
    [&[0x0a, text.len() as u8], text.as_bytes()].concat()
}
