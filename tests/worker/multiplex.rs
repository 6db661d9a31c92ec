//! Workers that have several requests at a time, and those that take cancels.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use mesos_command::event::Event;
use mesos_command::outcome::OutcomeKind;
use mesos_command::reactor::CancelToken;
use mesos_command::run::{Request, RunReport};
use mesos_command::worker::Recycling;
use serde_json::Value;

use super::support::{Choice, PATIENCE, Rig, has_ended, wait_for};

const RESTARTS: &str = "mesos_command_worker_restarts_total";
/// For a request that is to miss its deadline, on a busy machine too.
const SOON: Duration = Duration::from_millis(300);

/// Reports of the calls that were made with it, and their numbers.
pub(crate) struct Calls<'a> {
    rig: &'a Rig,
    reports: Receiver<(usize, RunReport)>,
    sender: std::sync::mpsc::Sender<(usize, RunReport)>,
    made: usize,
}

impl<'a> Calls<'a> {
    pub(crate) fn of(rig: &'a Rig) -> Calls<'a> {
        let (sender, reports) = channel();
        Calls { rig, reports, sender, made: 0 }
    }

    /// Makes a call; its number.
    pub(crate) fn make(&mut self, input: &str) -> usize {
        self.make_as(self.rig.request(input), None)
    }

    /// Makes a call that waits for the file `name`.
    pub(crate) fn wait(&mut self, name: &str) -> usize {
        self.make(&format!("{{\"wait\":\"{name}\"}}"))
    }

    /// Makes a call with a deadline of its own.
    pub(crate) fn within(&mut self, timeout: Duration, input: &str) -> usize {
        let mut spec = (*self.rig.spec).clone();
        spec.timeout = Some(timeout);
        let input = self.rig.request(input).input;
        self.make_as(Request::new(spec.into(), input), None)
    }

    pub(crate) fn make_as(&mut self, request: Request, cancel: Option<CancelToken>) -> usize {
        let (number, sender) = (self.made, self.sender.clone());
        self.made += 1;
        self.rig.pool().submit(request, cancel, move |report| {
            let _ = sender.send((number, report));
        });
        number
    }

    /// The next report, of whichever call.
    pub(crate) fn next(&self) -> (usize, RunReport) {
        self.reports.recv_timeout(PATIENCE).expect("an answer")
    }

    /// The reports that are left, by the calls' numbers; there are no more than one of each.
    pub(crate) fn rest(self, count: usize) -> Vec<RunReport> {
        let mut all: Vec<_> = (0..count).map(|_| self.next()).collect();
        all.sort_by_key(|(number, _)| *number);
        assert!(self.reports.try_recv().is_err(), "a call has two answers");
        all.into_iter().map(|(_, report)| report).collect()
    }
}

/// The output of a good answer.
pub(crate) fn output(report: &RunReport) -> Value {
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    serde_json::from_slice(&report.output).expect("JSON")
}

/// Makes a file that calls wait for.
pub(crate) fn put(rig: &Rig, name: &str) {
    std::fs::write(rig.directory.path().join(name), "").unwrap();
}

/// Waits until workers have read so many requests.
pub(crate) fn held(rig: &Rig, count: usize) {
    wait_for("the requests to be read", || (rig.held() >= count).then_some(()));
    assert_eq!(rig.held(), count);
}

/// How many cancels workers have read.
fn cancels(rig: &Rig) -> usize {
    let entries = std::fs::read_dir(rig.directory.path()).unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("cancel.")).count()
}

fn choice(timeout: u64) -> Choice {
    Choice { timeout: Some(Duration::from_secs(timeout)), ..Choice::default() }
}

#[test]
fn answers_come_in_any_order() {
    let rig = Rig::ready("many=16", choice(60));
    let mut calls = Calls::of(&rig);
    let names = ["a", "b", "c", "d"];
    for name in names {
        calls.wait(name);
    }
    held(&rig, 4);
    for number in [2, 3, 0, 1] {
        put(&rig, names[number]);
        let (answered, report) = calls.next();
        assert_eq!((answered, &output(&report)["input"]), (number, &names[number].into()));
        assert!(report.by_worker, "{report:?}");
    }
    assert_eq!(rig.metric(RESTARTS, ""), 0.0);
    rig.finish();
}

#[test]
fn one_slow_request_does_not_hold_the_others() {
    let rig = Rig::ready("many=2", choice(60));
    let mut calls = Calls::of(&rig);
    calls.wait("slow");
    held(&rig, 1);
    let quick: Vec<Value> = (0..50).map(|_| rig.good()).collect();
    put(&rig, "slow");
    let slow = output(&calls.next().1);
    assert!(quick.iter().all(|it| it["from"] == "worker" && it["pid"] == slow["pid"]), "{quick:?}");
    rig.finish();
}

/// Those that wait get the room that answers leave, first come, first served.
#[test]
fn a_worker_has_no_more_requests_than_it_takes() {
    let rig = Rig::ready("many=3", choice(60));
    let mut calls = Calls::of(&rig);
    for name in ["a", "b", "c", "d", "e"] {
        calls.wait(name);
    }
    held(&rig, 3);
    assert_eq!(rig.pool().queued(), 2);
    let seen = rig.pool().workers().look();
    assert_eq!(seen.processes[0].in_flight, 3, "{seen:?}");
    put(&rig, "b");
    assert_eq!(calls.next().0, 1);
    held(&rig, 4);
    assert_eq!(rig.pool().queued(), 1);
    ["a", "c", "d", "e"].iter().for_each(|name| put(&rig, name));
    assert!(calls.rest(4).iter().all(|report| report.outcome == OutcomeKind::Ok));
    assert_eq!(rig.pool().workers().look().processes[0].in_flight, 0);
    rig.finish();
}

#[test]
fn a_worker_gets_no_more_than_it_may_have_and_that_is_told() {
    let rig = Rig::ready("many=1000", Choice { multiplex: 2, ..choice(60) });
    let line = rig.log.wait("asks for 1000 requests at a time");
    assert!(line.ends_with("it gets 2, as isolator_usage_worker_multiplex_max says"), "{line}");
    let mut calls = Calls::of(&rig);
    for _ in 0..3 {
        calls.wait("go");
    }
    held(&rig, 2);
    assert_eq!(rig.pool().queued(), 1);
    put(&rig, "go");
    assert_eq!(calls.rest(3).len(), 3);
    rig.finish();
}

/// A pipe takes 64 KiB: the second line does not fit, and is the last one that is given.
#[test]
fn a_worker_that_does_not_read_gets_nothing_more() {
    let rig = Rig::ready("many=16", choice(60));
    let mut calls = Calls::of(&rig);
    calls.make("{\"do\":\"stuck\"}");
    assert_eq!(output(&calls.next().1)["from"], "worker");
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(300_000));
    for _ in 0..3 {
        calls.make(&large);
    }
    wait_for("the queue", || (rig.pool().queued() == 2).then_some(()));
    put(&rig, "go");
    assert!(calls.rest(3).iter().all(|report| report.outcome == OutcomeKind::Ok));
    assert_eq!(rig.metric(RESTARTS, ""), 0.0);
    rig.finish();
}

#[test]
fn a_request_is_cancelled_at_its_deadline_and_the_worker_serves_on() {
    for input in ["{\"wait\":\"nothing\"}", "{\"do\":\"late\"}"] {
        let rig = Rig::ready("many-cancel=4", Choice { kill_grace: PATIENCE, ..choice(60) });
        let pid = rig.good()["pid"].clone();
        let mut calls = Calls::of(&rig);
        calls.wait("go");
        let began = Instant::now();
        let late = calls.within(SOON, input);
        let (number, report) = calls.next();
        assert_eq!((number, report.outcome), (late, OutcomeKind::Timeout), "{report:?}");
        assert!(report.message.contains("did not answer within 300ms"), "{report:?}");
        assert!(began.elapsed() >= SOON && report.kills.kill == 0, "{report:?}");
        wait_for("the cancel", || (cancels(&rig) == 1).then_some(()));
        wait_for("its answer", || {
            (rig.pool().workers().look().processes[0].in_flight == 1).then_some(())
        });
        assert_eq!(rig.good()["pid"], pid, "{input}");
        put(&rig, "go");
        assert_eq!(output(&calls.next().1)["pid"], pid);
        assert_eq!(rig.metric(RESTARTS, ""), 0.0);
        rig.finish();
    }
}

#[test]
fn a_request_of_a_container_that_ends_is_cancelled() {
    let rig = Rig::ready("many-cancel=4", Choice { kill_grace: PATIENCE, ..choice(600) });
    let pid = rig.good()["pid"].clone();
    let (mut calls, token) = (Calls::of(&rig), CancelToken::new());
    calls.make_as(rig.request("{\"wait\":\"nothing\"}"), Some(token.child()));
    held(&rig, 2);
    token.cancel();
    assert_eq!(calls.next().1.outcome, OutcomeKind::Cancelled);
    wait_for("the cancel", || (cancels(&rig) == 1).then_some(()));
    assert_eq!(rig.good()["pid"], pid);
    rig.finish();
}

/// A caller that blocks leaves the worker with its cancel.
#[test]
fn a_hook_is_cancelled_at_its_deadline_and_the_worker_serves_on() {
    let event = Event::SlaveRunTaskLabelDecorator;
    let rig = Rig::ready("many-cancel=16", Choice { event, kill_grace: PATIENCE, ..choice(60) });
    let line = rig.log.wait("asks for 16 requests at a time");
    assert!(line.ends_with("hooks are asked for one at a time"), "{line}");
    let pid = rig.good()["pid"].clone();
    let mut spec = (*rig.spec).clone();
    spec.timeout = Some(SOON);
    let request = Request::new(spec.into(), rig.request("{\"wait\":\"nothing\"}").input);
    let report = rig.pool().run_blocking(request);
    assert_eq!(report.outcome, OutcomeKind::Timeout, "{report:?}");
    for _ in 0..3 {
        assert_eq!(rig.good()["pid"], pid);
    }
    assert_eq!((cancels(&rig), rig.metric(RESTARTS, "")), (1, 0.0));
    rig.finish();
}

/// The old one answers what it has, and ends then.
#[test]
fn a_worker_that_is_replaced_answers_what_it_has() {
    let recycling = Recycling { requests: Some(3), ..Recycling::default() };
    let rig = Rig::ready("many=16", Choice { recycling, ..choice(600) });
    let mut calls = Calls::of(&rig);
    for _ in 0..3 {
        calls.wait("go");
    }
    held(&rig, 3);
    let old = rig.pool().workers().look().processes[0].pid;
    wait_for("the successor", || {
        let answer = rig.good();
        (answer["pid"] != old).then_some(())
    });
    assert!(!has_ended(old));
    put(&rig, "go");
    for report in calls.rest(3) {
        assert_eq!(output(&report)["pid"], old);
    }
    wait_for("its end", || has_ended(old).then_some(()));
    wait_for("the count", || (rig.metric(RESTARTS, "reason=\"recycled\"") >= 1.0).then_some(()));
    for fault in ["exit", "protocol", "timeout"] {
        assert_eq!(rig.metric(RESTARTS, &format!("reason=\"{fault}\"")), 0.0, "{fault}");
    }
    rig.finish();
}
