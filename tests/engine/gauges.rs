//! The gauges of what runs and what waits.

use mesos_command::event::Event;

use crate::support::{Instance, PATIENCE, until};

#[test]
fn what_runs_and_what_waits_is_shown_and_both_end_at_zero() {
    let script = "while [ ! -e \"$0.go\" ]; do sleep 0.02; done";
    let bench = Instance::new(
        "gauges",
        &[("isolator_isolate", script), ("isolator_usage", script)],
        &[("max_parallel", "2")],
    );
    let gauge = |name: &str| bench.metric(name, "");
    let waiting: Vec<_> = (0..5)
        .map(|c| {
            bench.call(Event::Prepare, &format!("c{c}"));
            bench.start(Event::Usage, &format!("c{c}"))
        })
        .collect();
    until("two runs", || gauge("mesos_command_running") == 2);
    assert_eq!(gauge("mesos_command_queued"), 3);
    std::fs::write(bench.path("isolator_usage.go"), "").unwrap();
    for answer in waiting {
        answer.recv_timeout(PATIENCE).unwrap();
    }
    until("the end", || gauge("mesos_command_running") + gauge("mesos_command_queued") == 0);
}
