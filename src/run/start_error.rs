//! Why a command could not be started, in words that say what would be right.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::outcome::FailureReason;
use crate::sys::{FsHelper, SpawnFailure, Step, User};

use super::{CommandSpec, Request};
use crate::command::CommandLine;
use crate::reactor::{FsHelpers, NoResult};

/// How much of a script the kernel reads for its first line.
const SHEBANG_BYTES: usize = 256;
/// How long an explanation may take, within the deadline and beyond it.
const PATIENCE: Duration = Duration::from_secs(1);
const LATE_PATIENCE: Duration = Duration::from_millis(50);

/// Explains a failure to start. On the runtime; takes a second at most, and hardly longer than
/// `deadline`.
pub(super) async fn explain(
    request: &Request,
    failure: SpawnFailure,
    helpers: &FsHelpers,
    deadline: Option<Instant>,
) -> String {
    let name = request.spec.command.text().to_string_lossy();
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
        SpawnFailure::Child(Step::Cgroup, errno) => {
            format!("command '{name}' cannot enter its cgroup: {}", text(errno))
        }
        SpawnFailure::Child(Step::Stdin, errno) => {
            format!("cannot open the input as stdin of command '{name}': {}", text(errno))
        }
        SpawnFailure::Child(Step::Output, errno) => {
            format!("cannot open stdout and stderr of command '{name}': {}", text(errno))
        }
        SpawnFailure::Child(Step::Nice, errno) => identity(request, "nice", errno),
        SpawnFailure::Child(Step::OpenFiles, errno) => identity(request, "rlimit_nofile", errno),
        SpawnFailure::Child(Step::Groups | Step::Group | Step::User, errno) => {
            identity(request, "user", errno)
        }
        SpawnFailure::Child(Step::Execute, errno) => match &request.spec.command {
            CommandLine::Path(path) => {
                let now = Instant::now();
                let last = deadline.unwrap_or(now + PATIENCE).max(now + LATE_PATIENCE);
                let user = request.spec.identity.user.as_ref();
                let inspector = Inspector { helpers, until: last.min(now + PATIENCE), user };
                explain_exec(path, request, errno, &inspector).await
            }
            CommandLine::Shell(_) => format!("cannot execute /bin/sh: {}", text(errno)),
        },
    }
}

/// What of the identity could not be set, by the parameter that asks for it.
fn identity(request: &Request, suffix: &str, errno: Errno) -> String {
    let CommandSpec { event, command, identity, .. } = &*request.spec;
    let (name, prefix) = (command.text().to_string_lossy(), event.row().prefix);
    let what = match (suffix, &identity.user, identity.nice, identity.open_files) {
        ("nice", _, Some(nice), _) => format!("its niceness cannot be {nice}"),
        ("rlimit_nofile", _, _, Some(most)) => format!("its limit of open files cannot be {most}"),
        (_, Some(user), _, _) => format!("it cannot become {user}"),
        _ => "its identity cannot be set".to_owned(),
    };
    let text = text(errno);
    format!("cannot start command '{name}': {what} (parameter '{prefix}_{suffix}'): {text}")
}

/// The counted reason of a failure to start.
pub(super) fn reason(failure: SpawnFailure) -> FailureReason {
    let executes = matches!(failure, SpawnFailure::Child(Step::Execute, _));
    match failure.errno() {
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

/// Inspects the command no further than the failure demands. The path is the operator's, on a file
/// system that may not answer, so child processes inspect it ([`FsHelpers`]); what they do not find
/// out in time is not explained.
async fn explain_exec(
    command: &OsStr,
    request: &Request,
    errno: Errno,
    inspector: &Inspector<'_>,
) -> String {
    let name = command.to_string_lossy();
    if command.is_empty() {
        return "the command is empty: give the path of a program".to_owned();
    }
    let unexplained = |why: NoResult| {
        format!("cannot execute command '{name}': {}; why cannot be seen: {why}", text(errno))
    };
    let candidates = request.spec.candidates();
    let candidates: Vec<CString> =
        candidates.into_iter().filter_map(|path| CString::new(path.into_vec()).ok()).collect();
    let found = match inspector.existing(candidates).await {
        Ok(found) => found,
        Err(why) => return unexplained(why),
    };
    let Some(found) = found else {
        if !command.as_bytes().contains(&b'/') {
            return format!("command '{name}' is in no directory of PATH; give its path");
        }
        return match errno {
            Errno::ENOENT => format!("command '{name}' does not exist"),
            errno => format!("cannot execute command '{name}': {}", text(errno)),
        };
    };
    match inspector.diagnose(&found, errno).await {
        Ok(what) => format!("command '{}' {what}", found.path.to_string_lossy()),
        Err(why) => unexplained(why),
    }
}

/// Inspects files that belong to operators.
struct Inspector<'a> {
    helpers: &'a FsHelpers,
    until: Instant,
    /// Whose command it is, if not ours: what it may do is not what we may.
    user: Option<&'a User>,
}

/// A file of which at least the name exists.
struct Found {
    path: CString,
    /// What the name leads to.
    target: Result<libc::stat, Errno>,
}

impl Inspector<'_> {
    async fn run(&self, helper: FsHelper) -> Result<FsHelper, NoResult> {
        self.helpers.run(helper, self.until.saturating_duration_since(Instant::now())).await
    }

    /// The first of the candidates that exists.
    async fn existing(&self, candidates: Vec<CString>) -> Result<Option<Found>, NoResult> {
        let mut helper = FsHelper::default();
        let looks: Vec<_> = candidates
            .into_iter()
            .map(|path| (helper.look(&path, false), helper.look(&path, true), path))
            .collect();
        let helper = self.run(helper).await?;
        let found = looks.into_iter().find(|(name, _, _)| helper.stat(*name).is_ok());
        Ok(found.map(|(_, target, path)| Found { path, target: helper.stat(target) }))
    }

    /// What is wrong with an existing file.
    async fn diagnose(&self, found: &Found, errno: Errno) -> Result<String, NoResult> {
        let stat = match found.target {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => {
                return Ok("is a symbolic link to something that does not exist".to_owned());
            }
            Err(errno) => return Ok(format!("cannot be looked at: {}", text(errno))),
        };
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            let kind = crate::staging::kind_name(stat.st_mode);
            return Ok(format!("is {kind}: it must be an executable file"));
        }
        let mode = stat.st_mode & 0o7777;
        match errno {
            Errno::ETXTBSY => Ok("is being written (ETXTBSY): replace it by rename".to_owned()),
            Errno::E2BIG => {
                Ok("cannot be executed: environment and arguments are too large (E2BIG)".into())
            }
            _ if mode & 0o111 == 0 => {
                Ok(format!("is not executable (mode {mode:04o}); chmod +x it"))
            }
            Errno::EACCES | Errno::EAGAIN if self.user.is_some() => Ok(self.refused(errno, mode)),
            Errno::ENOENT | Errno::EACCES | Errno::ELOOP | Errno::ENOTDIR => {
                self.diagnose_interpreter(&found.path, mode, errno).await
            }
            errno => Ok(format!("cannot be executed: {}", text(errno))),
        }
    }

    /// What a user may not do, as far as that can be told without its rights.
    fn refused(&self, errno: Errno, mode: u32) -> String {
        let user = self.user.map_or_else(String::new, |user| user.to_string());
        match errno {
            Errno::EAGAIN => format!(
                "cannot be executed by {user}: the limit of its processes (RLIMIT_NPROC) is \
                 reached (EAGAIN)"
            ),
            errno => format!(
                "cannot be executed by {user}: {} (mode {mode:04o}); that user must be able to \
                 execute it and its interpreter, and to enter each directory on the way to them",
                text(errno)
            ),
        }
    }

    async fn diagnose_interpreter(
        &self,
        path: &CString,
        mode: u32,
        errno: Errno,
    ) -> Result<String, NoResult> {
        let Some(interpreter) = self.interpreter(path).await? else {
            return Ok(match errno {
                Errno::ENOENT => {
                    "cannot be executed: its dynamic loader does not exist (ENOENT)".into()
                }
                Errno::EACCES => format!(
                    "cannot be executed (EACCES, mode {mode:04o}): the agent's user may not \
                     execute it, or its file system is mounted noexec"
                ),
                errno => format!("cannot be executed: {}", text(errno)),
            });
        };
        let shown = interpreter.to_string_lossy();
        let mut helper = FsHelper::default();
        let target = helper.look(&interpreter, true);
        let helper = self.run(helper).await?;
        Ok(match helper.stat(target) {
            Err(Errno::ENOENT) => {
                let carriage = if interpreter.as_bytes().ends_with(b"\r") {
                    " (its lines end in CR LF; they must end in LF)"
                } else {
                    ""
                };
                format!("cannot be executed: its interpreter '{shown}' does not exist{carriage}")
            }
            Err(errno) => {
                format!("cannot be executed: its interpreter '{shown}': {}", text(errno))
            }
            Ok(found) if found.st_mode & 0o111 == 0 => {
                format!("cannot be executed: its interpreter '{shown}' is not executable")
            }
            Ok(_) => format!("cannot be executed: {}", text(errno)),
        })
    }

    /// The program in the first line of a script.
    async fn interpreter(&self, path: &CString) -> Result<Option<CString>, NoResult> {
        let mut helper = FsHelper::default();
        let file = helper.open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, 0);
        let head = helper.read(file, SHEBANG_BYTES);
        let helper = self.run(helper).await?;
        Ok(interpreter(helper.bytes(head)))
    }
}

/// The program in the first line that `head` begins with.
fn interpreter(head: &[u8]) -> Option<CString> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line.split(|byte| *byte == b' ' || *byte == b'\t').find(|word| !word.is_empty())?;
    CString::new(word).ok()
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
