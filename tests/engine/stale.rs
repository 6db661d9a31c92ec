//! A refresh that hangs holds nobody, whatever brings the values.

use std::time::{Duration, Instant};

use mesos_command::event::Event;
use test_support::{collect_log, logged};

use crate::support::{Instance, PATIENCE, until, usage_text};

/// What hangs while there is a file for that.
const HANG: &str = r#"while [ -e "${0%/*}/hang" ]; do sleep 0.02; done"#;

/// How long the slowest of these calls has waited, and what all have got.
fn ask(bench: &Instance, containers: &[&str]) -> Duration {
    let start = Instant::now();
    let all: Vec<_> = containers.iter().map(|c| bench.start(Event::Usage, c)).collect();
    for answer in all {
        let answer = answer.recv_timeout(PATIENCE).unwrap();
        assert_eq!(usage_text(&answer), r#"{"mem_rss_bytes":5}"#);
    }
    start.elapsed()
}

/// Lets the refreshes of an instance hang: nobody waits for the deadline, which is far away.
fn holds_nobody(bench: &Instance) {
    collect_log();
    for container in ["c0", "c1", "c2"] {
        bench.call(Event::Prepare, container);
    }
    let all = ["c0", "c1", "c2"];
    until("the first values", || {
        let first = all.map(|c| usage_text(&bench.call(Event::Usage, c)));
        first.iter().all(|value| !value.is_empty())
    });
    std::fs::write(bench.path("hang"), "").unwrap();
    let stale = || bench.metric("mesos_command_usage_cache_requests_total", "result=\"stale\"");
    let timeouts = || bench.metric("mesos_command_timeouts_total", "");
    until("a refresh that hangs", || {
        ask(bench, &all);
        bench.metric("mesos_command_running", "event=\"isolator_usage") > 0 && stale() >= 3
    });
    // Whoever comes now does not even wait for the second.
    let mut quickest = Duration::MAX;
    until("answers at once", || {
        quickest = quickest.min(ask(bench, &all));
        quickest < Duration::from_millis(500)
    });
    assert_eq!(timeouts(), 0, "nobody waited until it was ended");
    let ages = bench.metric("mesos_command_usage_value_age_seconds_count", "");
    assert!(ages >= stale(), "the age of each is counted");
    let old = bench.metric("mesos_command_usage_value_age_seconds_sum", "");
    assert!(old >= 1, "those were a second old: {old}");
    std::fs::remove_file(bench.path("hang")).unwrap();
    bench.call(Event::Cleanup, "c0");
}

const PARAMETERS: [(&str, &str); 2] =
    [("isolator_usage_cache_ttl", "100ms"), ("isolator_usage_stale_ttl", "600")];

#[test]
fn a_command_for_each_container() {
    let script = format!("{HANG}\nprintf '{{\"mem_rss_bytes\":5}}' >\"$2\"");
    let more = [&PARAMETERS[..], &[("isolator_usage_timeout", "600")]].concat();
    holds_nobody(&Instance::new("stale-single", &[("isolator_usage", &script)], &more));
}

#[test]
fn a_batch() {
    let answer = r#"{"c0":{"mem_rss_bytes":5},"c1":{"mem_rss_bytes":5},"c2":{"mem_rss_bytes":5}}"#;
    let script = format!("{HANG}\necho '{answer}' >\"$2\"");
    let more = [&PARAMETERS[..], &[("isolator_usage_batch_timeout", "600")]].concat();
    holds_nobody(&Instance::new("stale-batch", &[("isolator_usage_batch", &script)], &more));
}

#[test]
fn a_worker() {
    let script = format!(
        r#"[ "$MESOS_COMMAND_WORKER" = 1 ] || {{ echo '{{"mem_rss_bytes":5}}' >"$2"; exit; }}
while read -r line; do
  case $line in
  *mesos_command_worker*) echo '{{"ready":1}}' ;;
  *) {HANG}
    id=${{line#*\"id\":}}; echo "{{\"id\":${{id%%,*}},\"output\":{{\"mem_rss_bytes\":5}}}}" ;;
  esac
done"#
    );
    let more =
        [&PARAMETERS[..], &[("isolator_usage_timeout", "600"), ("isolator_usage_mode", "worker")]]
            .concat();
    let bench = Instance::new("stale-worker", &[("isolator_usage", &script)], &more);
    until("the worker", || bench.metric("mesos_command_worker_up", "") == 1);
    holds_nobody(&bench);
}

#[test]
fn with_debug_the_log_says_how_old_what_is_served_is() {
    collect_log();
    let script = format!("{HANG}\nprintf '{{\"mem_rss_bytes\":5}}' >\"$2\"");
    let more = [&PARAMETERS[..], &[("isolator_usage_timeout", "600"), ("debug", "true")]].concat();
    let bench = Instance::new("stale-log", &[("isolator_usage", &script)], &more);
    bench.call(Event::Prepare, "stale-log-c");
    bench.usage("stale-log-c");
    std::fs::write(bench.path("hang"), "").unwrap();
    until("an old value", || {
        bench.usage("stale-log-c");
        logged("TASK=stale-log-c, METHOD=usage] Answering with a value ")
            .iter()
            .any(|line| line.contains(" s old (stale"))
    });
    std::fs::remove_file(bench.path("hang")).unwrap();
}
