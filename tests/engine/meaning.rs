//! One output means one thing, whether a command is started for a call, stays as a worker, or
//! answers for many containers.

use mesos_command::call::Answer;
use mesos_command::event::Event;

use crate::support::{Instance, until};

/// Outputs, as `printf` writes them, and the usage that they are; `None`: no usable output.
const OUTPUTS: &[(&str, Option<&str>)] = &[
    (r#"{"mem_rss_bytes":1}"#, Some(r#"{"mem_rss_bytes":1}"#)),
    (r#"{}"#, Some("{}")),
    (r#"{"mem_rss_bytes":007}"#, Some(r#"{"mem_rss_bytes":7}"#)),
    (r#"{"mem_rss_bytes":"7"}"#, Some(r#"{"mem_rss_bytes":7}"#)),
    (r#"{"cpus_limit":5.}"#, Some(r#"{"cpus_limit":5.0}"#)),
    (r#"{"cpus_limit":00.25}"#, Some(r#"{"cpus_limit":0.25}"#)),
    (r#"{"mem_rss_bytes":1,"mem_rss_bytes":2}"#, Some(r#"{"mem_rss_bytes":2}"#)),
    (r#"{"mem_rss_bytes":3,"x":"\377"}"#, Some(r#"{"mem_rss_bytes":3}"#)),
    (r#"{"mem_rss_bytes":null}"#, Some("{}")),
    (r#"{"mem_rss_bytes":18446744073709551615}"#, Some(r#"{"mem_rss_bytes":0}"#)),
    (r#"{"mem_rss_bytes":-1}"#, Some(r#"{"mem_rss_bytes":18446744073709551615}"#)),
    (r#" {"mem_rss_bytes":4} "#, Some(r#"{"mem_rss_bytes":4}"#)),
    (r#"null"#, None),
    (r#"NaN"#, None),
    (r#"[]"#, None),
    (r#""text""#, None),
    (r#"7"#, None),
    (r#"0xff"#, None),
    (r#"{"cpus_limit":NaN}"#, None),
    (r#"{"cpus_limit":.5}"#, None),
    (r#"{"cpus_limit":+1}"#, None),
    (r#"{"mem_rss_bytes":"x"}"#, None),
    (r#"{"mem_rss_bytes":1,}"#, None),
    (r#"{'mem_rss_bytes':1}"#, None),
    (r#"{"mem_rss_bytes":1} {}"#, None),
    (r#"{"mem_rss_bytes":[1,2}"#, None),
];

const SPAWN: &str = r#"printf "$(cat "$0.says")" >"$2""#;
const BATCH: &str = r#"id=$(cat "$0.asks"); printf "{\"$id\":$(cat "$0.says")}" >"$2""#;
const WORKER: &str = r#"if [ -z "$MESOS_COMMAND_WORKER" ]; then exit 9; fi
read -r greeting; echo '{"ready":1}'
while read -r line; do
  id=${line#*:}
  printf "{\"id\":${id%%,*},\"output\":$(cat "$0.says")}\n"
done"#;

/// An isolator, the event that its command is for, and the name of its command's files.
fn benches() -> Vec<(Instance, &'static str)> {
    let spawn = [("isolator_usage_cache_ttl", "0")];
    let worker = [("isolator_usage_cache_ttl", "0"), ("isolator_usage_mode", "worker")];
    let batch = [("isolator_usage_cache_ttl", "1ns")];
    let benches = vec![
        (Instance::new("means-spawn", &[("isolator_usage", SPAWN)], &spawn), "isolator_usage"),
        (Instance::new("means-worker", &[("isolator_usage", WORKER)], &worker), "isolator_usage"),
        (
            Instance::new("means-batch", &[("isolator_usage_batch", BATCH)], &batch),
            "isolator_usage_batch",
        ),
    ];
    until("the worker", || benches[1].0.metric("mesos_command_worker_up", "") == 1);
    benches
}

#[test]
fn an_output_means_the_same_in_every_mode() {
    let benches = benches();
    for (number, (output, expected)) in OUTPUTS.iter().enumerate() {
        for (bench, command) in &benches {
            let container = format!("c{number}");
            bench.call(Event::Prepare, &container);
            std::fs::write(bench.path(&format!("{command}.says")), output).unwrap();
            std::fs::write(bench.path(&format!("{command}.asks")), &container).unwrap();
            let failures =
                || bench.metric("mesos_command_failures_total", "reason=\"invalid_output\"");
            let before = failures();
            let usage = bench.usage(&container);
            let shown = format!("{output} by {}", bench.module);
            assert_eq!(usage, expected.unwrap_or_default(), "{shown}");
            assert_eq!(failures() - before, u64::from(expected.is_none()), "{shown}");
            bench.call(Event::Cleanup, &container);
        }
    }
    let (worker, _) = &benches[1];
    assert_eq!(worker.metric("mesos_command_worker_restarts_total", ""), 0, "it lived on");
    assert_eq!(worker.runs("isolator_usage"), 1);
}

#[test]
fn a_failure_names_the_parameter_to_change() {
    for (module, script, parameter, value) in [
        ("names-timeout", "exec sleep 60", "isolator_prepare_timeout", "1"),
        ("names-size", "printf '{\"working_directory\":\"/x\"}' >\"$2\"", "max_output_bytes", "10"),
    ] {
        let bench = Instance::new(module, &[("isolator_prepare", script)], &[(parameter, value)]);
        let Answer::Failure(text) = bench.call(Event::Prepare, "c") else { panic!("{module}") };
        assert!(text.contains(parameter), "{text}");
    }
}
