//! Noticing that the command's file was replaced.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::process::{CommandLine, CommandSpec, lookup};

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// The identity of the file that the command would execute now; `None` for shell text and while
/// there is no such file. Blocks: the file may be on a network file system.
pub(super) fn identify(spec: &CommandSpec) -> Option<Identity> {
    let CommandLine::Path(path) = &spec.command else { return None };
    lookup(path, &spec.environment)
        .iter()
        .map(|candidate| PathBuf::from(std::ffi::OsStr::from_bytes(candidate)))
        .filter_map(|candidate| std::fs::metadata(candidate).ok())
        .find(std::fs::Metadata::is_file)
        .map(|metadata| Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
}
