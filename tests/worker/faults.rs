//! One fault after the other: what the call gets, that the next ones work, that nothing is left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mesos_command::event::Event;
use mesos_command::outcome::OutcomeKind;
use mesos_command::sys::Pid;

use super::support::{Choice, PATIENCE, Rig, has_ended, wait_for};

/// A fault at the second request: outcome, part of the message, reason of the restart.
const TABLE: &[(&str, OutcomeKind, &str, &str)] = &[
    ("exit", OutcomeKind::Exit, "ended before it answered", "exit"),
    ("leave", OutcomeKind::WorkerProtocol, "ended before it answered", "exit"),
    ("suicide", OutcomeKind::Signal, "ended before it answered", "exit"),
    ("orphan", OutcomeKind::Exit, "ended before it answered", "exit"),
    ("garbage", OutcomeKind::WorkerProtocol, "\"Segmentation fault (core dumped)\"", "protocol"),
    ("log", OutcomeKind::WorkerProtocol, "print to stdout", "protocol"),
    ("wrong-id", OutcomeKind::WorkerProtocol, "answered request 3 instead of 2", "protocol"),
    ("twice", OutcomeKind::WorkerProtocol, "after its answer", "protocol"),
    ("close", OutcomeKind::WorkerProtocol, "closed its stdout", "protocol"),
    ("partial", OutcomeKind::Timeout, "did not answer within", "timeout"),
    ("huge", OutcomeKind::OutputTooLarge, "bytes or more in one line", "output_too_large"),
    ("large", OutcomeKind::OutputTooLarge, "bytes or more in one line", "output_too_large"),
    ("stderr", OutcomeKind::WorkerProtocol, "no answer", "protocol"),
];

#[test]
fn a_fault_fails_one_call_and_the_worker_is_replaced() {
    // A hook's blocking caller talks to the worker itself.
    for event in [Event::Usage, Event::SlaveRunTaskLabelDecorator] {
        each_fault(event);
    }
}

fn each_fault(event: Event) {
    for (fault, outcome, text, reason) in TABLE {
        let timeout = if *fault == "partial" { 3 } else { 60 };
        let timeout = Some(Duration::from_secs(timeout));
        let choice = Choice { timeout, event, ..Choice::default() };
        let rig = Rig::ready(&format!("{fault}=2"), choice);
        let first = rig.good();
        assert_eq!((&first["from"], &first["request"]), (&"worker".into(), &1.into()), "{fault}");
        let pid = first["pid"].as_i64().unwrap() as i32;
        let began = Instant::now();
        let report = rig.call();
        assert_eq!(report.outcome, *outcome, "{fault}: {report:?}");
        assert!(report.message.contains(text), "{fault}: {report:?}");
        assert_eq!(report.pid.map(Pid::as_raw), Some(pid), "{fault}");
        assert!(report.by_worker && report.output.is_empty(), "{fault}: {report:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{fault}: a hang");
        // A plain run, or the replacement's first.
        let next = rig.good();
        assert_ne!(next["pid"], first["pid"], "{fault}: it is used again");
        wait_for("the replacement", || (rig.pool().up() == 1).then_some(()));
        wait_for("the count", || {
            let label = format!("reason=\"{reason}\"");
            (rig.metric("mesos_command_worker_restarts_total", &label) >= 1.0).then_some(())
        });
        assert!(has_ended(pid), "{fault}: the worker lives");
        rig.finish();
    }
}

#[test]
fn details_of_an_end_are_told() {
    let rig = Rig::ready("exit=1", Choice::default());
    assert_eq!(rig.call().exit_code, Some(3));
    rig.finish();
    let rig = Rig::ready("suicide=1", Choice::default());
    let report = rig.call();
    assert_eq!((report.signal, report.kills.kill), (Some(9), 0));
    rig.finish();
    let rig = Rig::ready("stderr=1", Choice::default());
    let report = rig.call();
    assert_eq!(report.stdio_tail, b"what went wrong\n", "{report:?}");
    assert_eq!(report.kills.kill, 1);
    rig.finish();
}

#[test]
fn an_error_answer_fails_only_the_call() {
    let rig = Rig::ready("error=2", Choice::default());
    let first = rig.good();
    let report = rig.call();
    assert_eq!((report.outcome, report.exit_code), (OutcomeKind::Exit, None));
    assert_eq!(report.error_file, b"no such container");
    let third = rig.good();
    assert_eq!((&third["pid"], &third["request"]), (&first["pid"], &3.into()), "it lives on");
    rig.finish();
}

#[test]
fn an_answer_with_a_bad_value_ends_no_worker() {
    for event in [Event::Usage, Event::SlaveRunTaskLabelDecorator] {
        for (fault, outcome, output, error) in [
            ("nan", OutcomeKind::Ok, "{\"mem_rss_bytes\":NaN}", ""),
            ("object", OutcomeKind::Exit, "", "{\"code\":2}"),
        ] {
            let rig = Rig::ready(&format!("{fault}=2"), Choice { event, ..Choice::default() });
            let first = rig.good();
            let report = rig.call();
            assert_eq!(report.outcome, outcome, "{report:?}");
            // Whoever reads the output judges it.
            assert_eq!(String::from_utf8_lossy(&report.output), output);
            assert_eq!(String::from_utf8_lossy(&report.error_file), error);
            let third = rig.good();
            assert_eq!((&third["pid"], &third["request"]), (&first["pid"], &3.into()), "{fault}");
            rig.finish();
        }
    }
}

#[test]
fn a_worker_that_ends_after_its_answer_fails_nothing() {
    let rig = Rig::ready("last=1", Choice::default());
    for round in 1..=4 {
        assert_eq!(rig.good()["from"], "worker");
        // A request that is written while it ends would be lost with it.
        wait_for("the replacement", || {
            let restarts = rig.metric("mesos_command_worker_restarts_total", "reason=\"exit\"");
            (restarts >= f64::from(round) && rig.pool().up() == 1).then_some(())
        });
    }
    rig.finish();
}

#[test]
fn words_between_requests_end_a_worker_but_fail_no_call() {
    let rig = Rig::ready("after=1", Choice::default());
    rig.good();
    let line = rig.log.wait("without having been asked");
    assert!(line.contains("INFO one more thing") && line.contains("print to stdout"), "{line}");
    rig.good();
    rig.finish();
}

#[test]
fn an_answer_before_any_request_ends_a_worker() {
    let rig = Rig::start("early", Choice::default());
    let line = rig.log.wait("without having been asked");
    assert!(line.contains("{\\\"id\\\":1}"), "{line}");
    rig.good();
    rig.finish();
}

#[test]
fn cat_is_no_worker() {
    let directory = tempfile::tempdir().unwrap();
    let rig = Rig::of(directory, "/bin/cat".as_ref(), Choice::default());
    let line = rig.log.wait("is not ready");
    assert!(line.contains("echoes what it is sent"), "{line}");
    assert_eq!(rig.pool().up(), 0);
    rig.finish();
}

#[test]
fn a_worker_that_never_says_that_it_is_ready_does_not_hold_calls() {
    let choice = Choice { timeout: Some(Duration::from_secs(3)), ..Choice::default() };
    let rig = Rig::start("mute", choice);
    assert_eq!(rig.good()["from"], "spawn");
    rig.log.wait("did not say {\"ready\":1} within 3s");
    assert_eq!(rig.good()["from"], "spawn");
    rig.finish();
}

#[test]
fn a_command_that_cannot_be_started_fails_like_a_plain_run() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let rig = Rig::of(directory, &missing, Choice::default());
    let line = rig.log.wait("could not be started");
    assert!(line.contains("does not exist"), "{line}");
    let report = rig.call();
    assert_eq!(report.outcome, OutcomeKind::SpawnError, "{report:?}");
    assert!(!report.by_worker);
    rig.finish();
}

#[test]
fn the_deadline_works_while_a_request_is_being_written() {
    let choice = Choice {
        timeout: Some(Duration::from_secs(3)),
        max_output_bytes: 4 << 20,
        ..Choice::default()
    };
    let rig = Rig::ready("deaf=1", choice);
    rig.good();
    let began = Instant::now();
    let input = format!("{{\"padding\":\"{}\"}}", "x".repeat(1 << 20));
    let report = rig.pool().run_blocking(rig.request(&input));
    assert_eq!(report.outcome, OutcomeKind::Timeout, "{report:?}");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(30), "{took:?}");
    rig.good();
    rig.finish();
}

#[test]
fn large_requests_and_answers_pass() {
    let choice = Choice { max_output_bytes: 4 << 20, ..Choice::default() };
    let rig = Rig::ready("none", choice);
    let padding = "x".repeat(1 << 20);
    let report = rig.pool().run_blocking(rig.request(&format!("{{\"padding\":\"{padding}\"}}")));
    assert_eq!(report.outcome, OutcomeKind::Ok, "{:?}", report.message);
    let output: serde_json::Value = serde_json::from_slice(&report.output).unwrap();
    assert_eq!(output["input"]["padding"].as_str(), Some(padding.as_str()));
    assert_eq!(report.output_bytes, report.output.len() as u64);
    rig.finish();
}

#[test]
fn a_changed_file_replaces_the_workers() {
    let directory = tempfile::tempdir().unwrap();
    let command = directory.path().join("worker@none");
    std::os::unix::fs::symlink(super::support::PROBE, &command).unwrap();
    let rig = Rig::of(directory, &command, Choice { workers: 2, ..Choice::default() });
    wait_for("workers", || (rig.pool().up() == 2).then_some(()));
    let before = rig.good();
    // A copy: the same content, but another file.
    let copy = rig.directory.path().join("new");
    std::fs::copy(super::support::PROBE, &copy).unwrap();
    std::fs::rename(&copy, &command).unwrap();
    wait_for("two restarts", || {
        let label = "reason=\"command_changed\"";
        (rig.metric("mesos_command_worker_restarts_total", label) >= 2.0).then_some(())
    });
    wait_for("workers", || (rig.pool().up() == 2).then_some(()));
    let after = rig.good();
    assert_ne!(before["pid"], after["pid"]);
    assert!(has_ended(before["pid"].as_i64().unwrap() as i32));
    rig.finish();
}

#[test]
fn a_worker_gets_what_the_contract_says() {
    let rig = Rig::ready("none", Choice::default());
    let output = rig.good();
    assert_eq!(output["event"], "isolator_usage");
    assert_eq!(output["arguments"], 1);
    assert_eq!(output["input"]["container_id"]["value"], "c");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let left = output["deadline"].as_f64().unwrap() - now.as_secs_f64();
    assert!((0.0..=20.0).contains(&left), "{left}");
    let pid = output["pid"].as_i64().unwrap();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    for entry in ["MESOS_COMMAND_WORKER=1", "MESOS_COMMAND_EVENT=isolator_usage"] {
        assert!(environment.split('\0').any(|have| have == entry), "{entry}");
    }
    assert!(!environment.contains("MESOS_COMMAND_DEADLINE="), "it would be of one call");
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert_eq!(fds, 3, "nothing but the pipes");
    rig.finish();
}

#[test]
fn each_of_many_requests_is_answered_once_although_workers_end() {
    // Nearly all become plain runs, which wait for each other.
    let timeout = Some(Duration::from_secs(120));
    let rig = Rig::ready("exit=50", Choice { workers: 3, timeout, ..Choice::default() });
    let answered: Vec<AtomicUsize> = (0..4000).map(|_| AtomicUsize::new(0)).collect();
    let answered = Arc::new(answered);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (answered, sender, rig) = (answered.clone(), sender.clone(), &rig);
            scope.spawn(move || {
                for number in part * 1000..(part + 1) * 1000 {
                    let (answered, sender) = (answered.clone(), sender.clone());
                    let request = rig.request(&number.to_string());
                    rig.pool().submit(request, None, move |report| {
                        answered[number].fetch_add(1, Ordering::SeqCst);
                        sender.send((number, report)).unwrap();
                    });
                    // Sometimes workers are idle, sometimes requests wait.
                    if number % 100 == 0 {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
            });
        }
    });
    let mut failed = 0;
    for _ in 0..4000 {
        let (number, report) = receiver.recv_timeout(PATIENCE).unwrap();
        match report.outcome {
            OutcomeKind::Ok if report.by_worker => {
                let output: serde_json::Value = serde_json::from_slice(&report.output).unwrap();
                assert_eq!(output["input"], number, "an answer for another request");
            }
            OutcomeKind::Ok => {}
            OutcomeKind::Exit => failed += 1,
            _ => panic!("{report:?}"),
        }
    }
    assert!(answered.iter().all(|count| count.load(Ordering::SeqCst) == 1));
    // Each worker takes one request with it.
    assert!((1..=4000 / 50).contains(&failed), "{failed}");
    rig.finish();
}
