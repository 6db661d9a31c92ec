//! Workers that are replaced although they are well.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use mesos_command::outcome::{OutcomeKind, WorkerRestart};
use mesos_command::worker::Recycling;

use crate::support::{Choice, PROBE, Rig, has_ended, wait_for};

const RESTARTS: &str = "mesos_command_worker_restarts_total";

fn choice(recycling: Recycling) -> Choice {
    Choice { recycling, ..Choice::default() }
}

fn by_requests(requests: u64) -> Choice {
    choice(Recycling { requests: Some(requests), ..Recycling::default() })
}

fn recycled(rig: &Rig) -> f64 {
    rig.metric(RESTARTS, "reason=\"recycled\"")
}

/// Calls until so many workers were replaced; each call must have been answered by a worker. The
/// processes of these.
fn call_until_recycled(rig: &Rig, wanted: f64) -> BTreeSet<i64> {
    let mut pids = BTreeSet::new();
    wait_for("workers to be replaced", || {
        let answer = rig.good();
        assert_eq!(answer["from"], "worker", "never a plain command");
        pids.insert(answer["pid"].as_i64().unwrap());
        assert!(rig.pool().up() > 0);
        (recycled(rig) >= wanted).then_some(())
    });
    pids
}

/// What is lost is counted apart.
fn has_no_faults(rig: &Rig) {
    assert!(recycled(rig) > 0.0);
    let others = WorkerRestart::ALL.into_iter().filter(|it| *it != WorkerRestart::Recycled);
    for other in others {
        let label = format!("reason=\"{}\"", other.label());
        assert_eq!(rig.metric(RESTARTS, &label), 0.0, "{label}: nothing else was lost");
    }
}

#[test]
fn no_call_fails_while_workers_are_replaced() {
    let rig = Rig::ready("none=0", Choice { workers: 2, ..by_requests(50) });
    let (rig, failed) = (&rig, &std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(move || {
                    while recycled(rig) < 3.0 {
                        // To look takes far longer than a call.
                        let reports = (0..64).map(|_| rig.call());
                        let bad =
                            reports.filter(|it| it.outcome != OutcomeKind::Ok || !it.by_worker);
                        failed.lock().unwrap().extend(bad);
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
    let failed = failed.lock().unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(rig.log.wait(" requests and ends").contains("another takes its place"));
    has_no_faults(rig);
}

#[test]
fn the_old_one_ends_and_the_number_of_workers_stays() {
    let rig = Rig::ready("none=0", by_requests(20));
    let pids = call_until_recycled(&rig, 2.0);
    assert!(pids.len() >= 2, "{pids:?}");
    let last = rig.good()["pid"].as_i64().unwrap();
    wait_for("the end of the others", || {
        let others = pids.iter().filter(|pid| **pid != last);
        others.copied().all(|pid| has_ended(i32::try_from(pid).unwrap())).then_some(())
    });
    wait_for("one worker", || (rig.pool().up() == 1).then_some(()));
    has_no_faults(&rig);
    rig.finish();
}

#[test]
fn by_age_and_without_a_request() {
    let age = Some(Duration::from_millis(200));
    let rig = Rig::ready("none=0", choice(Recycling { age, ..Recycling::default() }));
    wait_for("an old worker to be replaced", || (recycled(&rig) >= 1.0).then_some(()));
    assert_eq!(rig.good()["request"], 1, "by one that had none yet");
    has_no_faults(&rig);
    rig.finish();
}

#[test]
fn by_resident_memory() {
    let memory = Some(32 << 20);
    let rig = Rig::ready("grow=3", choice(Recycling { memory, ..Recycling::default() }));
    rig.good();
    rig.good();
    assert_eq!(recycled(&rig), 0.0);
    let pids = call_until_recycled(&rig, 1.0);
    assert!(!pids.is_empty());
    assert!(rig.log.wait(" MiB of memory resident and ends").contains("has "));
    has_no_faults(&rig);
    rig.finish();
}

/// A worker whose successors wait for a file and then are what the file says: `exit 3`, or
/// nothing.
fn with_late_successor(choice: Choice) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let command = directory.path().join("worker");
    // In the same directory, so that its process is found by that.
    std::os::unix::fs::symlink(PROBE, directory.path().join("real")).unwrap();
    let script = "#!/bin/sh\nreal=${0%/*}/real\n\
                  [ -n \"$MESOS_COMMAND_WORKER\" ] || exec \"$real\" \"$@\"\n\
                  mkdir \"$0.first\" 2>/dev/null || {\n\
                  while [ ! -e \"$0.then\" ]; do sleep 0.02; done\n. \"$0.then\"\n}\nexec \"$real\"\n";
    std::fs::write(&command, script).unwrap();
    std::fs::set_permissions(&command, PermissionsExt::from_mode(0o755)).unwrap();
    let rig = Rig::of(directory, &command, choice);
    wait_for("the first worker", || (rig.pool().up() == 1).then_some(()));
    rig
}

/// Lets those that wait go on.
fn then(rig: &Rig, script: &str) {
    let path = rig.directory.path().join("worker.then");
    std::fs::write(path.with_extension("new"), script).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

#[test]
fn a_worker_whose_successor_does_not_come_up_goes_on() {
    let rig = with_late_successor(by_requests(5));
    then(&rig, "exit 3");
    let first = rig.good()["pid"].clone();
    wait_for("successors that end", || {
        assert_eq!(rig.good()["pid"], first, "far beyond its limit");
        (rig.metric(RESTARTS, "reason=\"handshake\"") >= 2.0).then_some(())
    });
    assert_eq!(recycled(&rig), 0.0);
    then(&rig, ":");
    call_until_recycled(&rig, 1.0);
    assert_ne!(rig.good()["pid"], first);
    rig.finish();
}

#[test]
fn one_that_is_lost_meanwhile_leaves_its_place_to_the_successor() {
    let rig = with_late_successor(by_requests(3));
    let first = rig.good()["pid"].as_i64().unwrap();
    wait_for("the successor to be started", || {
        assert_eq!(rig.good()["pid"].as_i64(), Some(first));
        (crate::support::processes(rig.directory.path()).len() >= 2).then_some(())
    });
    let pid = nix::unistd::Pid::from_raw(i32::try_from(first).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait_for("its loss", || (rig.metric(RESTARTS, "reason=\"exit\"") >= 1.0).then_some(()));
    assert_eq!(rig.pool().up(), 0);
    then(&rig, ":");
    wait_for("the successor", || (rig.pool().up() == 1).then_some(()));
    assert_eq!(rig.good()["from"], "worker");
    // One supervisor has the place, so the pool's end ends everything.
    rig.finish();
}
