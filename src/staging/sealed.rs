//! Inputs as sealed memfds.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use memfd::{FileSeal, MemfdOptions};

use crate::sys;

/// A container's constant input, rendered once as a sealed memfd and shared by its runs.
///
/// Commands open it as `/proc/<our pid>/fd/N`: each has its own file offset, none can change it.
/// Where the kernel has no sealed memfds (or `/proc` cannot be used) it is kept as text, and each
/// run gets a file.
#[derive(Debug)]
pub struct SealedInput {
    content: Content,
    /// The same bytes, where its owner has them in memory anyway.
    text: Option<Arc<[u8]>>,
}

#[derive(Debug)]
enum Content {
    Memfd { file: File, path: CString, bytes: usize },
    Text(Arc<[u8]>),
}

impl SealedInput {
    /// Makes a sealed memfd of `bytes`, close-on-exec.
    ///
    /// # Errors
    /// When there is no descriptor or no memory left.
    pub fn new(bytes: &[u8]) -> io::Result<SealedInput> {
        if !sys::memfd_paths() {
            return Ok(SealedInput { content: Content::Text(bytes.into()), text: None });
        }
        let memfd = MemfdOptions::default()
            .allow_sealing(true)
            .create("mesos-command-input")
            .map_err(plain)?;
        memfd.as_file().write_all(bytes)?;
        memfd
            .add_seals(&[
                FileSeal::SealWrite,
                FileSeal::SealGrow,
                FileSeal::SealShrink,
                FileSeal::SealSeal,
            ])
            .map_err(plain)?;
        let file = File::from(sys::above_stdio(OwnedFd::from(memfd.into_file()))?);
        let path = descriptor_path(&file)?;
        let content = Content::Memfd { file, path, bytes: bytes.len() };
        Ok(SealedInput { content, text: None })
    }

    /// As [`new`](SealedInput::new), of a text that its owner keeps: runs that get a file need not
    /// read the memfd.
    ///
    /// # Errors
    /// As [`new`](SealedInput::new).
    pub(crate) fn of(text: Arc<[u8]>) -> io::Result<SealedInput> {
        Ok(SealedInput { text: Some(text.clone()), ..SealedInput::new(&text)? })
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Memfd { bytes, .. } => *bytes,
            Content::Text(text) => text.len(),
        }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The path that commands open; `None` when it is kept as text.
    pub(super) fn path(&self) -> Option<&CString> {
        match &self.content {
            Content::Memfd { path, .. } => Some(path),
            Content::Text(_) => None,
        }
    }

    /// The bytes, if they are in memory.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Memfd { .. } => self.text.as_deref(),
        }
    }

    /// A copy of the bytes.
    ///
    /// # Errors
    /// When the memfd cannot be read.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        match &self.content {
            Content::Text(text) => Ok(text.to_vec()),
            Content::Memfd { file, bytes, .. } => {
                let mut copy = vec![0; *bytes];
                file.read_exact_at(&mut copy, 0)?;
                Ok(copy)
            }
        }
    }
}

/// The path under which other processes open one of our descriptors.
pub(super) fn descriptor_path(fd: &impl AsRawFd) -> io::Result<CString> {
    let path = format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd());
    CString::new(path).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// The operating system's error in one of the memfd library.
pub(super) fn plain(error: memfd::Error) -> io::Error {
    match error {
        memfd::Error::Create(error)
        | memfd::Error::AddSeals(error)
        | memfd::Error::GetSeals(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bytes_are_readable_by_path_and_cannot_be_changed() {
        let input = SealedInput::new(b"{\"a\":1}").unwrap();
        assert_eq!(input.to_bytes().unwrap(), b"{\"a\":1}");
        assert_eq!(input.len(), 7);
        let Some(path) = input.path() else {
            return test_support::skip("a sealed input", "memfds cannot be opened by path");
        };
        let path = path.to_str().unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"{\"a\":1}");
        let writer = std::fs::OpenOptions::new().write(true).open(path);
        assert!(writer.is_err() || writer.unwrap().write(b"x").is_err());
    }
}
