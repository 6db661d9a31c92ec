//! The parameters as they hold for an instance: those that were given, and the defaults of the
//! rest.

use std::collections::HashMap;

use super::event_params::EVENT_PARAMETERS;
use super::keys::{failure_default, timeout_default};
use super::params::PARAMETERS;
use super::row::Parameter;
use crate::event::{Event, ModuleKind};

/// A parameter that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its key, as it was given where it was.
    pub key: String,
    /// Its value as text.
    pub value: String,
    /// Whether it was given; if not, it is the default.
    pub is_given: bool,
}

/// All parameters of an instance of `kind` to which these were given: those of each event that has
/// a command first, in the order of the documentation; keys that are not known last.
pub fn effective(kind: ModuleKind, given: &[(String, String)]) -> Vec<Effective> {
    // The last one counts, and an empty value is none.
    let given: HashMap<&str, &str> =
        given.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let value = |key: &str| given.get(key).copied().filter(|value| !value.is_empty());
    let one = |row: &Parameter, event: Option<Event>| {
        let key = row.key(event).into_owned();
        let mut names = row.aliases.iter().copied().chain([key.as_str()]);
        let found = names.find_map(|name| Some((name.to_owned(), value(name)?)));
        drop(names);
        match found {
            Some((key, value)) => Effective { key, value: value.to_owned(), is_given: true },
            None => Effective { value: default(row, event), key, is_given: false },
        }
    };
    let commands = Event::of_kind(kind)
        .filter(|event| value(&format!("{}_command", event.row().prefix)).is_some());
    let mut all: Vec<Effective> = commands
        .flat_map(|event| {
            let rows = EVENT_PARAMETERS.iter().filter(move |row| row.applies(event));
            rows.map(move |row| one(row, Some(event)))
        })
        .collect();
    all.extend(PARAMETERS.iter().filter(|row| row.is_for(kind)).map(|row| one(row, None)));
    let mut others: Vec<Effective> = given
        .iter()
        .filter(|(key, value)| !value.is_empty() && !all.iter().any(|one| one.key == **key))
        .map(|(key, value)| Effective {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
            is_given: true,
        })
        .collect();
    others.sort_by(|a, b| a.key.cmp(&b.key));
    all.extend(others);
    all
}

/// A hash of parameters: equal where the same keys have the same values, whatever their order and
/// whether they were given. It stays the same from one version to the next, unless a parameter or a
/// default is new (FNV-1a, 64 bits).
pub fn hash(parameters: &[Effective]) -> u64 {
    let mut all: Vec<(&str, &str)> =
        parameters.iter().map(|one| (one.key.as_str(), one.value.as_str())).collect();
    all.sort_unstable();
    let bytes =
        all.iter().flat_map(|(key, value)| key.bytes().chain([0]).chain(value.bytes()).chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What holds where a parameter is not given. That of some depends on the event.
fn default(row: &Parameter, event: Option<Event>) -> String {
    match (row.name, event) {
        ("<event>_timeout", Some(event)) => timeout_default(event).unwrap_or("none".to_owned()),
        ("<event>_failure", Some(event)) => failure_default(event).to_owned(),
        _ => row.unset.label().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_and_what_is_not_are_told_apart() {
        let given = [
            ("module_name", "m"),
            ("isolator_watch_interval", "7s"),
            ("isolator_prepare_command", "/p"),
            ("isolator_prepare_timeout", "1"),
            ("isolator_prepare_timeout", "5"),
            ("isolator_usage_command", ""),
            ("colour", "red"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let all = effective(ModuleKind::Isolator, &given);
        let find = |key: &str| {
            all.iter().find(|one| one.key == key).map(|one| (one.value.as_str(), one.is_given))
        };
        assert_eq!(find("isolator_prepare_timeout"), Some(("5", true)), "the last one counts");
        assert_eq!(find("isolator_prepare_failure"), Some(("fail", false)));
        assert_eq!(find("isolator_watch_interval"), Some(("7s", true)));
        assert_eq!(find("isolator_watch_frequence"), None, "its alias is given");
        assert_eq!(find("kill_grace"), Some(("1s", false)));
        assert_eq!(find("isolator_usage_timeout"), None, "there is no command");
        assert_eq!(all.last().map(|one| one.key.as_str()), Some("colour"));
        let hook = effective(ModuleKind::Hook, &[]);
        assert!(!hook.iter().any(|one| one.key == "nested"));
    }

    #[test]
    fn the_hash_is_that_of_what_holds() {
        let of = |given: &[(&str, &str)]| {
            let given: Vec<_> =
                given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            hash(&effective(ModuleKind::Isolator, &given))
        };
        let name = ("module_name", "m");
        let plain = of(&[name]);
        assert_eq!(of(&[("kill_grace", "1s"), name]), plain, "the default, given");
        assert_eq!(of(&[("kill_grace", "2s"), ("kill_grace", "1s"), name]), plain);
        assert_ne!(of(&[("kill_grace", "2s"), name]), plain);
        assert_ne!(of(&[("module_name", "n")]), plain);
        assert_eq!(hash(&[]), 0xcbf2_9ce4_8422_2325);
    }
}
