//! Looking at a script that is to be run warm.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use crate::command::{CommandLine, NotWarm, WarmScript};

/// As much of the file as its first line can be long, and more.
const HEAD: u64 = 512;

/// Why a command is not run warm.
#[derive(Debug, thiserror::Error)]
pub enum WarmProblem {
    /// It may be there later.
    #[error("{0}")]
    Unreadable(std::io::Error),
    /// What it is cannot be run warm.
    #[error(transparent)]
    NotWarm(#[from] NotWarm),
}

/// The script that `command` is. Reads its file.
///
/// # Errors
/// When it cannot be run warm.
pub fn warm_script(command: &CommandLine) -> Result<WarmScript, WarmProblem> {
    let CommandLine::Path(path) = command else { return Err(NotWarm::NoPath.into()) };
    let path: &OsStr = path;
    if !path.as_encoded_bytes().starts_with(b"/") {
        return Err(NotWarm::NoPath.into());
    }
    // A FIFO is not waited for.
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let mut head = Vec::new();
    let read = opened.and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.map_err(WarmProblem::Unreadable)?;
    Ok(WarmScript::of(path, &head)?)
}
