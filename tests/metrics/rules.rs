//! Recording and alerting rules: valid, tested both ways, explained, and about existing metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::promql::check;
use crate::support::{both, have, repository, run};

const FILES: [&str; 3] =
    ["dashboards/rules/recording.yml", "dashboards/rules/alerts.yml", "dashboards/rules/fleet.yml"];

/// One rule, as read from a file.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    pub(crate) recorded: Option<String>,
    pub(crate) alert: Option<String>,
    pub(crate) expression: String,
    texts: BTreeMap<String, String>,
}

/// Reads the small part of YAML that our rule files are written in: `key: value`, `- key: value`
/// and folded text. promtool reads them as real YAML in the tests below.
pub(crate) fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for file in FILES {
        let text = std::fs::read_to_string(repository(file)).expect(file);
        let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            let depth = indent(line);
            let Some((key, value)) = line.trim().trim_start_matches("- ").split_once(':') else {
                continue;
            };
            let mut value = value.trim().to_owned();
            if value == ">-" {
                value.clear();
                while let Some(more) = lines.next_if(|next| indent(next) > depth) {
                    value.push_str(more.trim());
                    value.push(' ');
                }
            }
            if matches!(key, "record" | "alert") {
                rules.push(Rule::default());
            }
            let Some(rule) = rules.last_mut() else { continue };
            match key {
                "record" => rule.recorded = Some(value),
                "alert" => rule.alert = Some(value),
                "expr" => rule.expression = value,
                _ => drop(rule.texts.insert(key.to_owned(), value)),
            }
        }
    }
    rules
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Names of the recorded series.
pub(crate) fn recorded() -> Vec<String> {
    rules().into_iter().filter_map(|rule| rule.recorded).collect()
}

fn alerts() -> Vec<(String, Rule)> {
    rules().into_iter().filter_map(|mut rule| rule.alert.take().map(|name| (name, rule))).collect()
}

#[test]
fn expressions_use_metrics_labels_and_values_of_the_catalogue() {
    let recorded = recorded();
    let rules = rules();
    assert!(rules.len() > 30, "{}", rules.len());
    for rule in rules {
        assert!(!rule.expression.is_empty(), "{rule:?}");
        check(&rule.expression, &recorded);
    }
}

#[test]
fn every_alert_has_severity_texts_and_a_section_in_the_page() {
    let page = std::fs::read_to_string(repository("dashboards/alerts.md")).expect("there");
    let squeezed = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, rule) in alerts() {
        let text = |key: &str| rule.texts.get(key).unwrap_or_else(|| panic!("{name} has no {key}"));
        assert!(["critical", "warning", "info"].contains(&text("severity").as_str()), "{name}");
        assert!(text("summary").len() > 20, "{name}");
        assert!(page.contains(&format!("\n### {name}\n\n**{}**", text("severity"))), "{name}");
        for key in ["description", "runbook"] {
            assert!(squeezed.contains(text(key).trim()), "{name}: the {key} is not in the page");
        }
    }
    let fleet = std::fs::read_to_string(repository("dashboards/fleet.md")).expect("there");
    for name in recorded() {
        assert!(
            page.contains(&format!("`{name}`")) || fleet.contains(&format!("`{name}`")),
            "{name}"
        );
    }
}

/// Alerts, and whether a test in the file expects them to fire, or to stay silent.
fn tested() -> (BTreeSet<String>, BTreeSet<String>) {
    let text = std::fs::read_to_string(repository("dashboards/rules/tests/alerts.yml"));
    let text = text.expect("there");
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    let mut current = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("alertname: ") {
            name.clone_into(&mut current);
        }
        match line {
            "exp_alerts: []" => drop(silent.insert(current.clone())),
            "exp_alerts:" => drop(firing.insert(current.clone())),
            _ => {}
        }
    }
    (firing, silent)
}

#[test]
fn every_alert_is_tested_firing_and_silent() {
    let names: BTreeSet<_> = alerts().into_iter().map(|(name, _)| name).collect();
    let (firing, silent) = tested();
    assert_eq!(firing, names);
    assert_eq!(silent, names);
}

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    if !have("promtool", "promtool_accepts_the_rules_and_their_tests_pass") {
        return;
    }
    let checked =
        run(Command::new("promtool").args(["check", "rules"]).args(FILES.map(repository)), None);
    assert!(checked.status.success(), "{}", both(&checked));
    for file in ["recording.yml", "alerts.yml", "fleet.yml"] {
        let file = repository("dashboards/rules/tests").join(file);
        let tested = run(Command::new("promtool").args(["test", "rules"]).arg(&file), None);
        assert!(tested.status.success(), "{}", both(&tested));
    }
}
