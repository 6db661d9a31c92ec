//! The parameters by which workers are replaced although they are well.

use mesos_command::event::Event;

use crate::support::{Instance, until};

const WORKER: &str = r#"[ "$MESOS_COMMAND_WORKER" = 1 ] || { echo '{"mem_rss_bytes":1}' >"$2"; exit; }
while read -r line; do
  case $line in
  *mesos_command_worker*) echo '{"ready":1}' ;;
  *) id=${line#*\"id\":}; echo "{\"id\":${id%%,*},\"output\":{\"mem_rss_bytes\":2}}" ;;
  esac
done"#;

#[test]
fn each_parameter_replaces_a_worker() {
    let benches = [
        ("recycled-requests", "isolator_usage_worker_requests_max", "3"),
        ("recycled-age", "isolator_usage_worker_age_max", "500ms"),
        // Less than any shell has.
        ("recycled-memory", "isolator_usage_worker_memory_max", "1MiB"),
    ]
    .map(|(module, key, value)| {
        let more =
            [("isolator_usage_mode", "worker"), ("isolator_usage_cache_ttl", "0"), (key, value)];
        let bench = Instance::new(module, &[("isolator_usage", WORKER)], &more);
        bench.call(Event::Prepare, "c");
        bench
    });
    for bench in benches {
        until("the worker", || bench.metric("mesos_command_worker_up", "") == 1);
        until("another in its place", || {
            assert_eq!(bench.usage("c"), r#"{"mem_rss_bytes":2}"#, "by a worker, always");
            bench.metric("mesos_command_worker_restarts_total", "reason=\"recycled\"") >= 1
        });
        assert_eq!(bench.metric("mesos_command_failures_total", ""), 0, "{}", bench.module);
    }
}
