//! What a command gets to read, and in which form.

use std::borrow::Cow;
use std::sync::Arc;

use super::SealedInput;

/// How a command gets its input and gives its output (design: `io`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// Real files in a private directory.
    Files,
    /// Real files, and stdin is the shared memfd of the same bytes where there is one.
    SharedStdin,
    /// The input is a sealed memfd, output and error are files.
    MemfdInput,
    /// All three are memfds.
    Memfd,
}

/// The input of one run.
#[derive(Clone, Debug)]
pub enum Input {
    /// JSON text, written to a fresh file or memfd.
    Text(Arc<[u8]>),
    /// A memfd that is sealed already and shared by the runs of a container.
    Sealed(Arc<SealedInput>),
}

impl Input {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Input::Text(text) => text.len(),
            Input::Sealed(sealed) => sealed.len(),
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// In words for people, when a sealed one cannot be read.
    pub(crate) fn bytes(&self) -> Result<Cow<'_, [u8]>, String> {
        match self {
            Input::Text(text) => Ok(Cow::Borrowed(text)),
            Input::Sealed(sealed) => sealed
                .to_bytes()
                .map(Into::into)
                .map_err(|error| format!("the command's input cannot be read: {error}")),
        }
    }
}
