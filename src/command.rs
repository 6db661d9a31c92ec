//! How an operator says what is executed: words that configuration and runner share.

use std::ffi::{OsStr, OsString};

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// One path, never split; without a slash it is looked up in the snapshot's `PATH`. A file
    /// that the kernel cannot execute (ENOEXEC) runs as `/bin/sh FILE …`, as `execvp` does.
    Path(OsString),
    /// Shell text: `/bin/sh -c 'TEXT INPUT OUTPUT ERROR'`, the paths appended as words (the watch
    /// command of the original was expired to `system(3)` in this form).
    Shell(OsString),
}

impl CommandLine {
    /// The text as the operator wrote it.
    pub fn text(&self) -> &OsStr {
        match self {
            CommandLine::Path(text) | CommandLine::Shell(text) => text,
        }
    }
}

/// What becomes of processes that outlive a successful leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// They live on.
    Keep,
    /// They are killed.
    Kill,
}

/// Where stdout and stderr of the command go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// To a bounded file whose tail is logged.
    Capture,
    /// To the agent's own.
    Inherit,
    /// To `/dev/null`.
    Null,
}
