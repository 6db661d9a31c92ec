//! Where in a JSON text something lies. Paths are built on the stack while reading and become
//! text only when there is something to tell.

use std::fmt;

use crate::escape::one_line_bytes;

/// How many bytes of a key or value a text quotes.
const QUOTED: usize = 64;

/// A place in a JSON text.
pub(super) enum Path<'a> {
    /// The whole text.
    Root,
    /// A member of an object.
    Key(&'a Path<'a>, &'a [u8]),
    /// An element of an array.
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(&shorten(key)),
            Path::Key(above, key) => write!(f, "{above}.{}", shorten(key)),
            Path::Index(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}

/// A visible text of moderate length for bytes of any length.
pub(super) fn shorten(bytes: &[u8]) -> String {
    let mut text = one_line_bytes(&bytes[..bytes.len().min(QUOTED)]);
    if bytes.len() > QUOTED {
        text.push('…');
    }
    text
}
