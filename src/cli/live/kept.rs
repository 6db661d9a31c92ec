//! `mesos-command failures show`: what was kept of a failed call. No agent is asked: the files stay
//! when it ends.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use mesos_command::control::{DEFAULT_DIRECTORY, FAILURES};
use serde_json::{Value, json};

use crate::table::plain;

use super::mark::Mark;
use super::words::{clock, text};

#[derive(clap::Args)]
#[command(
    after_help = "The last failed calls of each instance are kept in /run/mesos-command/failures (parameter \
                  `keep_failures`), without their secrets. `mesos-command call --replay DIRECTORY` makes one \
                  again.\n\
                  Exit status: 0 it is shown; 2 there is no such call, or its files cannot be read."
)]
pub(crate) struct Show {
    /// The number of a call, which `mesos-command failures` shows, or the directory that it is kept
    /// in
    call: String,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Files of a kept call beside `failure.json`, in the order in which they are shown.
const FILES: [&str; 4] = ["input.json", "output", "error", "tail"];

pub(crate) fn show(arguments: &Show) -> anyhow::Result<()> {
    let directory = find(&arguments.call)?;
    let failure: Value = read_json(&directory.join("failure.json"))?;
    let file = |name: &str| std::fs::read(directory.join(name)).ok();
    if arguments.json {
        let text = |name: &str| {
            let bytes = file(name)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let files: serde_json::Map<String, Value> = FILES
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), json!(text(name)?))))
            .collect();
        println!("{}", json!({"directory": directory, "failure": failure, "files": files}));
        return Ok(());
    }
    println!("{}", directory.display());
    let line = format!(
        "{}  {} of '{}': {}, {}",
        clock(&failure["time"]),
        text(&failure["event"]),
        text(&failure["module"]),
        text(&failure["outcome"]),
        text(&failure["reason"]),
    );
    println!("{}", Mark::Bad.of(&line));
    for (key, value) in failure.as_object().into_iter().flatten() {
        println!("  {key} = {}", text(value));
    }
    for name in FILES {
        if let Some(bytes) = file(name) {
            println!("\n{name}:");
            let content = String::from_utf8_lossy(&bytes);
            content.lines().for_each(|line| println!("  {}", plain(line)));
        }
    }
    Ok(())
}

/// The directory of a call: given as such, or the newest one with this number.
fn find(call: &str) -> anyhow::Result<PathBuf> {
    let directory = Path::new(call);
    if directory.join("failure.json").is_file() {
        return Ok(directory.to_owned());
    }
    let parent = Path::new(DEFAULT_DIRECTORY).join(FAILURES);
    if call.parse::<u64>().is_err() {
        bail!("'{call}' is neither the number of a call nor a directory with a kept one");
    }
    let instances = std::fs::read_dir(&parent)
        .with_context(|| format!("no failed call is kept: '{}'", parent.display()))?;
    let of_instance = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    let calls = instances.flatten().flat_map(|entry| of_instance(entry.path()));
    let named = calls.filter(|entry| {
        // `<milliseconds>-<pid>-<number>`
        entry.file_name().to_string_lossy().rsplit('-').next() == Some(call)
    });
    let newest = named.max_by_key(std::fs::DirEntry::file_name);
    newest.map(|entry| entry.path()).with_context(|| {
        format!(
            "of call {call} nothing is kept in '{}': not every failure is (`keep_failures`)",
            parent.display()
        )
    })
}

/// Reads a file of JSON.
pub(crate) fn read_json(path: &Path) -> anyhow::Result<Value> {
    let bytes =
        std::fs::read(path).with_context(|| format!("'{}' cannot be read", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("'{}' is no JSON", path.display()))
}
