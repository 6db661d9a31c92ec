//! Conditions in the tool: what an input would match, and calls that are skipped.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Place, stderr};

/// `explain`, with the place's input for `--match` if `what` asks for that.
fn explain(place: &Place, what: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    command.arg("explain").args(what).args(["--match", &place.text("input.json")]);
    command.output().expect("it runs")
}

fn data(done: &Output) -> Value {
    assert!(done.status.success(), "{}", stderr(done));
    serde_json::from_slice(&done.stdout).expect("JSON")
}

/// Two containers, of the teams infra and web.
fn two() -> Value {
    let container = |name: &str, team: &str| {
        let labels =
            json!([{"key": "team", "value": team}, {"key": "api_token", "value": "s3cr3t"}]);
        json!({
            "container_id": {"value": name},
            "container_config": {"command_info": {"value": "x"}, "directory": "/tmp", "user": "www",
                "executor_info": {"executor_id": {"value": "e"}, "labels": {"labels": labels}}},
        })
    };
    json!({"containers": [container("c1", "infra"), container("c2", "web")], "pid": 1})
}

#[test]
fn each_term_of_a_condition_is_shown_with_what_it_found() {
    let place = Place::new();
    place.input(&two());
    let condition = "label.team == infra && !(user == root) || label.api_token == x";
    place.modules(&[
        ("isolator_usage_command", "/bin/true"),
        ("isolator_usage_when", condition),
        ("isolator_prepare_command", "/bin/true"),
    ]);
    let modules = place.text("modules.json");
    let all = data(&explain(&place, &["--json", "--modules", &modules]));
    let of = |event: &str, container: &str| -> Value {
        let is_it = |one: &&Value| one["event"] == event && one["container"] == container;
        all.as_array().expect("a list").iter().find(is_it).cloned().expect("it is there")
    };
    assert_eq!(all.as_array().map(Vec::len), Some(4));
    let runs = |event: &str, container: &str| of(event, container)["runs"].clone();
    assert_eq!(
        [runs("isolator_usage", "c1"), runs("isolator_usage", "c2")],
        [json!(true), json!(false)]
    );
    assert_eq!(runs("isolator_prepare", "c2"), true);
    assert_eq!(of("isolator_prepare", "c1")["when"], Value::Null);
    assert_eq!(
        of("isolator_usage", "c2")["terms"],
        json!([
            {"term": "label.team == infra", "found": ["web"], "holds": false},
            {"term": "user == root", "found": ["www"], "holds": false},
            {"term": "label.api_token == x", "found": ["[redacted]"], "holds": false},
        ])
    );
    let shown = explain(&place, &["isolator_usage", "--modules", &modules]);
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    for line in [
        "test  isolator_usage  c1  runs",
        "test  isolator_usage  c2  skipped",
        "false     label.team == infra: 'web'",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(!shown.contains("isolator_prepare") && !shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn without_a_configuration_it_says_what_could_be_asked() {
    let place = Place::new();
    place.input(&two());
    let rows = data(&explain(&place, &["isolator_usage", "--json"]));
    let found = |container: &str, field: &str| {
        let rows = rows.as_array().expect("a list");
        let is_it = |row: &&Value| row["container"] == container && row["field"] == field;
        rows.iter().find(is_it).expect("it is there")["found"].clone()
    };
    assert_eq!(found("c1", "label.NAME"), "team=infra, api_token=[redacted]");
    assert_eq!((found("c1", "user"), found("c1", "image")), ("www".into(), "absent".into()));
    assert_eq!(found("c2", "executor"), "custom");
    let nothing = explain(&place, &["isolator_recover"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", stderr(&nothing));
    let neither = explain(&place, &["kill_grace"]);
    assert_eq!(neither.status.code(), Some(2), "{}", stderr(&neither));
}

#[test]
fn a_call_that_is_skipped_says_so_and_is_no_failure() {
    let place = Place::new();
    let script = place.script("command", "echo run >>\"$D/runs\"; printf '{}' >\"$2\"");
    place.input(&two());
    place.modules(&[
        ("isolator_usage_command", &script),
        ("isolator_usage_when", "label.team == infra"),
        ("isolator_isolate_command", &script),
        ("isolator_isolate_when", "label.team == infra"),
    ]);
    let events = ["isolator_isolate", "isolator_usage"];
    let done =
        place.command("call", &[&["--json"], &events[..]].concat()).output().expect("it runs");
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let text = String::from_utf8(done.stdout).expect("UTF-8");
    let calls: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let seen: Vec<_> = calls.iter().map(|call| [&call["container"], &call["outcome"]]).collect();
    let expected = [["c1", "ok"], ["c2", "skipped"], ["c1", "ok"], ["c2", "skipped"]];
    assert_eq!(json!(seen), json!(expected));
    assert_eq!(place.read("runs"), "run\nrun\n");
    let skipped = &calls[3];
    assert!(skipped["failure"].is_null(), "{skipped}");
    assert!(skipped["notes"][0].as_str().expect("a note").contains("isolator_usage_when"));
    assert_eq!(skipped["mesos"], "gets empty statistics");
}
