//! How an operator says what is executed: words that configuration and runner share.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

pub use warm::{NotWarm, WarmScript};

mod warm;

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

/// Where programs are looked up when the environment has no `PATH`, as `execvp` does.
pub const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The files that `name` can mean, in the order in which they are tried: itself if it has a slash,
/// else one in each directory of `path`, where an empty entry is the current directory.
pub fn lookup(name: &OsStr, path: Option<&OsStr>) -> Vec<OsString> {
    let name = name.as_bytes();
    if name.contains(&b'/') || name.is_empty() {
        return vec![OsString::from_vec(name.to_vec())];
    }
    path.map_or(DEFAULT_PATH.as_bytes(), OsStr::as_bytes)
        .split(|byte| *byte == b':')
        .map(|directory| match directory {
            b"" => name.to_vec(),
            directory => [directory, b"/", name].concat(),
        })
        .map(OsString::from_vec)
        .collect()
}

/// What becomes of processes that outlive a successful leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// They live on.
    Keep,
    /// They live on until their container was cleaned up.
    Container,
    /// They are killed.
    Kill,
}

/// What holds the processes of a command together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Containment {
    /// A cgroup where there can be one, else the process group.
    Auto,
    /// The process group.
    Group,
    /// A cgroup.
    Cgroup,
}

/// What the processes of a command may take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, swap included; what its files in memory take is part of it.
    pub memory: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_slash_is_looked_up_in_the_path() {
        let found = |name: &str, path: Option<&str>| lookup(name.as_ref(), path.map(OsStr::new));
        assert_eq!(found("tool", Some("/x::/y")), ["/x/tool", "tool", "/y/tool"]);
        assert_eq!(found("./tool", Some("/x")), ["./tool"]);
        assert_eq!(found("tool", None), ["/bin/tool", "/usr/bin/tool"]);
        assert_eq!(found("", Some("/x")), [""]);
    }
}
