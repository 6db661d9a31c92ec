//! Waiting, withdrawing and ending.

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mesos_command::event::Event;
use mesos_command::outcome::OutcomeKind;
use mesos_command::reactor::CancelToken;
use mesos_command::run::{Request, RunReport};

use super::support::{Choice, PATIENCE, Rig, has_ended, open_copy, processes, wait_for};
use super::through::ONLY_A_WORKER;
use test_support::skip;

#[test]
fn waiting_requests_are_served_in_order_by_all_workers() {
    let rig = Rig::ready("none", Choice { workers: 2, ..Choice::default() });
    let (sender, receiver) = mpsc::channel();
    for number in 0..200 {
        let sender = sender.clone();
        rig.pool().submit(rig.request(&number.to_string()), None, move |report| {
            sender.send((number, report)).unwrap();
        });
    }
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..200 {
        let (number, report) = receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
        let output: serde_json::Value = serde_json::from_slice(&report.output).unwrap();
        assert_eq!(output["input"], number, "an answer for another request");
        let served: &mut Vec<(u64, i32)> = seen.entry(report.pid).or_default();
        served.push((output["request"].as_u64().unwrap(), number));
    }
    // One may overtake the other, but each takes them in the order of the queue.
    for served in seen.values_mut() {
        served.sort_unstable();
        assert!(served.is_sorted_by_key(|(_, number)| *number), "{served:?}");
    }
    assert_eq!(seen.len(), 2, "both have worked");
    rig.finish();
}

/// Submits a request.
fn occupy(rig: &Rig) -> mpsc::Receiver<mesos_command::run::RunReport> {
    let (sender, receiver) = mpsc::channel();
    rig.pool().submit(rig.request("{}"), None, move |report| drop(sender.send(report)));
    receiver
}

#[test]
fn the_time_in_the_queue_counts() {
    let rig = Rig::ready("hold=1", Choice::default());
    let busy = occupy(&rig);
    let mut spec = (*rig.spec).clone();
    spec.timeout = Some(Duration::from_millis(100));
    let input = rig.request("{}").input;
    let report = rig.pool().run_blocking(Request::new(spec.into(), input));
    assert_eq!(report.outcome, OutcomeKind::Timeout, "{report:?}");
    assert_eq!(report.pid, None, "no worker has seen it");
    assert!(report.message.contains("none of isolator_usage_workers was free"), "{report:?}");
    rig.release();
    assert_eq!(busy.recv_timeout(PATIENCE).unwrap().outcome, OutcomeKind::Ok, "others go on");
    rig.good();
    rig.finish();
}

#[test]
fn a_withdrawn_request_leaves_the_queue() {
    let rig = Rig::ready("hold=1", Choice::default());
    let busy = occupy(&rig);
    let token = CancelToken::new();
    let (sender, receiver) = mpsc::channel();
    rig.pool().submit(rig.request("{}"), Some(token.clone()), move |report| {
        sender.send(report).unwrap();
    });
    assert_eq!(rig.pool().queued(), 1);
    token.cancel();
    let report = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.outcome, report.pid), (OutcomeKind::Cancelled, None), "{report:?}");
    assert_eq!(rig.pool().queued(), 0);
    rig.release();
    assert_eq!(busy.recv_timeout(PATIENCE).unwrap().outcome, OutcomeKind::Ok);
    assert_eq!(rig.good()["request"], 2, "the worker never saw it");
    let late = rig.pool();
    let (sender, receiver) = mpsc::channel();
    late.submit(rig.request("{}"), Some(token), move |report| sender.send(report).unwrap());
    assert_eq!(receiver.recv().unwrap().outcome, OutcomeKind::Cancelled, "before it started");
    rig.finish();
}

#[test]
fn the_late_answer_to_a_withdrawn_request_is_discarded() {
    let rig = Rig::ready("hold=2", Choice::default());
    let first = rig.good();
    let token = CancelToken::new();
    let (sender, receiver) = mpsc::channel();
    rig.pool().submit(rig.request("{}"), Some(token.clone()), move |report| {
        sender.send(report).unwrap();
    });
    wait_for("the request", || (rig.held() == 1).then_some(()));
    token.cancel();
    // It does not wait for the answer, which is still held back.
    let report = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!(report.outcome, OutcomeKind::Cancelled, "{report:?}");
    rig.release();
    let third = rig.good();
    assert_eq!((&third["pid"], &third["request"]), (&first["pid"], &3.into()));
    rig.finish();
}

#[test]
fn a_withdrawn_request_that_is_never_answered_ends_the_worker() {
    let choice = Choice { timeout: Some(Duration::from_secs(3)), ..Choice::default() };
    let rig = Rig::ready("partial=1", choice);
    let token = CancelToken::new();
    let (sender, receiver) = mpsc::channel();
    rig.pool().submit(rig.request("{}"), Some(token.clone()), move |report| {
        sender.send(report).unwrap();
    });
    wait_for("the request", || (rig.held() == 1).then_some(()));
    token.cancel();
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap().outcome, OutcomeKind::Cancelled);
    rig.log.wait("did not answer in time");
    wait_for("the kill", || (rig.metric("mesos_command_kills_total", "kill") >= 1.0).then_some(()));
    rig.finish();
}

#[test]
fn a_full_queue_says_so() {
    let choice = Choice { queue_limit: Some(2), ..Choice::default() };
    let rig = Rig::ready("hold=1", choice);
    let busy = occupy(&rig);
    let waiting = [occupy(&rig), occupy(&rig)];
    let report = rig.call();
    assert_eq!(report.outcome, OutcomeKind::Overload, "{report:?}");
    rig.release();
    for receiver in [busy].into_iter().chain(waiting) {
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap().outcome, OutcomeKind::Ok);
    }
    rig.finish();
}

#[test]
fn those_that_wait_for_a_worker_that_dies_become_plain_runs() {
    let rig = Rig::ready("exit=1", Choice::default());
    let all: Vec<_> = (0..5).map(|_| occupy(&rig)).collect();
    let outcomes: Vec<_> =
        all.iter().map(|one| one.recv_timeout(PATIENCE).unwrap().outcome).collect();
    let failed = outcomes.iter().filter(|outcome| **outcome == OutcomeKind::Exit).count();
    let well = outcomes.iter().filter(|outcome| **outcome == OutcomeKind::Ok).count();
    assert!(failed >= 1 && failed + well == 5, "{outcomes:?}");
    rig.finish();
}

#[test]
fn a_dropped_pool_answers_everybody_and_ends_busy_workers_in_time() {
    let choice = Choice { workers: 2, ..Choice::default() };
    let mut rig = Rig::ready("partial=1", choice);
    let all: Vec<_> = (0..5).map(|_| occupy(&rig)).collect();
    wait_for("busy workers", || (rig.held() == 2).then_some(()));
    let began = Instant::now();
    rig.pool = None;
    for receiver in all {
        let report = receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!(report.outcome, OutcomeKind::Cancelled, "{report:?}");
    }
    wait_for("the end", || processes(rig.directory.path()).is_empty().then_some(()));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "grace is 200 ms, the timeout 20 s: {took:?}");
    rig.finish();
}

#[test]
fn a_worker_that_ignores_the_end_of_its_input_is_killed() {
    let mut rig = Rig::ready("deathless", Choice::default());
    rig.good();
    rig.pool = None;
    wait_for("the end", || processes(rig.directory.path()).is_empty().then_some(()));
    assert!(rig.metric("mesos_command_kills_total", "signal=\"kill\"") >= 1.0);
    rig.finish();
}

#[test]
fn workers_end_with_the_process_that_has_them() {
    ends_with_its_host("none", None);
}

#[test]
fn so_does_one_that_is_busy() {
    ends_with_its_host("busy=2", None);
}

/// A change of user takes the kernel's promise back to end a process with its parent.
#[test]
fn so_does_a_busy_one_of_another_user() {
    if !nix::unistd::geteuid().is_root() {
        return skip("a worker of another user", "only root may become another user");
    }
    ends_with_its_host("busy=2", Some(1_600_000_000 + std::process::id()));
}

/// Starts a host of one worker, kills it and waits for the worker's end.
fn ends_with_its_host(fault: &str, user: Option<u32>) {
    use std::io::BufRead;
    let directory = tempfile::tempdir().unwrap();
    let command = directory.path().join(format!("worker@{fault}"));
    open_copy(directory.path(), &command);
    let mut host = std::process::Command::new(super::support::PROBE)
        .arg("host")
        .arg(&command)
        .args(user.map(|uid| uid.to_string()))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(host.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let pid: i32 = line.trim().parse().unwrap();
    assert!(!has_ended(pid));
    if fault.starts_with("busy") {
        let mark = directory.path().join("busy");
        wait_for("the request", || mark.exists().then_some(()));
    }
    host.kill().unwrap();
    host.wait().unwrap();
    // The end of its input ends one that is idle, the kernel's TERM one that is busy.
    wait_for("the worker's end", || has_ended(pid).then_some(()));
}

#[test]
fn calls_that_wait_are_answered_by_the_worker_that_comes_up() {
    // On a busy machine the worker may come up too late for them.
    let answered = (0..10).any(|_| {
        let directory = tempfile::tempdir().unwrap();
        let command = directory.path().join("command");
        std::fs::write(&command, ONLY_A_WORKER).unwrap();
        std::fs::set_permissions(&command, PermissionsExt::from_mode(0o755)).unwrap();
        let rig = Rig::of(directory, &command, Choice { stand_in: false, ..Choice::default() });
        let reports: Vec<RunReport> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| rig.call())).collect();
            wait_for("the calls", || {
                let gone = calls.iter().any(std::thread::ScopedJoinHandle::is_finished);
                (gone || rig.pool().queued() == 4).then_some(())
            });
            std::fs::write(rig.directory.path().join("command.go"), "").unwrap();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        rig.finish();
        reports.iter().all(|report| report.outcome == OutcomeKind::Ok && report.by_worker)
    });
    assert!(answered);
}

#[test]
fn hooks_that_wait_for_a_busy_worker_are_answered_by_it() {
    let event = Event::SlaveRunTaskLabelDecorator;
    let rig = Rig::ready("hold=1", Choice { event, ..Choice::default() });
    let reports: Vec<RunReport> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..5).map(|_| scope.spawn(|| rig.call())).collect();
        wait_for("the queue", || (rig.pool().queued() == 4).then_some(()));
        rig.release();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    for report in &reports {
        assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
        assert!(report.by_worker && report.pid == reports[0].pid, "{report:?}");
    }
    assert_eq!(rig.good()["request"], 6, "each was asked once");
    rig.finish();
}

#[test]
fn an_answer_does_not_wait_for_a_host_that_holds_the_reactor_up() {
    let holds = Rig::ready("none", Choice::default());
    // The other one has the lock of all tests already.
    let rig = Rig::ready("none", Choice { alone: true, ..Choice::default() });
    let (holding, is_held) = mpsc::channel();
    let (release, until) = mpsc::channel::<()>();
    let until = std::sync::Arc::new(std::sync::Mutex::new(until));
    loop {
        let (holding, until) = (holding.clone(), until.clone());
        holds.pool().submit(holds.request("{}"), None, move |report| {
            assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
            // On a busy machine the runtime may have read the answer, which must not be held up.
            let here = std::thread::current().name().is_some_and(|name| name == "mcmd-worker-0");
            holding.send(here).unwrap();
            if here {
                let _ = until.lock().unwrap().recv();
            }
        });
        if is_held.recv_timeout(PATIENCE).unwrap() {
            break;
        }
    }
    for _ in 0..3 {
        assert_eq!(rig.good()["from"], "worker");
    }
    drop(release);
    holds.finish();
    rig.finish();
}
