//! Process trees: deadlines, escalation, background children.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use mesos_command::outcome::OutcomeKind;
use mesos_command::reactor::CancelToken;
use mesos_command::run::Kills;

use crate::support::{PATIENCE, alive, eventually, pid_in, probe, runner, serial};

/// A timeout in milliseconds by which a probe has set up what it does at a signal, on a busy
/// machine too.
const ARMED: u64 = 2000;

#[test]
fn a_deadline_ends_the_leader_at_once_if_it_listens() {
    let _oracle = serial();
    let start = Instant::now();
    let report = probe("sleep:60000").timeout(100).grace(60_000).run();
    assert_eq!(report.outcome, OutcomeKind::Timeout, "{report:?}");
    assert_eq!(report.signal, Some(15));
    assert_eq!(report.kills, Kills { term: 1, kill: 0 });
    assert!(start.elapsed() < Duration::from_secs(30), "it did not wait for the grace period");
}

#[test]
fn one_that_ignores_term_is_killed_after_the_grace_period() {
    let _oracle = serial();
    let report = probe("ignore:SIGTERM;sleep:60000").timeout(ARMED).grace(150).run();
    assert_eq!((report.outcome, report.signal), (OutcomeKind::Timeout, Some(9)), "{report:?}");
    assert_eq!(report.kills, Kills { term: 1, kill: 1 });
    assert!(report.timings.total >= Duration::from_millis(ARMED + 150));
    let report = probe("spin").timeout(100).grace(0).run();
    assert_eq!((report.outcome, report.signal), (OutcomeKind::Timeout, Some(9)), "{report:?}");
    assert_eq!(report.kills, Kills { term: 0, kill: 1 });
}

#[test]
fn exiting_with_0_after_term_is_a_timeout_all_the_same() {
    let _oracle = serial();
    let report = probe("exit-0-on:SIGTERM;output:{};sleep:60000").timeout(ARMED).run();
    assert_eq!((report.outcome, report.exit_code), (OutcomeKind::Timeout, Some(0)));
    assert!(report.output.is_empty());
}

#[test]
fn a_stopped_tree_can_be_ended() {
    let _oracle = serial();
    for steps in ["stop", "ignore:SIGTERM;stop;sleep:60000", "fork:OTHER;stop"] {
        let report = probe(steps).env("PROBE_OTHER", "stop").timeout(100).run();
        assert_eq!(report.outcome, OutcomeKind::Timeout, "{steps}: {report:?}");
    }
}

#[test]
fn at_a_deadline_the_whole_tree_dies() {
    let oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let marks: Vec<_> = (0..3).map(|n| directory.path().join(n.to_string())).collect();
    let touch = |n: usize| format!("touch:{}", marks[n].display());
    let case = probe("fork:A;fork:B;fork:C;ignore:SIGTERM;sleep:60000")
        // In the group, deaf; in a session of its own; in another group with a child below.
        .env("PROBE_A", &format!("ignore:SIGTERM;{};sleep:60000", touch(0)))
        .env("PROBE_B", &format!("setsid;ignore:SIGTERM;{};sleep:60000", touch(1)))
        .env("PROBE_C", "setpgid;fork:D;sleep:60000")
        .env("PROBE_D", &format!("{};sleep:60000", touch(2)))
        .timeout(ARMED)
        .grace(100);
    let report = case.run();
    assert_eq!(report.outcome, OutcomeKind::Timeout, "{report:?}");
    for mark in &marks {
        let pid = pid_in(mark);
        eventually("it is dead", || !alive(pid));
    }
    oracle.check();
}

#[test]
fn when_the_leader_goes_at_term_the_deaf_rest_is_killed_at_once() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("pid");
    let start = Instant::now();
    let case = probe("fork:A;sleep:60000")
        .env("PROBE_A", &format!("ignore:SIGTERM;touch:{};sleep:60000", mark.display()))
        .timeout(ARMED)
        .grace(60_000);
    assert_eq!(case.run().outcome, OutcomeKind::Timeout);
    let pid = pid_in(&mark);
    eventually("it is dead", || !alive(pid));
    assert!(start.elapsed() < Duration::from_secs(30), "nobody waited for the grace period");
}

#[test]
fn background_children_of_a_success_are_kept_or_killed() {
    let oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("pid");
    let case = probe(&format!("fork:A;wait-for:{};output:{{}}", mark.display()))
        .env("PROBE_A", &format!("touch:{};stdout:text;sleep:60000", mark.display()));
    let report = case.run();
    assert_eq!((report.outcome, report.strays), (OutcomeKind::Ok, true), "{report:?}");
    assert!(report.timings.total < Duration::from_secs(30), "nobody waits for its stdout");
    assert!(alive(pid_in(&mark)));
    let kept = nix::unistd::Pid::from_raw(pid_in(&mark));
    nix::sys::signal::kill(kept, nix::sys::signal::Signal::SIGKILL).unwrap();
    oracle.check();

    std::fs::remove_file(&mark).unwrap();
    let report = case.kill_background().run();
    assert_eq!((report.outcome, report.strays), (OutcomeKind::Ok, true), "{report:?}");
    assert_eq!(report.kills, Kills { term: 0, kill: 1 });
    let killed = pid_in(&mark);
    eventually("it is dead", || !alive(killed));
}

#[test]
fn a_kept_daemon_that_writes_for_ever_fills_no_memory() {
    let oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("pid");
    let case = probe(&format!("fork:A;wait-for:{}", mark.display()))
        .env("PROBE_A", &format!("touch:{};stderr-bytes:300000000;sleep:60000", mark.display()));
    assert_eq!(case.run().outcome, OutcomeKind::Ok);
    let pid = pid_in(&mark);
    let size = || {
        std::fs::metadata(format!("/proc/{pid}/fd/2")).map(|file| file.blocks() * 512).unwrap_or(0)
    };
    let written = || {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
        line.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
    };
    eventually("all is written and cut", || written() > 300_000_000 && size() <= 128 * 1024);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
    oracle.check();
}

#[test]
fn cancelling_ends_a_run_and_keeps_others_from_starting() {
    let _oracle = serial();
    let token = CancelToken::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("pid");
    let case =
        probe(&format!("touch:{};sleep:60000", mark.display())).with(|spec| spec.timeout = None);
    runner().submit(case.request(), None, Some(token.clone()), move |report| {
        let _ = sender.send(report);
    });
    pid_in(&mark);
    token.cancel();
    let report = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.outcome, report.signal), (OutcomeKind::Cancelled, Some(15)));

    let report = case.run_with(token);
    assert_eq!((report.outcome, report.pid), (OutcomeKind::Cancelled, None));
}
