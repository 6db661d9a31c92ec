//! What a container's cleanup does to its other runs.

use std::time::{Duration, Instant};

use mesos_command::call::Answer;
use mesos_command::event::Event;
use test_support::dropped_unanswered;

use crate::support::{Instance, PATIENCE, until};

#[test]
fn cleanup_ends_the_watch_command_before_its_own_starts() {
    let watch = "trap 'echo ended >>\"$0.order\"; exit' TERM\n: >\"$0.armed\"\nsleep 60 & wait";
    let cleanup = "echo cleaned >>\"${0%cleanup}watch.order\"";
    let bench =
        Instance::new("order", &[("isolator_watch", watch), ("isolator_cleanup", cleanup)], &[]);
    bench.call(Event::Prepare, "c");
    let watching = bench.start(Event::Watch, "c");
    until("the watch command's trap", || bench.path("isolator_watch.armed").exists());
    assert_eq!(bench.call(Event::Cleanup, "c"), Answer::Nothing);
    let order = std::fs::read_to_string(bench.path("isolator_watch.order")).unwrap();
    assert_eq!(order, "ended\ncleaned\n");
    dropped_unanswered(&watching);
}

#[test]
fn cleanup_withdraws_usage_and_answers_those_who_wait() {
    let bench = Instance::new(
        "withdrawn",
        &[("isolator_usage", "sleep 60"), ("isolator_cleanup", "")],
        &[],
    );
    bench.call(Event::Prepare, "c");
    let waiting = bench.start(Event::Usage, "c");
    until("the usage command", || bench.runs("isolator_usage") == 1);
    let start = Instant::now();
    assert_eq!(bench.call(Event::Cleanup, "c"), Answer::Nothing);
    assert!(start.elapsed() < Duration::from_secs(30), "not the command's whole time");
    assert_eq!(waiting.recv_timeout(PATIENCE).unwrap(), Answer::Nothing);
    assert_eq!(bench.metric("mesos_command_calls_total", "outcome=\"cancelled\""), 1);
    assert_eq!(bench.call(Event::Usage, "c"), Answer::Nothing, "and is not known any more");
    assert_eq!(bench.runs("isolator_usage"), 1);
}

#[test]
fn the_context_file_goes_when_the_cleanup_command_has_ended() {
    let script = "[ -e \"$(dirname \"$0\")/state/context/c\" ] && touch \"$0.saw\"";
    let bench = Instance::new("context", &[("isolator_cleanup", script)], &[]);
    bench.call(Event::Prepare, "c");
    let file = bench.path("state/context/c");
    assert_eq!(
        std::fs::read(&file).unwrap(),
        br#"{"command_info":{"shell":true},"directory":"/x"}"#
    );
    bench.call(Event::Cleanup, "c");
    assert!(bench.path("isolator_cleanup.saw").exists(), "while the command ran");
    assert!(!file.exists(), "afterwards");
}
