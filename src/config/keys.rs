//! The catalogue of parameters: name, default, meaning.
//!
//! The per-event parameters are templates over the event table. A key that does not stand here is
//! warned of as unknown; a test holds the README's table against it.

use crate::event::{Event, FailureAnswer, ModuleKind};
use crate::redact;

/// One parameter, or a family of them (`<event>_command`).
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key; for a family the suffix after the event's prefix.
    pub name: &'static str,
    /// Another spelling.
    pub alias: Option<&'static str>,
    /// The kind of module it is for; `None`: both.
    pub kind: Option<ModuleKind>,
    /// The default, as text.
    pub default: &'static str,
    /// The meaning, with what is accepted.
    pub meaning: &'static str,
}

const fn both(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, alias: None, kind: None, default, meaning }
}

const fn isolator(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { kind: Some(ModuleKind::Isolator), ..both(name, default, meaning) }
}

/// The keys that do not depend on an event.
pub const KEYS: &[Key] = &[
    both(
        "module_name",
        "required",
        "name of the instance: its state directory and its metric label",
    ),
    both(
        "debug",
        "false",
        "exactly `true` logs every input and output, without their secrets (`redact`)",
    ),
    both(
        "redact",
        redact::DEFAULT_NAMES,
        "whose values `debug` hides: names of environment variables, labels and keys, separated by commas, a `*` at either end for anything; variables of type SECRET and the data of secrets always; `none` hides nothing",
    ),
    Key {
        alias: Some("isolator_watch_interval"),
        ..isolator(
            "isolator_watch_frequence",
            "30s",
            "pause between two runs of the watch command; a duration above 0",
        )
    },
    isolator(
        "isolator_usage_cache_ttl",
        "1s",
        "how long a usage or status value is served from the cache (less by up to a tenth, the first value of a container by up to a half, so that containers drift apart); 0 turns the cache off",
    ),
    isolator(
        "isolator_usage_stale_ttl",
        "2mins",
        "age up to which the last good value is served when refreshing it fails or takes longer than a second; by default at least twice the TTL",
    ),
    isolator(
        "isolator_usage_stale_while_revalidate",
        "0",
        "within this time after expiry the old value is answered at once and refreshed behind",
    ),
    isolator(
        "max_parallel",
        "64",
        "usage commands at a time, and a quarter as many status commands; 1 to 1024",
    ),
    isolator(
        "watch_parallel",
        "16",
        "watch commands at a time, one after the other beyond that; 1 to 1024",
    ),
    isolator(
        "lifecycle_parallel",
        "1",
        "launch-path commands (prepare, isolate, update, cleanup, recover) at a time; 1 to 1024",
    ),
    both(
        "max_output_bytes",
        "1MiB",
        "largest accepted output file, for a batch: of each container (and 64MiB in all, or this if it is more); 1 to 1GiB",
    ),
    both("kill_grace", "1s", "time between TERM and KILL at the deadline; 0 kills at once"),
    both(
        "stdio",
        "capture",
        "where stdout and stderr go: `capture` (bounded tail into the log), `inherit` (the agent's), `null`",
    ),
    both(
        "io",
        "auto",
        "what INPUT, OUTPUT and ERROR are: `auto` (files; a sealed memfd as INPUT of events that the original does not have), `file` (files), `memfd` (memfds)",
    ),
    both("environment", "agent", "`agent` passes the agent's environment, `clean` an allow-list"),
    both(
        "background",
        "by event",
        "processes that outlive a successful command: `keep` (default but for usage and status) or `kill`",
    ),
    isolator(
        "state_dir",
        "/var/run/mesos/isolators/command",
        "where container contexts are kept, as `<state_dir>/<module_name>/<container>`; agents may share it",
    ),
    both(
        "temp_dir",
        "automatic",
        "where the private directory of each call is made: /run, else /dev/shm",
    ),
    isolator("nested", "true", "whether nested containers are handled"),
    isolator("standalone", "false", "whether standalone containers are handled"),
    isolator(
        "skip_debug_containers",
        "false",
        "whether DEBUG containers (command health checks) are left out",
    ),
    both(
        "metrics_address",
        "none",
        "where Prometheus metrics are served: `127.0.0.1:9464`, `[::1]:9464`, `unix:/path`, several separated by commas; `0.0.0.0` is all of IPv4, `[::]` all of IPv6",
    ),
    both("metrics_textfile", "none", "file for node_exporter's textfile collector"),
    both(
        "strict_permissions",
        "false",
        "`true` refuses commands, interpreters, `state_dir` and `temp_dir` if anybody but root and the agent's user owns or may write one step of their paths (else a warning)",
    ),
];

/// Suffixes of the per-event keys.
pub const EVENT_KEYS: &[Key] = &[
    both("_command", "none", "the command: one path; the watch command may be shell text"),
    both(
        "_timeout",
        "by event",
        "time to the deadline: from the start of the command for prepare, isolate, update, recover, cleanup, watch and hooks that run behind, else from the call; a duration above 0",
    ),
    both("_failure", "by event", "what Mesos is told when a call fails: `fail` or `ignore`"),
    both(
        "_mode",
        "spawn",
        "`spawn` runs the command for each call; `worker` keeps processes of it that answer JSON lines (examples/workers)",
    ),
    both("_workers", "1", "processes in worker mode; 1 to 64"),
    both(
        "_fallback",
        "spawn",
        "while no worker is up: `spawn` runs the command for the call; `fail` waits up to 1s for a worker, then the call fails (for programs that answer only as a worker)",
    ),
];

/// Whether `key` is a parameter of some module kind, and of which.
pub fn find(key: &str) -> Option<Option<ModuleKind>> {
    if let Some(found) = KEYS.iter().find(|known| known.name == key || known.alias == Some(key)) {
        return Some(found.kind);
    }
    EVENT_KEYS.iter().find_map(|suffix| {
        let event = Event::from_prefix(key.strip_suffix(suffix.name)?)?;
        applies(suffix, event).then_some(Some(event.row().kind))
    })
}

/// Whether the family applies to the event: `_failure` only where there is a choice.
fn applies(family: &Key, event: Event) -> bool {
    family.name != "_failure" || event.row().failure_configurable
}

/// All keys for a kind of module, families spelled out.
pub fn all(kind: ModuleKind) -> Vec<String> {
    let general = KEYS
        .iter()
        .filter(|key| key.kind.is_none_or(|only| only == kind))
        .flat_map(|key| std::iter::once(key.name).chain(key.alias))
        .map(str::to_owned);
    let events = Event::of_kind(kind).flat_map(|event| {
        EVENT_KEYS
            .iter()
            .filter(move |family| applies(family, event))
            .map(move |family| format!("{}{}", event.row().prefix, family.name))
    });
    general.chain(events).collect()
}

/// The known key of `kind` that is nearest to `key`, if it is near enough to be meant.
///
/// A bare event prefix means its command: the original's own example file has that mistake.
pub fn nearest(kind: ModuleKind, key: &str) -> Option<String> {
    // Blanks around a key are no part of what was meant.
    let key = key.trim();
    if Event::from_prefix(key).is_some() {
        return Some(format!("{key}_command"));
    }
    all(kind)
        .into_iter()
        .map(|known| (edit_distance(key, &known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().min(key.len()) / 3 + 1)
        .map(|(_, known)| known)
}

/// Levenshtein distance, by bytes: keys are ASCII.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The parameters as a Markdown table, which stands in the README.
pub fn markdown() -> String {
    let mut text = String::from("| parameter | default | meaning |\n|---|---|---|\n");
    let families = EVENT_KEYS.iter().map(|key| ("<event>", key));
    for (prefix, key) in families.chain(KEYS.iter().map(|key| ("", key))) {
        let alias = key.alias.map(|alias| format!(" (also `{alias}`)")).unwrap_or_default();
        let name = format!("`{prefix}{}`{alias}", key.name);
        // Elsewhere a star would make what follows italic.
        let quote = if key.default.contains('*') { "`" } else { "" };
        let default = format!("{quote}{}{quote}", key.default);
        text += &format!("| {name} | {default} | {} |\n", key.meaning);
    }
    text
}

/// The events as a Markdown table, which stands in the README.
pub fn events_markdown() -> String {
    let mut text =
        String::from("| `<event>` | timeout | when it fails | called by |\n|---|---|---|---|\n");
    for event in Event::ALL {
        let row = event.row();
        let timeout = timeout_default(event).unwrap_or_else(|| "none".to_owned());
        let failure = failure_default(event);
        text += &format!("| `{}` | {timeout} | {failure} | {} |\n", row.prefix, row.caller);
    }
    text
}

/// The default of `<event>_timeout` as text; `None` where there is no timeout.
pub fn timeout_default(event: Event) -> Option<String> {
    event.row().timeout.map(|timeout| format!("{}s", timeout.as_secs()))
}

/// The default of `<event>_failure` as text.
pub fn failure_default(event: Event) -> &'static str {
    match event.row().failure {
        FailureAnswer::Fail => "fail",
        FailureAnswer::Ignore => "ignore",
        FailureAnswer::LastGood => "last good value",
        FailureAnswer::KeepWatching => "keep watching",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_with_their_kind() {
        assert_eq!(find("module_name"), Some(None));
        assert_eq!(find("nested"), Some(Some(ModuleKind::Isolator)));
        assert_eq!(find("isolator_usage_command"), Some(Some(ModuleKind::Isolator)));
        assert_eq!(find("hook_slave_remove_executor_hook_timeout"), Some(Some(ModuleKind::Hook)));
        assert_eq!(find("isolator_watch_interval"), Some(Some(ModuleKind::Isolator)));
        assert_eq!(find("isolator_usage_failure"), None, "usage never fails towards the agent");
        assert_eq!(find("isolator_usage"), None);
    }

    #[test]
    fn the_readme_has_the_tables_of_the_catalogue() {
        let readme = include_str!("../../README.md");
        for table in [markdown(), events_markdown()] {
            assert!(readme.contains(&table), "the README must contain this table:\n{table}");
        }
    }

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        let near = |key| nearest(ModuleKind::Isolator, key);
        assert_eq!(near("isolator_usage_comand").as_deref(), Some("isolator_usage_command"));
        assert_eq!(near("isolator_prepare").as_deref(), Some("isolator_prepare_command"));
        assert_eq!(near("   stdio   ").as_deref(), Some("stdio"));
        assert_eq!(near("colour"), None);
    }
}
