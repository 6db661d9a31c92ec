//! The product's own counters, read out of the text of its metrics.

use std::collections::BTreeMap;

use mesos_command::event::Event;

/// Counters of usage at one moment, or between two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Calls by outcome.
    pub(super) outcomes: BTreeMap<String, u64>,
    /// Calls by what the cache had for them.
    pub(super) cache: BTreeMap<String, u64>,
    /// Commands that were run.
    pub(super) runs: u64,
}

impl Counters {
    /// Sums over all instances.
    pub(super) fn read(text: &str) -> Counters {
        let mut counters = Counters::default();
        let usage = format!("event=\"{}\"", Event::Usage.label());
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Some((name, labels)) = series.split_once('{') else { continue };
            let Ok(value) = value.parse::<u64>() else { continue };
            match name {
                "mesos_command_calls_total" if labels.contains(&usage) => {
                    *counters.outcomes.entry(label(labels, "outcome")).or_default() += value;
                }
                "mesos_command_usage_cache_requests_total" => {
                    *counters.cache.entry(label(labels, "result")).or_default() += value;
                }
                "mesos_command_runs_total" if labels.contains(&usage) => counters.runs += value,
                _ => {}
            }
        }
        counters
    }

    /// What was counted since `earlier`; zeros are left out.
    pub(super) fn since(&self, earlier: &Counters) -> Counters {
        let difference = |now: &BTreeMap<String, u64>, then: &BTreeMap<String, u64>| {
            let change =
                |(key, count): (&String, &u64)| (key.clone(), count - then.get(key).unwrap_or(&0));
            now.iter().map(change).filter(|(_, count)| *count > 0).collect()
        };
        Counters {
            outcomes: difference(&self.outcomes, &earlier.outcomes),
            cache: difference(&self.cache, &earlier.cache),
            runs: self.runs - earlier.runs,
        }
    }

    /// All calls.
    pub(super) fn calls(&self) -> u64 {
        self.outcomes.values().sum()
    }
}

/// The value of the label `name`, which is of a closed set without quotes.
fn label(labels: &str, name: &str) -> String {
    let value = labels.split(',').find_map(|pair| {
        pair.strip_prefix(name)?.strip_prefix("=\"").map(|rest| rest.trim_end_matches(['"', '}']))
    });
    value.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesos_command::event::ModuleKind;
    use mesos_command::metrics::Registry;
    use mesos_command::outcome::{CacheResult, OutcomeKind};

    #[test]
    fn counters_are_read_from_what_the_registry_writes() {
        let registry = Registry::new();
        // A name that looks like a label.
        let modules = ["a", "b,outcome=\"x\""].map(|n| registry.module(n, ModuleKind::Isolator));
        let usage = || modules.iter().map(|module| module.event(Event::Usage));
        usage().for_each(|event| event.call(OutcomeKind::Ok, None));
        let before = Counters::read(&registry.render());
        usage().for_each(|event| event.call(OutcomeKind::Ok, None));
        modules[0].event(Event::Usage).call(OutcomeKind::Timeout, None);
        modules[0].event(Event::Prepare).call(OutcomeKind::Ok, None);
        modules[0].cache_request(CacheResult::Hit);
        modules[0].event(Event::Usage).run(OutcomeKind::Ok, std::time::Duration::ZERO);
        let counted = Counters::read(&registry.render()).since(&before);
        assert_eq!(counted.calls(), 3);
        assert_eq!(counted.outcomes[OutcomeKind::Timeout.label()], 1);
        assert_eq!(counted.cache, BTreeMap::from([("hit".to_owned(), 1)]));
        assert_eq!(counted.runs, 1);
    }
}
