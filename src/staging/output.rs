//! Reading what a command wrote, whatever it put there.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag};

use super::root::{Root, stat_in};

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutputProblem {
    /// It is larger than allowed: this size was seen.
    TooLarge(u64),
    /// It has this size, which is more than may be read by the calling thread.
    NotHere(u64),
    /// It is not something that we read.
    NotAFile(String),
}

/// Flags for opening what a command may have replaced: no link is followed, a FIFO does not
/// block, a terminal does not become ours.
fn careful() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY
}

/// Reads a file of a call's directory of at most `limit` bytes, by the calling thread only if it
/// has no more than `most_here`.
pub(super) fn read_in(
    root: &Root,
    name: &str,
    limit: u64,
    most_here: u64,
) -> Result<Vec<u8>, OutputProblem> {
    // Its kind is checked before it is opened: opening a device has effects.
    let stat = stat_in(root, name).map_err(|errno| {
        OutputProblem::NotAFile(format!("the output file cannot be read: {errno}"))
    })?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        let kind = kind_name(stat.st_mode);
        return Err(OutputProblem::NotAFile(format!("the output is {kind}, not a regular file")));
    }
    match u64::try_from(stat.st_size).unwrap_or(0) {
        0 => return Ok(Vec::new()),
        size if size > most_here => return Err(OutputProblem::NotHere(size)),
        _ => {}
    }
    let fd = nix::fcntl::openat(root.as_fd(), name, careful(), Mode::empty()).map_err(|errno| {
        OutputProblem::NotAFile(format!("the output file cannot be opened: {errno}"))
    })?;
    read_file(&File::from(fd), limit, u64::MAX)
}

/// Reads an open file that must be regular and no larger than `limit`; the rest as
/// [`read_in`].
pub(super) fn read_file(file: &File, limit: u64, most_here: u64) -> Result<Vec<u8>, OutputProblem> {
    let unreadable =
        |error: io::Error| OutputProblem::NotAFile(format!("the output cannot be read: {error}"));
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        let kind = kind_name(metadata.mode());
        return Err(OutputProblem::NotAFile(format!("the output is {kind}, not a regular file")));
    }
    if metadata.len() > most_here {
        return Err(OutputProblem::NotHere(metadata.len()));
    }
    if metadata.len() > limit {
        return Err(OutputProblem::TooLarge(metadata.len()));
    }
    // One byte more than allowed, because it may still be growing.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        size if size > limit => Err(OutputProblem::TooLarge(size)),
        _ => Ok(bytes),
    }
}

/// The first `limit` bytes of a file of a call's directory; empty when it is anything odd.
pub(super) fn head_in(root: &Root, name: &str, limit: u64) -> Vec<u8> {
    match stat_in(root, name) {
        Ok(stat)
            if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
                && stat.st_size > 0 =>
        {
            match nix::fcntl::openat(root.as_fd(), name, careful(), Mode::empty()) {
                Ok(fd) => read_head(&File::from(fd), limit),
                Err(_) => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// The first `limit` bytes of a regular file; empty when it cannot be read.
pub(super) fn read_head(file: &File, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        // What was read before an error is worth having.
        let _ = file.take(limit).read_to_end(&mut bytes);
    }
    bytes
}

/// What kind of file a mode is of, in words.
pub(crate) fn kind_name(mode: u32) -> &'static str {
    match SFlag::from_bits_truncate(mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        SFlag::S_IFCHR | SFlag::S_IFBLK => "a device",
        _ => "something else",
    }
}
