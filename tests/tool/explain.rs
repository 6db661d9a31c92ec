//! `mesos-command explain` and `sample`: events, their schemas and samples, and what holds in a
//! configuration.

use std::process::{Command, Output};

use serde_json::{Map, Value, json};

use crate::schema::conforms;
use crate::support::{Place, stderr};

fn tool(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    command.args(arguments).output().expect("it runs")
}

fn printed(arguments: &[&str]) -> String {
    let done = tool(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
    String::from_utf8(done.stdout).expect("UTF-8")
}

fn data(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments))
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

fn events() -> Vec<String> {
    let all = data(&["explain", "events", "--json"]);
    let name = |event: &Value| event["event"].as_str().expect("a name").to_owned();
    all.as_array().expect("a list").iter().map(name).collect()
}

/// What a command finds is what `sample` prints, for every event.
#[test]
fn a_sample_is_what_a_command_finds() {
    let place = Place::new();
    let command = place.script("command", "cat \"$1\" >\"$D/seen\"");
    for event in events() {
        let _ = std::fs::remove_file(place.path("seen"));
        // Usage is asked for by its batch.
        let more: &[&str] = if event == "isolator_usage_batch" {
            &["--set=isolator_usage_cache_ttl=1s"]
        } else {
            &[]
        };
        let command = format!("--command={command}");
        let timeout = format!("--set={event}_timeout=600");
        let called = tool(&[&["call", "--json", &command, &timeout, &event], more].concat());
        let sample = printed(&["sample", &event]);
        assert_eq!(
            place.read("seen").trim_end(),
            sample.trim_end(),
            "{event}: {}",
            stderr(&called)
        );
    }
}

/// Each sample answer is one that Mesos takes, and says what it says.
#[test]
fn sample_answers_are_taken() {
    let place = Place::new();
    let mut taken = 0;
    for event in events() {
        let done = tool(&["sample", "--answer", &event]);
        if !done.status.success() {
            assert!(stderr(&done).contains("is not read"), "{event}");
            continue;
        }
        std::fs::write(place.path("answer"), &done.stdout).expect("a file");
        let command = place.script("command", "cat \"$D/answer\" >\"$2\"");
        let called = {
            let timeout = format!("--set={event}_timeout=600");
            tool(&["call", "--json", &format!("--command={command}"), &timeout, &event])
        };
        let call: Value = serde_json::from_slice(&called.stdout).expect("one call");
        assert_eq!(call["outcome"], "ok", "{event}: {call:#}");
        assert_eq!(call["notes"], json!([]), "{event}: {call:#}");
        assert!(!call["answer"].is_null(), "{event}: {call:#}");
        taken += 1;
    }
    let all = data(&["explain", "events", "--json"]);
    let all = all.as_array().expect("a list");
    let read = all.iter().filter(|event| !event["output"].is_null()).count();
    assert!(taken == read && read >= 13, "{taken} of {read} events whose output is read");
}

#[test]
fn samples_conform_to_the_schemas() {
    for event in events() {
        let schema = data(&["explain", &event, "--json-schema", "input"]);
        conforms(&schema, &schema, &data(&["sample", &event]), &event);
        let done = tool(&["explain", &event, "--json-schema", "output"]);
        if done.status.success() {
            let schema: Value = serde_json::from_slice(&done.stdout).expect("JSON");
            conforms(&schema, &schema, &data(&["sample", "--answer", &event]), &event);
        } else {
            assert!(stderr(&done).contains("is not read"), "{event}");
        }
    }
}

#[test]
fn an_event_is_explained_in_full() {
    let text = printed(&["explain", "isolator_watch"]);
    for part in [
        "when: again and again",
        "called by: containerizer; nobody waits",
        "how the command is run (isolator_watch_mode): `spawn` runs the command for each call;",
        "`warm` runs an unchanged Python script",
        "  container_id: mesos.ContainerID\n    parent: mesos.ContainerID\n    value: text (required)",
        "output: JSON of mesos.slave.ContainerLimitation",
        "    reason: one of REASON_",
        "what Mesos does:\n  with an answer: destroys the container",
        "a sample input:\n  {\"container_config\"",
        "a sample answer:\n  {\"message\"",
    ] {
        assert!(text.contains(part), "no '{part}' in:\n{text}");
    }
}

#[test]
fn everything_is_told_to_programs_too() {
    for what in ["events", "parameters", "metrics", "environment", "codes"] {
        let all = data(&["explain", what, "--json"]);
        assert!(all.as_array().is_some_and(|all| all.len() > 1), "{what}: {all}");
    }
    let one = data(&["explain", "kill_grace", "--json"]);
    assert_eq!((&one["parameter"], &one["default"]), (&json!("kill_grace"), &json!("1s")));
    let one = data(&["explain", "isolator_prepare", "--json"]);
    assert_eq!(one["output"], json!({"message": "mesos.slave.ContainerLaunchInfo"}));
    assert_eq!(one["sample_input"]["container_id"]["value"], "web-1");
    let done = tool(&["explain", "nothing", "--json"]);
    assert_eq!(done.status.code(), Some(2));
}

const MODULES: &str = r#"{"libraries": [{"file": "x.so", "modules": [{
  "name": "com_criteo_mesos_CommandIsolator",
  "parameters": [
    {"key": "module_name", "value": "m"},
    {"key": "isolator_usage_command", "value": "/bin/false"},
    {"key": "isolator_usage_command", "value": "/bin/true"},
    {"key": "isolator_watch_interval", "value": "5m"},
    {"key": "isolator_usage_cache_ttl", "value": "5m"},
    {"key": "debug", "value": ""},
    {"key": "isolator_usage_timeout", "value": "5m"},
    {"key": "isolator_prepare_timeout", "value": "9"},
    {"key": "colour", "value": "red"}
  ]}]}]}"#;

#[test]
fn every_parameter_is_shown_with_its_origin() {
    let place = Place::new();
    std::fs::write(place.path("modules.json"), MODULES).expect("a file");
    let file = place.text("modules.json");
    let all = data(&["explain", "--effective", &file, "--json"]);
    let parameters = all[0]["parameters"].as_array().expect("a list");
    let of = |key: &str| -> &Map<String, Value> {
        let found: Vec<_> = parameters.iter().filter(|it| it["parameter"] == key).collect();
        assert_eq!(found.len(), 1, "{key}");
        found[0].as_object().expect("an object")
    };
    let held =
        |key: &str| (of(key)["value"].clone(), of(key)["line"].clone(), of(key)["column"].clone());
    assert_eq!(held("module_name"), (json!("m"), json!(4), json!(37)));
    assert_eq!(
        held("isolator_usage_command"),
        (json!("/bin/true"), json!(6), json!(48)),
        "the last"
    );
    assert_eq!(
        held("isolator_watch_interval"),
        (json!("5m"), json!(7), json!(49)),
        "the other name"
    );
    assert_eq!(held("kill_grace"), (json!("1s"), Value::Null, Value::Null));
    assert_eq!(held("debug"), (json!("false"), Value::Null, Value::Null), "empty is none");
    assert_eq!(held("isolator_usage_stale_ttl").0, "600s", "twice the TTL");
    assert!(of("isolator_usage_timeout")["note"].as_str().expect("a note").contains("5 seconds"));
    for idle in ["colour", "isolator_prepare_timeout"] {
        assert_eq!(of(idle)["note"], "has no effect here", "{idle}");
    }
    assert!(
        parameters.iter().all(|it| it["parameter"] != "isolator_prepare_command"),
        "no command"
    );
    let text = printed(&["explain", "--effective", &file, "--module", "m"]);
    assert!(text.starts_with(&format!("com_criteo_mesos_CommandIsolator ({file}:2)\n")), "{text}");
    let line = text.lines().find(|line| line.starts_with("kill_grace")).expect("a row");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["kill_grace", "1s", "default"]);
    let done = tool(&["explain", "--effective", &file, "--module", "other"]);
    assert_eq!(done.status.code(), Some(2));
    std::fs::write(place.path("modules.json"), MODULES.replace("\"m\"", "\"a/b\""))
        .expect("a file");
    let done = tool(&["explain", "--effective", &file]);
    assert!(done.status.code() == Some(2) && stderr(&done).contains("refuses it"));
}
