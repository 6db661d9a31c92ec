//! Runs the probe in a process of its own and says how that ended.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::probe::Finding;

/// The hidden subcommand.
pub(super) const SUBCOMMAND: &str = "inspect-probe";
/// Bytes that are read of what the child wrote.
const READ_LIMIT: u64 = 1 << 20;

/// What the child found, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Probed {
    pub(super) findings: Vec<Finding>,
    /// What it and the libraries wrote to standard error.
    pub(super) log: String,
    /// Why it did not come to its end.
    pub(super) trouble: Option<String>,
}

impl Probed {
    /// What it was doing last.
    fn stage(&self) -> &str {
        let last = self.findings.iter().rev().find_map(|finding| match finding {
            Finding::Stage(stage) => Some(stage.as_str()),
            _ => None,
        });
        last.unwrap_or("starting")
    }
}

/// Starts the child, and ends it after `timeout`.
pub(super) fn probe(library: &Path, module: &Path, timeout: Duration) -> anyhow::Result<Probed> {
    let program = std::env::current_exe().context("this program's own path")?;
    let mut command = Command::new(program);
    command.arg(SUBCOMMAND).args([library, module]);
    let Ended { mut out, mut log, status } = run(command, timeout)?;
    let mut probed = Probed {
        findings: Finding::read_all(&text(&mut out)?),
        log: text(&mut log)?,
        trouble: None,
    };
    let stage = probed.stage();
    probed.trouble = match status {
        None => Some(format!("took longer than {timeout:?} while {stage}")),
        Some(_) if probed.findings.last() == Some(&Finding::Done) => None,
        Some(status) => Some(format!("{} while {stage}", ending(status))),
    };
    Ok(probed)
}

/// What a program writes to standard output about a library, with a variable in its environment.
pub(super) fn output(
    program: &Path,
    library: &Path,
    (name, value): (&str, &str),
    timeout: Duration,
) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.arg(library).env(name, value);
    let mut ended = run(command, timeout)?;
    anyhow::ensure!(ended.status.is_some(), "it took longer than {timeout:?}");
    text(&mut ended.out)
}

/// A program that has ended.
struct Ended {
    out: File,
    log: File,
    /// `None` after the time was over.
    status: Option<ExitStatus>,
}

fn run(mut command: Command, timeout: Duration) -> anyhow::Result<Ended> {
    // Files, because a full pipe would hold the child and a forgotten grandchild would hold us.
    let out = temporary("output")?;
    let log = temporary("log")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(log.try_clone()?)
        .spawn()
        .context("a process for the examination")?;
    let deadline = Instant::now() + timeout;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if Instant::now() >= deadline => {
                child.kill()?;
                child.wait()?;
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    Ok(Ended { out, log, status })
}

fn ending(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = nix::sys::signal::Signal::try_from(signal)
                .map_or_else(|_| signal.to_string(), |signal| signal.to_string());
            format!("crashed ({name})")
        }
        (None, code) => format!("ended with exit code {}", code.unwrap_or_default()),
    }
}

fn temporary(name: &str) -> anyhow::Result<File> {
    let file = memfd::MemfdOptions::default().close_on_exec(true).create(name);
    Ok(file.context("memory for the examination's output")?.into_file())
}

fn text(file: &mut File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(READ_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
