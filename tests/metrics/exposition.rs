//! The text itself: valid for Prometheus, complete by the catalogue, safe with any module name.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::catalogue::{METRICS, find};
use mesos_command::metrics::{Configured, Registry};
use mesos_command::outcome::OutcomeKind;
use mesos_command::outcome::{CacheResult, FailureReason, KillSignal, WarmStart, WorkerRestart};
use mesos_command::run::StartMethod;
use proptest::prelude::*;

use crate::promql::{Token, tokens};
use crate::support::{both, have, run};

/// Puts every metric of the catalogue into `registry` and moves most of them; one is there for as
/// long as what is returned.
pub(crate) fn metrics_of(registry: &Registry, module: &str) -> Configured {
    registry.set_build_info("1.11.0");
    registry.set_start_method(StartMethod::Clone);
    let module = registry.module(module, ModuleKind::Isolator);
    CacheResult::ALL.into_iter().for_each(|result| module.cache_request(result));
    module.kill(KillSignal::Term);
    for event in [Event::Usage, Event::Prepare, Event::SlaveRunTaskLabelDecorator] {
        let event = module.event(event);
        event.worker().restart(WorkerRestart::Exit);
        event.warm_start(WarmStart::Warm);
        event.shadow();
        event.call(OutcomeKind::Ok, Some(Duration::from_micros(700)));
        event.call(OutcomeKind::Exit, Some(Duration::from_millis(3)));
        event.queue(Duration::from_micros(30));
        event.spawn(Duration::from_micros(100));
        event.run(OutcomeKind::Ok, Duration::from_micros(600));
        event.run(OutcomeKind::Exit, Duration::from_secs(90));
        event.failure(FailureReason::Exit);
        event.output_bytes(100);
        event.stray();
        event.lossy_output();
    }
    module.configured(0x1234)
}

#[test]
fn promtool_finds_nothing_to_say() {
    if !have("promtool", "promtool_finds_nothing_to_say") {
        return;
    }
    let registry = Registry::new();
    let _configured = metrics_of(&registry, "check \"me\"\\ \n ü");
    let output = run(Command::new("promtool").args(["check", "metrics"]), Some(&registry.render()));
    assert!(output.status.success(), "{}", both(&output));
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}", both(&output));
}

#[test]
fn series_are_those_of_the_catalogue_with_its_labels_and_values() {
    let registry = Registry::new();
    let _configured = metrics_of(&registry, "m");
    let mut seen = BTreeSet::new();
    for line in registry.render().lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (name, labels) = parse(line);
        let metric = find(&name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        seen.insert(metric.name);
        let expected: Vec<_> = metric.labels.iter().map(|label| label.name()).collect();
        let found: Vec<_> =
            labels.iter().map(|(key, _)| key.as_str()).filter(|key| *key != "le").collect();
        assert_eq!(found, expected, "{line}");
        for (label, (_, value)) in metric.labels.iter().zip(&labels) {
            if let Some(values) = label.values() {
                assert!(values.contains(&value.as_str()), "{line}");
            }
        }
    }
    assert_eq!(seen, METRICS.iter().map(|metric| metric.name).collect());
}

/// Name and labels of a line; the selector syntax of PromQL is the same.
fn parse(line: &str) -> (String, Vec<(String, String)>) {
    let mut name = String::new();
    let mut labels = Vec::new();
    let mut key = String::new();
    for token in tokens(line) {
        match token {
            Token::Word(word) if name.is_empty() => name = word,
            Token::Word(word) => key = word,
            Token::Text(value) => labels.push((std::mem::take(&mut key), value)),
            Token::Sign('}') => break,
            Token::Sign(_) => {}
        }
    }
    (name, labels)
}

#[test]
fn names_that_differ_in_backslashes_have_their_own_series() {
    let registry = Registry::new();
    for (number, name) in ["\\", "\\\\", "\\\n", "\n\\", "\\\""].into_iter().enumerate() {
        registry.module(name, ModuleKind::Isolator).containers_add(number as i64);
        let text = registry.render();
        let found = text
            .lines()
            .filter(|line| line.starts_with("mesos_command_containers"))
            .find(|line| parse(line).1[0].1 == name);
        assert!(
            found.is_some_and(|line| line.ends_with(&format!(" {number}"))),
            "{name:?}: {text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A module's name is the one label value that operators write: whatever it is, it stays one
    /// value on one line and comes back as it was.
    #[test]
    fn any_module_name_parses_back(name in "[ -~\n\\\\\"ü€]{1,24}") {
        let registry = Registry::new();
        registry.module(&name, ModuleKind::Isolator).containers_add(1);
        let text = registry.render();
        let line = text.lines().find(|l| l.starts_with("mesos_command_containers")).expect("there");
        prop_assert_eq!(parse(line).1, vec![("module".to_owned(), name)]);
        prop_assert!(line.ends_with(" 1"));
    }
}
