//! Results of prepare that must not reach Mesos.
//!
//! Mesos 1.11.0 fails the launch when a launch info sets `rootfs` or `user`, and *aborts the
//! agent* (a CHECK in `src/slave/containerizer/mesos/containerizer.cpp`) when the `command` for a
//! command task has more than arguments, or when a container without a parent is to enter a mount
//! namespace. A script's JSON must be able to do neither, so such results are refused here, with
//! the field's name.

use crate::schema::{FieldValue, MessageType};

use super::CallFailure;

/// `CLONE_NEWNS` of `<sched.h>`.
const CLONE_NEWNS: u64 = 0x0002_0000;
/// Fields of a command task's `command` that trip the CHECK; only `arguments` may be set.
const COMMAND_FIELDS: [&str; 5] = ["uris", "environment", "shell", "value", "user"];

/// What matters about the container.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Container {
    /// Whether its config has a `task_info`: it runs a command task.
    pub(crate) command_task: bool,
    /// Whether it has a parent.
    pub(crate) nested: bool,
}

/// Refuses a serialised `mesos.slave.ContainerLaunchInfo` that Mesos cannot take.
pub(crate) fn check(
    launch_info: &MessageType,
    bytes: &[u8],
    container: Container,
) -> Result<(), CallFailure> {
    let has = |path: &str| launch_info.has_field(bytes, path).unwrap_or(true);
    for field in ["rootfs", "user"] {
        if has(field) {
            let why = "Mesos fails every launch in which an isolator sets it";
            return Err(refused(field, why));
        }
    }
    if container.command_task {
        for field in COMMAND_FIELDS {
            let path = format!("command.{field}");
            if has(&path) {
                let why = "for a command task only 'command.arguments' may be set (anything else \
                           ends the agent)";
                return Err(refused(&path, why));
            }
        }
    }
    let namespaces = launch_info.find_field(bytes, "enter_namespaces").unwrap_or_default();
    let mounts = |flags: &FieldValue<'_>| flags.bits().is_some_and(|bits| bits & CLONE_NEWNS != 0);
    if !container.nested && namespaces.iter().any(mounts) {
        let why = "a container without a parent may not enter a mount namespace (CLONE_NEWNS; it \
                   ends the agent)";
        return Err(refused("enter_namespaces", why));
    }
    Ok(())
}

fn refused(field: &str, why: &str) -> CallFailure {
    CallFailure::refused_output(format!(
        "ContainerLaunchInfo is refused: '{field}' is set, but {why}"
    ))
}
