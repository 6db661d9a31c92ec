//! Workers that are lost while they have several requests: who fails, and who does not.

use std::time::Duration;

use mesos_command::event::Event;
use mesos_command::outcome::OutcomeKind;

use super::multiplex::{Calls, held, output, put};
use super::support::{Choice, Rig, wait_for};

const RESTARTS: &str = "mesos_command_worker_restarts_total";
const REPEATED: &str = "mesos_command_worker_repeated_requests_total";

fn rig(fault: &str, choice: Choice) -> Rig {
    Rig::ready(fault, Choice { timeout: Some(Duration::from_secs(60)), ..choice })
}

fn restarted(rig: &Rig, reason: &str) {
    let label = format!("reason=\"{reason}\"");
    wait_for("the count", || (rig.metric(RESTARTS, &label) >= 1.0).then_some(()));
    assert_eq!(rig.metric(RESTARTS, ""), 1.0, "nothing else was lost");
}

/// Those that it had are run as plain commands, the one that it died of too, which dies again.
#[test]
fn a_worker_that_dies_with_sixteen_requests_fails_one() {
    let rig = rig("many=16", Choice::default());
    let mut calls = Calls::of(&rig);
    for _ in 0..15 {
        calls.wait("nothing");
    }
    held(&rig, 15);
    calls.make("{\"do\":\"die\"}");
    let reports = calls.rest(16);
    for report in &reports[..15] {
        assert_eq!(output(report)["from"], "spawn");
    }
    assert_eq!((reports[15].outcome, reports[15].exit_code), (OutcomeKind::Exit, Some(3)));
    restarted(&rig, "exit");
    assert_eq!(rig.metric(REPEATED, ""), 16.0);
    let line = rig.log.wait("made again: 16");
    assert!(line.contains("ended (exit code 3)"), "{line}");
    rig.finish();
}

/// Where no plain command may be run, each of them is alone with another worker.
#[test]
fn so_does_one_that_only_workers_can_stand_in_for() {
    let rig = rig("many=16", Choice { workers: 3, stand_in: false, ..Choice::default() });
    let mut calls = Calls::of(&rig);
    for _ in 0..7 {
        calls.wait("go");
    }
    held(&rig, 7);
    let workers = rig.pool().workers().look().processes;
    let first = workers.iter().find(|worker| worker.in_flight == 7).expect("one has all").pid;
    // It dies before it answers.
    calls.make("{\"do\":\"die\"}");
    wait_for("its end", || super::support::has_ended(first).then_some(()));
    put(&rig, "go");
    let reports = calls.rest(8);
    for report in &reports[..7] {
        assert_ne!(output(report)["pid"], first);
        assert!(report.by_worker, "{report:?}");
    }
    assert_eq!((reports[7].outcome, reports[7].exit_code), (OutcomeKind::Exit, Some(3)));
    assert_eq!(rig.metric(REPEATED, ""), 8.0);
    rig.finish();
}

#[test]
fn a_worker_that_ignores_a_cancel_is_ended_and_only_that_call_fails() {
    let rig = rig("many-cancel=4", Choice::default());
    let mut calls = Calls::of(&rig);
    calls.wait("nothing");
    held(&rig, 1);
    calls.within(Duration::from_millis(300), "{\"do\":\"deaf\"}");
    let (number, report) = calls.next();
    assert_eq!((number, report.outcome), (1, OutcomeKind::Timeout), "{report:?}");
    let (number, report) = calls.next();
    assert_eq!((number, &output(&report)["from"]), (0, &"spawn".into()));
    restarted(&rig, "timeout");
    assert_eq!(rig.metric(REPEATED, ""), 1.0);
    rig.log.wait("did not answer a request that was cancelled within kill_grace");
    rig.finish();
}

/// Without cancels, the deadline of one request is the end of the worker.
#[test]
fn a_worker_that_takes_no_cancel_is_ended_at_a_deadline_and_only_that_call_fails() {
    let rig = rig("many=4", Choice::default());
    let mut calls = Calls::of(&rig);
    calls.wait("nothing");
    held(&rig, 1);
    calls.within(Duration::from_millis(300), "{\"do\":\"deaf\"}");
    let reports = calls.rest(2);
    assert_eq!(output(&reports[0])["from"], "spawn");
    assert_eq!(reports[1].outcome, OutcomeKind::Timeout, "{:?}", reports[1]);
    assert_eq!(reports[1].kills.kill, 1);
    restarted(&rig, "timeout");
    assert_eq!(rig.metric(REPEATED, ""), 1.0);
    rig.finish();
}

/// Nobody knows whose answer it was to be, so all are innocent.
#[test]
fn an_answer_that_nobody_asked_for_fails_nobody() {
    for (input, told) in [
        ("{\"do\":\"other\"}", "answered request 1000, which it was not asked or has answered"),
        ("{\"do\":\"twice\"}", "answered request 2, which it was not asked or has answered"),
    ] {
        let rig = rig("many=4", Choice::default());
        let mut calls = Calls::of(&rig);
        calls.wait("nothing");
        held(&rig, 1);
        calls.make(input);
        for report in calls.rest(2) {
            assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
        }
        rig.log.wait(told);
        restarted(&rig, "protocol");
        rig.finish();
    }
    let rig = rig("many=4", Choice::default());
    let mut calls = Calls::of(&rig);
    calls.make("{\"do\":\"other\"}");
    assert_eq!(output(&calls.rest(1)[0])["from"], "spawn");
    rig.log.wait("answered request 1000, which it was not asked or has answered");
    rig.finish();
}

/// What changes something is not done twice.
#[test]
fn the_launch_path_is_not_repeated() {
    let rig = rig("many-cancel=4", Choice { event: Event::Prepare, ..Choice::default() });
    let mut calls = Calls::of(&rig);
    calls.wait("nothing");
    held(&rig, 1);
    calls.within(Duration::from_millis(300), "{\"do\":\"deaf\"}");
    let reports = calls.rest(2);
    assert_eq!(reports[0].outcome, OutcomeKind::WorkerProtocol, "{:?}", reports[0]);
    let message = &reports[0].message;
    assert!(
        message.contains("lost with a request of another call: it did not answer"),
        "{message}"
    );
    assert_eq!(reports[1].outcome, OutcomeKind::Timeout, "{:?}", reports[1]);
    assert_eq!((rig.metric(REPEATED, ""), reports[0].kills.kill), (0.0, 1));
    rig.finish();
}
