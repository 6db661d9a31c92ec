//! The directories and files that a configuration names.

use std::path::Path;

use mesos_command::config::Config;
use mesos_command::config::modules_file::{self, ModuleEntry};
use mesos_command::event::ModuleKind;

use super::codes;
use super::finding::Finding;
use super::permissions;

/// Files in a state directory that are named in a message.
const SHOWN: usize = 3;

/// What is wrong with them, by the parameter.
pub(super) fn look_at(config: &Config) -> Vec<(&'static str, Finding)> {
    let mut found = Vec::new();
    if let Some(directory) = &config.temp_dir {
        if !directory.is_dir() {
            let message = "temp_dir is no directory; the agent does not start without it";
            let finding = Finding::error(codes::DIRECTORY_MISSING, message)
                .about(directory, None)
                .advice("make it, or leave the parameter out");
            found.push(("temp_dir", finding));
        }
        let findings = permissions::temp_directory(directory, config.strict_permissions);
        found.extend(findings.into_iter().map(|finding| ("temp_dir", finding)));
    }
    if config.kind == ModuleKind::Isolator {
        let directory = config.state_dir.join(&*config.module_name);
        for path in [&config.state_dir, &directory] {
            if path.exists() && !path.is_dir() {
                let message = "it is no directory, so contexts are lost at a restart of the agent";
                let finding = Finding::error(codes::DIRECTORY_MISSING, message)
                    .about(path, None)
                    .advice("choose another state_dir or module_name");
                found.push(("state_dir", finding));
            }
        }
        let findings = permissions::state_directory(&directory, config.strict_permissions);
        found.extend(findings.into_iter().map(|finding| ("state_dir", finding)));
        found.extend(strangers(&directory).map(|finding| ("state_dir", finding)));
    }
    if let Some(path) = &config.metrics_textfile
        && let Some(parent) = path.as_path().parent().filter(|parent| !parent.is_dir())
    {
        let message = "the directory of metrics_textfile does not exist, so nothing is written";
        let finding = Finding::warning(codes::DIRECTORY_MISSING, message)
            .about(parent, None)
            .advice("make it, or name the directory that node_exporter's textfile collector reads");
        found.push(("metrics_textfile", finding));
    }
    found.extend(not_reloaded(config).map(|finding| ("reload_from", finding)));
    found
}

/// A modules file that is to be reloaded, and has nothing for this module.
fn not_reloaded(config: &Config) -> Option<Finding> {
    let path = config.reload_from.as_ref()?;
    let is_this = |entry: &ModuleEntry| {
        let named = entry.parameters.iter().rev().find(|(key, _)| key == "module_name");
        entry.kind == config.kind && named.is_some_and(|(_, name)| **name == *config.module_name)
    };
    let message = match modules_file::read(path) {
        Ok(entries) if entries.iter().any(is_this) => return None,
        Ok(_) => format!(
            "'{}' has no {} with module_name '{}', so a reload is refused",
            path.display(),
            config.kind.word(),
            config.module_name
        ),
        Err(error) => format!("a reload is refused: {error}"),
    };
    let finding = Finding::warning(codes::RELOAD_FILE, message);
    Some(finding.advice("name a modules file with this module, or leave the parameter out"))
}

/// A directory for contexts in which something else lives.
fn strangers(directory: &Path) -> Option<Finding> {
    let mut others: Vec<String> = std::fs::read_dir(directory)
        .ok()?
        .flatten()
        .filter(|entry| !is_context(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    others.sort_unstable();
    others.truncate(SHOWN);
    (!others.is_empty()).then(|| {
        let message =
            format!("contexts are kept here, but it has other things: {}", others.join(", "));
        Finding::warning(codes::STATE_DIRECTORY_SHARED, message)
            .about(directory, None)
            .advice("choose a state_dir and a module_name of which nothing else knows")
    })
}

/// A file with a JSON object that has what every container's config has.
fn is_context(path: &Path) -> bool {
    const LIMIT: u64 = 16 << 20;
    let regular = path.symlink_metadata().is_ok_and(|it| it.is_file() && it.len() <= LIMIT);
    let text = if regular { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text).is_ok_and(
        |object| {
            ["command_info", "directory", "executor_info", "task_info"]
                .iter()
                .any(|key| object.contains_key(*key))
        },
    )
}
