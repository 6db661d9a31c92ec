//! Strings for execve.

use std::ffi::{CStr, c_char};

/// Strings for execve in one allocation.
#[derive(Debug, Default)]
pub(crate) struct StringTable {
    bytes: Vec<u8>,
    offsets: Vec<usize>,
}

/// A string holds a NUL byte and so cannot be passed to a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HasNul;

impl StringTable {
    /// Appends the concatenation of `parts` as one string.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) -> Result<(), HasNul> {
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(HasNul);
        }
        self.offsets.push(self.bytes.len());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
        Ok(())
    }

    /// The strings.
    pub(crate) fn strings(&self) -> impl Iterator<Item = &CStr> {
        let at = |offset: &usize| self.bytes.get(*offset..);
        self.offsets.iter().filter_map(at).filter_map(|it| CStr::from_bytes_until_nul(it).ok())
    }

    /// Pointers to the strings, `skip` of them left out, and NULL. Valid while the table lives
    /// unchanged.
    pub(super) fn pointers(&self, skip: usize) -> impl Iterator<Item = *const c_char> {
        let base = self.bytes.as_ptr();
        self.offsets
            .iter()
            .skip(skip)
            .map(move |offset| base.wrapping_add(*offset).cast::<c_char>())
            .chain(std::iter::once(std::ptr::null()))
    }
}
