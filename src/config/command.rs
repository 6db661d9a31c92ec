//! Looking at a configured command: what would be executed, and what is wrong with it.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::command::{CommandLine, lookup};
use crate::event::{Event, Lane};

use super::trust::{Distrust, Trust};

/// Why a command could not run, or should not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandProblem {
    /// It is not there.
    #[error("command '{}' does not exist", .0.display())]
    Missing(PathBuf),
    /// A bare name that no directory of `PATH` has.
    #[error("command '{0}' is in no directory of PATH")]
    NotInPath(String),
    /// It is a directory or a device.
    #[error("command '{}' is no regular file", .0.display())]
    NotAFile(PathBuf),
    /// It has no execute permission.
    #[error("command '{}' is not executable (mode {mode:04o})", .path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others can change what runs as the agent's user.
    #[error("{first}{}", more(*.others))]
    Distrusted {
        /// The first step on the way to it that is theirs.
        first: Distrust,
        /// How many more there are.
        others: usize,
    },
    /// It could not be looked at.
    #[error("command '{}' cannot be examined: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        _ => format!(" (and {others} more: `mesos-command check` lists them)"),
    }
}

/// What executing `text` as the command of `event` means.
///
/// A watch command that is no plain path is shell text, as in the original.
pub fn command_line(event: Event, text: &str) -> CommandLine {
    if event.row().lane == Lane::Watch && !is_plain_path(text) {
        CommandLine::Shell(OsString::from(text))
    } else {
        CommandLine::Path(OsString::from(text))
    }
}

/// Whether a shell would take `text` as one word, unchanged.
fn is_plain_path(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

/// Looks for what would keep `command` from running.
///
/// Shell text is not examined. `path` is the `PATH` that the lookup uses.
///
/// # Errors
/// The first problem found.
pub fn inspect_command(command: &CommandLine, path: Option<&str>) -> Result<(), CommandProblem> {
    let CommandLine::Path(text) = command else { return Ok(()) };
    let file = resolve(text, path)?;
    let metadata = match std::fs::metadata(&file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(CommandProblem::Missing(file));
        }
        Err(error) => {
            return Err(CommandProblem::Unreadable { path: file, error: error.to_string() });
        }
    };
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() {
        return Err(CommandProblem::NotAFile(file));
    }
    if mode & 0o111 == 0 {
        return Err(CommandProblem::NotExecutable { path: file, mode });
    }
    Ok(())
}

/// Looks for others who can decide what `command` is, by the rules of `trust`.
///
/// # Errors
/// The first step that is theirs.
pub fn inspect_trust(
    command: &CommandLine,
    path: Option<&str>,
    trust: &Trust,
) -> Result<(), CommandProblem> {
    let mut found = trust.command(command, path).into_iter();
    match found.next() {
        Some(first) => Err(CommandProblem::Distrusted { first, others: found.len() }),
        None => Ok(()),
    }
}

/// Whether a shell would interpret `command`: by the first line of the file, or because it is
/// shell text.
pub(super) fn is_shell_script(command: &CommandLine, path: Option<&str>) -> bool {
    /// As much as the kernel reads of the line.
    const LINE: u64 = 256;
    let CommandLine::Path(text) = command else { return true };
    let mut head = Vec::new();
    let read = resolve(text, path).is_ok_and(|file| {
        // Not of a FIFO, which would not be opened before somebody writes.
        file.is_file()
            && std::fs::File::open(file)
                .and_then(|file| file.take(LINE).read_to_end(&mut head))
                .is_ok()
    });
    let line = head.strip_prefix(b"#!").and_then(|rest| rest.split(|b| *b == b'\n').next());
    let Some(line) = line.filter(|_| read) else { return false };
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace().map(|word| word.rsplit('/').next().unwrap_or(""));
    let program = match words.next() {
        Some("env") => words.find(|word| !word.starts_with('-') && !word.contains('=')),
        program => program,
    };
    matches!(program, Some("sh" | "dash" | "bash" | "ash" | "ksh" | "zsh"))
}

fn resolve(text: &std::ffi::OsStr, path: Option<&str>) -> Result<PathBuf, CommandProblem> {
    if text.as_encoded_bytes().contains(&b'/') {
        return Ok(PathBuf::from(text));
    }
    lookup(text, path.map(std::ffi::OsStr::new))
        .into_iter()
        .map(PathBuf::from)
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| CommandProblem::NotInPath(text.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Why;
    use std::path::Path;

    fn write(path: &Path, mode: u32) -> CommandLine {
        std::fs::write(path, "#!/bin/sh\n").expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        CommandLine::Path(path.into())
    }

    #[test]
    fn the_watch_command_may_be_shell_text() {
        let watch = |text| command_line(Event::Watch, text);
        assert_eq!(watch("/opt/watch.sh"), CommandLine::Path("/opt/watch.sh".into()));
        assert_eq!(watch("/opt/watch.sh -v"), CommandLine::Shell("/opt/watch.sh -v".into()));
        assert_eq!(
            command_line(Event::Prepare, "/opt/my script"),
            CommandLine::Path("/opt/my script".into()),
            "all other commands are one path, never split"
        );
    }

    #[test]
    fn problems_are_told_apart() {
        let directory = tempfile::tempdir().expect("tempdir");
        let file = directory.path().join("command");
        let inspect = |command: &CommandLine| inspect_command(command, Some("/bin:/usr/bin"));
        assert_eq!(inspect(&write(&file, 0o755)), Ok(()));
        assert!(matches!(
            inspect(&write(&file, 0o644)),
            Err(CommandProblem::NotExecutable { mode: 0o644, .. })
        ));
        let trust = inspect_trust(&write(&file, 0o775), None, &Trust::lenient());
        let Err(CommandProblem::Distrusted { first, .. }) = trust else { panic!("{trust:?}") };
        assert_eq!(first.why, Why::Writable(0o775));
        assert!(matches!(
            inspect(&CommandLine::Path(directory.path().into())),
            Err(CommandProblem::NotAFile(_))
        ));
        assert!(matches!(
            inspect(&CommandLine::Path("/no/such".into())),
            Err(CommandProblem::Missing(_))
        ));
        assert!(matches!(
            inspect(&CommandLine::Path("no-such-command".into())),
            Err(CommandProblem::NotInPath(_))
        ));
        assert_eq!(inspect(&CommandLine::Path("sh".into())), Ok(()));
    }
}
