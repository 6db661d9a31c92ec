//! Hosts that are odd: each in a process of its own, which is this test binary again.

#![expect(unsafe_code, reason = "the host itself is changed: filters, signals, descriptors")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesos_command::outcome::OutcomeKind::{self, Exit, Ok, SpawnError, StatusLost, Timeout};
use mesos_command::run::{Request, StartMethod, start_method};
use mesos_command::staging::{Input, IoMode, SealedInput};
use test_support::{own_process_with, skip};

use crate::inherit::{assert_clean, inherited};
use crate::seccomp::{lacks, refused};
use crate::support::{command, for_everybody, probe, runner, script, serial};

const MODE: &str = "RUNNER_TEST_MODE";
const LIST: &str = "RUNNER_TEST_FAIL";

/// Whether the runner is played with the other start method.
pub(crate) fn by_posix_spawn() -> bool {
    start_method() == Result::Ok(StartMethod::PosixSpawn)
}

/// Runs `mode` in a process of its own.
pub(crate) fn in_own_process(mode: &str, syscalls: &str) {
    let _oracle = serial();
    let _ = own_process_with("modes::in_subprocess", &[(MODE, mode), (LIST, syscalls)]);
}

#[test]
#[ignore = "started by the other tests of this module"]
fn in_subprocess() {
    match std::env::var(MODE).as_deref() {
        Result::Ok("refused") => refused(&std::env::var(LIST).unwrap()),
        Result::Ok("sigchld") => sigchld_ignored(),
        Result::Ok("reaper") => reaper_in_the_host(),
        Result::Ok("signals") => signals_blocked_and_ignored(),
        Result::Ok("closed") => standard_descriptors_closed(),
        Result::Ok("memory") => memory(),
        Result::Ok("hung") => crate::hung::hung_exec(&std::env::var(LIST).unwrap()),
        Result::Ok("descriptors") => no_descriptors_left(),
        Result::Ok("umask") => umask(),
        Result::Ok("undumpable") => undumpable(),
        other => panic!("started without a mode: {other:?}"),
    }
}

// A host that takes our children's status.

#[test]
fn a_host_that_ignores_sigchld() {
    in_own_process("sigchld", "");
}

fn sigchld_ignored() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    serial_without_status();
    for (steps, outcome) in [("exit:3", Exit), ("signal:9", OutcomeKind::Signal), ("output:{}", Ok)]
    {
        let report = probe(steps).run();
        let lost = report.outcome == StatusLost;
        assert!(lost || report.outcome == outcome, "{steps}: {report:?}");
        // posix_spawn gives no pidfd, and one that is opened afterwards may come too late.
        let is_late = by_posix_spawn() || lacks("pidfd_open", "a status that is lost is said so");
        if lost && !is_late {
            let reason = "this kernel does not tell the status of a collected child";
            skip("a host that ignores SIGCHLD", reason);
        }
    }
    assert_eq!(probe("sleep:60000").timeout(100).run().outcome, Timeout);
    assert_eq!(command("/no/such").run().outcome, SpawnError);
    let case = probe("ignore:SIGTERM;sleep:60000").timeout(100).grace(50);
    assert_eq!(case.run().outcome, Timeout);
}

/// The usual oracle starts with a run that must succeed, which this host may not see.
fn serial_without_status() {
    assert!(matches!(probe("output:{}").run().outcome, Ok | StatusLost));
}

#[test]
fn a_host_that_waits_for_everything() {
    in_own_process("reaper", "");
}

fn reaper_in_the_host() {
    std::thread::spawn(|| {
        loop {
            let any = nix::unistd::Pid::from_raw(-1);
            if nix::sys::wait::waitpid(any, None).is_err() {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    });
    for _ in 0..100 {
        let report = probe("exit:3").run();
        let right = (report.outcome, report.exit_code) == (Exit, Some(3));
        assert!(right || report.outcome == StatusLost, "{report:?}");
    }
    assert_eq!(probe("sleep:60000").timeout(100).run().outcome, Timeout);
}

#[test]
fn a_host_that_blocks_and_ignores_signals() {
    in_own_process("signals", "");
}

fn signals_blocked_and_ignored() {
    use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
    // SAFETY: ignoring signals runs no code.
    unsafe {
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGPIPE, libc::SIGHUP, libc::SIGUSR1, 40]
        {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).unwrap();
    let _oracle = serial();
    assert_clean(&inherited(&probe("print")));
    let report = probe("sleep:60000").timeout(100).grace(60_000).run();
    assert_eq!((report.outcome, report.signal), (Timeout, Some(15)), "TERM is heard");
    let mut pending = SigSet::empty();
    let mut now = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut now)).unwrap();
    pending.add(nix::sys::signal::Signal::SIGTERM);
    assert!(now.contains(nix::sys::signal::Signal::SIGTERM), "our thread's mask is untouched");
}

#[test]
fn a_host_without_standard_descriptors() {
    in_own_process("closed", "");
}

fn standard_descriptors_closed() {
    use mesos_command::command::Stdio;
    runner();
    for closed in [[0].as_slice(), &[1], &[0, 2], &[0, 1, 2]] {
        let kept: Vec<_> = (0..3)
            .map(|fd| unsafe {
                // SAFETY: descriptors only; those that are closed are put back below.
                let copy = libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 100);
                if closed.contains(&fd) {
                    libc::close(fd);
                }
                copy
            })
            .collect();
        let mut results = Vec::new();
        for stdio in [Stdio::Capture, Stdio::Null, Stdio::Inherit] {
            for io in [IoMode::Files, IoMode::MemfdInput, IoMode::Memfd] {
                let case = probe("print").with(|spec| (spec.stdio, spec.io) = (stdio, io));
                results.push(case.run());
                let mut case = probe("copy-stdin").with(|spec| spec.io = io);
                case.input = b"input".to_vec();
                results.push(case.run());
            }
        }
        // A descriptor of a run may have had one of the numbers.
        crate::support::settle();
        for (fd, copy) in (0..3).zip(kept) {
            // SAFETY: puts the descriptors back.
            unsafe { libc::dup2(copy, fd) };
        }
        for pair in results.chunks(2) {
            assert_clean(&crate::inherit::parse(&pair[0].output));
            assert_eq!(pair[1].output, b"input", "{closed:?}: {pair:?}");
        }
    }
}

// A large host, and a poor one.

#[test]
fn a_host_with_a_gigabyte_of_memory_starts_as_fast() {
    in_own_process("memory", "");
}

fn memory() {
    const RUNS: u32 = 60;
    let _oracle = serial();
    let usage = || {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
        let usage = usage.unwrap();
        let times = [usage.user_time(), usage.system_time()];
        let micros: i64 = times.iter().map(|time| time.tv_sec() * 1_000_000 + time.tv_usec()).sum();
        (Duration::from_micros(micros as u64), usage.minor_page_faults())
    };
    // Our own processor time, as a busy machine makes every start take longer.
    let measure = || {
        let (time, faults) = usage();
        (0..RUNS).for_each(|_| drop(probe("exit:1").run()));
        let (then, more) = usage();
        (then - time, more - faults)
    };
    measure();
    let (small, _) = measure();
    let mut block = vec![0u8; 1 << 30];
    for page in block.chunks_mut(4096) {
        page[0] = 1;
    }
    let (large, faults) = measure();
    println!("{RUNS} runs took {small:?} small, {large:?} and {faults} faults with 1 GiB");
    // A fork would copy 262,144 page table entries each time: 40 to 90 ms, and a fault for each
    // page that we touch afterwards.
    assert!(large < small * 3 + Duration::from_millis(2) * RUNS, "{large:?} after {small:?}");
    let start = Instant::now();
    block.chunks_mut(4096).for_each(|page| page[0] = 2);
    std::hint::black_box(&block);
    println!("touching all again took {:?}", start.elapsed());
}

#[test]
fn a_host_that_runs_out_of_descriptors() {
    in_own_process("descriptors", "");
}

fn no_descriptors_left() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    // posix_spawn cannot close what lies above the limit, as what the tests were started with may.
    close_on_exec_from_3();
    let oracle = serial();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let mut outcomes = Vec::new();
    // The limit is on the number: below the first free one nothing can be opened.
    for limit in 8..32 {
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).unwrap();
        let report = probe("output:{}").run();
        // The last descriptor that is needed is the one to read the output.
        let expected = [Ok, SpawnError, OutcomeKind::InvalidOutput];
        assert!(expected.contains(&report.outcome), "{report:?}");
        if report.outcome != Ok {
            let told = report.message.contains("EMFILE") || report.message.contains("os error 24");
            assert!(told, "{report:?}");
        }
        outcomes.push(report.outcome);
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    assert_eq!((outcomes.first(), outcomes.last()), (Some(&SpawnError), Some(&Ok)));
    oracle.check();
}

fn close_on_exec_from_3() {
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let fd: i32 = entry.file_name().to_str().unwrap().parse().unwrap();
        if fd > 2 {
            // SAFETY: no memory is involved; one that is closed by now gives an error.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

#[test]
fn a_host_with_an_odd_umask() {
    in_own_process("umask", "");
}

fn umask() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o777));
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let path = script(
        directory.path(),
        "modes",
        "#!/bin/sh\nstat -c %a \"${1%/*}\" \"$1\" \"$2\" \"$3\" | tr '\\n' ' ' >\"$2\"\n",
    );
    assert_eq!(String::from_utf8(command(path).run().output).unwrap(), "700 600 600 600 ");
}

#[test]
fn an_agent_that_is_not_dumpable_gives_files_instead_of_memfds() {
    if !nix::unistd::geteuid().is_root() {
        return skip("an agent that is not dumpable", "only root may become another user");
    }
    in_own_process("undumpable", "");
}

fn undumpable() {
    // Wherever this tree is.
    let (_directory, program) = for_everybody(env!("CARGO_BIN_EXE_mcmd-probe"));
    let probe = |steps: &str| command(&program).env("PROBE", steps);
    let nobody = nix::unistd::Uid::from_raw(65534);
    let group = nix::unistd::Gid::from_raw(65534);
    nix::unistd::setgroups(&[]).unwrap();
    nix::unistd::setresgid(group, group, group).unwrap();
    nix::unistd::setresuid(nobody, nobody, nobody).unwrap();
    nix::sys::prctl::set_dumpable(false).unwrap();
    let own = format!("/proc/{}/fd", std::process::id());
    let seen = std::process::Command::new("ls").arg(&own).output().unwrap();
    if seen.status.success() {
        return skip("an agent that is not dumpable", "a child may look at its descriptors");
    }
    for io in [IoMode::Files, IoMode::SharedStdin, IoMode::MemfdInput, IoMode::Memfd] {
        let mut case = probe("copy-stdin").with(|spec| spec.io = io);
        case.input = b"text".to_vec();
        let report = case.run();
        assert_eq!((report.outcome, &*report.output), (Ok, b"text".as_slice()), "{report:?}");
        let mut case = probe("copy-input;stderr:why;exit:3").with(|spec| spec.io = io);
        case.input = b"text".to_vec();
        let report = case.run();
        assert_eq!((report.outcome, &*report.stdio_tail), (Exit, b"why".as_slice()), "{report:?}");
    }
    // An input that runs share is kept as text: no command could open a memfd of ours.
    let case = probe("copy-input").with(|spec| spec.io = IoMode::SharedStdin);
    let shared = Arc::new(SealedInput::new(b"shared").unwrap());
    let request = Request::new(Arc::new(case.spec), Input::Sealed(shared));
    let report = runner().run_blocking(request, None, None);
    assert_eq!((report.outcome, &*report.output), (Ok, b"shared".as_slice()), "{report:?}");
}

// A program that hangs in execve.

#[test]
fn an_execve_that_hangs_is_ended_at_the_deadline() {
    in_own_process("hung", "");
}

#[test]
fn so_is_one_of_another_user() {
    if !nix::unistd::Uid::effective().is_root() {
        return skip("an execve of another user", "only root may become another user");
    }
    in_own_process("hung", "user");
}
