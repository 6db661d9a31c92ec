//! Instances, failures, containers, and what of them is not shown.

use mesos_command::event::Event;
use serde_json::Value;
use test_support::{collect_log, logged};

use super::{ask, exchange, instance, prepare, socket};
use crate::support::PATIENCE;

#[test]
fn the_status_has_the_effective_parameters_without_secrets() {
    let shell = "DB_PASSWORD=s3cr3t exec true";
    let more = [
        ("isolator_watch_command", shell),
        ("api_token", "s3cr3t"),
        ("isolator_prepare_timeout", "7s"),
    ];
    let one = instance("control-status", &[("isolator_prepare", "true")], &more);
    let answer = ask(&socket(&one), "GET", "/v1/status?module=control-status", 200);
    assert!(!answer.to_string().contains("s3cr3t"), "{answer}");
    let status = &answer["instances"][0];
    let parameter = |key: &str| {
        let all = status["parameters"].as_array().unwrap();
        all.iter().find(|one| one["key"] == key).cloned().unwrap_or_default()
    };
    let pair = |key: &str| {
        let found = parameter(key);
        (found["value"].as_str().unwrap().to_owned(), found["origin"].clone())
    };
    assert_eq!(pair("isolator_prepare_timeout"), ("7s".into(), "given".into()));
    assert_eq!(pair("kill_grace"), ("1s".into(), "default".into()));
    assert_eq!(pair("api_token"), ("[redacted]".into(), "given".into()));
    assert_eq!(pair("isolator_watch_command").0, "DB_PASSWORD=[redacted] exec true");
    assert!(matches!(status["containment"].as_str(), Some("cgroup" | "group")), "{status}");
    assert_eq!((&status["kind"], &status["debug"]), (&"isolator".into(), &false.into()));
    let commands = status["commands"].as_array().unwrap();
    let prepare = commands.iter().find(|one| one["event"] == "isolator_prepare").unwrap();
    assert_eq!((&prepare["timeout_seconds"], &prepare["lane"]), (&7.0.into(), &"launch".into()));
    assert_eq!(prepare["mode"], "spawn");
    let unknown = ask(&socket(&one), "GET", "/v1/status?module=nobody", 404);
    assert!(unknown["error"].as_str().unwrap().contains("control-status"), "it says who there is");
}

#[test]
fn the_metrics_are_those_of_the_listeners() {
    let one = instance("control-metrics", &[("isolator_update", "true")], &[]);
    one.call(Event::Update, "c1");
    let (status, text) = exchange(&socket(&one), "GET /metrics HTTP/1.0\r\n\r\n");
    let line = "mesos_command_calls_total{module=\"control-metrics\",event=\"isolator_update\",\
                outcome=\"ok\"} 1\n";
    assert!(status == 200 && text.contains(line), "{status}: {text}");
}

#[test]
fn the_last_64_failures_are_kept_with_their_words() {
    let script = "echo \"why $MESOS_CONTAINER_ID\" >\"$3\"; echo printed >&2; exit 3";
    let more = [("lifecycle_parallel", "8")];
    let bad = instance("control-failures", &[("isolator_prepare", script)], &more);
    let launches: Vec<_> = (0..70).map(|number| prepare(&bad, &format!("c{number}"))).collect();
    for launch in launches {
        launch.recv_timeout(PATIENCE).unwrap();
    }
    let answer = ask(&socket(&bad), "GET", "/v1/failures?module=control-failures", 200);
    let failures = answer["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 64);
    for failure in failures {
        let container = failure["container"].as_str().unwrap();
        let text = failure["text"].as_str().unwrap();
        assert!(text.ends_with(&format!("return code 3. Cause: why {container}")), "{text}");
        assert_eq!((&failure["tail"], &failure["exit_code"]), (&"printed".into(), &3.into()));
        assert_eq!((&failure["outcome"], &failure["reason"]), (&"exit".into(), &"exit".into()));
        assert_eq!((&failure["task"], &failure["framework"]), (&"t".into(), &"f".into()));
        assert!(failure["pid"].is_i64() && failure["run_seconds"].is_f64(), "{failure}");
    }
    let times: Vec<f64> = failures.iter().map(|one| one["time"].as_f64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "the newest first");
}

#[test]
fn containers_are_shown_with_their_context_and_cached_value() {
    let script = "printf '{\"mem_rss_bytes\":42}' >\"$2\"";
    let config = ("isolator_usage_cache_ttl", "600");
    let one = instance("control-containers", &[("isolator_usage", script)], &[config]);
    for container in ["c1", "c2", "c3"] {
        prepare(&one, container).recv_timeout(PATIENCE).unwrap();
    }
    one.usage("c2");
    let list = ask(&socket(&one), "GET", "/v1/containers?module=control-containers&limit=2", 200);
    assert_eq!(list["containers"].as_array().unwrap().len(), 2);
    assert_eq!(list["left_out"], 1);
    let whole =
        ask(&socket(&one), "GET", "/v1/containers?module=control-containers&container=c2", 200);
    let shown = &whole["containers"][0];
    assert_eq!(shown["context"]["directory"], "/x", "{shown}");
    let usage = &shown["usage"];
    assert_eq!(usage["value"]["mem_rss_bytes"], 42, "{shown}");
    assert!(usage["age_seconds"].as_f64().unwrap() < 60.0, "{usage}");
    assert!(usage["fresh_for_seconds"].as_f64().unwrap() > 60.0, "{usage}");
    let other =
        ask(&socket(&one), "GET", "/v1/containers?module=control-containers&container=c1", 200);
    assert!(other["containers"][0]["usage"]["age_seconds"].is_null(), "it has no value yet");
    ask(&socket(&one), "GET", "/v1/containers?module=control-containers&container=c9", 404);
    assert_eq!(one.runs("isolator_usage"), 1, "looking runs nothing");
}

#[test]
fn the_age_of_hits_is_logged_while_debug_is_on() {
    collect_log();
    let usage = [("isolator_usage", "printf '{}' >\"$2\"")];
    let one = instance("control-ages", &usage, &[("isolator_usage_cache_ttl", "600")]);
    prepare(&one, "ages-c").recv_timeout(PATIENCE).unwrap();
    one.usage("ages-c");
    let told = || {
        one.usage("ages-c");
        logged("TASK=ages-c, METHOD=usage] Answering with a value ").len()
    };
    assert_eq!(told(), 0);
    let set = |on| format!("/v1/log-level?module=control-ages&debug={on}");
    ask(&socket(&one), "POST", &set("true"), 200);
    assert_eq!([told(), told()], [1, 2]);
    ask(&socket(&one), "POST", &set("false"), 200);
    assert_eq!(told(), 2);
}

#[test]
fn debug_is_turned_on_and_off_for_one_instance() {
    collect_log();
    let scripts = [("isolator_update", "true")];
    let (one, other) =
        (instance("control-debug", &scripts, &[]), instance("control-quiet", &scripts, &[]));
    let lines = |path: &std::path::Path| {
        let mark = format!("Calling command \"{}\"", path.display());
        logged(&mark).len()
    };
    let update = || {
        for instance in [&one, &other] {
            instance.call(Event::Update, "c1");
        }
        [&one, &other].map(|instance| lines(&instance.path("isolator_update")))
    };
    assert_eq!(update(), [0, 0]);
    let set = |on: &str| {
        let path = format!("/v1/log-level?module=control-debug&debug={on}");
        ask(&socket(&one), "POST", &path, 200)["instances"].clone()
    };
    let changed = set("true");
    assert_eq!(changed.as_array().map(Vec::len), Some(1), "{changed}");
    assert_eq!(update(), [1, 0]);
    let _: Value = set("false");
    assert_eq!(update(), [1, 0]);
    ask(&socket(&one), "POST", "/v1/log-level?debug=loud", 400);
    ask(&socket(&one), "POST", "/v1/log-level", 400);
}
