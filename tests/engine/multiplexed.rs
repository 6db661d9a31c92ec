//! A worker that takes two requests at a time, asked by two containers.

use mesos_command::event::Event;

use crate::support::{Instance, until};

/// It answers the first of two when it has the second, and after that one.
const WORKER: &str = r#"[ "$MESOS_COMMAND_WORKER" = 1 ] || { echo '{"mem_rss_bytes":1}' >"$2"; exit; }
answer() { echo "{\"id\":$1,\"output\":{\"mem_rss_bytes\":2}}"; }
first=
while read -r line; do
  case $line in
  *mesos_command_worker*) echo '{"ready":1,"multiplex":2}' ;;
  *)
    id=${line#*\"id\":}
    id=${id%%,*}
    if [ -z "$first" ]; then first=$id; else answer "$id"; answer "$first"; first=; fi
    ;;
  esac
done"#;

#[test]
fn two_containers_are_asked_for_at_the_same_time() {
    let more = [
        ("isolator_usage_mode", "worker"),
        ("isolator_usage_cache_ttl", "0"),
        ("isolator_usage_refresh_ahead", "off"),
        ("isolator_usage_timeout", "600"),
    ];
    let bench = Instance::new("multiplexed", &[("isolator_usage", WORKER)], &more);
    for container in ["a", "b"] {
        bench.call(Event::Prepare, container);
    }
    until("the worker", || bench.metric("mesos_command_worker_up", "") == 1);
    std::thread::scope(|scope| {
        let calls = ["a", "b"].map(|container| scope.spawn(|| bench.usage(container)));
        for call in calls {
            assert_eq!(call.join().expect("no panic"), r#"{"mem_rss_bytes":2}"#);
        }
    });
    let calls = |labels: &str| bench.metric("mesos_command_calls_total", labels);
    assert_eq!(calls("event=\"isolator_usage\",outcome=\"ok\""), 2);
    assert_eq!(calls("event=\"isolator_usage\""), 2, "each call has one outcome");
    assert_eq!(bench.metric("mesos_command_running", ""), 0);
    assert_eq!(bench.metric("mesos_command_worker_restarts_total", ""), 0);
}
