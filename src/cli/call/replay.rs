//! `call --replay`: a failed call that an agent has kept, once more.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::{Arguments, parse_event};

/// The arguments with what they do not say of the call that is made again: it stands in
/// `directory`.
pub(super) fn replayed(arguments: &Arguments, directory: &Path) -> anyhow::Result<Arguments> {
    let kept = |name: &str| directory.join(name);
    let mut all = arguments.clone();
    if all.modules.is_none() && all.command.is_none() {
        all.modules = Some(kept("modules.json").to_string_lossy().into_owned());
    }
    all.input.get_or_insert(kept("input.json"));
    if all.events.is_empty() {
        let failure = crate::live::read_json(&kept("failure.json"))?;
        let event = failure["event"].as_str().unwrap_or_default();
        all.events.push(parse_event(event).map_err(|why| anyhow!("event '{event}': {why}"))?);
    }
    let hides =
        |path: PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.contains("[redacted]"));
    let of_agent = all.modules != arguments.modules && hides(kept("modules.json"));
    if of_agent || all.input != arguments.input && hides(kept("input.json")) {
        eprintln!(
            "mesos-command: secrets were not kept: the command gets '[redacted]' in their places \
             (`redact` says which values are secrets; --modules and --input name other files)"
        );
    }
    Ok(all)
}
