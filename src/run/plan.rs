//! From a request to a program to start: arguments, environment, standard descriptors.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::staging::{Capture, RunFiles, RunMark};
use crate::sys::{Pid, Plan, Source, StringTable, process_stat};

use super::{CommandSpec, Request};
use crate::command::{CommandLine, Stdio};

/// Variables that are ours: an inherited one of the same name is replaced or left out.
const OWN_VARIABLES: [&[u8]; 5] = [
    b"MESOS_COMMAND_EVENT=",
    b"MESOS_COMMAND_MODULE=",
    b"MESOS_CONTAINER_ID=",
    b"MESOS_COMMAND_DEADLINE=",
    b"MESOS_COMMAND_WORKER=",
];

/// What cannot be passed to a program, because it contains a NUL byte.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("command {0:?} contains a NUL byte")]
    Command(OsString),
    #[error("environment entry {0:?} contains a NUL byte")]
    Environment(OsString),
    #[error("the value {0:?} contains a NUL byte")]
    Value(String),
}

/// Plans a run.
pub(super) fn plan(
    request: &Request,
    io: &RunFiles,
    capture: Option<&Capture>,
    deadline: Option<Instant>,
) -> Result<Plan, PlanError> {
    let paths = [io.input().to_bytes(), io.output().to_bytes(), io.error().to_bytes()];
    let (candidates, arguments) = command(&request.spec, &paths)?;
    let stdin = Source::Open(io.stdin().to_owned(), libc::O_RDONLY);
    let [stdout, stderr] = match (request.spec.stdio, capture) {
        (Stdio::Inherit, _) => [Source::Inherited, Source::Inherited],
        (Stdio::Capture, Some(capture)) => [capture.source(), Source::Stdout],
        (Stdio::Capture | Stdio::Null, _) => {
            [Source::Open(CString::from(c"/dev/null"), libc::O_RDWR), Source::Stdout]
        }
    };
    let environment = run_environment(request, deadline)?;
    Ok(Plan {
        candidates,
        arguments,
        environment,
        stdio: [stdin, stdout, stderr],
        identity: request.spec.identity.clone(),
        ..Plan::default()
    })
}

/// Plans a persistent worker: the command without arguments, between these descriptors.
pub(super) fn worker_plan(spec: &CommandSpec, stdio: [Source; 3]) -> Result<Plan, PlanError> {
    let (candidates, arguments) = command(spec, &[])?;
    let values = [Some(spec.event.label()), Some(&*spec.module), None, None, Some("1")];
    Ok(Plan {
        candidates,
        arguments,
        environment: environment(spec, values)?,
        stdio,
        identity: spec.identity.clone(),
        // Workers are started on the runtime's thread, which lives as long as the process.
        ends_with_starter: true,
        ..Plan::default()
    })
}

/// Plans the interpreter that processes for runs are forked from.
pub(super) fn interpreter_plan(
    spec: &CommandSpec,
    arguments: &[OsString],
    stdio: [Source; 3],
) -> Result<Plan, PlanError> {
    let refuse = |argument: &OsString| PlanError::Command(argument.clone());
    let (mut candidates, mut table) = (StringTable::default(), StringTable::default());
    for (index, argument) in arguments.iter().enumerate() {
        if index == 0 {
            candidates.push(&[argument.as_bytes()]).map_err(|_| refuse(argument))?;
        }
        table.push(&[argument.as_bytes()]).map_err(|_| refuse(argument))?;
    }
    let values = [Some(spec.event.label()), Some(&*spec.module), None, None, None];
    Ok(Plan {
        candidates,
        arguments: table,
        environment: environment(spec, values)?,
        stdio,
        identity: spec.identity.clone(),
        // As a worker.
        ends_with_starter: true,
        ..Plan::default()
    })
}

/// Whether an entry of the environment is one that a run has for itself.
pub(super) fn is_own_variable(entry: &[u8]) -> bool {
    OWN_VARIABLES.iter().any(|own| entry.starts_with(own))
}

/// The files that can be executed and the arguments, `paths` at their end.
fn command(spec: &CommandSpec, paths: &[&[u8]]) -> Result<(StringTable, StringTable), PlanError> {
    let refuse = |_| PlanError::Command(spec.command.text().to_owned());
    let (mut candidates, mut arguments) = (StringTable::default(), StringTable::default());
    for candidate in spec.candidates() {
        candidates.push(&[candidate.as_bytes()]).map_err(refuse)?;
    }
    match &spec.command {
        CommandLine::Path(path) => {
            for argument in [path.as_bytes()].iter().chain(paths) {
                arguments.push(&[argument]).map_err(refuse)?;
            }
        }
        CommandLine::Shell(text) => {
            let mut text = text.as_bytes().to_vec();
            for path in paths {
                text.push(b' ');
                text.extend(quote(path));
            }
            for argument in [b"sh".as_slice(), b"-c", &text] {
                arguments.push(&[argument]).map_err(refuse)?;
            }
        }
    }
    Ok((candidates, arguments))
}

/// A path as one word of shell text. Ours are plain, unless the operator's temp_dir is not.
fn quote(path: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(byte);
    if path.iter().all(plain) {
        return path.to_vec();
    }
    let mut quoted = vec![b'\''];
    for byte in path {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

fn run_environment(request: &Request, deadline: Option<Instant>) -> Result<StringTable, PlanError> {
    let until = deadline.and_then(|deadline| whole_seconds(deadline, Instant::now()));
    let values = [
        Some(request.spec.event.label()),
        Some(&*request.spec.module),
        request.container_id.as_deref(),
        until.as_deref(),
        None,
    ];
    environment(&request.spec, values)
}

/// The snapshot with our variables; `values` are in the order of [`OWN_VARIABLES`].
fn environment(
    spec: &CommandSpec,
    values: [Option<&str>; OWN_VARIABLES.len()],
) -> Result<StringTable, PlanError> {
    let mut table = StringTable::default();
    for entry in spec.environment.iter() {
        let bytes = entry.as_bytes();
        if !is_own_variable(bytes) {
            table.push(&[bytes]).map_err(|_| PlanError::Environment(entry.clone()))?;
        }
    }
    for (name, value) in OWN_VARIABLES.iter().zip(values) {
        if let Some(value) = value {
            table
                .push(&[name, value.as_bytes()])
                .map_err(|_| PlanError::Value(value.to_owned()))?;
        }
    }
    Ok(table)
}

/// The deadline on the wall clock, if it is `now`: the time since 1970.
fn since_epoch(deadline: Instant, now: Instant) -> Option<Duration> {
    let remaining = deadline.saturating_duration_since(now);
    SystemTime::now().checked_add(remaining)?.duration_since(UNIX_EPOCH).ok()
}

/// The deadline for a worker's line: Unix seconds with milliseconds.
pub(crate) fn unix_seconds(deadline: Instant, now: Instant) -> Option<String> {
    let at = since_epoch(deadline, now)?;
    Some(format!("{}.{:03}", at.as_secs(), at.subsec_millis()))
}

/// The deadline for the environment: whole seconds, because shells calculate with nothing else,
/// rounded down, so that a script that goes on while `date +%s` is less never goes on for too long.
fn whole_seconds(deadline: Instant, now: Instant) -> Option<String> {
    Some(since_epoch(deadline, now)?.as_secs().to_string())
}

/// What the descendants of a run have in their environment.
pub(super) fn run_mark(request: &Request, leader: Pid) -> RunMark {
    let entry = |name: &[u8], value: &str| [name, value.as_bytes(), b"\0"].concat();
    RunMark {
        group: leader.led_group(),
        start: process_stat(leader).map_or(0, |stat| stat.start),
        environment: [
            entry(OWN_VARIABLES[0], request.spec.event.label()),
            entry(OWN_VARIABLES[1], &request.spec.module),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_one_word_of_shell_text() {
        assert_eq!(quote(b"/run/mesos-command.1.2/3/input"), b"/run/mesos-command.1.2/3/input");
        assert_eq!(quote(b"/a b'c"), b"'/a b'\\''c'");
    }
}
