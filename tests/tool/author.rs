//! What the author of a command uses: `new`, `test`, and both together.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::{Value, json};
use test_support::wait_for;

use crate::support::{Place, stderr};

fn tool(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-command"));
    command.args(arguments).current_dir(place.path("")).output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn events(place: &Place) -> Vec<String> {
    let all = tool(place, &["explain", "events", "--json"]);
    let all: Value = serde_json::from_slice(&all.stdout).expect("JSON");
    let name = |event: &Value| event["event"].as_str().expect("a name").to_owned();
    all.as_array().expect("a list").iter().map(name).collect()
}

/// Writes a command for the event, builds it if it has to be, and plays its test.
fn written(place: &Place, event: &str, language: &str) {
    let name = format!("{event}.{language}");
    let done = tool(place, &["new", event, "--lang", language, "--output", &name]);
    assert!(done.status.success(), "{event} {language}: {}", stderr(&done));
    if language == "c" || language == "worker-c" {
        let mut cc = Command::new("cc");
        cc.args(["-Wall", "-Wextra", "-Werror", "-O2", "-o"]).arg(place.path(&name));
        let built = cc.arg(place.path(&format!("{name}.c"))).output().expect("a C compiler");
        assert!(built.status.success(), "{event} {language}: {}", stderr(&built));
    }
    let test = format!("{name}.test.json");
    let mut cases: Value = serde_json::from_str(&place.read(&test)).expect("the cases");
    for case in cases["cases"].as_array_mut().expect("a list") {
        // Those of some events have two seconds, which a busy machine takes to start Python.
        case["parameters"][format!("{event}_timeout")] = "600".into();
    }
    std::fs::write(place.path(&test), cases.to_string()).expect("the cases");
    let done = tool(place, &["test", &test]);
    let text = stdout(&done) + &stderr(&done);
    assert_eq!(done.status.code(), Some(0), "{event} {language}: {text}");
    assert!(text.contains("0 failed"), "{event} {language}: {text}");
}

#[test]
fn a_new_command_passes_its_test_for_every_event() {
    let place = Place::new();
    for event in events(&place) {
        for language in ["sh", "python"] {
            written(&place, &event, language);
        }
    }
}

#[test]
fn a_new_command_passes_its_test_in_every_language() {
    let place = Place::new();
    for event in [
        "isolator_usage",
        "isolator_watch",
        "isolator_cleanup",
        "hook_slave_run_task_label_decorator",
    ] {
        for language in ["bash", "c", "worker-python", "worker-c"] {
            written(&place, event, language);
        }
    }
}

#[test]
fn new_workers_keep_the_protocol() {
    let place = Place::new();
    for language in ["worker-python", "worker-c"] {
        written(&place, "isolator_usage", language);
        let command = place.text(&format!("isolator_usage.{language}"));
        let done = tool(&place, &["worker-test", &command, "--timeout", "60"]);
        assert_eq!(done.status.code(), Some(0), "{language}: {}", stdout(&done));
        assert!(stdout(&done).ends_with("11 passed, 0 failed\n"), "{}", stdout(&done));
    }
}

/// A new user's way: write, call, check.
#[test]
fn what_is_written_is_found_right() {
    let place = Place::new();
    let done = tool(&place, &["new", "isolator_usage", "--lang", "python"]);
    assert_eq!(stdout(&done), "usage.py\nusage.py.test.json\n", "{}", stderr(&done));
    let mode = std::fs::metadata(place.path("usage.py")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o700, 0o700);
    let done = tool(&place, &["call", "--command", "./usage.py", "isolator_usage"]);
    assert!(done.status.success() && stdout(&done).contains("\"mem_rss_bytes\":134217728"));
    // It is said, and tried, that it can be run warm as it is.
    assert!(place.read("usage.py").contains("\nisolator_usage_mode=warm runs it as it is"));
    let done = tool(&place, &["test", "usage.py.test.json", "--filter", "run warm"]);
    assert!(stdout(&done).ends_with("1 passed, 0 failed\n"), "{}", stdout(&done));
    let mode = ["--set", "isolator_usage_mode=warm"];
    let call = ["call", "--verbose", "--command", "./usage.py"];
    wait_for("a warm run", || {
        let done = tool(&place, &[&call[..], &mode, &["isolator_usage"]].concat());
        stdout(&done).contains("(forked from a warm interpreter)").then_some(())
    });
    let state = place.text("state");
    place.modules(&[("isolator_usage_command", &place.text("usage.py")), ("state_dir", &state)]);
    let done = tool(&place, &["check", "modules.json"]);
    assert!(!stdout(&done).contains("usage.py"), "{}", stdout(&done));
    // What is there is never replaced.
    let done = tool(&place, &["new", "isolator_usage", "--lang", "python"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(stderr(&done).contains("'usage.py' cannot be made"), "{}", stderr(&done));
}

fn cases(place: &Place, file: &Value) {
    std::fs::write(place.path("cases.json"), file.to_string()).expect("the cases");
}

#[test]
fn what_is_not_as_expected_is_told() {
    let place = Place::new();
    place.script(
        "usage",
        r#"case $(cat "$1") in *broken*) echo 'no sandbox' >"$3"; exit 3;; esac
printf '{"mem_rss_bytes":5,"cpus_user_time_secs":1.5}' >"$2""#,
    );
    let broken = json!({"container_config": {"directory": "/broken", "command_info": {}}});
    cases(
        &place,
        &json!({"command": "./usage", "event": "isolator_usage", "cases": [
            {"name": "right", "expect": {"answer": {"mem_rss_bytes": 5, "cpus_user_time_secs": 1.5}}},
            {"name": "a part", "expect": {"contains": {"mem_rss_bytes": 5}, "within_ms": 60000}},
            {"name": "wrong", "expect": {"answer": {"mem_rss_bytes": 6}}},
            {"name": "less", "expect": {"contains": {"processes": 1}}},
            {"name": "fails", "input": broken, "expect": {"outcome": "exit", "failure": "no sandbox"}},
            {"name": "fails too", "input": broken},
            {"name": "other words", "input": broken, "expect": {"outcome": "exit", "failure": "no disk"}},
            {"name": "late", "expect": {"within_ms": 0}},
            {"name": "none", "expect": {"empty": true}},
        ]}),
    );
    let done = tool(&place, &["test", "cases.json"]);
    let text = stdout(&done);
    assert_eq!(done.status.code(), Some(1), "{text}{}", stderr(&done));
    assert!(text.ends_with("3 passed, 6 failed\n"), "{text}");
    for (name, problem) in [
        ("wrong", "mem_rss_bytes: 5, not 6"),
        ("wrong", "cpus_user_time_secs: 1.5, not missing"),
        ("less", "processes: missing, not 1"),
        ("fails too", "the outcome is \"exit\""),
        ("other words", "has no \"no disk\""),
        ("late", "it took"),
        ("none", "the answer is {"),
    ] {
        let part = text.split("FAIL  ").find(|part| part.starts_with(&format!("{name}  ")));
        assert!(part.is_some_and(|part| part.contains(problem)), "{name}: {problem} in\n{text}");
    }
    let done = tool(&place, &["test", "cases.json", "--json", "--filter", "right"]);
    let all: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        (done.status.code(), &all["passed"], &all["failed"]),
        (Some(0), &json!(1), &json!(0))
    );
    assert_eq!(all["cases"][0]["call"]["outcome"], "ok");
}

#[test]
fn cases_that_cannot_be_played_are_no_failures() {
    let place = Place::new();
    for (file, told) in [
        (json!({"cases": [{"event": "isolator_usage"}]}), "neither `command` nor `modules`"),
        (json!({"cases": [{"command": "./x"}]}), "`event` is missing"),
        (json!({"cases": [{"command": "./x", "event": "usage"}]}), "'usage' is no event"),
        (json!({"cases": [{"expected": {}}]}), "unknown field `expected`"),
        (json!({"command": "./x"}), "no list `cases`"),
        (json!({"cases": []}), "no such case"),
    ] {
        cases(&place, &file);
        let done = tool(&place, &["test", "cases.json"]);
        assert_eq!(done.status.code(), Some(2), "{file}");
        assert!(stderr(&done).contains(told), "{file}: {}", stderr(&done));
    }
}

#[test]
fn cases_can_use_a_configuration() {
    let place = Place::new();
    let command = place.script(
        "prepare",
        r#"printf '{"environment":{"variables":[{"name":"A","value":"b"}]}}' >"$2""#,
    );
    place.modules(&[("isolator_prepare_command", &command)]);
    let variable = json!({"name": "A", "value": "b"});
    cases(
        &place,
        &json!({"modules": "modules.json", "cases": [{
            "event": "isolator_prepare",
            "expect": {"answer": {"environment": {"variables": [variable]}}},
        }]}),
    );
    let done = tool(&place, &["test", "cases.json"]);
    assert_eq!(done.status.code(), Some(0), "{}{}", stdout(&done), stderr(&done));
}
