//! More odd hosts, each in a process of its own: nothing left to start processes with, full file
//! systems, signals, and threads that change what is the process's.

#![expect(unsafe_code, reason = "the host itself is changed: filters, signals, descriptors")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use mesos_command::outcome::{FailureReason, OutcomeKind};
use mesos_command::staging::IoMode;
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{Gid, Pid, Uid};
use test_support::{own_process_with, skip};

use crate::inherit::inherited;
use crate::seccomp::{lacks, refuse};
use crate::support::{command, probe, runner, script, serial};

const HOST: &str = "RUNNER_TEST_HOST";

fn in_own_process(host: &str) {
    let _oracle = serial();
    let _ = own_process_with("hosts::in_subprocess", &[(HOST, host)]);
}

#[test]
#[ignore = "started by the other tests of this module"]
fn in_subprocess() {
    match std::env::var(HOST).as_deref() {
        Ok("no-process") => no_process(),
        Ok("no-process-for-the-user") => no_process_for_the_user(),
        Ok("full") => full_file_system(),
        Ok("read-only") => file_system_that_refuses(),
        Ok("no-fork") => forking_is_forbidden(),
        Ok("handlers") => handlers_of_the_host(),
        Ok("interrupted") => interrupted_system_calls(),
        Ok("setenv") => environment_that_changes(),
        Ok("gone") => working_directory_that_is_gone(),
        Ok("forks") => a_host_that_forks(),
        Ok("no-zombies") => children_without_a_status(),
        other => panic!("started without a host: {other:?}"),
    }
}

fn expect_ok() {
    let report = probe("output:{}").run();
    assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, &b"{}"[..]), "{report:?}");
}

// Nothing left to start processes with.

#[test]
fn a_kernel_that_gives_no_process_is_named_and_nothing_is_left() {
    in_own_process("no-process");
}

/// clone and clone3 say EAGAIN, as at a limit of processes or of a cgroup.
fn no_process() {
    if lacks("seccomp", "a limit says EAGAIN, as the runner's threads cannot get a filter") {
        return no_process_for_the_user();
    }
    let oracle = serial();
    refuse("clone=EAGAIN,clone3=EAGAIN");
    let report = probe("output:{}").run();
    assert_eq!(report.outcome, OutcomeKind::SpawnError, "{report:?}");
    assert_eq!(report.reason, Some(FailureReason::SpawnResources), "{report:?}");
    assert!(report.message.contains("EAGAIN"), "{}", report.message);
    assert_eq!(report.pid, None);
    oracle.check();
}

#[test]
fn a_user_without_processes_left_recovers_when_there_are_some_again() {
    in_own_process("no-process-for-the-user");
}

fn no_process_for_the_user() {
    if !Uid::effective().is_root() {
        return skip("a user without processes left", "only root may become another user");
    }
    // An id that no other process of the machine has: the limit counts all of its processes.
    let id = 1_900_000_000 + std::process::id();
    nix::unistd::setgroups(&[]).unwrap();
    nix::unistd::setresgid(Gid::from_raw(id), Gid::from_raw(id), Gid::from_raw(id)).unwrap();
    nix::unistd::setresuid(Uid::from_raw(id), Uid::from_raw(id), Uid::from_raw(id)).unwrap();
    let run = || command("/bin/true").run();
    assert_eq!(run().outcome, OutcomeKind::Ok);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    setrlimit(Resource::RLIMIT_NPROC, 1, hard).unwrap();
    let report = run();
    assert_eq!(report.outcome, OutcomeKind::SpawnError, "{report:?}");
    assert_eq!(report.reason, Some(FailureReason::SpawnResources), "{report:?}");
    setrlimit(Resource::RLIMIT_NPROC, soft, hard).unwrap();
    assert_eq!(run().outcome, OutcomeKind::Ok);
}

// File systems that refuse.

/// A private mount of a tmpfs; `None` where that is not allowed.
fn tmpfs(directory: &Path, flags: MsFlags, options: &str) -> Option<()> {
    let unshared = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS);
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let mounted = unshared
        .and_then(|()| mount(None::<&str>, "/", None::<&str>, private, None::<&str>))
        .and_then(|()| mount(Some("tmpfs"), directory, Some("tmpfs"), flags, Some(options)));
    match mounted {
        Ok(()) => Some(()),
        Err(errno) => {
            skip("file systems that refuse", &format!("no private mounts: {errno}"));
            None
        }
    }
}

#[test]
fn a_full_file_system_is_named_and_memory_files_are_unaffected() {
    in_own_process("full");
}

fn full_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let place: Arc<Path> = directory.path().into();
    let Some(()) = tmpfs(&place, MsFlags::empty(), "size=16k") else { return };
    let mut case = probe("output:{}").with(|spec| spec.temp_dir = Some(place.clone()));
    case.input = vec![b' '; 256 << 10];
    let report = case.run();
    assert_eq!(report.outcome, OutcomeKind::SpawnError, "{report:?}");
    assert_eq!(report.reason, Some(FailureReason::InputError), "{report:?}");
    assert!(report.message.contains("No space left on device"), "{}", report.message);
    let without = lacks("memfd_create", "what would be in memory is in the full place, and named");
    for io in [IoMode::MemfdInput, IoMode::Memfd] {
        let report = case.clone().with(|spec| spec.io = io).run();
        if without {
            assert_eq!(report.reason, Some(FailureReason::InputError), "{report:?}");
            continue;
        }
        assert_eq!((report.outcome, &*report.output), (OutcomeKind::Ok, &b"{}"[..]), "{report:?}");
    }
    let report = case.with(|spec| spec.temp_dir = None).run();
    assert_eq!(report.outcome, OutcomeKind::Ok, "another place works: {report:?}");
}

#[test]
fn a_read_only_place_is_named_and_one_without_execution_is_enough() {
    in_own_process("read-only");
}

fn file_system_that_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let place: Arc<Path> = directory.path().into();
    let Some(()) = tmpfs(&place, MsFlags::MS_NOEXEC, "size=1m") else { return };
    let case = probe("output:{}").with(|spec| spec.temp_dir = Some(place));
    let report = case.run();
    assert_eq!(report.outcome, OutcomeKind::Ok, "no file of a call is executed: {report:?}");
    let other = tempfile::tempdir().unwrap();
    let place: Arc<Path> = other.path().into();
    let Some(()) = tmpfs(&place, MsFlags::MS_RDONLY, "size=1m") else { return };
    let report = case.with(|spec| spec.temp_dir = Some(place.clone())).run();
    assert_eq!(report.outcome, OutcomeKind::SpawnError, "{report:?}");
    let words = [&*place.to_string_lossy(), "Read-only file system"];
    assert!(words.iter().all(|word| report.message.contains(word)), "{}", report.message);
}

// How processes are started.

#[test]
fn commands_start_where_forking_is_forbidden() {
    in_own_process("no-fork");
}

/// A fork would copy the agent's page tables. Here fork, vfork, clone3 and any clone that does not
/// share memory are refused, for the commands too.
fn forking_is_forbidden() {
    let _oracle = serial();
    refuse("no-fork");
    // SAFETY: it is refused.
    assert_eq!(unsafe { libc::fork() }, -1, "or nothing is shown");
    expect_ok();
    assert_eq!(probe("exit:3").run().exit_code, Some(3));
    assert_eq!(probe("sleep:60000").timeout(100).run().outcome, OutcomeKind::Timeout);
}

// Signals of the host.

static HOST_PID: AtomicI32 = AtomicI32::new(0);
static IN_THE_HOST: AtomicUsize = AtomicUsize::new(0);
static IN_A_CHILD: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    // SAFETY: a system call without effect; the C library would answer from memory that we share.
    let pid = unsafe { libc::syscall(libc::SYS_getpid) };
    let own = pid == i64::from(HOST_PID.load(Ordering::Relaxed));
    let counter = if own { &IN_THE_HOST } else { &IN_A_CHILD };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Handles `signal` by [`count`].
fn handle(signal: Signal, flags: SaFlags) {
    HOST_PID.store(std::process::id().cast_signed(), Ordering::Relaxed);
    let action = SigAction::new(SigHandler::Handler(count), flags, SigSet::empty());
    // SAFETY: the handler makes one system call and counts.
    unsafe { sigaction(signal, &action) }.unwrap();
}

#[test]
fn no_handler_of_the_host_runs_in_a_child() {
    in_own_process("handlers");
}

/// A child shares our memory until its `execve`; a handler of the host that ran there would change
/// the host's state from another process. SIGURG does nothing to a program that does not handle it.
fn handlers_of_the_host() {
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
    handle(Signal::SIGURG, SaFlags::SA_RESTART);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // To the whole group: a child is in it for the first part of its way.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = nix::sys::signal::killpg(nix::unistd::getpgrp(), Signal::SIGURG);
            }
        });
        for _ in 0..300 {
            expect_ok();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(IN_THE_HOST.load(Ordering::Relaxed) > 100, "the host itself was interrupted");
    assert_eq!(IN_A_CHILD.load(Ordering::Relaxed), 0);
}

#[test]
fn interrupted_system_calls_change_nothing() {
    in_own_process("interrupted");
}

/// Every thread is interrupted all the time, and no system call is begun again by the kernel.
fn interrupted_system_calls() {
    let _oracle = serial();
    handle(Signal::SIGUSR1, SaFlags::empty());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let process = std::process::id().cast_signed();
            // SAFETY: system calls without memory.
            let own = unsafe { libc::syscall(libc::SYS_gettid) };
            while !done.load(Ordering::Relaxed) {
                for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
                    let thread: i64 = task.file_name().to_str().unwrap().parse().unwrap();
                    if thread != own {
                        // SAFETY: as above; a thread that has ended is not found.
                        unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
                    }
                }
            }
        });
        let mut case = probe("copy-stdin;stderr:why");
        case.input = vec![b'x'; 1 << 20];
        for io in [IoMode::Files, IoMode::SharedStdin, IoMode::MemfdInput, IoMode::Memfd] {
            for _ in 0..20 {
                let report = case.clone().with(|spec| spec.io = io).run();
                assert_eq!(report.outcome, OutcomeKind::Ok, "{io:?}: {report:?}");
                assert_eq!(report.output.len(), 1 << 20, "{io:?}");
                assert_eq!(report.stdio_tail, b"why", "{io:?}");
            }
        }
        let report = probe("ignore:SIGTERM;sleep:60000").timeout(2000).grace(50).run();
        assert_eq!((report.outcome, report.signal), (OutcomeKind::Timeout, Some(9)), "{report:?}");
        done.store(true, Ordering::Relaxed);
    });
    assert!(IN_THE_HOST.load(Ordering::Relaxed) > 1000, "or nothing was interrupted");
}

// Threads that change what is the process's.

#[test]
fn an_environment_that_changes_meanwhile_harms_no_start() {
    in_own_process("setenv");
}

fn environment_that_changes() {
    // It is read once, when the first instance is created.
    runner();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut length = 0;
            while !done.load(Ordering::Relaxed) {
                length = (length + 1) % 5000;
                let value = std::ffi::CString::new("x".repeat(length)).unwrap();
                // SAFETY: both are C strings. It moves the environment about, which is the matter
                // here; no other thread of this process uses it.
                unsafe { libc::setenv(c"MOVES".as_ptr(), value.as_ptr(), 1) };
            }
        });
        for _ in 0..200 {
            let seen = inherited(&probe("print").env("KEPT", "as it was"));
            assert_eq!(seen["env.KEPT"], "as it was");
            assert!(!seen.contains_key("env.MOVES"), "the snapshot has none");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_working_directory_that_is_gone_and_a_foreign_time_zone_harm_nobody() {
    in_own_process("gone");
}

fn working_directory_that_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let scripts = tempfile::tempdir().unwrap();
    std::env::set_current_dir(directory.path()).unwrap();
    directory.close().unwrap();
    // SAFETY: no other thread of this process uses the environment now.
    unsafe { libc::setenv(c"TZ".as_ptr(), c"Pacific/Kiritimati".as_ptr(), 1) };
    expect_ok();
    let path = script(
        scripts.path(),
        "deadline",
        "#!/bin/sh\nprintf '%s %s' \"$(date +%s)\" \"$MESOS_COMMAND_DEADLINE\" >\"$2\"\n",
    );
    let output = String::from_utf8(command(path).run().output).unwrap();
    let (now, deadline) = output.split_once(' ').unwrap();
    let left = deadline.parse::<f64>().unwrap() - now.parse::<f64>().unwrap();
    assert!((1.0..=21.0).contains(&left), "{output}: seconds since 1970, whatever the zone");
}

#[test]
fn a_host_that_forks_elsewhere_neither_stops_nor_keeps_a_run() {
    in_own_process("forks");
}

fn a_host_that_forks() {
    runner();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let forking = scope.spawn(|| {
            let mut forks = 0;
            while !done.load(Ordering::Relaxed) {
                // SAFETY: the child makes two system calls and ends.
                match unsafe { libc::fork() } {
                    0 => unsafe {
                        // SAFETY: as above.
                        libc::usleep(2000);
                        libc::_exit(0)
                    },
                    child => {
                        assert!(child > 0, "a process");
                        let _ = nix::sys::wait::waitpid(Pid::from_raw(child), None);
                        forks += 1;
                    }
                }
            }
            forks
        });
        for _ in 0..200 {
            expect_ok();
        }
        done.store(true, Ordering::Relaxed);
        assert!(forking.join().unwrap() > 5);
    });
}

// A host that never collects.

#[test]
fn a_host_whose_children_leave_no_status() {
    in_own_process("no-zombies");
}

/// SA_NOCLDWAIT: the kernel forgets a child at its end, as with an ignored SIGCHLD.
fn children_without_a_status() {
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::SA_NOCLDWAIT, SigSet::empty());
    // SAFETY: the default action runs no code.
    unsafe { sigaction(Signal::SIGCHLD, &action) }.unwrap();
    for (steps, outcome) in [("exit:3", OutcomeKind::Exit), ("output:{}", OutcomeKind::Ok)] {
        let report = probe(steps).run();
        let known = report.outcome == outcome || report.outcome == OutcomeKind::StatusLost;
        assert!(known, "{steps}: {report:?}");
    }
    assert_eq!(probe("sleep:60000").timeout(100).run().outcome, OutcomeKind::Timeout);
}
