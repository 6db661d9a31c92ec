//! The Grafana dashboards: their queries, their layout, their schema, their documentation.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::promql::check;
use crate::rules::recorded;
use crate::support::{both, have, repository, run, skip_offline};

/// One query of a panel.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) panel: String,
    pub(crate) expression: String,
}

/// Of one agent or some.
const ONE: &str = "dashboards/mesos-command.json";
/// Of thousands.
const FLEET: &str = "dashboards/mesos-command-fleet.json";
/// Both, and the page that each is explained in.
const DASHBOARDS: [(&str, &str); 2] =
    [(ONE, "dashboards/README.md"), (FLEET, "dashboards/fleet.md")];

fn dashboard(file: &str) -> Value {
    let text = std::fs::read_to_string(repository(file));
    serde_json::from_str(&text.expect("there")).expect("JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row")
}

/// All queries of both dashboards.
pub(crate) fn queries() -> Vec<Query> {
    [ONE, FLEET].into_iter().flat_map(queries_of).collect()
}

fn queries_of(file: &str) -> Vec<Query> {
    let dashboard = dashboard(file);
    panels(&dashboard)
        .flat_map(|panel| {
            list(panel, "targets").iter().map(|target| Query {
                panel: text(panel, "title").to_owned(),
                expression: text(target, "expr").to_owned(),
            })
        })
        .collect()
}

/// The metrics that have a panel, without `mesos_command_`: none is lost when panels are moved.
/// Whether a new metric gets a panel is its author's decision; then it stands here too.
const SHOWN: [&str; 27] = [
    "build_info",
    "call_duration_seconds",
    "calls_total",
    "containers",
    "failures_total",
    "kills_total",
    "lossy_outputs_total",
    "output_bytes_total",
    "panics_total",
    "quarantined",
    "queue_duration_seconds",
    "queued",
    "reload_failures_total",
    "run_duration_seconds",
    "running",
    "runs_total",
    "silent_stand_ins_total",
    "spawn_duration_seconds",
    "strays_total",
    "timeouts_total",
    "usage_cache_entries",
    "usage_cache_requests_total",
    "usage_refreshes_ahead_total",
    "usage_value_age_seconds",
    "worker_repeated_requests_total",
    "worker_restarts_total",
    "worker_up",
];

#[test]
fn queries_use_the_catalogue_and_metrics_keep_their_panels() {
    let mut shown = BTreeSet::new();
    for query in queries_of(ONE) {
        let used = check(&query.expression, &[]);
        assert!(!used.is_empty(), "{query:?}");
        for metric in used {
            shown.insert(metric.name);
            // Each variable narrows every panel whose metric has the label.
            assert!(query.expression.contains("instance=~\"$instance\""), "{query:?}");
            for label in metric.labels.iter().map(|label| label.name()) {
                if matches!(label, "module" | "event") {
                    assert!(
                        query.expression.contains(&format!("{label}=~\"${label}\"")),
                        "{query:?}"
                    );
                }
            }
        }
        let ranges = query.expression.matches('[').count();
        let known = ["[$__rate_interval]", "[1h]"].map(|r| query.expression.matches(r).count());
        assert_eq!(ranges, known.iter().sum::<usize>(), "{query:?}");
    }
    let names = shown.iter().map(|name| name.trim_start_matches("mesos_command_"));
    assert_eq!(names.collect::<Vec<_>>(), SHOWN);
}

/// A query over raw series of a thousand agents takes seconds; one over what is recorded per event
/// or per agent does not.
#[test]
fn the_dashboard_of_many_agents_asks_for_recorded_series_alone() {
    let names = recorded();
    let mut shown = BTreeSet::new();
    for query in queries_of(FLEET) {
        assert_eq!(
            check(&query.expression, &names),
            [] as [&mesos_command::metrics::catalogue::Metric; 0],
            "{query:?}"
        );
        assert!(!query.expression.contains('['), "{query:?}");
        let words =
            query.expression.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        let used: Vec<&str> = words.filter(|word| word.contains(':')).collect();
        assert!(!used.is_empty(), "{query:?}");
        for name in used {
            // Agent, module and event together are what grows; one of two is not.
            assert!(!name.starts_with("instance_module_event:"), "{query:?}");
            shown.insert(name.to_owned());
            let level = name.split(':').next().unwrap_or_default();
            for label in ["module", "event"] {
                let has = level.split('_').any(|part| part == label);
                let narrowed = query.expression.contains(&format!("{label}=~\"${label}\""));
                assert_eq!(has, narrowed, "{label}: {query:?}");
            }
        }
    }
    let fleet = names.iter().filter(|name| !name.starts_with("instance_module"));
    let only_inside = |name: &&String| {
        !name.starts_with("module_event_le:")
            && !matches!(
                name.as_str(),
                "instance:mesos_command_calls:rate5m"
                    | "instance:mesos_command_calls_failed:rate5m"
            )
    };
    for name in fleet.filter(only_inside) {
        assert!(shown.contains(name), "nothing shows {name}");
    }
}

#[test]
fn variables_of_the_dashboard_of_many_agents_choose_module_and_event() {
    let dashboard = dashboard(FLEET);
    let variables = list(&dashboard["templating"], "list");
    let names: Vec<_> = variables.iter().map(|variable| text(variable, "name")).collect();
    assert_eq!(names, ["datasource", "module", "event"]);
    for variable in &variables[1..] {
        let query = text(&variable["query"], "query");
        let inside = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')'));
        let (selector, label) = inside.and_then(|q| q.rsplit_once(", ")).expect(query);
        assert_eq!(label, text(variable, "name"));
        check(selector, &recorded());
    }
}

#[test]
fn variables_choose_data_source_instance_module_and_event() {
    let dashboard = dashboard(ONE);
    let variables = list(&dashboard["templating"], "list");
    let names: Vec<_> = variables.iter().map(|variable| text(variable, "name")).collect();
    assert_eq!(names, ["datasource", "instance", "module", "event"]);
    for variable in &variables[1..] {
        let query = text(&variable["query"], "query");
        let inside = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')'));
        let (selector, label) = inside.and_then(|q| q.rsplit_once(", ")).expect(query);
        assert_eq!(label, text(variable, "name"));
        let used = check(selector, &[]);
        assert!(label == "instance" || used[0].labels.iter().any(|l| l.name() == label), "{query}");
        assert_eq!((&variable["multi"], &variable["includeAll"]), (&true.into(), &true.into()));
    }
}

#[test]
fn panels_have_a_place_a_title_a_description_and_a_unit() {
    for (file, page) in DASHBOARDS {
        panels_of(&dashboard(file), page);
    }
    let dashboard = dashboard(ONE);
    assert!(panels(&dashboard).any(|panel| panel["type"] == "heatmap"));
}

fn panels_of(dashboard: &Value, page: &str) {
    let (mut ids, mut titles, mut cells) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let readme = std::fs::read_to_string(repository(page)).expect("there");
    for panel in list(dashboard, "panels") {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{title}: id");
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        assert!(at("w") > 0 && at("h") > 0 && at("x") + at("w") <= 24, "{title}: outside");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{title} overlaps another panel");
            }
        }
        if panel["type"] == "row" {
            assert!(readme.contains(&format!("\n**{title}**\n")), "{title} is not in {page}");
            continue;
        }
        assert!(titles.insert(title), "{title} is there twice");
        let description = text(panel, "description");
        assert!(readme.contains(&format!("\n| {title} | {description} |\n")), "{title}: {page}");
        assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty());
        let source = |value: &Value| text(&value["datasource"], "uid") == "${datasource}";
        assert!(source(panel) && list(panel, "targets").iter().all(source), "{title}: data source");
        let refs: BTreeSet<_> =
            list(panel, "targets").iter().map(|target| text(target, "refId")).collect();
        assert_eq!(refs.len(), list(panel, "targets").len(), "{title}: refId");
    }
}

#[test]
fn the_dashboards_are_valid_by_grafanas_schema_and_the_check_has_teeth() {
    const TEST: &str = "the_dashboards_are_valid_by_grafanas_schema_and_the_check_has_teeth";
    if !have("node", TEST) || !have("npm", TEST) {
        return;
    }
    let folder = repository("dashboards/schema");
    if !folder.join("node_modules/.bin/tsc").exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        let installed = run(&mut npm, None);
        if !installed.status.success() {
            return skip_offline(TEST, &format!("npm ci: {}", both(&installed)));
        }
    }
    let checked =
        |file: PathBuf| run(Command::new("node").arg(folder.join("check.mjs")).arg(file), None);
    for (file, _) in DASHBOARDS {
        let good = checked(repository(file));
        assert!(good.status.success(), "{file}: {}", both(&good));
    }

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("bad.json");
    let mut bad = dashboard(ONE);
    let title = bad["panels"][1].as_object_mut().and_then(|panel| panel.remove("title"));
    bad["panels"][1]["titel"] = title.expect("a title");
    std::fs::write(&path, bad.to_string()).expect("written");
    let refused = checked(path);
    assert!(!refused.status.success());
    assert!(both(&refused).contains("titel"), "{}", both(&refused));
}
