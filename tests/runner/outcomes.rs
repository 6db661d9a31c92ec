//! The table: fault, limit, outcome.

use mesos_command::outcome::OutcomeKind::{self, *};
use mesos_command::reactor::CancelToken;
use mesos_command::run::{Kills, RunReport};
use mesos_command::staging::IoMode;

use crate::support::{Case, children, eventually, probe, serial};

/// The two drivers of a run: the reactor with the timers, and a caller that blocks.
const WAYS: [fn(&Case) -> RunReport; 2] = [Case::run, Case::run_here];

/// Steps of the probe, expected outcome, exit code, signal, text that the message must contain.
type Row = (&'static str, OutcomeKind, Option<i32>, Option<i32>, &'static str);

const ROWS: &[Row] = &[
    ("output:{}", Ok, Some(0), None, ""),
    ("", Ok, Some(0), None, ""),
    ("rename:{}", Ok, Some(0), None, ""),
    ("leave:more;output:{}", Ok, Some(0), None, ""),
    ("exit:1", Exit, Some(1), None, ""),
    ("output:{};exit:1", Exit, Some(1), None, ""),
    ("exit:126", Exit, Some(126), None, ""),
    ("exit:127", Exit, Some(127), None, ""),
    ("exit:255", Exit, Some(255), None, ""),
    ("signal:1", Signal, None, Some(1), ""),
    ("signal:6", Signal, None, Some(6), ""),
    ("signal:9", Signal, None, Some(9), ""),
    ("signal:11", Signal, None, Some(11), ""),
    ("signal:13", Signal, None, Some(13), ""),
    ("signal:15", Signal, None, Some(15), ""),
    ("become:symlink", InvalidOutput, Some(0), None, "symbolic link"),
    ("become:fifo", InvalidOutput, Some(0), None, "FIFO"),
    ("become:directory", InvalidOutput, Some(0), None, "directory"),
    ("become:socket", InvalidOutput, Some(0), None, "socket"),
    ("become:nothing", InvalidOutput, Some(0), None, "output"),
    ("fill:1000000", Ok, Some(0), None, ""),
    ("fill:1048576", Ok, Some(0), None, ""),
    ("fill:1048577", OutputTooLarge, Some(0), None, "1048577"),
    ("sparse:1099511627776", OutputTooLarge, Some(0), None, "1099511627776"),
    ("sparse:1099511627776;sleep:60000", OutputTooLarge, None, Some(9), "1099511627776"),
    ("fill:2000000;ignore:SIGTERM;sleep:60000", OutputTooLarge, None, Some(9), "1048576"),
];

/// Holds how a command ended against its row. One whose output is too large may be killed for it
/// before it has ended by itself.
fn assert_outcome(report: &RunReport, row: (OutcomeKind, Option<i32>, Option<i32>), name: &str) {
    let seen = (report.outcome, report.exit_code, report.signal);
    let killed_first = (OutputTooLarge, None, Some(9));
    let is_killed_first = row.0 == OutputTooLarge && seen == killed_first;
    assert!(seen == row || is_killed_first, "{name}: {seen:?}, not {row:?}: {report:?}");
}

#[test]
fn every_fault_has_its_outcome() {
    let oracle = serial();
    for io in [IoMode::Files, IoMode::MemfdInput] {
        for (steps, outcome, code, signal, message) in ROWS {
            for run in WAYS {
                let report = run(&probe(steps).with(|spec| spec.io = io));
                assert_outcome(
                    &report,
                    (*outcome, *code, *signal),
                    &format!("{steps} with {io:?}"),
                );
                assert!(report.message.contains(message), "{steps}: {report:?}");
                assert!(report.pid.is_some());
                oracle.check();
            }
        }
    }
}

#[test]
fn a_deadline_ends_a_command_the_same_way_for_both_drivers() {
    let _oracle = serial();
    for run in WAYS {
        let report = run(&probe("sleep:60000").timeout(200).grace(60_000));
        let seen = (report.outcome, report.signal, report.kills);
        assert_eq!(seen, (Timeout, Some(15), Kills { term: 1, kill: 0 }), "{report:?}");
        let report = run(&probe("ignore:SIGTERM;sleep:60000").timeout(200).grace(50));
        let seen = (report.outcome, report.signal, report.kills);
        assert_eq!(seen, (Timeout, Some(9), Kills { term: 1, kill: 1 }), "{report:?}");
        let report = run(&probe("sleep:60000").timeout(200).grace(0));
        let seen = (report.outcome, report.signal, report.kills);
        assert_eq!(seen, (Timeout, Some(9), Kills { term: 0, kill: 1 }), "{report:?}");
    }
}

#[test]
fn a_withdrawal_ends_a_command_the_same_way_for_both_drivers() {
    let _oracle = serial();
    for run in [Case::run_with, Case::run_here_with] {
        let token = CancelToken::new();
        let canceller = std::thread::spawn({
            let token = token.clone();
            move || {
                eventually("the command runs", || !children().is_empty());
                token.cancel();
            }
        });
        let report = run(&probe("sleep:60000").timeout(60_000), token);
        assert_eq!((report.outcome, report.signal), (Cancelled, Some(15)), "{report:?}");
        canceller.join().unwrap();
    }
}

#[test]
fn every_signal_is_told() {
    let _oracle = serial();
    let stopping_or_ignored = [17, 18, 19, 20, 21, 22, 23, 28];
    for signal in (1..=31).filter(|signal| !stopping_or_ignored.contains(signal)) {
        let report = probe(&format!("signal:{signal}")).run();
        assert_eq!((report.outcome, report.signal), (Signal, Some(signal)), "{report:?}");
    }
}

#[test]
fn with_memfds_for_all_the_plain_outcomes_are_the_same() {
    let _oracle = serial();
    for (steps, outcome, code, signal, message) in ROWS {
        // A memfd has no directory entry that could be replaced.
        if steps.contains("become") || steps.contains("rename") || steps.contains("leave") {
            continue;
        }
        let report = probe(steps).with(|spec| spec.io = IoMode::Memfd).run();
        assert_outcome(&report, (*outcome, *code, *signal), steps);
        assert!(report.message.contains(message), "{steps}: {report:?}");
    }
}

#[test]
fn the_error_file_and_the_tail_explain_a_failure() {
    let _oracle = serial();
    let report = probe("error:disk full;stdout:one;stderr:two;exit:4").run();
    assert_eq!(report.outcome, Exit);
    assert_eq!(report.error_file, b"disk full");
    assert_eq!(report.stdio_tail, b"onetwo");
    assert!(report.message.is_empty());

    let long = "e".repeat(10_000);
    assert_eq!(probe(&format!("error:{long};exit:1")).run().error_file.len(), 4096);
    for kind in ["symlink", "fifo", "directory", "nothing"] {
        let report = probe(&format!("error-become:{kind};exit:1")).run();
        assert_eq!((report.outcome, &*report.error_file), (Exit, b"".as_slice()), "{kind}");
    }
}
