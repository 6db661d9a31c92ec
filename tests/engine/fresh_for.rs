//! Answers that say for how long they are good.

use std::time::Duration;

use mesos_command::event::Event;

use crate::support::{Instance, until};

/// The container's part of an answer that is good for a minute, beside the number of its runs.
const VALUE: &str = r#"{\"mem_rss_bytes\":$n,\"@fresh_for\":60}"#;

fn instance(module: &str, mode: &str, value: &str, more: &[(&str, &str)]) -> Instance {
    let (event, script) = match mode {
        "spawn" => ("isolator_usage", format!("n=$(wc -l <\"$0.runs\"); echo \"{value}\" >\"$2\"")),
        "batch" => (
            "isolator_usage_batch",
            format!("n=$(wc -l <\"$0.runs\"); echo \"{{\\\"c\\\":{value}}}\" >\"$2\""),
        ),
        _ => (
            "isolator_usage",
            format!(
                r#"n=1; [ "$MESOS_COMMAND_WORKER" = 1 ] || {{ echo "{value}" >"$2"; exit; }}
while read -r line; do
  case $line in
  *mesos_command_worker*) echo '{{"ready":1}}' ;;
  *) id=${{line#*\"id\":}}; echo "{{\"id\":${{id%%,*}},\"output\":{value}}}" ;;
  esac
done"#
            ),
        ),
    };
    let ttl = [("isolator_usage_cache_ttl", "20ms")];
    let bench = Instance::new(module, &[(event, &script)], &[&ttl, more].concat());
    bench.call(Event::Prepare, "c");
    bench
}

fn runs(bench: &Instance) -> u64 {
    bench.metric("mesos_command_runs_total", "event=\"isolator_usage")
}

/// Asks for a while in which a value that lives for the TTL alone would have been refreshed often.
fn ask_for_many_lives(bench: &Instance) {
    let start = std::time::Instant::now();
    until("many TTLs", || {
        assert!(!bench.usage("c").is_empty());
        start.elapsed() > Duration::from_millis(400)
    });
}

#[test]
fn it_is_fresh_for_that_long_in_every_mode() {
    for (module, mode) in
        [("fresh-spawn", "spawn"), ("fresh-batch", "batch"), ("fresh-worker", "worker")]
    {
        let worker = [("isolator_usage_mode", "worker")];
        let bench = instance(module, mode, VALUE, if mode == "worker" { &worker } else { &[] });
        ask_for_many_lives(&bench);
        assert_eq!(runs(&bench), 1, "{module}");
        let lossy = bench.metric("mesos_command_lossy_outputs_total", "");
        assert_eq!(lossy, 0, "{module}: it is no unknown key");
    }
}

#[test]
fn it_is_bounded_by_the_stale_time_and_by_the_ttl() {
    let stale = [("isolator_usage_stale_ttl", "50ms")];
    let bench = instance("fresh-bounded", "spawn", VALUE, &stale);
    until("runs after the stale time", || {
        bench.usage("c");
        runs(&bench) >= 3
    });
    let short = r#"{\"mem_rss_bytes\":$n,\"@fresh_for\":0}"#;
    let bench = instance("fresh-short", "spawn", short, &[("isolator_usage_cache_ttl", "60")]);
    for _ in 0..10 {
        assert_eq!(bench.usage("c"), r#"{"mem_rss_bytes":1}"#, "for the TTL");
    }
}

#[test]
fn what_is_no_number_is_told_and_the_answer_used() {
    for (module, mode) in [("fresh-bad", "spawn"), ("fresh-bad-batch", "batch")] {
        let bad = r#"{\"mem_rss_bytes\":7,\"@fresh_for\":\"soon\"}"#;
        let bench = instance(module, mode, bad, &[("isolator_usage_cache_ttl", "60")]);
        assert_eq!(bench.usage("c"), r#"{"mem_rss_bytes":7}"#);
        assert_eq!(bench.metric("mesos_command_lossy_outputs_total", ""), 1, "{module}");
        assert_eq!(bench.metric("mesos_command_failures_total", ""), 0, "{module}");
    }
}

#[test]
fn no_field_of_statistics_or_status_has_that_name() {
    let name = mesos_command::call::FRESH_FOR;
    assert!(!name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_'));
}
