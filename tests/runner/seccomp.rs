//! Kernels and filters that refuse system calls.

#![expect(unsafe_code, reason = "a filter is installed")]

use mesos_command::outcome::OutcomeKind::{self, Exit, Ok, SpawnError, Timeout};
use mesos_command::staging::IoMode;
use test_support::skip;

use crate::inherit::{assert_clean, inherited};
use crate::modes::{by_posix_spawn, in_own_process};
use crate::support::{command, probe, runner, serial};

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
/// Of the lower half of the first argument in `struct seccomp_data`.
const FIRST_ARGUMENT: u32 = 16;
const CLONE: u32 = 56;

fn statement(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

/// Makes the listed system calls fail in this process and in all that it starts, for good.
///
/// An entry is `NUMBER=ERRNO`; or `no-pidfd`: clone (not clone3) with CLONE_PIDFD; or `no-fork`:
/// fork, vfork, clone3 and each clone without CLONE_VM. Other words are left alone. Numbers are
/// those of x86_64.
pub(crate) fn refuse(list: &str) {
    let mut program = vec![statement(LOAD, 0, 0, 0)];
    let refused = |program: &mut Vec<_>, number, errno| {
        program.push(statement(EQUAL, 0, 1, number));
        program.push(statement(RETURN, 0, 0, refusal(errno)));
    };
    for entry in list.split(',') {
        match entry.split_once('=') {
            Some((number, errno)) => {
                refused(&mut program, number.parse().unwrap(), errno.parse().unwrap());
            }
            None if entry == "no-fork" => {
                for (number, errno) in [(57, libc::EPERM), (58, libc::EPERM), (435, libc::ENOSYS)] {
                    refused(&mut program, number, errno);
                }
            }
            None => {}
        }
    }
    let has = |word| list.split(',').any(|entry| entry == word);
    // The argument takes the place of the number, so this is the last look at either.
    let clone_with = |set: u8, bits, errno| {
        [
            statement(EQUAL, 0, 3, CLONE),
            statement(LOAD, 0, 0, FIRST_ARGUMENT),
            statement(ANY_BIT, 1 - set, set, bits),
            statement(RETURN, 0, 0, refusal(errno)),
        ]
    };
    if has("no-pidfd") {
        program.extend(clone_with(1, libc::CLONE_PIDFD.cast_unsigned(), libc::EINVAL));
    } else if has("no-fork") {
        program.extend(clone_with(0, libc::CLONE_VM.cast_unsigned(), libc::EPERM));
    }
    program.push(statement(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    install(&mut program);
}

fn install(program: &mut [libc::sock_filter]) {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    let all_threads = libc::SECCOMP_FILTER_FLAG_TSYNC;
    // SAFETY: the filter's program is live and of the stated length.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                all_threads,
                &raw const filter
            ),
            0
        );
    }
}

#[test]
fn every_refused_system_call_has_a_fallback() {
    // By number: clone3 435, close_range 436, pidfd_open 434, pidfd_send_signal 424, memfd_create
    // 319; with ENOSYS (38) as an old kernel says, or EPERM (1) as a container's filter does.
    for list in [
        "435=38",
        "late,435=1",
        "436=38",
        "435=38,436=38",
        "434=1",
        "434=38,424=38",
        "319=38",
        "319=1,436=1",
        "435=38,436=38,434=38,424=38,319=38",
        // Without pidfds, as before Linux 5.2: a thread waits for each command.
        "435=38,no-pidfd",
        "435=38,436=38,434=38,424=38,319=38,no-pidfd",
    ] {
        in_own_process("refused", list);
    }
}

/// The other half of it.
pub(crate) fn refused(list: &str) {
    if !cfg!(target_arch = "x86_64") {
        return skip("refused system calls", "the test knows the numbers of x86_64 alone");
    }
    // The C library itself cannot start a thread when clone3 gives EPERM.
    if list.starts_with("late") {
        runner();
    }
    refuse(list);
    if by_posix_spawn() && list.split(',').any(|entry| entry == "435=1") {
        // Nor can it start a process, and it says why.
        let report = probe("output:{}").run();
        assert_eq!(report.outcome, SpawnError, "{report:?}");
        return assert!(report.message.contains("EPERM"), "{}", report.message);
    }
    the_usual();
}

/// The outcomes and promises that must be the same everywhere.
fn the_usual() {
    let oracle = serial();
    for io in [IoMode::Files, IoMode::SharedStdin, IoMode::MemfdInput, IoMode::Memfd] {
        let expect = |steps: &str, outcome: OutcomeKind| {
            let case = probe(steps).timeout(3000).with(|spec| spec.io = io);
            let case = case.env("PROBE_BG", "ignore:SIGTERM;sleep:60000");
            let report = case.run();
            assert_eq!(report.outcome, outcome, "{steps} {io:?}: {report:?}");
            report
        };
        let mut case = probe("copy-stdin").with(|spec| spec.io = io);
        case.input = b"text".to_vec();
        assert_eq!(case.run().output, b"text");
        assert_clean(&inherited(&probe("print").with(|spec| spec.io = io)));
        assert_eq!(expect("stderr:why;exit:3", Exit).stdio_tail, b"why");
        assert_eq!(expect("signal:9", OutcomeKind::Signal).signal, Some(9));
        expect("sparse:9999999999;sleep:60000", OutcomeKind::OutputTooLarge);
        let case = probe("fork:BG;ignore:SIGTERM;sleep:60000").timeout(200).grace(50);
        let case = case.env("PROBE_BG", "setsid;ignore:SIGTERM;sleep:60000");
        assert_eq!(case.with(|spec| spec.io = io).run().outcome, Timeout);
        let case = probe("fork:BG").env("PROBE_BG", "sleep:60000").kill_background();
        let report = case.with(|spec| spec.io = io).run();
        assert_eq!((report.outcome, report.strays), (Ok, true), "{report:?}");
        oracle.check();
    }
    assert_eq!(command("/no/such").run().outcome, SpawnError);
    let report = probe("stderr-bytes:50000000").run();
    assert!(report.stdio_tail.ends_with(b"THE END"), "{report:?}");
}
