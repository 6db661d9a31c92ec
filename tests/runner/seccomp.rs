//! Kernels and filters that refuse system calls.

#![expect(unsafe_code, reason = "a filter is installed")]

use mesos_command::outcome::OutcomeKind::{self, Exit, Ok, SpawnError, Timeout};
use mesos_command::staging::IoMode;
use nix::errno::Errno;
use test_support::note;

use crate::inherit::{assert_clean, inherited};
use crate::modes::{by_posix_spawn, in_own_process};
use crate::support::{command, probe, runner, serial};

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
/// Of the lower half of the first argument in `struct seccomp_data`.
const FIRST_ARGUMENT: u32 = 16;

fn statement(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn refusal(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

/// What can be refused by its name.
const CALLS: [(&str, libc::c_long); 12] = [
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("close_range", libc::SYS_close_range),
    ("memfd_create", libc::SYS_memfd_create),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ("prlimit64", libc::SYS_prlimit64),
    ("seccomp", libc::SYS_seccomp),
    ("setgroups", libc::SYS_setgroups),
    ("setpriority", libc::SYS_setpriority),
    ("setresgid", libc::SYS_setresgid),
    ("setresuid", libc::SYS_setresuid),
];
const ERRORS: [(&str, i32); 3] =
    [("EAGAIN", libc::EAGAIN), ("ENOSYS", libc::ENOSYS), ("EPERM", libc::EPERM)];
/// What forks by its nature. There are machines without them.
#[cfg(target_arch = "x86_64")]
const FORKS: [libc::c_long; 2] = [libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: [libc::c_long; 0] = [];

fn named<T: Copy>(table: &[(&str, T)], name: &str) -> T {
    table.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// Makes the listed system calls fail in this process and in all that it starts, for good.
///
/// An entry is `CALL=ERRNO`, by their names; or `no-pidfd`: clone (not clone3) with CLONE_PIDFD; or
/// `no-fork`: fork, vfork, clone3 and each clone without CLONE_VM. Other words are left alone.
pub(crate) fn refuse(list: &str) {
    let mut program = vec![statement(LOAD, 0, 0, 0)];
    let refused = |program: &mut Vec<_>, number: libc::c_long, errno| {
        program.push(statement(EQUAL, 0, 1, u32::try_from(number).unwrap()));
        program.push(statement(RETURN, 0, 0, refusal(errno)));
    };
    for entry in list.split(',') {
        match entry.split_once('=') {
            Some((call, errno)) => {
                refused(&mut program, named(&CALLS, call), named(&ERRORS, errno));
            }
            None if entry == "no-fork" => {
                FORKS.iter().for_each(|number| refused(&mut program, *number, libc::EPERM));
                refused(&mut program, libc::SYS_clone3, libc::ENOSYS);
            }
            None => {}
        }
    }
    let has = |word| list.split(',').any(|entry| entry == word);
    // The argument takes the place of the number, so this is the last look at either.
    let clone_with = |set: u8, bits, errno| {
        [
            statement(EQUAL, 0, 3, u32::try_from(libc::SYS_clone).unwrap()),
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

/// Whether a call is not in this kernel, or is refused as if it were not; a line in the notes then
/// says what is held to its promise `instead`. `call` is one of [`CALLS`].
pub(crate) fn lacks(call: &str, instead: &str) -> bool {
    // SAFETY: every argument is wrong for each of them, so nothing happens.
    let result = unsafe { libc::syscall(named(&CALLS, call), -1, -1, -1, -1, -1) };
    let is_missing = result == -1 && Errno::last() == Errno::ENOSYS;
    if is_missing {
        note(&format!("NOT IN THIS KERNEL {call}: {instead}"));
    }
    is_missing
}

fn install(program: &mut [libc::sock_filter]) {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the filter's program is live and of the stated length.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let all_threads = libc::SECCOMP_FILTER_FLAG_TSYNC;
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        if libc::syscall(libc::SYS_seccomp, mode, all_threads, &raw const filter) != 0 {
            // Before Linux 3.17 only for this thread, and for all that it starts from now on.
            assert_eq!(Errno::last(), Errno::ENOSYS);
            let mode = libc::SECCOMP_MODE_FILTER;
            assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter), 0);
        }
    }
}

#[test]
fn every_refused_system_call_has_a_fallback() {
    // With ENOSYS as an old kernel says, or EPERM as a container's filter does.
    for list in [
        "clone3=ENOSYS",
        "late,clone3=EPERM",
        "close_range=ENOSYS",
        "clone3=ENOSYS,close_range=ENOSYS",
        "pidfd_open=EPERM",
        "pidfd_open=ENOSYS,pidfd_send_signal=ENOSYS",
        "memfd_create=ENOSYS",
        "memfd_create=EPERM,close_range=EPERM",
        "clone3=ENOSYS,close_range=ENOSYS,pidfd_open=ENOSYS,pidfd_send_signal=ENOSYS,\
         memfd_create=ENOSYS",
        // Without pidfds, as before Linux 5.2: a thread waits for each command.
        "clone3=ENOSYS,no-pidfd",
        "clone3=ENOSYS,close_range=ENOSYS,pidfd_open=ENOSYS,pidfd_send_signal=ENOSYS,\
         memfd_create=ENOSYS,no-pidfd",
    ] {
        in_own_process("refused", list);
    }
}

/// The other half of it.
pub(crate) fn refused(list: &str) {
    // The C library itself cannot start a thread when clone3 gives EPERM.
    if list.starts_with("late") {
        runner();
    }
    refuse(list);
    if by_posix_spawn() && list.split(',').any(|entry| entry == "clone3=EPERM") {
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
