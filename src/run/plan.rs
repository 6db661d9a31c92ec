//! From a request to a program to start: arguments, environment, standard descriptors.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::staging::{Capture, RunFiles, RunMark};
use crate::sys::{Pid, Plan, Source, StringTable, process_stat};

use super::{CommandSpec, Request};
use crate::command::{CommandLine, Stdio};

/// Where programs are looked up when the environment has no `PATH`, as `execvp` does.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";
/// Variables that are ours: an inherited one of the same name is replaced or left out.
const OWN_VARIABLES: [&[u8]; 5] = [
    b"MESOS_COMMAND_EVENT=",
    b"MESOS_COMMAND_MODULE=",
    b"MESOS_CONTAINER_ID=",
    b"MESOS_COMMAND_DEADLINE=",
    b"MESOS_COMMAND_WORKER=",
];

/// What cannot be passed to a program.
type Refusal = String;

/// Plans a run.
pub(super) fn plan(
    request: &Request,
    io: &RunFiles,
    capture: Option<&Capture>,
    deadline: Option<Instant>,
) -> Result<Plan, Refusal> {
    let paths = [io.input().to_bytes(), io.output().to_bytes(), io.error().to_bytes()];
    let (candidates, arguments) = command(request, paths)?;
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
        ..Plan::default()
    })
}

/// Plans a persistent worker: the command without arguments, between these descriptors.
pub(super) fn worker_plan(spec: &CommandSpec, stdio: [Source; 3]) -> Result<Plan, Refusal> {
    let mut candidates = StringTable::default();
    let mut arguments = StringTable::default();
    let refuse = |_| format!("command {:?} contains a NUL byte", spec.command.text());
    match &spec.command {
        CommandLine::Path(path) => {
            for candidate in lookup(path, &spec.environment) {
                candidates.push(&[&candidate]).map_err(refuse)?;
            }
            arguments.push(&[path.as_bytes()]).map_err(refuse)?;
        }
        CommandLine::Shell(text) => {
            candidates.push(&[b"/bin/sh"]).map_err(refuse)?;
            for argument in [b"sh", b"-c", text.as_bytes()] {
                arguments.push(&[argument]).map_err(refuse)?;
            }
        }
    }
    let values = [Some(spec.event.label()), Some(&*spec.module), None, None, Some("1")];
    Ok(Plan {
        candidates,
        arguments,
        environment: environment(spec, values)?,
        stdio,
        // Workers are started on the runtime's thread, which lives as long as the process.
        ends_with_starter: true,
        ..Plan::default()
    })
}

fn command(request: &Request, paths: [&[u8]; 3]) -> Result<(StringTable, StringTable), Refusal> {
    let mut candidates = StringTable::default();
    let mut arguments = StringTable::default();
    let refuse = |_| format!("command {:?} contains a NUL byte", command_name(request));
    match &request.spec.command {
        CommandLine::Path(path) => {
            for candidate in lookup(path, &request.spec.environment) {
                candidates.push(&[&candidate]).map_err(refuse)?;
            }
            arguments.push(&[path.as_bytes()]).map_err(refuse)?;
            for path in paths {
                arguments.push(&[path]).map_err(refuse)?;
            }
        }
        CommandLine::Shell(text) => {
            let [input, output, error] = paths.map(quote);
            candidates.push(&[b"/bin/sh"]).map_err(refuse)?;
            arguments.push(&[b"sh"]).map_err(refuse)?;
            arguments.push(&[b"-c"]).map_err(refuse)?;
            arguments
                .push(&[text.as_bytes(), b" ", &input, b" ", &output, b" ", &error])
                .map_err(refuse)?;
        }
    }
    Ok((candidates, arguments))
}

/// The command as the operator wrote it.
pub(super) fn command_name(request: &Request) -> &OsStr {
    request.spec.command.text()
}

/// The paths that a command can be, in the order in which they are tried.
pub(crate) fn lookup(command: &OsStr, environment: &[OsString]) -> Vec<Vec<u8>> {
    let command = command.as_bytes();
    if command.contains(&b'/') || command.is_empty() {
        return vec![command.to_vec()];
    }
    let path = environment
        .iter()
        .find_map(|entry| entry.as_bytes().strip_prefix(b"PATH="))
        .unwrap_or(DEFAULT_PATH);
    path.split(|byte| *byte == b':')
        .map(|directory| match directory {
            // An empty entry is the current directory.
            b"" => command.to_vec(),
            directory => [directory, b"/", command].concat(),
        })
        .collect()
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

fn run_environment(request: &Request, deadline: Option<Instant>) -> Result<StringTable, Refusal> {
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
) -> Result<StringTable, Refusal> {
    let mut table = StringTable::default();
    for entry in spec.environment.iter() {
        let bytes = entry.as_bytes();
        if !OWN_VARIABLES.iter().any(|own| bytes.starts_with(own)) {
            table
                .push(&[bytes])
                .map_err(|_| format!("environment entry {entry:?} contains a NUL byte"))?;
        }
    }
    for (name, value) in OWN_VARIABLES.iter().zip(values) {
        if let Some(value) = value {
            table
                .push(&[name, value.as_bytes()])
                .map_err(|_| format!("the value {value:?} contains a NUL byte"))?;
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
    fn a_name_without_a_slash_is_looked_up_in_the_snapshot() {
        let environment = [OsString::from("A=1"), OsString::from("PATH=/x::/y")];
        let found = lookup(OsStr::new("tool"), &environment);
        assert_eq!(found, [b"/x/tool".to_vec(), b"tool".to_vec(), b"/y/tool".to_vec()]);
        assert_eq!(lookup(OsStr::new("./tool"), &environment), [b"./tool".to_vec()]);
        assert_eq!(
            lookup(OsStr::new("tool"), &[]),
            [b"/bin/tool".to_vec(), b"/usr/bin/tool".to_vec()]
        );
    }

    #[test]
    fn paths_become_one_word_of_shell_text() {
        assert_eq!(quote(b"/run/mesos-command.1.2/3/input"), b"/run/mesos-command.1.2/3/input");
        assert_eq!(quote(b"/a b'c"), b"'/a b'\\''c'");
    }
}
