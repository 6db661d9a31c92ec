//! The exposition read back as figures for people: what each event did in a time.
//!
//! Counters and buckets are only written to by the engine, and read from the text that every
//! scraper gets. So `mesos-command top`, which has that text from a socket, and the status page say
//! the same as a dashboard does. Reading costs the reader; nothing is kept for it.

mod distribution;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use distribution::Distribution;

use text::Sample;

/// The outcome of a call whose command is not run for it.
const SKIPPED: &str = "skipped";
/// The outcomes of a call that has not failed. Others, also those that a newer agent may have, are
/// failures.
const WELL: [&str; 2] = ["ok", SKIPPED];

/// Sums by the value of a label.
pub type Sums = BTreeMap<String, f64>;

/// What the metrics of a process say at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// By module and event.
    pub events: BTreeMap<(String, String), EventFigures>,
    /// By module.
    pub modules: BTreeMap<String, ModuleFigures>,
}

/// What an event of a module has counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventFigures {
    /// Calls by outcome.
    pub calls: Sums,
    /// Commands that have ended, by outcome.
    pub runs: Sums,
    /// Failures by reason.
    pub failures: Sums,
    /// How long calls took that waited for a command.
    pub call_duration: Distribution,
    /// How long commands took.
    pub run_duration: Distribution,
    /// How long they waited for their start.
    pub queue_duration: Distribution,
    /// Commands that run.
    pub running: f64,
    /// Workers that are up, where the event has some.
    pub workers_up: Option<f64>,
    /// Workers that were lost, by reason.
    pub worker_restarts: Sums,
}

/// What a module has counted for all its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModuleFigures {
    /// Calls of usage by how the cache answered.
    pub cache: Sums,
    /// Values that were refreshed ahead, by what became of them.
    pub refreshed_ahead: Sums,
    /// How old values were when they were served.
    pub value_age: Distribution,
    /// Containers.
    pub containers: f64,
    /// Commands that wait for their start.
    pub queued: f64,
    /// Commands that outlived SIGKILL.
    pub quarantined: f64,
}

impl Figures {
    /// Reads an exposition. Lines that are no metrics of ours are passed over.
    pub fn read(exposition: &str) -> Figures {
        let mut figures = Figures::default();
        for sample in exposition.lines().filter_map(Sample::read) {
            figures.add(&sample);
        }
        figures
    }

    fn add(&mut self, sample: &Sample<'_>) {
        let Some(name) = sample.name.strip_prefix("mesos_command_") else { return };
        let Some(module) = sample.label("module") else { return };
        match sample.label("event") {
            Some(event) => {
                let key = (module.to_owned(), event.to_owned());
                self.events.entry(key).or_default().add(name, sample);
            }
            None => self.modules.entry(module.to_owned()).or_default().add(name, sample),
        }
    }

    /// What has happened since `earlier`: counters as differences, gauges as they are. Without an
    /// earlier one, since the start of the process.
    #[must_use]
    pub fn since(&self, earlier: Option<&Figures>) -> Figures {
        let Some(earlier) = earlier else { return self.clone() };
        let events = self.events.iter().map(|(key, now)| {
            let before = earlier.events.get(key);
            (key.clone(), before.map_or_else(|| now.clone(), |before| now.since(before)))
        });
        let modules = self.modules.iter().map(|(key, now)| {
            let before = earlier.modules.get(key);
            (key.clone(), before.map_or_else(|| now.clone(), |before| now.since(before)))
        });
        Figures { events: events.collect(), modules: modules.collect() }
    }

    /// The modules that there are.
    pub fn names(&self) -> BTreeSet<&str> {
        let modules = self.modules.keys().map(String::as_str);
        modules.chain(self.events.keys().map(|(module, _)| &**module)).collect()
    }
}

impl EventFigures {
    fn add(&mut self, name: &str, sample: &Sample<'_>) {
        let by = |label| sample.label(label).unwrap_or_default().to_owned();
        match name {
            "calls_total" => add(&mut self.calls, by("outcome"), sample.value),
            "runs_total" => add(&mut self.runs, by("outcome"), sample.value),
            "failures_total" => add(&mut self.failures, by("reason"), sample.value),
            "worker_restarts_total" => add(&mut self.worker_restarts, by("reason"), sample.value),
            "running" => self.running += sample.value,
            "worker_up" => *self.workers_up.get_or_insert_default() += sample.value,
            _ => {
                for (metric, distribution) in [
                    ("call_duration_seconds", &mut self.call_duration),
                    ("run_duration_seconds", &mut self.run_duration),
                    ("queue_duration_seconds", &mut self.queue_duration),
                ] {
                    if let Some(part) = name.strip_prefix(metric) {
                        distribution.add(part, sample);
                    }
                }
            }
        }
    }

    fn since(&self, earlier: &EventFigures) -> EventFigures {
        EventFigures {
            calls: differences(&self.calls, &earlier.calls),
            runs: differences(&self.runs, &earlier.runs),
            failures: differences(&self.failures, &earlier.failures),
            call_duration: self.call_duration.since(&earlier.call_duration),
            run_duration: self.run_duration.since(&earlier.run_duration),
            queue_duration: self.queue_duration.since(&earlier.queue_duration),
            running: self.running,
            workers_up: self.workers_up,
            worker_restarts: differences(&self.worker_restarts, &earlier.worker_restarts),
        }
    }

    /// Calls, and how many of them have failed.
    pub fn calls_and_failed(&self) -> (f64, f64) {
        let all = self.calls.values().sum();
        let well: f64 = WELL.iter().filter_map(|outcome| self.calls.get(*outcome)).sum();
        (all, all - well)
    }

    /// Calls whose command was not run for them.
    pub fn skipped(&self) -> f64 {
        self.calls.get(SKIPPED).copied().unwrap_or_default()
    }
}

impl ModuleFigures {
    fn add(&mut self, name: &str, sample: &Sample<'_>) {
        let by = |label| sample.label(label).unwrap_or_default().to_owned();
        match name {
            "usage_cache_requests_total" => add(&mut self.cache, by("result"), sample.value),
            "usage_refreshes_ahead_total" => {
                add(&mut self.refreshed_ahead, by("result"), sample.value);
            }
            "containers" => self.containers += sample.value,
            "queued" => self.queued += sample.value,
            "quarantined" => self.quarantined += sample.value,
            _ => {
                if let Some(part) = name.strip_prefix("usage_value_age_seconds") {
                    self.value_age.add(part, sample);
                }
            }
        }
    }

    fn since(&self, earlier: &ModuleFigures) -> ModuleFigures {
        ModuleFigures {
            cache: differences(&self.cache, &earlier.cache),
            refreshed_ahead: differences(&self.refreshed_ahead, &earlier.refreshed_ahead),
            value_age: self.value_age.since(&earlier.value_age),
            ..self.clone()
        }
    }

    /// The part of the calls of usage that the cache answered at once; `None` without calls.
    pub fn at_once(&self) -> Option<f64> {
        let all: f64 = self.cache.values().sum();
        let at_once: f64 =
            ["hit", "ahead", "stale"].iter().filter_map(|result| self.cache.get(*result)).sum();
        (all > 0.0).then(|| at_once / all)
    }
}

fn add(sums: &mut Sums, key: String, value: f64) {
    *sums.entry(key).or_default() += value;
}

/// A counter that went down was begun anew: then all of it is new.
fn difference(now: f64, before: f64) -> f64 {
    if now < before { now } else { now - before }
}

fn differences(now: &Sums, before: &Sums) -> Sums {
    let one = |(key, now): (&String, &f64)| {
        (key.clone(), difference(*now, before.get(key).copied().unwrap_or_default()))
    };
    now.iter().map(one).collect()
}

/// So many in a time, per second.
pub fn per_second(count: f64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, ModuleKind};
    use crate::metrics::Registry;
    use crate::outcome::{CacheResult, FailureReason, OutcomeKind};

    #[test]
    fn what_was_counted_between_two_moments_is_read_back() {
        let registry = Registry::new();
        let module = registry.module("a \"b\"\\c", ModuleKind::Isolator);
        let usage = module.event(Event::Usage);
        let count = || {
            usage.call(OutcomeKind::Ok, Some(Duration::from_millis(3)));
            usage.call(OutcomeKind::Timeout, Some(Duration::from_secs(7)));
            usage.call(OutcomeKind::Skipped, None);
            usage.failure(FailureReason::Timeout);
            module.cache_request(CacheResult::Hit);
            module.cache_request(CacheResult::Miss);
        };
        count();
        usage.running_inc();
        module.containers_add(4);
        let first = Figures::read(&registry.render());
        assert_eq!(first.names().into_iter().collect::<Vec<_>>(), ["a \"b\"\\c"]);
        assert_eq!(first.since(None), first);
        count();
        count();
        usage.worker().up_inc();
        let later = Figures::read(&registry.render()).since(Some(&first));
        let key = ("a \"b\"\\c".to_owned(), "isolator_usage".to_owned());
        let event = &later.events[&key];
        assert_eq!((event.calls_and_failed(), event.skipped()), ((6.0, 2.0), 2.0));
        assert_eq!(event.failures["timeout"], 2.0);
        assert_eq!((event.running, event.workers_up), (1.0, Some(1.0)));
        assert_eq!(event.call_duration.count(), 4.0);
        let median = event.call_duration.quantile(0.5).unwrap();
        assert!((0.0019..0.0051).contains(&median), "{median}");
        let module = &later.modules[&key.0];
        assert_eq!((module.at_once(), module.containers), (Some(0.5), 4.0));
        // A process that was started anew.
        let again = first.since(Some(&Figures::read(&registry.render())));
        assert_eq!(again.events[&key].calls_and_failed(), (3.0, 1.0));
    }

    #[test]
    fn rates_of_no_time_are_none() {
        assert_eq!(per_second(5.0, Duration::from_millis(500)), 10.0);
        assert_eq!(per_second(5.0, Duration::ZERO), 0.0);
        assert_eq!(ModuleFigures::default().at_once(), None);
    }
}
