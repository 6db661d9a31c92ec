//! What a call may take of the host's memory, and of the threads that others wait for.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mesos_command::outcome::OutcomeKind;
use mesos_command::run::RunReport;
use mesos_command::staging::IoMode;
use test_support::{PATIENCE, in_time, until};

use crate::support::{Case, command, probe, runner, script, serial, serial_after};

/// What the commands of these tests write.
const GIBIBYTE: &str = "1073741824";
/// What they may have written before they are seen, on a machine that is busy.
const SEEN_BY_THEN: u64 = 600 << 20;

/// Runs a script, and says how much shared memory was taken at most while it went on.
fn growth(text: &str, change: impl FnOnce(Case) -> Case) -> (RunReport, u64) {
    let directory = tempfile::tempdir().unwrap();
    let case = command(script(directory.path(), "writer", &format!("#!/bin/sh\n{text}\n")));
    let before = shared_memory();
    let (sender, receiver) = mpsc::channel();
    runner().submit(change(case).timeout(60_000).request(), None, None, move |report| {
        let _ = sender.send(report);
    });
    let mut most = 0;
    loop {
        match receiver.recv_timeout(Duration::from_millis(2)) {
            Ok(report) => return (report, most),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                most = most.max(shared_memory().saturating_sub(before));
            }
            Err(gone) => panic!("no report: {gone}"),
        }
    }
}

/// Shared memory of the machine, in bytes: the pages of tmpfs and memfds.
fn shared_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Shmem:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn an_error_file_is_kept_small_and_its_beginning_is_read() {
    let _oracle = serial();
    let text = format!("echo why >\"$3\"; head -c {GIBIBYTE} /dev/zero >>\"$3\"; exit 3");
    for io in [IoMode::Files, IoMode::Memfd] {
        let (report, most) = growth(&text, |case| case.with(|spec| spec.io = io));
        assert_eq!(report.outcome, OutcomeKind::Exit, "{io:?}: {}", report.message);
        assert!(report.error_file.starts_with(b"why\n"), "{io:?}");
        assert!(most < SEEN_BY_THEN, "{io:?}: {most} bytes at a time");
    }
}

#[test]
fn whatever_is_beside_the_output_counts() {
    let _oracle = serial();
    for text in [
        format!("head -c {GIBIBYTE} /dev/zero >\"$2.tmp\" && mv \"$2.tmp\" \"$2\""),
        format!("mkdir -p \"${{2%/*}}/a/b\"; head -c {GIBIBYTE} /dev/zero >\"${{2%/*}}/a/b/c\""),
        format!("head -c {GIBIBYTE} /dev/zero >>\"$1\""),
        format!("sleep 1; head -c {GIBIBYTE} /dev/zero >\"$2\""),
    ] {
        let (report, most) = growth(&text, |case| case);
        assert_eq!(report.outcome, OutcomeKind::OutputTooLarge, "{text}: {}", report.message);
        assert!(report.message.contains("max_output_bytes"), "{}", report.message);
        assert!(most < SEEN_BY_THEN, "{text}: {most} bytes at a time");
    }
}

#[test]
fn a_directory_that_is_not_in_memory_is_measured_too() {
    let parent = tempfile::tempdir().unwrap();
    let _oracle = serial_after(|| runner().check_temp_dir(Some(parent.path())).unwrap());
    let text = "while :; do head -c 1000000 /dev/zero; sleep 0.01; done >\"$2.tmp\"";
    let (report, _) = growth(text, |case| case.with(|it| it.temp_dir = Some(parent.path().into())));
    assert_eq!(report.outcome, OutcomeKind::OutputTooLarge, "{}", report.message);
    let text = "head -c 2000000 /dev/zero >\"$2\"";
    let (report, _) = growth(text, |case| case.with(|it| it.temp_dir = Some(parent.path().into())));
    assert_eq!(report.outcome, OutcomeKind::OutputTooLarge, "{}", report.message);
    assert!(report.message.contains("2000000"), "{}", report.message);
    let text = "cat \"$1\" >\"$2\"; echo no >\"$3\"; mkdir -p \"$2.d/deep\"; exit 4";
    let (report, _) = growth(text, |case| case.with(|it| it.temp_dir = Some(parent.path().into())));
    assert_eq!((report.exit_code, &*report.error_file), (Some(4), b"no\n".as_slice()));
}

#[test]
fn a_flood_of_empty_files_ends() {
    let _oracle = serial();
    let text = "cd \"${2%/*}\"; i=0; while :; do : >$i; i=$((i+1)); done";
    let (report, _) = growth(text, |case| case);
    assert_eq!(report.outcome, OutcomeKind::OutputTooLarge, "{}", report.message);
}

#[test]
fn small_scratch_files_are_nobodys_business() {
    let _oracle = serial();
    let text = "head -c 8000000 /dev/zero >\"$2.tmp\"; sleep 0.3; echo '{}' >\"$2\"";
    let (report, _) = growth(text, |case| case);
    assert_eq!(report.outcome, OutcomeKind::Ok, "{}", report.message);
}

#[test]
fn what_a_command_leaves_behind_is_removed_while_others_keep_their_deadlines() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let text = "#!/bin/sh\ncd \"${2%/*}\"; seq 200000 | xargs touch; pwd >\"$2\"\n";
    let leaver = command(script(directory.path(), "leaver", text)).timeout(120_000);
    let leaver = leaver.with(|spec| spec.max_output_bytes = 1 << 30);
    let grace = Duration::from_millis(50);
    let timeout = Duration::from_millis(200);
    let limit = timeout + grace + Duration::from_millis(100);
    in_time("a deadline while a large directory is removed", limit, || {
        let report = leaver.run();
        assert_eq!(report.outcome, OutcomeKind::Ok, "{}", report.message);
        let left = PathBuf::from(String::from_utf8(report.output).unwrap().trim());
        let start = Instant::now();
        let hanging = probe("ignore:SIGTERM;sleep:60000").timeout(200).grace(50);
        assert_eq!(hanging.run().outcome, OutcomeKind::Timeout);
        let took = start.elapsed();
        until("the directory is gone", || !Path::new(&left).exists());
        took
    });
}

#[test]
fn large_outputs_are_read_and_answered_on_threads_of_their_own() {
    let _oracle = serial();
    let (sender, receiver) = mpsc::channel();
    let run = |steps: &str| {
        let sender = sender.clone();
        runner().submit(probe(steps).request(), None, None, move |report| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            sender.send((report, name)).unwrap();
        });
        receiver.recv_timeout(PATIENCE).unwrap()
    };
    // Those that take long end on the runtime's thread.
    for sleep in ["", "sleep:150;"] {
        let (report, name) = run(&format!("{sleep}fill:1000000"));
        assert_eq!((report.outcome, report.output.len()), (OutcomeKind::Ok, 1_000_000));
        assert_eq!(name, "mcmd-read");
        let (report, name) = run(&format!("{sleep}fill:1000"));
        assert_eq!((report.outcome, report.output.len()), (OutcomeKind::Ok, 1000));
        assert_ne!(name, "mcmd-read");
    }
}

#[test]
fn large_outputs_that_nobody_can_read_are_answered_at_once() {
    let _oracle = serial();
    const RUNS: usize = 300;
    let (sender, receiver) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    for _ in 0..RUNS {
        let (sender, held) = (sender.clone(), held.clone());
        let request = probe("fill:100000").timeout(60_000).request();
        runner().submit(request, None, None, move |report| {
            let on_its_own = std::thread::current().name() == Some("mcmd-read");
            sender.send(report.outcome).unwrap();
            if on_its_own {
                // Somebody who concludes for ever.
                let _ = held.lock().map(|held| held.recv());
            }
        });
    }
    let overloaded = |outcome| outcome == OutcomeKind::Overload;
    // Two are being read, 256 wait, and the rest is told.
    let first: Vec<_> = (0..RUNS - 256).map(|_| receiver.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(first.iter().filter(|outcome| overloaded(**outcome)).count(), RUNS - 258);
    drop(release);
    for _ in 0..256 {
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(OutcomeKind::Ok));
    }
}
