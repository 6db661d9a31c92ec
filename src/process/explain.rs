//! Why a command could not be started, in words that say what would be right.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::metrics::FailureReason;
use crate::sys::{SpawnFailure, Step};

use super::plan::{command_name, lookup};
use super::{CommandLine, Request};

/// How much of a script the kernel reads for its first line.
const SHEBANG_BYTES: u64 = 256;

/// Explains a failure to start.
pub(super) fn explain(request: &Request, failure: SpawnFailure) -> String {
    let name = command_name(request).to_string_lossy();
    match failure {
        SpawnFailure::Clone(errno) => {
            let hint = match errno {
                Errno::EAGAIN => "; the limit of processes (RLIMIT_NPROC, pids cgroup) is reached",
                Errno::ENOMEM => "; the machine or the cgroup is out of memory",
                Errno::EMFILE => "; the limit of open files (RLIMIT_NOFILE) is reached",
                _ => "",
            };
            format!("cannot create a process for command '{name}': {}{hint}", text(errno))
        }
        SpawnFailure::Child(Step::CloseDescriptors, errno) => {
            format!("cannot close the agent's descriptors for command '{name}': {}", text(errno))
        }
        SpawnFailure::Child(Step::Stdin, errno) => {
            format!("cannot open the input as stdin of command '{name}': {}", text(errno))
        }
        SpawnFailure::Child(Step::Output, errno) => {
            format!("cannot open stdout and stderr of command '{name}': {}", text(errno))
        }
        SpawnFailure::Child(Step::Execute, errno) => match &request.spec.command {
            CommandLine::Path(path) => explain_exec(path, request, errno),
            CommandLine::Shell(_) => format!("cannot execute /bin/sh: {}", text(errno)),
        },
    }
}

/// The counted reason of a failure to start.
pub(super) fn reason(failure: SpawnFailure) -> FailureReason {
    let (SpawnFailure::Clone(errno) | SpawnFailure::Child(_, errno)) = failure;
    let executes = matches!(failure, SpawnFailure::Child(Step::Execute, _));
    match errno {
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => {
            FailureReason::SpawnResources
        }
        Errno::ENOENT | Errno::ENOTDIR if executes => FailureReason::CommandMissing,
        Errno::EACCES | Errno::EPERM if executes => FailureReason::CommandDenied,
        _ => FailureReason::SpawnError,
    }
}

fn text(errno: Errno) -> String {
    format!("{} ({errno:?})", errno.desc())
}

fn explain_exec(command: &OsStr, request: &Request, errno: Errno) -> String {
    let name = command.to_string_lossy();
    if command.is_empty() {
        return "the command is empty: give the path of a program".to_owned();
    }
    let candidates = lookup(command, &request.spec.environment);
    let existing = candidates
        .iter()
        .map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)))
        .find(|path| path.symlink_metadata().is_ok());
    let Some(path) = existing else {
        if !command.as_bytes().contains(&b'/') {
            return format!("command '{name}' is in no directory of PATH; give its path");
        }
        return match errno {
            Errno::ENOENT => format!("command '{name}' does not exist"),
            errno => format!("cannot execute command '{name}': {}", text(errno)),
        };
    };
    let what = diagnose(&path, errno);
    format!("command '{}' {what}", path.display())
}

/// What is wrong with an existing file.
fn diagnose(path: &Path, errno: Errno) -> String {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
            return "is a symbolic link to something that does not exist".to_owned();
        }
        Err(error) => return format!("cannot be looked at: {error}"),
    };
    if !metadata.is_file() {
        let kind = crate::io::describe_kind(metadata.file_type());
        return format!("is {kind}: it must be an executable file");
    }
    let mode = metadata.permissions().mode() & 0o7777;
    match errno {
        Errno::ETXTBSY => "is being written (ETXTBSY): replace it by rename".to_owned(),
        Errno::E2BIG => {
            "cannot be executed: environment and arguments are too large (E2BIG)".into()
        }
        _ if mode & 0o111 == 0 => format!("is not executable (mode {mode:04o}); chmod +x it"),
        Errno::ENOENT | Errno::EACCES | Errno::ELOOP | Errno::ENOTDIR => {
            diagnose_interpreter(path, mode, errno)
        }
        errno => format!("cannot be executed: {}", text(errno)),
    }
}

fn diagnose_interpreter(path: &Path, mode: u32, errno: Errno) -> String {
    let Some(interpreter) = interpreter(path) else {
        return match errno {
            Errno::ENOENT => {
                "cannot be executed: its dynamic loader does not exist (ENOENT)".into()
            }
            Errno::EACCES => format!(
                "cannot be executed (EACCES, mode {mode:04o}): the agent's user may not execute \
                 it, or its file system is mounted noexec"
            ),
            errno => format!("cannot be executed: {}", text(errno)),
        };
    };
    let shown = interpreter.display();
    match fs::metadata(&interpreter) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let carriage = if interpreter.as_os_str().as_bytes().ends_with(b"\r") {
                " (its lines end in CR LF; they must end in LF)"
            } else {
                ""
            };
            format!("cannot be executed: its interpreter '{shown}' does not exist{carriage}")
        }
        Err(error) => format!("cannot be executed: its interpreter '{shown}': {error}"),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => {
            format!("cannot be executed: its interpreter '{shown}' is not executable")
        }
        Ok(_) => format!("cannot be executed: {}", text(errno)),
    }
}

/// The program in the first line of a script.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    fs::File::open(path).ok()?.take(SHEBANG_BYTES).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| *byte == b' ' || *byte == b'\t').find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_is_counted_by_what_would_help() {
        let child = |errno| reason(SpawnFailure::Child(Step::Execute, errno));
        assert_eq!(child(Errno::ENOENT), FailureReason::CommandMissing);
        assert_eq!(child(Errno::EACCES), FailureReason::CommandDenied);
        assert_eq!(child(Errno::E2BIG), FailureReason::SpawnError);
        assert_eq!(reason(SpawnFailure::Clone(Errno::EAGAIN)), FailureReason::SpawnResources);
        let stdin = SpawnFailure::Child(Step::Stdin, Errno::ENOENT);
        assert_eq!(reason(stdin), FailureReason::SpawnError);
    }
}
