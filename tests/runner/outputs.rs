//! Input, output, captured text and what is left behind.

use std::time::{Duration, Instant};

use mesos_command::command::Stdio;
use mesos_command::event::Event;
use mesos_command::outcome::OutcomeKind;
use mesos_command::staging::SealedInput;
use mesos_command::staging::{Input, IoMode};
use test_support::PATIENCE;

use crate::seccomp::lacks;
use crate::support::{
    command, descriptors, eventually, probe, runner, script, serial, serial_after, threads,
};

#[test]
fn the_input_is_the_first_argument_and_stdin_too() {
    let _oracle = serial();
    for io in [IoMode::Files, IoMode::MemfdInput, IoMode::Memfd] {
        let mut case = probe("copy-input").with(|spec| spec.io = io);
        case.input = vec![b'i'; 500_000];
        assert_eq!(case.run().output, case.input, "{io:?}");
        let mut case = probe("copy-stdin").with(|spec| spec.io = io);
        case.input = vec![b's'; 500_000];
        assert_eq!(case.run().output, case.input, "{io:?}");
    }
}

#[test]
fn both_inputs_can_be_read_by_a_shell_at_once() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let text = "#!/bin/sh\nread first; read other <\"$1\"; cat /dev/stdin >/dev/null\n\
                printf '%s %s' \"$first\" \"$other\" >\"$2\"\n";
    for io in [IoMode::Files, IoMode::MemfdInput, IoMode::Memfd] {
        let mut case = command(script(directory.path(), "both", text)).with(|spec| spec.io = io);
        case.input = b"line\nrest\n".to_vec();
        assert_eq!(case.run().output, b"line line", "{io:?}");
    }
}

#[test]
fn an_input_that_is_never_read_harms_nobody() {
    let _oracle = serial();
    let mut case = probe("close-stdio;output:{}");
    case.input = vec![b'x'; 1 << 20];
    let report = case.run();
    assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, b"{}".as_slice()));
}

#[test]
fn a_shared_sealed_input_serves_many_runs_in_every_mode() {
    let _oracle = serial();
    let sealed = std::sync::Arc::new(SealedInput::new(b"shared").unwrap());
    for io in [IoMode::Files, IoMode::MemfdInput, IoMode::Memfd, IoMode::MemfdInput] {
        let mut request = probe("copy-stdin").with(|spec| spec.io = io).request();
        request.input = Input::Sealed(sealed.clone());
        assert_eq!(runner().run_blocking(request, None, None).output, b"shared", "{io:?}");
    }
}

#[test]
fn an_output_that_is_not_read_need_not_exist() {
    let _oracle = serial();
    let report = probe("become:nothing").with(|spec| spec.event = Event::Cleanup).run();
    assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, b"".as_slice()));
}

#[test]
fn a_gigabyte_of_stderr_stays_small() {
    let _oracle = serial();
    let before = resident_and_shared();
    let (sender, receiver) = std::sync::mpsc::channel();
    let request = probe("stderr-bytes:1073741824").request();
    runner().submit(request, None, None, move |report| {
        let _ = sender.send(report);
    });
    let mut most = 0;
    let report = loop {
        match receiver.recv_timeout(Duration::from_millis(2)) {
            Ok(report) => break report,
            Err(_) => most = most.max(resident_and_shared().saturating_sub(before)),
        }
    };
    assert_eq!(report.outcome, OutcomeKind::Ok, "{}", report.message);
    assert_eq!(report.stdio_tail.len(), 4096);
    assert!(report.stdio_tail.ends_with(b"eeTHE END"));
    assert!(most < 600 << 20, "{most} bytes at a time");
}

/// Shared memory of the machine and our own memory, in bytes: memfd pages count as the former.
fn resident_and_shared() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Shmem:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn stdio_can_be_discarded() {
    let _oracle = serial();
    let report = probe("stdout:text;print").with(|spec| spec.stdio = Stdio::Null).run();
    let text = String::from_utf8_lossy(&report.output);
    assert!(text.contains("fd1=/dev/null\nfd2=/dev/null\n"), "{text}");
    assert!(report.stdio_tail.is_empty());
}

#[test]
fn a_late_grandchild_changes_nothing() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let done = directory.path().join("done");
    let go = directory.path().join("go");
    for io in [IoMode::Files, IoMode::Memfd] {
        for name in [&done, &go] {
            let _ = std::fs::remove_file(name);
        }
        let late =
            format!("close-stdio;wait-for:{};output:EVIL;touch:{}", go.display(), done.display());
        let case = probe("output:good;fork:LATE").env("PROBE_LATE", &late);
        let report = case.with(|spec| spec.io = io).run();
        assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, b"good".as_slice()));
        assert!(report.strays);
        // Files of ours that take the lowest free numbers must not be hit.
        let files: Vec<_> = (0..20).map(|_| tempfile::NamedTempFile::new().unwrap()).collect();
        files.iter().for_each(|file| std::fs::write(file.path(), "precious").unwrap());
        std::fs::write(&go, "").unwrap();
        eventually("the late writer is through", || done.exists());
        for file in &files {
            assert_eq!(std::fs::read(file.path()).unwrap(), b"precious", "{io:?}");
        }
    }
}

#[test]
fn a_late_daemon_in_its_own_session_does_not_hit_reused_numbers() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let (go, done) = (directory.path().join("go"), directory.path().join("done"));
    let late =
        format!("close-stdio;wait-for:{};output:EVIL;touch:{}", go.display(), done.display());
    let case = probe("output:good;daemon:LATE").env("PROBE_LATE", &late);
    let report = case.with(|spec| spec.io = IoMode::Memfd).run();
    assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, b"good".as_slice()));
    if !lacks("memfd_create", "a late daemon writes to a file, which has no number of ours") {
        the_numbers_are_kept();
    }
    let files: Vec<_> = (0..20).map(|_| tempfile::NamedTempFile::new().unwrap()).collect();
    files.iter().for_each(|file| std::fs::write(file.path(), "precious").unwrap());
    std::fs::write(&go, "").unwrap();
    eventually("the late writer is through", || done.exists());
    for file in &files {
        assert_eq!(std::fs::read(file.path()).unwrap(), b"precious");
    }
}

/// The sweeps come 50 ms after the end, and then every second: each has to find the daemon.
fn the_numbers_are_kept() {
    let end = Instant::now() + Duration::from_millis(1500);
    let mut elsewhere = false;
    while Instant::now() < end || !elsewhere && Instant::now() < end + PATIENCE {
        elsewhere |= threads().iter().any(|name| name.trim() == "mcmd-sweep");
        assert!(descriptors().iter().any(|fd| fd.contains("memfd:")), "the numbers were freed");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(elsewhere, "a process that hangs may hold up who looks at it: not the runtime");
}

#[test]
fn a_temp_dir_is_used_and_left_clean() {
    let parent = tempfile::Builder::new().prefix("with space ").tempdir().unwrap();
    // The process's directory there stays open.
    let _oracle = serial_after(|| runner().check_temp_dir(Some(parent.path())).unwrap());
    let case = probe("print;leave:junk").with(|spec| spec.temp_dir = Some(parent.path().into()));
    let report = case.run();
    let text = String::from_utf8_lossy(&report.output);
    assert!(text.contains(&format!("fd0={}", parent.path().display())), "{text}");
    let base = std::fs::read_dir(parent.path()).unwrap().next().unwrap().unwrap().path();
    eventually("the call's directory is gone", || {
        std::fs::read_dir(&base).unwrap().next().is_none()
    });

    let missing = parent.path().join("no/such");
    let report = case.with(|spec| spec.temp_dir = Some(missing.as_path().into())).run();
    assert_eq!(report.outcome, OutcomeKind::SpawnError);
    assert!(report.message.contains("no/such"), "{}", report.message);
}
