//! Who can change what runs as the agent's user: what the engine's rules find, with what to do. The
//! user who checks is taken for the agent's.

use std::path::Path;

use mesos_command::command::CommandLine;
use mesos_command::config::{Distrust, Trust, Why};

use super::codes;
use super::finding::{Finding, Severity};

/// What others can change on the way to a command, its interpreter, and what links lead to.
/// `strict` is `strict_permissions`: then the agent refuses what is only unwise otherwise.
pub(super) fn command(command: &CommandLine, strict: bool) -> Vec<Finding> {
    let path = std::env::var("PATH").ok();
    let effect = "and so decide what runs as the agent's user";
    let found = rules(strict).command(command, path.as_deref());
    found.iter().map(|one| finding(one, strict, effect)).collect()
}

/// The same of a file that the agent reads or loads; never more than a warning, because the agent
/// does not look.
pub(super) fn file(path: &Path) -> Vec<Finding> {
    let effect = "and so decide what runs as the agent's user";
    rules(false).path(path).iter().map(|one| finding(one, false, effect)).collect()
}

/// What others can change on the way to the state directory.
pub(super) fn state_directory(path: &Path, strict: bool) -> Vec<Finding> {
    directory(path, strict, &rules(strict))
}

/// The same of the directory for calls, in which each name is made new: there the sticky bit is
/// enough.
pub(super) fn temp_directory(path: &Path, strict: bool) -> Vec<Finding> {
    directory(path, strict, &rules(strict).with_sticky())
}

fn rules(strict: bool) -> Trust {
    if strict { Trust::strict() } else { Trust::lenient() }
}

fn directory(path: &Path, strict: bool, rules: &Trust) -> Vec<Finding> {
    let effect = "and replace what the agent keeps in it";
    rules.path(path).iter().map(|one| finding(one, strict, effect)).collect()
}

fn finding(found: &Distrust, strict: bool, effect: &str) -> Finding {
    let severity = if strict { Severity::Error } else { Severity::Warning };
    let (path, what) = (&found.path, if found.is_directory { "directory" } else { "file" });
    let finding = |code, message, advice| {
        Finding::new(severity, code, message).about(path, None).advice(advice)
    };
    match found.why {
        Why::Writable(mode) => finding(
            codes::WRITABLE_BY_OTHERS,
            format!("others than its owner can write to this {what} (mode {mode:04o}), {effect}"),
            if mode & 0o1000 == 0 {
                format!("chmod go-w {}", path.display())
            } else {
                "use a directory to which only root can write, outside of this one".to_owned()
            },
        ),
        Why::Owner(uid) => finding(
            codes::OWNER,
            format!(
                "this {what} belongs to user {uid}, who is neither root nor the agent's user and \
                 can change it, {effect}"
            ),
            format!("chown root: {}", path.display()),
        ),
        Why::Relative => finding(
            codes::RELATIVE,
            "it is no absolute path, so the directory in which the agent is started decides".into(),
            "write the absolute path".into(),
        ),
    }
}
