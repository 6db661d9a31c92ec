//! The keys of the parameters: which there are, which is meant, and their tables for the documents.

use std::sync::OnceLock;

use super::event_params::EVENT_PARAMETERS;
use super::params::PARAMETERS;
use super::row::{Parameter, Reload, Scope};
use crate::event::{Event, FailureAnswer, ModuleKind};

/// All parameters, those that each event has first: the order of the documentation.
pub fn parameters() -> impl Iterator<Item = &'static Parameter> {
    EVENT_PARAMETERS.iter().chain(PARAMETERS).copied()
}

/// The parameter with this key, and the event that the key is for where each event has one.
pub fn parameter(key: &str) -> Option<(&'static Parameter, Option<Event>)> {
    let named = |row: &&Parameter| row.name == key || row.aliases.contains(&key);
    if let Some(row) = PARAMETERS.iter().copied().find(named) {
        return Some((row, None));
    }
    EVENT_PARAMETERS.iter().find_map(|row| Some((*row, Some(row.event_of(key)?))))
}

/// Why the parameter with this key cannot change while its instance lives; `None`: it can.
pub fn why_fixed(key: &str) -> Option<&'static str> {
    match parameter(key)?.0.reload {
        Reload::Restart(why) => Some(why),
        Reload::Commands | Reload::AtOnce => None,
    }
}

/// The kind of module that has a parameter with this key, `Some(None)` where all have it.
pub fn find(key: &str) -> Option<Option<ModuleKind>> {
    let (row, event) = parameter(key)?;
    Some(match (row.scope, event) {
        (_, Some(event)) => Some(event.row().kind),
        (Scope::Only(kind), _) => Some(kind),
        _ => None,
    })
}

/// All keys for a kind of module, those of each event spelled out.
pub fn all(kind: ModuleKind) -> impl Iterator<Item = &'static str> {
    known(kind).iter().map(|known| known.key.as_str())
}

/// A key, and what is compared of it first with one that is not known.
struct Known {
    key: String,
    letters: Letters,
}

fn known(kind: ModuleKind) -> &'static [Known] {
    static ALL: [OnceLock<Vec<Known>>; 2] = [const { OnceLock::new() }; 2];
    let [of_hooks, of_isolators] = &ALL;
    let keys = match kind {
        ModuleKind::Hook => of_hooks,
        ModuleKind::Isolator => of_isolators,
    };
    keys.get_or_init(|| {
        let known = |key: String| Known { letters: Letters::of(&key), key };
        spelled_out(kind).into_iter().map(known).collect()
    })
}

fn spelled_out(kind: ModuleKind) -> Vec<String> {
    let general = PARAMETERS
        .iter()
        .filter(|row| row.is_for(kind))
        .flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()))
        .map(str::to_owned);
    let events = Event::of_kind(kind).flat_map(|event| {
        EVENT_PARAMETERS
            .iter()
            .filter(move |row| row.applies(event))
            .map(move |row| row.key(Some(event)).into_owned())
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
    let letters = Letters::of(key);
    let mut nearest: Option<(usize, &String)> = None;
    for known in known(kind) {
        let near = known.key.len().min(key.len()) / 3 + 1;
        let most = nearest.map_or(near, |(distance, _)| distance.min(near));
        let is_far = key.len().abs_diff(known.key.len()) > most;
        if is_far || letters.edits(&known.letters) > most {
            continue;
        }
        let found = edit_distance(key, &known.key, most).map(|distance| (distance, &known.key));
        nearest = nearest.into_iter().chain(found).min();
    }
    nearest.map(|(_, known)| known.clone())
}

/// How often a text has which letters, by their last five bits.
struct Letters([u8; 32]);

impl Letters {
    fn of(text: &str) -> Letters {
        let mut counts = [0_u8; 32];
        for byte in text.bytes() {
            let count = &mut counts[usize::from(byte % 32)];
            *count = count.saturating_add(1);
        }
        Letters(counts)
    }

    /// At least so many edits make one text of the other; counted in far less time than the
    /// distance.
    fn edits(&self, other: &Letters) -> usize {
        self.beyond(other).max(other.beyond(self)) as usize
    }

    fn beyond(&self, other: &Letters) -> u32 {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(own, its)| u32::from(own.saturating_sub(*its))).sum()
    }
}

/// Levenshtein distance, by bytes: keys are ASCII. `None` when it is more than `most`, which is
/// found early.
fn edit_distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        let mut least = row[0];
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
            least = least.min(row[j + 1]);
        }
        // No row has less than the one before it.
        if least > most {
            return None;
        }
    }
    Some(row[b.len()]).filter(|distance| *distance <= most)
}

/// The parameters as a Markdown table, which stands in docs/parameters.md.
pub fn markdown() -> String {
    let mut text = String::from("| parameter | default | meaning |\n|---|---|---|\n");
    for row in parameters() {
        let also = row.aliases.iter().map(|alias| format!(" (also `{alias}`)"));
        let name = format!("`{}`{}", row.name, also.collect::<String>());
        let unset = row.unset.label();
        // Elsewhere a star would make what follows italic, and `<pid>` be taken for HTML.
        let quote = if unset.contains(['*', '<']) { "`" } else { "" };
        text += &format!("| {name} | {quote}{unset}{quote} | {} |\n", row.explained());
    }
    text
}

/// The events as a Markdown table, which stands in docs/events.md.
pub fn events_markdown() -> String {
    let mut text = String::from(
        "| `<event>` | timeout | when it fails | when skipped | called by |\n|---|---|---|---|---|\n",
    );
    for event in Event::ALL {
        let row = event.row();
        let timeout = timeout_default(event).unwrap_or_else(|| "none".to_owned());
        let failure = failure_default(event);
        let skipped = row.skipped.label();
        text += &format!(
            "| `{}` | {timeout} | {failure} | {skipped} | {} |\n",
            row.prefix,
            row.called_by()
        );
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
    use super::super::row::{Accepts, ORIGINAL};
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
        assert_eq!(find("<event>_command"), None, "it is no key but stands for many");
    }

    #[test]
    fn every_parameter_has_words_of_its_own() {
        let changes = include_str!("../../CHANGELOG.md");
        for row in parameters() {
            let name = row.name;
            let since = changes.lines().any(|line| {
                line.strip_prefix("## ").is_some_and(|rest| rest.starts_with(row.since))
            });
            assert!(since || row.since == ORIGINAL, "{name}: no version is '{}'", row.since);
            assert_eq!(parameters().filter(|other| other.name == name).count(), 1, "{name}");
            assert!(!row.meaning.ends_with(['.', ';']) && !row.meaning.contains('\n'), "{name}");
            if let Accepts::Words(words) = row.accepts {
                let explained = |word: &&str| row.meaning.contains(&format!("`{word}`"));
                assert!(words.iter().all(explained), "{name} has a value that is not explained");
            }
        }
    }

    #[test]
    fn a_key_that_needs_a_restart_says_why() {
        assert_eq!(why_fixed("nested"), Some("Mesos asks for it once"));
        for key in ["kill_grace", "isolator_usage_timeout", "isolator_watch_interval", "colour"] {
            assert_eq!(why_fixed(key), None, "{key}");
        }
        // The commands of one event are compared as a whole.
        for row in EVENT_PARAMETERS {
            assert_eq!(row.reload, Reload::Commands, "{}", row.name);
        }
    }

    #[test]
    fn lanes_name_parameters() {
        for lane in Event::ALL.map(|event| event.row().lane) {
            assert!(lane.parameter().is_none_or(|key| parameter(key).is_some()), "{lane:?}");
        }
    }

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        let near = |key| nearest(ModuleKind::Isolator, key);
        assert_eq!(near("isolator_usage_comand").as_deref(), Some("isolator_usage_command"));
        assert_eq!(near("isolator_prepare").as_deref(), Some("isolator_prepare_command"));
        assert_eq!(near("   stdio   ").as_deref(), Some("stdio"));
        assert_eq!(near("colour"), None);
        assert_eq!(near("isolator_usage_timeuot").as_deref(), Some("isolator_usage_timeout"));
    }

    /// Takes minutes if it is compared with each known key.
    #[test]
    fn a_text_in_the_place_of_a_key_has_no_neighbour() {
        assert_eq!(nearest(ModuleKind::Isolator, &"x".repeat(16 << 20)), None);
    }
}
