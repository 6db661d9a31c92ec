//! What differs between the parameters that hold and those of the file.

use std::collections::BTreeMap;

use crate::config::{self, Effective, keys};
use crate::event::{Event, ModuleKind};

use super::Given;

/// A parameter whose value is another one. Values are those that hold, defaults too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The name of its row, spelled out for its event.
    pub(crate) key: String,
    /// The value that holds; `None`: its event has no command.
    pub(crate) from: Option<String>,
    /// The value of the file.
    pub(crate) to: Option<String>,
    /// Why it cannot hold before a restart; `None`: it can.
    pub(crate) why_not: Option<&'static str>,
}

/// An event whose parameters stay as they are, and why.
pub(crate) type Fixed = (Event, &'static str);

/// What a reload comes to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The parameters that are to hold.
    pub(super) given: Given,
    /// What changes.
    pub(super) changed: Vec<Change>,
    /// What would, and cannot.
    pub(super) pending: Vec<Change>,
}

/// The key without aliases: that of its row.
fn own_key(key: &str) -> String {
    match keys::parameter(key) {
        Some((row, event)) => row.key(event).into_owned(),
        None => key.to_owned(),
    }
}

fn event_of(key: &str) -> Option<Event> {
    keys::parameter(key)?.1
}

fn effective(kind: ModuleKind, given: &Given) -> BTreeMap<String, Effective> {
    let all = config::effective(kind, given);
    all.into_iter().map(|one| (own_key(&one.key), one)).collect()
}

/// Whether a parameter has another value. Those of an event that has a command on one side only are
/// told where they are given: its defaults say nothing.
fn differs(from: Option<&Effective>, to: Option<&Effective>) -> bool {
    match (from, to) {
        (Some(from), Some(to)) => from.value != to.value,
        (one, other) => one.or(other).is_some_and(|only| only.is_given),
    }
}

/// Plans the way from the parameters that hold to those that are `wanted`. What cannot change stays
/// as it is, and so do all parameters of the events in `fixed`.
pub(super) fn plan(kind: ModuleKind, now: &Given, wanted: &Given, fixed: &[Fixed]) -> Plan {
    let (from, to) = (effective(kind, now), effective(kind, wanted));
    let mut plan = Plan::default();
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for key in names.into_iter().filter(|key| differs(from.get(*key), to.get(*key))) {
        let by_event = event_of(key)
            .and_then(|event| fixed.iter().find(|(other, _)| *other == event))
            .map(|(_, why)| *why);
        let why_not = keys::why_fixed(key).or(by_event);
        let change = Change {
            key: key.clone(),
            from: from.get(key).map(|one| one.value.clone()),
            to: to.get(key).map(|one| one.value.clone()),
            why_not,
        };
        if why_not.is_some() { plan.pending.push(change) } else { plan.changed.push(change) }
    }
    let stays = |key: &str| plan.pending.iter().any(|change| change.key == own_key(key));
    let taken = wanted.iter().filter(|(key, _)| !stays(key));
    let kept = now.iter().filter(|(key, _)| stays(key));
    plan.given = taken.chain(kept).cloned().collect();
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Given {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_can_change_is_taken_and_the_rest_is_named_with_its_reason() {
        let now = given(&[("module_name", "m"), ("state_dir", "/a"), ("kill_grace", "2s")]);
        let wanted = given(&[
            ("module_name", "m"),
            ("state_dir", "/b"),
            ("isolator_usage_command", "/u"),
            ("max_parallel", "64"),
        ]);
        let plan = plan(ModuleKind::Isolator, &now, &wanted, &[]);
        let changed: Vec<_> = plan.changed.iter().map(|change| change.key.as_str()).collect();
        assert!(changed.contains(&"kill_grace") && changed.contains(&"isolator_usage_command"));
        assert!(!changed.contains(&"max_parallel"), "64 is the default");
        let grace = plan.changed.iter().find(|change| change.key == "kill_grace").unwrap();
        assert_eq!(grace.from.as_deref(), Some("2s"));
        assert_eq!(grace.to.as_deref(), Some("1s"), "the default");
        assert_eq!(plan.pending.len(), 1);
        assert!(plan.pending[0].key == "state_dir" && plan.pending[0].why_not.is_some());
        let mut expected = wanted.clone();
        expected.retain(|(key, _)| key != "state_dir");
        expected.push(("state_dir".to_owned(), "/a".to_owned()));
        assert_eq!(plan.given, expected);
    }

    #[test]
    fn all_parameters_of_an_event_that_is_fixed_stay() {
        let now = given(&[("module_name", "m")]);
        let wanted = given(&[
            ("module_name", "m"),
            ("isolator_isolate_command", "/i"),
            ("isolator_isolate_timeout", "9"),
            ("isolator_update_command", "/u"),
        ]);
        let fixed = [(Event::Isolate, "for a reason")];
        let plan = plan(ModuleKind::Isolator, &now, &wanted, &fixed);
        assert_eq!(plan.given, given(&[("module_name", "m"), ("isolator_update_command", "/u")]));
        assert!(plan.pending.iter().all(|change| change.key.starts_with("isolator_isolate_")));
        assert!(plan.pending.iter().all(|change| change.why_not == Some("for a reason")));
    }

    #[test]
    fn an_alias_and_another_order_change_nothing() {
        let now = given(&[("module_name", "m"), ("isolator_watch_frequence", "5")]);
        let wanted = given(&[("isolator_watch_interval", "5"), ("module_name", "m")]);
        let plan = plan(ModuleKind::Isolator, &now, &wanted, &[]);
        assert_eq!((plan.changed, plan.pending), (vec![], vec![]));
    }
}
