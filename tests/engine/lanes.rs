//! Who waits for whom, and what that does to a call's time.

use std::sync::mpsc;
use std::time::Duration;

use mesos_command::call::Answer;
use mesos_command::event::Event;

use crate::support::{Instance, PATIENCE, until};

/// Calls at once, each of which takes `TURN`: the last one waits for longer than the timeout, which
/// no single one comes near.
const CALLS: usize = 20;
const TURN: &str = "sleep 0.25";
const TIMEOUT: &str = "4";

const LAUNCH_PATH: [Event; 5] =
    [Event::Prepare, Event::Isolate, Event::Update, Event::Recover, Event::Cleanup];

/// Makes the calls at once and demands that none fails.
fn all_end_well(bench: &Instance, event: Event) {
    if event != Event::Prepare {
        (0..CALLS).for_each(|call| drop(bench.call(Event::Prepare, &format!("c{call}"))));
    }
    let calls: Vec<mpsc::Receiver<Answer>> =
        (0..CALLS).map(|call| bench.start(event, &format!("c{call}"))).collect();
    for answer in calls {
        assert_eq!(answer.recv_timeout(PATIENCE).unwrap(), Answer::Nothing, "{}", event.label());
    }
    let ended = |outcome: &str| {
        let part = format!("event=\"{}\",outcome=\"{outcome}\"", event.label());
        bench.metric("mesos_command_calls_total", &part)
    };
    assert_eq!((ended("ok"), ended("timeout")), (CALLS as u64, 0), "{}", event.label());
}

fn bench(mode: &str, event: Event, script: &str, more: &[(&str, &str)]) -> Instance {
    let timeout = format!("{}_timeout", event.label());
    let more = [more, &[(timeout.as_str(), TIMEOUT)]].concat();
    Instance::new(&format!("{mode}-{}", event.label()), &[(event.label(), script)], &more)
}

#[test]
fn waiting_for_its_turn_fails_no_launch_path_command() {
    std::thread::scope(|scope| {
        for event in LAUNCH_PATH {
            scope.spawn(move || all_end_well(&bench("turn", event, TURN, &[]), event));
        }
    });
}

/// A worker in sh: the id is copied from the request.
const WORKER: &str = r#"
read -r hello; echo '{"ready":1}'
while read -r line; do
  id=${line#*:}; id=${id%%,*}
  sleep 0.25
  echo "{\"id\":$id}"
done"#;

#[test]
fn nor_does_waiting_for_a_worker() {
    std::thread::scope(|scope| {
        for event in LAUNCH_PATH {
            scope.spawn(move || {
                let mode = format!("{}_mode", event.label());
                let bench = bench("worker", event, WORKER, &[(&mode, "worker")]);
                until("the worker", || bench.metric("mesos_command_worker_up", "") == 1);
                all_end_well(&bench, event);
                assert_eq!(bench.runs(event.label()), 1, "the worker answered them all");
            });
        }
    });
}

#[test]
fn nor_does_waiting_for_its_stand_in() {
    let script = format!("[ -z \"$MESOS_COMMAND_WORKER\" ] || exit 1\n{TURN}");
    std::thread::scope(|scope| {
        for event in LAUNCH_PATH {
            let script = &script;
            scope.spawn(move || {
                let mode = format!("{}_mode", event.label());
                all_end_well(&bench("stand-in", event, script, &[(&mode, "worker")]), event);
            });
        }
    });
}

#[test]
fn a_command_of_the_launch_path_has_its_own_time_and_no_more() {
    let bench = Instance::new(
        "own-time",
        &[("isolator_prepare", "exec sleep 60")],
        &[("isolator_prepare_timeout", "500ms"), ("kill_grace", "100ms")],
    );
    let calls: Vec<_> = (0..3).map(|c| bench.start(Event::Prepare, &format!("c{c}"))).collect();
    for answer in calls {
        let Answer::Failure(text) = answer.recv_timeout(PATIENCE).unwrap() else {
            panic!("it did not fail")
        };
        assert!(text.contains("took too long"), "{text}");
    }
    assert_eq!(bench.runs("isolator_prepare"), 3, "each of them ran");
    assert_eq!(bench.metric("mesos_command_failures_total", "reason=\"timeout_queued\""), 0);
}

#[test]
fn usage_commands_hold_up_no_status() {
    let hangs = "while [ ! -e \"$0.go\" ]; do sleep 0.02; done";
    let status = "printf '{\"executor_pid\":7}' >\"$2\"";
    let bench = Instance::new(
        "status-reserve",
        &[("isolator_usage", hangs), ("isolator_status", status)],
        &[
            ("max_parallel", "2"),
            ("isolator_usage_timeout", "600"),
            ("isolator_status_timeout", "600"),
        ],
    );
    let usage: Vec<_> = (0..10)
        .map(|c| {
            bench.call(Event::Prepare, &format!("c{c}"));
            bench.start(Event::Usage, &format!("c{c}"))
        })
        .collect();
    until("the usage commands", || bench.runs("isolator_usage") == 2);
    for c in 0..10 {
        let answer = bench.call(Event::Status, &format!("c{c}"));
        assert!(matches!(answer, Answer::Message(_)), "{answer:?}");
    }
    assert_eq!(bench.runs("isolator_usage"), 2, "and they were in the way all the time");
    std::fs::write(bench.path("isolator_usage.go"), "").unwrap();
    for answer in usage {
        answer.recv_timeout(PATIENCE + Duration::from_secs(10)).unwrap();
    }
}
