//! Scripts as people write them: shapes of background children, files in use, odd ways to write.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use mesos_command::outcome::OutcomeKind;
use mesos_command::staging::IoMode;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use test_support::skip;

use crate::support::{
    PATIENCE, alive, children, command, eventually, pid_in, probe, runner, script, serial,
};

const MODES: [IoMode; 4] = [IoMode::Files, IoMode::SharedStdin, IoMode::MemfdInput, IoMode::Memfd];

/// The shells fork at different moments: bash runs the last command of a subshell in its own place,
/// dash does not.
#[test]
fn background_children_of_every_shape_are_killed_or_kept() {
    let oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    for shell in ["/bin/dash", "/bin/bash"] {
        if !std::path::Path::new(shell).exists() {
            skip("shapes of background children", &format!("there is no {shell}"));
            continue;
        }
        for (index, shape) in [
            "sleep 300 &",
            "( sleep 300 ) &",
            "( sleep 300 & )",
            "{ sleep 300; sleep 301; } &",
            "sleep 300 | cat &",
            "( sleep 300 | cat ) >/dev/null &",
            "nohup sleep 300 >/dev/null 2>&1 &",
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("{}-{index}", shell.rsplit('/').next().unwrap());
            let text = format!("#!{shell}\n{shape}\nprintf '{{}}' >\"$2\"\n");
            let path = script(directory.path(), &name, &text);
            let report = command(&path).kill_background().run();
            assert_eq!(report.outcome, OutcomeKind::Ok, "{shell} {shape}: {report:?}");
            assert_eq!((&*report.output, report.strays), (&b"{}"[..], true), "{shell} {shape}");
            oracle.check();

            let report = command(&path).run();
            assert_eq!((report.outcome, report.strays), (OutcomeKind::Ok, true), "{shell} {shape}");
            eventually("orphans come to us", || !children().is_empty());
            assert!(children().into_iter().any(alive), "{shell} {shape}: it was to be kept");
            // Their own children come to us as they end.
            eventually("all are ended", || {
                for pid in children().into_iter().map(Pid::from_raw) {
                    let _ = kill(pid, Signal::SIGKILL);
                    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                }
                children().is_empty()
            });
            oracle.check();
        }
    }
}

/// A deployment replaces scripts by rename while they are called.
#[test]
fn a_script_that_is_replaced_by_rename_is_the_old_or_the_new_one() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let text = |name: &str| format!("#!/bin/sh\nprintf {name} >\"$2\"\n# {}\n", name.repeat(4000));
    let path = script(directory.path(), "current", &text("a"));
    let done = AtomicBool::new(false);
    let mut seen = [0, 0];
    std::thread::scope(|scope| {
        let replacing = scope.spawn(|| {
            let mut replaced = 0;
            while !done.load(Ordering::Relaxed) {
                let name = ["a", "b"][replaced % 2];
                let new = script(directory.path(), "new", &text(name));
                std::fs::rename(new, &path).unwrap();
                replaced += 1;
            }
            replaced
        });
        // Both must have been met, or nothing was shown.
        for round in 0..5000 {
            if round >= 300 && seen.iter().all(|count| *count > 0) {
                break;
            }
            let report = command(&path).run();
            match &*report.output {
                b"a" => seen[0] += 1,
                b"b" => seen[1] += 1,
                _ => panic!("neither the old nor the new one: {report:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(replacing.join().unwrap() > 10);
    });
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

/// A descriptor that is open for writing is in every child until its `execve`, so the kernel
/// refuses to execute a file that is being written when other threads start commands (ETXTBSY).
#[test]
fn scripts_that_are_written_and_run_at_the_same_time_are_run() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (directory, sender) = (&directory, sender.clone());
            scope.spawn(move || {
                for round in 0..12 {
                    let text = format!("#!/bin/sh\nprintf {thread}.{round} >\"$2\"\n");
                    let path = script(directory.path(), &format!("{thread}.{round}"), &text);
                    let report = command(path).run();
                    sender.send((format!("{thread}.{round}"), report)).unwrap();
                }
            });
        }
    });
    drop(sender);
    let reports: Vec<_> = receiver.iter().collect();
    assert_eq!(reports.len(), 16 * 12);
    for (expected, report) in reports {
        assert_eq!(report.output, expected.as_bytes(), "{report:?}");
    }
}

#[test]
fn outputs_can_be_written_through_any_descriptor() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    for (index, text) in [
        "exec 3>\"$2\"\nprintf '{\"a\":1}' >&3",
        "exec 3>\"$2\"\nprintf '{\"a\":1}' >/dev/fd/3",
        "exec 3>\"$2\"\nprintf '{\"a\":1}' >/proc/self/fd/3",
        "exec 7<>\"$2\"\nprintf '{\"a\":1}' >&7",
        "exec 3>>\"$2\"\nprintf '{\"a\"' >&3\nprintf ':1}' >>\"$2\"",
        "exec >\"$2\"\nprintf '{\"a\":1}'",
        "printf '{\"a\":1}' | tee \"$2\" >/dev/null",
        "printf '{\"a\":1}' | dd of=\"$2\" 2>/dev/null",
    ]
    .into_iter()
    .enumerate()
    {
        let path = script(directory.path(), &index.to_string(), &format!("#!/bin/sh\n{text}\n"));
        for io in MODES {
            let report = command(&path).with(|spec| spec.io = io).run();
            assert_eq!(report.output, b"{\"a\":1}", "{text} {io:?}: {report:?}");
        }
    }
}

#[test]
fn an_input_is_no_shell_text() {
    let _oracle = serial();
    for text in ["-n $(touch /nowhere) `id`", "--help\n\n;|&<>\"'\\", "\0\u{1}\u{7f}\r\n", ""] {
        for io in MODES {
            for steps in ["copy-input", "copy-stdin"] {
                let mut case = probe(steps).with(|spec| spec.io = io);
                case.input = text.as_bytes().to_vec();
                assert_eq!(case.run().output, text.as_bytes(), "{text:?} {steps} {io:?}");
            }
        }
    }
}

#[test]
fn an_output_may_be_written_before_the_input_is_read() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let text =
        "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x >\"$2\"\nwc -c <\"$1\" >>\"$2\"\n";
    let path = script(directory.path(), "first", text);
    for io in MODES {
        let mut case = command(&path).with(|spec| spec.io = io);
        case.input = vec![b'i'; 1 << 20];
        let report = case.run();
        assert_eq!(report.outcome, OutcomeKind::Ok, "{io:?}: {report:?}");
        assert!(report.output.ends_with(b"x1048576\n"), "{io:?}: {} bytes", report.output.len());
    }
}

/// What a command does to the memory file of its output harms nobody: the result is what was there
/// when it ended, or a clear failure.
#[test]
fn an_output_that_is_sealed_or_mapped_is_a_result_or_a_clear_failure() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let python = "/usr/bin/python3";
    if !std::path::Path::new(python).exists() {
        return skip("outputs that are sealed or mapped", &format!("there is no {python}"));
    }
    // F_ADD_SEALS is 1033; the seals are seal, shrink, grow and write.
    for (name, text) in [
        ("sealed", "os.write(fd, b'{}')\nfcntl.fcntl(fd, 1033, 15)\n"),
        ("sealed-empty", "fcntl.fcntl(fd, 1033, 15)\n"),
        ("sealed-against-seals", "os.write(fd, b'{}')\nfcntl.fcntl(fd, 1033, 1)\n"),
    ] {
        let text = format!(
            "#!{python}\nimport fcntl, os, sys\nfd = os.open(sys.argv[2], os.O_RDWR)\n{text}"
        );
        let path = script(directory.path(), name, &text);
        let report = command(path).with(|spec| spec.io = IoMode::Memfd).run();
        let right = match report.outcome {
            OutcomeKind::Ok => report.output == b"{}" || name == "sealed-empty",
            OutcomeKind::Exit => !report.stdio_tail.is_empty(),
            _ => false,
        };
        assert!(right, "{name}: {report:?}");
    }
    // A background child goes on to write through its mapping.
    let mark = directory.path().join("pid");
    let text = format!(
        "#!{python}\nimport mmap, os, sys\nfd = os.open(sys.argv[2], os.O_RDWR)\n\
         os.ftruncate(fd, 4096)\nmapped = mmap.mmap(fd, 4096)\nmapped[:] = b'a' * 4096\n\
         if os.fork() == 0:\n  open({mark:?}, 'w').write(str(os.getpid()))\n  \
         while True:\n    mapped[:] = b'b' * 4096\n    mapped[:] = b'c' * 4096\n"
    );
    let path = script(directory.path(), "mapped", &text);
    for io in [IoMode::Files, IoMode::Memfd] {
        let report = command(&path).with(|spec| spec.io = io).run();
        assert_eq!((report.outcome, report.output.len()), (OutcomeKind::Ok, 4096), "{report:?}");
        let before = report.output.clone();
        let pid = pid_in(&mark);
        // The files of a call go behind its answer.
        let until = std::time::Instant::now() + std::time::Duration::from_millis(300);
        while std::time::Instant::now() < until {
            assert!(alive(pid), "{io:?}: it is kept, and writes");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(report.output, before, "what was read stays as it is");
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        std::fs::remove_file(&mark).unwrap();
        eventually("it is gone", || !alive(pid));
    }
}

/// PR_SET_PDEATHSIG is about the thread that started a child, not about its process: a pool's
/// thread that ends must not take a command with it.
#[test]
fn a_command_outlives_the_thread_that_started_it() {
    let _oracle = serial();
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let (sender, receiver) = mpsc::channel();
    let request = probe(&format!("wait-for:{};output:{{}}", go.display())).request();
    std::thread::spawn(move || {
        runner().submit(request, None, None, move |report| sender.send(report).unwrap());
    })
    .join()
    .unwrap();
    std::fs::write(&go, "").unwrap();
    let report = receiver.recv_timeout(PATIENCE).unwrap();
    assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, &b"{}"[..]), "{report:?}");
}
