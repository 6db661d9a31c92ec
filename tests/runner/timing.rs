//! Races, lanes, many runs at once.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mesos_command::event::Event;
use mesos_command::outcome::OutcomeKind;
use mesos_command::reactor::CancelToken;
use mesos_command::run::{DeadlineFrom, LaneQueue, Request, RunReport};

use test_support::dropped_unanswered;

use crate::support::{Case, PATIENCE, pid_in, probe, runner, serial};

fn submit_all(
    cases: impl IntoIterator<Item = Request>,
    lane: Option<&std::sync::Arc<LaneQueue>>,
) -> Receiver<(usize, RunReport)> {
    let (sender, receiver) = channel();
    for (number, request) in cases.into_iter().enumerate() {
        let sender = sender.clone();
        runner().submit(request, lane, None, move |report| {
            let _ = sender.send((number, report));
        });
    }
    receiver
}

#[test]
fn a_command_that_ends_when_the_deadline_passes_has_one_clear_outcome() {
    let _oracle = serial();
    let mut counts = [0; 2];
    let mut timeout = Duration::from_millis(2);
    for _ in 0..120 {
        let report = probe("output:{}").with(|spec| spec.timeout = Some(timeout)).run();
        // Shorter after each that was in time, longer after each that was not: on a machine of any
        // speed most rounds are close to the race.
        match report.outcome {
            OutcomeKind::Ok => {
                assert_eq!(report.output, b"{}");
                assert_eq!(report.kills.term, 0);
                counts[0] += 1;
                timeout = timeout.mul_f64(0.9);
            }
            OutcomeKind::Timeout => {
                counts[1] += 1;
                timeout = timeout.mul_f64(1.1);
            }
            other => panic!("{other}: {report:?}"),
        }
    }
    assert!(counts.iter().all(|count| *count >= 10), "in time and not: {counts:?}");
}

#[test]
fn no_time_at_all_is_a_timeout() {
    let _oracle = serial();
    let report = probe("output:{}").timeout(0).run();
    assert_eq!(report.outcome, OutcomeKind::Timeout, "{report:?}");
}

#[test]
fn many_deadlines_at_once_do_not_wait_for_each_other() {
    const RUNS: usize = 64;
    let _oracle = serial();
    let case = probe("ignore:SIGTERM;sleep:60000").timeout(1000).grace(300);
    let start = Instant::now();
    let receiver = submit_all((0..RUNS).map(|_| case.request()), None);
    let reports: Vec<_> = receiver.iter().collect();
    assert_eq!(reports.len(), RUNS);
    for (_, report) in reports {
        assert_eq!(report.outcome, OutcomeKind::Timeout, "{report:?}");
    }
    // One after the other they would take 83 s.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn a_lane_runs_one_at_a_time_in_order() {
    let _oracle = serial();
    let lane = LaneQueue::new(1, None);
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("lock");
    let text =
        format!("#!/bin/sh\nmkdir '{0}' || exit 9\nsleep 0.01\nrmdir '{0}'\n", lock.display());
    let path = crate::support::script(directory.path(), "exclusive", &text);
    let case = crate::support::command(path).with(|spec| spec.event = Event::Cleanup);
    let receiver = submit_all((0..20).map(|_| case.request()), Some(&lane));
    let reports: Vec<_> = receiver.iter().collect();
    let order: Vec<_> = reports.iter().map(|(number, _)| *number).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
    assert!(reports.iter().all(|(_, report)| report.outcome == OutcomeKind::Ok), "{reports:?}");
    assert_eq!(lane.queued(), 0);
}

#[test]
fn a_full_lane_answers_overload_at_once() {
    let _oracle = serial();
    let lane = LaneQueue::new(2, Some(3));
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let case = probe(&format!("wait-for:{};output:{{}}", go.display()));
    let receiver = submit_all((0..10).map(|_| case.request()), Some(&lane));
    for _ in 0..5 {
        let (number, report) = receiver.recv_timeout(PATIENCE).unwrap();
        assert!(number >= 5);
        assert_eq!(report.outcome, OutcomeKind::Overload);
    }
    std::fs::write(&go, "").unwrap();
    let rest: Vec<_> = receiver.iter().collect();
    assert_eq!(rest.len(), 5);
    assert!(rest.iter().all(|(_, report)| report.outcome == OutcomeKind::Ok));
}

fn blocked_lane(case: &Case) -> (std::sync::Arc<LaneQueue>, CancelToken, Receiver<RunReport>) {
    let lane = LaneQueue::new(1, None);
    let token = CancelToken::new();
    let (sender, receiver) = channel();
    runner().submit(case.request(), Some(&lane), Some(token.clone()), move |report| {
        let _ = sender.send(report);
    });
    (lane, token, receiver)
}

#[test]
fn waiting_counts_for_the_deadline_unless_it_counts_from_the_start() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("pid");
    let long = probe(&format!("touch:{};sleep:60000", mark.display()));
    let (lane, token, first) = blocked_lane(&long);
    pid_in(&mark);
    let case = probe("output:{}").timeout(2000);
    let report = runner().run_blocking(case.request(), Some(&lane), None);
    assert_eq!((report.outcome, report.pid), (OutcomeKind::Timeout, None), "{report:?}");
    assert!(report.message.contains("waiting for its turn"), "{}", report.message);

    let mut patient = case.request();
    patient.deadline_from = DeadlineFrom::Start;
    let receiver = submit_all([patient], Some(&lane));
    // Longer than its timeout, which is long enough for the command itself on a busy machine.
    std::thread::sleep(Duration::from_millis(2200));
    token.cancel();
    assert_eq!(first.recv().unwrap().outcome, OutcomeKind::Cancelled);
    let (_, report) = receiver.recv().unwrap();
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    assert!(report.timings.queued >= Duration::from_millis(2100));
}

#[test]
fn one_that_may_wait_until_some_time_is_answered_then_without_a_start() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("pid");
    let long = probe(&format!("touch:{};sleep:60000", mark.display()));
    let (lane, token, first) = blocked_lane(&long);
    pid_in(&mark);
    let mut request = probe("output:{}").request();
    request.deadline_from = DeadlineFrom::Start;
    request.last_start = Some(Instant::now() + Duration::from_millis(300));
    let receiver = submit_all([request], Some(&lane));
    let (_, report) = receiver.recv().unwrap();
    assert_eq!((report.outcome, report.pid), (OutcomeKind::Timeout, None), "{report:?}");
    assert!(
        report.never_had_its_turn() && report.message.contains("had not started"),
        "{report:?}"
    );
    assert_eq!(lane.queued(), 0);
    token.cancel();
    assert_eq!(first.recv().unwrap().outcome, OutcomeKind::Cancelled);
}

#[test]
fn one_that_waits_can_be_cancelled() {
    let _oracle = serial();
    let (lane, token, first) = blocked_lane(&probe("sleep:60000"));
    let other = CancelToken::new();
    let (sender, receiver) = channel();
    runner().submit(probe("").request(), Some(&lane), Some(other.clone()), move |report| {
        let _ = sender.send(report);
    });
    assert_eq!(lane.queued(), 1);
    other.cancel();
    assert_eq!(receiver.recv().unwrap().outcome, OutcomeKind::Cancelled);
    token.cancel();
    first.recv().unwrap();
}

#[test]
fn a_future_that_is_dropped_leaves_the_run_to_its_end() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let [began, go, done] = ["began", "go", "done"].map(|name| directory.path().join(name));
    let runner = runner();
    let steps =
        format!("touch:{};wait-for:{};touch:{}", began.display(), go.display(), done.display());
    let request = probe(&steps).request();
    let other = runner.clone();
    let task = runner.handle().spawn(async move { other.run(request, None, None).await });
    let pid = pid_in(&began);
    task.abort();
    std::fs::write(&go, "").unwrap();
    assert_eq!(pid_in(&done), pid);
}

#[test]
fn a_callback_that_panics_harms_nobody() {
    let _oracle = serial();
    let (sender, receiver) = channel::<()>();
    runner().submit(probe("").request(), None, None, move |_| {
        let _guard = sender;
        panic!("expected by the test");
    });
    // The callback ran, and dropped it.
    dropped_unanswered(&receiver);
    assert_eq!(probe("output:{}").run().output, b"{}");
}
