//! A kernel that makes no process: for a run, for the interpreter, for nobody.
//!
//! In a process of its own, whose user has no other process: the limit counts all of a user's.

#![expect(unsafe_code, reason = "the limit of another process is set")]

use mesos_command::outcome::{FailureReason, OutcomeKind, WarmStart};
use mesos_command::run::RunReport;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid};
use test_support::{own_process_with, skip};

use crate::support::{Choice, Rig, children_in_state, until, wait_for};

const SCRIPT: &[u8] = b"import sys\nopen(sys.argv[2], 'w').write('1')\n";

#[test]
fn calls_without_a_process_end_clearly_and_the_next_ones_work() {
    let test = "calls_without_a_process_end_clearly_and_the_next_ones_work";
    if !Uid::effective().is_root() {
        return skip(test, "only root may become another user");
    }
    let _ = own_process_with("no_process::in_own_process", &[]);
}

#[test]
#[ignore = "started by calls_without_a_process_end_clearly_and_the_next_ones_work"]
fn in_own_process() {
    let id = 1_900_000_000 + std::process::id();
    nix::unistd::setgroups(&[]).unwrap();
    nix::unistd::setresgid(Gid::from_raw(id), Gid::from_raw(id), Gid::from_raw(id)).unwrap();
    nix::unistd::setresuid(Uid::from_raw(id), Uid::from_raw(id), Uid::from_raw(id)).unwrap();
    // The first of all starts the threads that stay.
    let rig = Rig::new("", SCRIPT, Choice::default());
    good(&rig.warm());
    rig.finish();
    let before = descriptors();
    for _ in 0..3 {
        none_for_a_run();
        none_for_the_interpreter();
    }
    until("no descriptor more", || descriptors() <= before);
}

/// The interpreter makes none any more, and then the host neither.
fn none_for_a_run() {
    let rig = Rig::new("", SCRIPT, Choice::default());
    good(&rig.warm());
    // The interpreter is among them.
    rig.processes().into_iter().for_each(|pid| limit_of(pid, 1));
    // What stood ready is used up; each call is a plain start then.
    until("a plain start", || good(&rig.run(true)) == WarmStart::Plain);
    for _ in 0..5 {
        assert_eq!(good(&rig.run(true)), WarmStart::Plain);
    }
    let interpreter = wait_for("the interpreter alone", || match *rig.processes() {
        [interpreter] => Some(interpreter),
        _ => None,
    });

    let all = limit_here(1);
    for report in [rig.run(true), rig.run(false)] {
        bad(&report);
    }
    until("no zombie", || children_in_state('Z') == 0);
    limit_here(all);
    assert_eq!(good(&rig.run(true)), WarmStart::Plain);
    limit_of(interpreter, all);
    // The same one makes processes again.
    good(&rig.warm());
    assert!(rig.processes().contains(&interpreter));
    assert_eq!(rig.metric("mesos_command_worker_restarts_total{"), 0);
    rig.finish();
}

/// The interpreter itself cannot be started.
fn none_for_the_interpreter() {
    let all = limit_here(1);
    let rig = Rig::of(tempfile::tempdir().unwrap(), "", SCRIPT, Choice::default());
    let line = rig.log.wait("could not be started");
    assert!(line.contains("EAGAIN") && line.contains("RLIMIT_NPROC"), "{line}");
    bad(&rig.run(true));
    assert_eq!(rig.metric("mesos_command_worker_up"), 0);
    limit_here(all);
    assert_eq!(good(&rig.run(false)), WarmStart::Plain);
    good(&rig.run(true));
    good(&rig.warm());
    rig.finish();
}

/// How a run began that succeeded; a plain one if it was to be none other.
fn good(report: &RunReport) -> WarmStart {
    assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, &b"1"[..]), "{report:?}");
    report.warm_start.unwrap_or(WarmStart::Plain)
}

/// A run for which there is no process says so.
fn bad(report: &RunReport) {
    assert_eq!(report.outcome, OutcomeKind::SpawnError, "{report:?}");
    assert_eq!(report.reason, Some(FailureReason::SpawnResources), "{report:?}");
    assert!(report.message.contains("EAGAIN"), "{}", report.message);
    assert!(report.message.contains("RLIMIT_NPROC"), "{}", report.message);
    assert_eq!(report.pid, None);
}

/// Sets the limit of this process; what it was.
fn limit_here(most: u64) -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    setrlimit(Resource::RLIMIT_NPROC, most, hard).unwrap();
    soft
}

/// Sets the limit of another one of the same user.
fn limit_of(pid: i32, most: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    let limit = libc::rlimit { rlim_cur: most, rlim_max: hard };
    // SAFETY: the structure is only read, and nothing is asked for.
    let result =
        unsafe { libc::prlimit(pid, libc::RLIMIT_NPROC, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(result, 0, "{pid}: {}", std::io::Error::last_os_error());
}

/// How many descriptors this process has.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
