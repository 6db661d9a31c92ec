//! `<event>_when`: what runs, what Mesos is answered where nothing does, and what is counted.

use std::sync::mpsc::{self, Receiver};

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::hook::Hook;
use mesos_command::isolator::Isolator;
use serde_json::{Value, json};
use test_support::{collect_log, dropped_unanswered, logged, until};

use crate::control::{ask, socket};
use crate::support::{Instance, PATIENCE, bytes, id, usage_text};

const USAGE: &str = "printf '{\"mem_rss_bytes\":7}' >\"$2\"";

/// The config of a task with a label `team`.
fn config(team: &str) -> Vec<u8> {
    let task = json!({"name": "n", "task_id": {"value": "t"}, "slave_id": {"value": "s"},
                      "labels": {"labels": [{"key": "team", "value": team}]}});
    let config = json!({"directory": "/x", "command_info": {"value": "x"}, "task_info": task});
    bytes("mesos.slave.ContainerConfig", &config)
}

fn call(isolator: &Isolator, event: Event, values: &[InputValue<'_>]) -> Receiver<Answer> {
    let (sender, receiver) = mpsc::channel();
    isolator.call(event, values, Box::new(move |answer| drop(sender.send(answer))));
    receiver
}

fn prepare(bench: &Instance, container: &str, team: &str) -> Answer {
    let (config, id) = (config(team), id(container));
    let values = [InputValue::Message(&config), InputValue::Message(&id)];
    call(&bench.isolator, Event::Prepare, &values).recv_timeout(PATIENCE).unwrap()
}

fn calls(bench: &Instance, event: &str, outcome: &str) -> u64 {
    let series = format!("event=\"{event}\",outcome=\"{outcome}\"");
    bench.metric("mesos_command_calls_total", &series)
}

#[test]
fn of_a_thousand_containers_those_that_match_run_and_the_rest_is_skipped() {
    let events = ["isolator_prepare", "isolator_isolate", "isolator_usage", "isolator_cleanup"];
    let scripts = events.map(|event| (event, if event == "isolator_usage" { USAGE } else { "" }));
    let keys = events.map(|event| format!("{event}_when"));
    let mut more: Vec<(&str, &str)> =
        keys.iter().map(|key| (key.as_str(), "label.team == infra && !nested")).collect();
    more.push(("isolator_usage_cache_ttl", "1hrs"));
    let bench = Instance::new("when-thousand", &scripts, &more);
    let containers: Vec<String> = (0..1000).map(|number| format!("c{number}")).collect();
    for (number, container) in containers.iter().enumerate() {
        let matches = number % 100 == 0;
        let team = if matches { "infra" } else { "web" };
        assert_eq!(prepare(&bench, container, team), Answer::Nothing);
        assert_eq!(bench.call(Event::Isolate, container), Answer::Nothing);
        let usage = bench.call(Event::Usage, container);
        let expected = if matches { "{\"mem_rss_bytes\":7}" } else { "{}" };
        assert_eq!(usage_text(&usage), expected, "{container}");
    }
    assert_eq!(bench.isolator.containers(), 1000);
    for container in &containers {
        assert_eq!(bench.call(Event::Cleanup, container), Answer::Nothing);
    }
    for event in events {
        let ran = (bench.runs(event), calls(&bench, event, "ok"));
        assert_eq!(ran, (10, 10), "{event}");
        assert_eq!(calls(&bench, event, "skipped"), 990, "{event}");
        let all = format!("event=\"{event}\"");
        assert_eq!(bench.metric("mesos_command_calls_total", &all), 1000, "{event}");
        assert_eq!(bench.metric("mesos_command_runs_total", &all), 10, "{event}");
    }
    assert_eq!(bench.metric("mesos_command_failures_total", ""), 0);
    assert_eq!(bench.metric("mesos_command_usage_cache_requests_total", ""), 10);
    assert_eq!(bench.metric("mesos_command_usage_cache_entries", ""), 0);
}

#[test]
fn each_event_of_a_container_is_answered_as_if_its_command_had_nothing_to_say() {
    let events = ["prepare", "isolate", "watch", "update", "usage", "status", "cleanup"];
    let names = events.map(|event| format!("isolator_{event}"));
    let scripts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "exit 1")).collect();
    let keys = names.clone().map(|name| format!("{name}_when"));
    let more: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "nested")).collect();
    let bench = Instance::new("when-events", &scripts, &more);
    assert_eq!(prepare(&bench, "c", "x"), Answer::Nothing);
    let watch = bench.start(Event::Watch, "c");
    for event in [Event::Isolate, Event::Update] {
        assert_eq!(bench.call(event, "c"), Answer::Nothing);
    }
    for event in [Event::Usage, Event::Status, Event::Usage] {
        assert_eq!(bench.call(event, "c"), Answer::Message(Vec::new().into()));
    }
    dropped_unanswered(&watch);
    assert_eq!(bench.call(Event::Cleanup, "c"), Answer::Nothing);
    for name in &names {
        let expected = if name == "isolator_usage" { 2 } else { 1 };
        assert_eq!((bench.runs(name), calls(&bench, name, "skipped")), (0, expected), "{name}");
        let all = format!("event=\"{name}\"");
        assert_eq!(bench.metric("mesos_command_calls_total", &all), expected, "{name}");
    }
    assert!(!bench.path("state").join("when-events").join("c").exists(), "its context is gone");
}

#[test]
fn a_condition_is_decided_anew_out_of_the_context_that_was_kept() {
    let more = [("isolator_usage_when", "label.team == infra")];
    let scripts = [("isolator_usage", USAGE), ("isolator_prepare", "")];
    let bench = Instance::new("when-recovered", &scripts, &more);
    prepare(&bench, "in", "infra");
    prepare(&bench, "out", "web");
    let Instance { directory, isolator, module } = bench;
    drop(isolator);
    let command = directory.path().join("isolator_usage").display().to_string();
    let state = directory.path().join("state").display().to_string();
    let again = |when: &str| {
        let parameters = [
            ("module_name", module.as_str()),
            ("state_dir", &state),
            ("control_socket", "none"),
            ("keep_failures", "0"),
            ("isolator_usage_command", &command),
            ("isolator_usage_when", when),
        ];
        let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let isolator = Isolator::create(&parameters).unwrap();
        let state = |name: &str| {
            let value = json!({"container_id": {"value": name}, "pid": 1, "directory": "/x"});
            bytes("mesos.slave.ContainerState", &value)
        };
        let states = ["in", "out"].map(state);
        let states = states.iter().map(Vec::as_slice).collect();
        let values = [InputValue::Messages(Vec::new()), InputValue::Messages(states)];
        let answer = call(&isolator, Event::Recover, &values).recv_timeout(PATIENCE).unwrap();
        assert_eq!((answer, isolator.containers()), (Answer::Nothing, 2));
        ["in", "out"].map(|name| {
            let id = id(name);
            let values = [InputValue::Absent, InputValue::Message(&id)];
            usage_text(&call(&isolator, Event::Usage, &values).recv_timeout(PATIENCE).unwrap())
        })
    };
    let (value, nothing) = ("{\"mem_rss_bytes\":7}", "{}");
    assert_eq!(again("label.team == infra"), [value, nothing]);
    assert_eq!(again("label.team == web"), [nothing, value]);
}

#[test]
fn a_container_that_is_not_known_has_nothing_but_its_id() {
    let more = [("isolator_isolate_when", "!nested"), ("isolator_update_when", "label.team")];
    let scripts = [("isolator_isolate", ""), ("isolator_update", "")];
    let bench = Instance::new("when-unknown", &scripts, &more);
    bench.call(Event::Isolate, "stranger");
    bench.call(Event::Update, "stranger");
    assert_eq!((bench.runs("isolator_isolate"), bench.runs("isolator_update")), (1, 0));
    assert_eq!(calls(&bench, "isolator_update", "skipped"), 1);
}

#[test]
fn a_batch_has_those_alone_for_whom_its_condition_holds() {
    let script = "cp \"$1\" \"$0.input\"; printf '{\"in\":{\"mem_rss_bytes\":7}}' >\"$2\"";
    let more = [
        ("isolator_usage_batch_when", "label.team == infra"),
        ("isolator_usage_cache_ttl", "1hrs"),
    ];
    let bench = Instance::new("when-batch", &[("isolator_usage_batch", script)], &more);
    prepare(&bench, "in", "infra");
    prepare(&bench, "out", "web");
    assert_eq!(bench.usage("out"), "{}");
    assert_eq!(bench.runs("isolator_usage_batch"), 0);
    assert_eq!(bench.usage("in"), "{\"mem_rss_bytes\":7}");
    let input = std::fs::read_to_string(bench.path("isolator_usage_batch.input")).unwrap();
    assert!(input.contains("\"in\"") && !input.contains("\"out\""), "{input}");
    let usage = |outcome: &str| calls(&bench, "isolator_usage", outcome);
    assert_eq!((usage("skipped"), usage("ok")), (1, 1));
    assert_eq!(bench.metric("mesos_command_failures_total", ""), 0, "nobody misses the other");
}

#[test]
fn a_hook_is_asked_before_anything_is_made_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("hook");
    crate::support::write_script(&script, "echo run >>\"$0.runs\"; printf '{}' >\"$2\"");
    let event = Event::SlaveRunTaskLabelDecorator;
    let parameters = [
        ("module_name", "when-hook".to_owned()),
        ("control_socket", "none".to_owned()),
        ("keep_failures", "0".to_owned()),
        ("hook_slave_run_task_label_decorator_command", script.display().to_string()),
        (
            "hook_slave_run_task_label_decorator_when",
            "framework.name == marathon && executor == command".to_owned(),
        ),
    ];
    let parameters = parameters.map(|(key, value)| (key.to_owned(), value));
    let hook = Hook::create(&parameters).unwrap();
    let task = json!({"name": "n", "task_id": {"value": "t"}, "slave_id": {"value": "s"},
                      "command": {"value": "x"}});
    let task = bytes("mesos.TaskInfo", &task);
    let executor = bytes("mesos.ExecutorInfo", &json!({"executor_id": {"value": "t"}}));
    let slave = bytes("mesos.SlaveInfo", &json!({"hostname": "h"}));
    let ask = |name: &str| {
        let framework = bytes("mesos.FrameworkInfo", &json!({"user": "u", "name": name}));
        let messages = [&executor, &framework, &slave, &task];
        hook.call(event, &messages.map(|bytes| InputValue::Message(bytes)))
    };
    assert_eq!(ask("chronos"), Answer::Nothing);
    let malformed = [&executor[..], &[0xff], &slave, &task].map(InputValue::Message);
    assert_eq!(hook.call(event, &malformed), Answer::Nothing, "it is rendered for nobody");
    let runs = || std::fs::read_to_string(directory.path().join("hook.runs")).unwrap_or_default();
    assert_eq!(runs(), "");
    assert_eq!(ask("marathon"), Answer::Message(Vec::new().into()));
    assert_eq!(runs(), "run\n");
    let text = mesos_command::metrics::render();
    let count = |outcome: &str| {
        let labels = format!("event=\"{}\",outcome=\"{outcome}\"}} ", event.label());
        let line = text.lines().find(|line| {
            line.starts_with("mesos_command_calls_total{module=\"when-hook\"")
                && line.contains(&labels)
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
    };
    assert_eq!((count("skipped"), count("ok")), (Some(2), Some(1)));
}

#[test]
fn operators_see_what_is_skipped() {
    collect_log();
    let log = tempfile::tempdir().unwrap();
    let path = log.path().join("calls");
    let shown = path.display().to_string();
    let more = [
        ("isolator_prepare_when", "label.team == infra"),
        ("isolator_usage_when", "label.team == infra"),
        ("call_log", &*shown),
        ("debug", "true"),
    ];
    let scripts = [("isolator_prepare", ""), ("isolator_usage", USAGE)];
    let bench = crate::control::instance("when-shown", &scripts, &more);
    prepare(&bench, "seen-in", "infra");
    prepare(&bench, "seen-out", "web");
    bench.call(Event::Usage, "seen-out");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    until("both lines", || lines().len() >= 2);
    let lines = lines();
    assert_eq!(lines.len(), 2, "a skipped usage is as common as a hit: {lines:?}");
    let skipped = lines.iter().find(|line| line["outcome"] == "skipped").unwrap();
    assert_eq!(
        (&skipped["container"], &skipped["event"], &skipped["pid"], &skipped["reason"]),
        (&"seen-out".into(), &"isolator_prepare".into(), &Value::Null, &Value::Null)
    );
    assert!(skipped["error"].as_str().unwrap().starts_with("isolator_prepare_when"), "{skipped}");
    let told = logged("[TASK=seen-out, METHOD=prepare]").join("\n");
    assert!(told.contains("isolator_prepare_when does not hold"), "with debug: {told}");
    let socket = socket(&bench);
    let containers = ask(&socket, "GET", "/v1/containers?module=when-shown", 200);
    let of = |name: &str| {
        let all = containers["containers"].as_array().unwrap();
        all.iter().find(|one| one["container"] == name).unwrap()["skipped"].clone()
    };
    assert_eq!(of("seen-in"), json!([]));
    assert_eq!(of("seen-out"), json!(["isolator_prepare", "isolator_usage"]));
    let status = ask(&socket, "GET", "/v1/status?module=when-shown", 200);
    let commands = status["instances"][0]["commands"].as_array().unwrap();
    assert!(commands.iter().all(|one| one["when"] == "label.team == infra"), "{commands:?}");
    let failures = ask(&socket, "GET", "/v1/failures?module=when-shown", 200);
    assert_eq!(failures["failures"], json!([]), "it is none");
}
