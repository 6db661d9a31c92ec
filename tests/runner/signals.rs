//! What our threads do with signals, which are the host's.

#![expect(unsafe_code, reason = "the host handles signals, sends them, and faults")]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use mesos_command::isolator::Isolator;
use mesos_command::metrics;
use mesos_command::reactor::CancelToken;
use mesos_command::run::{LaneQueue, RunReport};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use tempfile::TempDir;
use test_support::{PATIENCE, own_process_with, until, wait_for};

use crate::seccomp::refuse;
use crate::support::{command, eventually, probe, runner, script, serial};

const MODE: &str = "RUNNER_TEST_SIGNALS";
/// The signals of faults.
const FAULTS: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGABRT,
];

#[test]
#[ignore = "started by the other tests of this module"]
fn in_subprocess() {
    match std::env::var(MODE).as_deref() {
        Ok("pidfds") => open_signals(&["mcmd-done-0", "mcmd-done-1", "mcmd-worker-0"]),
        Ok("no-pidfd") => open_signals(&["mcmd-wait"]),
        Ok("sigwait") => sigwait(),
        Ok(thread) => fault(thread),
        Err(_) => panic!("started without a mode"),
    }
}

fn in_own_process(mode: &str) {
    let _oracle = serial();
    let _ = own_process_with("signals::in_subprocess", &[(MODE, mode)]);
}

/// Number, name and blocked signals of each of our threads.
fn threads() -> Vec<(i32, String, u64)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let found = tasks.filter_map(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned();
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:"))?;
        let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
        Some((task.file_name().to_str()?.parse().ok()?, name, mask))
    });
    found.filter(|(_, name, _)| name.starts_with("mcmd-")).collect()
}

// Threads that live as long as the process.

#[test]
fn setgid_returns_and_handlers_of_faults_run_on_every_thread() {
    in_own_process("pidfds");
}

#[test]
fn so_they_do_where_threads_wait_for_commands() {
    in_own_process("no-pidfd");
}

/// An instance with a worker, metrics, a command that runs and something that blocks: all kinds of
/// threads that there are.
#[must_use]
struct Everything {
    _directory: TempDir,
    _isolator: Isolator,
    command: CancelToken,
    ended: Receiver<RunReport>,
}

impl Everything {
    fn end(self) {
        self.command.cancel();
        self.ended.recv_timeout(PATIENCE).unwrap();
    }
}

fn everything() -> Everything {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let worker = at("worker@none");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mcmd-probe-worker"), &worker).unwrap();
    let parameters = [
        ("module_name", "signals".to_owned()),
        ("isolator_usage_command", worker),
        ("isolator_usage_mode", "worker".to_owned()),
        ("state_dir", at("state")),
        ("metrics_textfile", at("metrics.prom")),
        ("metrics_address", format!("unix:{}", at("metrics.sock"))),
    ];
    let parameters = parameters.map(|(key, value)| (key.to_owned(), value));
    let isolator = Isolator::create(&parameters).unwrap();
    let up = "worker_up{module=\"signals\",event=\"isolator_usage\"} 1";
    until("the worker", || metrics::render().contains(up));
    let (command, (sender, ended)) = (CancelToken::new(), channel());
    let done = move |report| sender.send(report).unwrap();
    runner().submit(probe("sleep:600000").request(), None, Some(command.clone()), done);
    runner().handle().spawn_blocking(std::thread::park);
    Everything { _directory: directory, _isolator: isolator, command, ended }
}

static HANDLED_BY: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];
static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_thread(_signal: i32) {
    // SAFETY: no memory is involved.
    let own = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
    if let Some(place) = HANDLED_BY.get(HANDLED.fetch_add(1, Ordering::SeqCst)) {
        place.store(own, Ordering::SeqCst);
    }
}

fn install(signal: Signal, handler: extern "C" fn(i32)) {
    // SAFETY: the handlers of this file call what a handler may call.
    unsafe { libc::signal(signal as i32, handler as *const () as libc::sighandler_t) };
}

/// Whether a mask of blocked signals is one of a thread of ours: open are the signals of faults and
/// the C library's own, and none of the host's; SIGCHLD is as the host has it.
fn is_right(mask: u64, host_blocks_sigchld: bool) -> bool {
    let blocks = |number: i32| mask >> (number - 1) & 1 == 1;
    let hosts = [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1, libc::SIGQUIT];
    let open = FAULTS.map(|fault| fault as i32).into_iter().chain([32, 33]);
    hosts.into_iter().all(blocks)
        && !open.into_iter().any(blocks)
        && blocks(libc::SIGCHLD) == host_blocks_sigchld
}

fn open_signals(demanded: &[&str]) {
    if demanded.contains(&"mcmd-wait") {
        refuse("pidfd_open=ENOSYS,clone3=ENOSYS,no-pidfd");
    }
    let host_blocks_sigchld = SigSet::thread_get_mask().unwrap().contains(Signal::SIGCHLD);
    let everything = everything();
    let all = wait_for("all threads", || {
        let all = threads();
        let usual = ["mcmd-rt", "mcmd-blocking", "mcmd-metrics", "mcmd-metrics-io"];
        let there = |name: &&str| all.iter().any(|(_, found, _)| found == *name);
        (demanded.iter().all(there) && usual.iter().all(there)).then_some(all.clone())
    });

    for (thread, name, _) in &all {
        // For an instant, while it starts a command, a thread blocks everything.
        until(&format!("the right mask of {name}"), || {
            let now = threads().into_iter().find(|(number, _, _)| number == thread);
            now.is_none_or(|(_, _, mask)| is_right(mask, host_blocks_sigchld))
        });
    }

    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let own = nix::unistd::getgid();
        // Without the rights for it the second fails, after all threads have been asked.
        let _ = (nix::unistd::setgid(own), nix::unistd::setgroups(&[own]));
        sender.send(()).unwrap();
    });
    receiver.recv_timeout(PATIENCE).expect("setgid and setgroups return");

    let mut names = BTreeSet::new();
    install(Signal::SIGSEGV, note_thread);
    for (thread, name, _) in &all {
        // SAFETY: sends a signal that is handled to a thread of this process.
        let sent =
            unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), *thread, libc::SIGSEGV) };
        if sent != 0 && threads().iter().all(|(now, _, _)| now != thread) {
            // One that waited for a command that has ended meanwhile.
            continue;
        }
        let ran = || HANDLED_BY.iter().any(|place| place.load(Ordering::SeqCst) == *thread);
        eventually(&format!("the handler on {name}"), ran);
        names.insert(name.as_str());
    }
    assert!(demanded.iter().all(|name| names.contains(name)), "{names:?}");
    everything.end();
}

// Faults.

#[test]
fn the_hosts_handler_runs_for_a_fault_on_our_threads() {
    let _oracle = serial();
    for thread in ["completer", "runtime", "blocking"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["signals::in_subprocess", "--exact", "--ignored", "--nocapture"])
            .env(MODE, thread)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(42), "{thread}: {}\n{text}", told(output.status));
    }
}

fn told(status: ExitStatus) -> String {
    status.signal().map_or_else(|| status.to_string(), |signal| format!("killed by {signal}"))
}

extern "C" fn report_and_end(_signal: i32) {
    // SAFETY: ends the process, as the host's handler does after its report.
    unsafe { libc::_exit(42) };
}

fn fault(thread: &str) {
    install(Signal::SIGSEGV, report_and_end);
    let fault = || {
        let nowhere = std::hint::black_box(std::ptr::null_mut::<u8>());
        // SAFETY: it is meant to fault.
        unsafe { nowhere.write_volatile(1) };
    };
    match thread {
        // Where the host's continuations and other modules run.
        "completer" => runner().submit(probe("exit:0").request(), None, None, move |_| fault()),
        "runtime" => drop(runner().handle().spawn(async move { fault() })),
        "blocking" => drop(runner().handle().spawn_blocking(fault)),
        other => panic!("no such thread: {other}"),
    }
    std::thread::sleep(PATIENCE);
    panic!("it was survived");
}

// SIGCHLD of a host that waits for it.

#[test]
fn a_host_that_takes_sigchld_by_sigwait_loses_none() {
    // Blocked here, it is blocked in every thread of the other process from the beginning.
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK).unwrap();
    in_own_process("sigwait");
    before.thread_set_mask().unwrap();
}

/// Waits for SIGCHLD for so many seconds.
fn sigchld_within(seconds: i64) -> bool {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    let time = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    // SAFETY: both pointers are to live values; the information is not asked for.
    unsafe { libc::sigtimedwait(set.as_ref(), std::ptr::null_mut(), &raw const time) > 0 }
}

fn sigwait() {
    let blocked = SigSet::thread_get_mask().unwrap().contains(Signal::SIGCHLD);
    assert!(blocked, "this process was to begin with SIGCHLD blocked");
    // Starts on the completers: those that wait in a lane are started where another ends.
    let lane = LaneQueue::new(1, None);
    let (sender, receiver) = channel();
    for _ in 0..40 {
        let sender = sender.clone();
        let done = move |report| sender.send(report).unwrap();
        runner().submit(probe("exit:0").request(), Some(&Arc::clone(&lane)), None, done);
    }
    for _ in 0..40 {
        receiver.recv_timeout(PATIENCE).unwrap();
    }
    // One on the runtime: a file that is being written is tried again there.
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "busy", "#!/bin/sh\nexit 0\n");
    let busy = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let _ = command(&path).run();
    drop(busy);
    crate::support::settle();

    while sigchld_within(0) {}
    for round in 0..300 {
        // A child of the host, started by a thread of the host.
        let mut child = Command::new("/bin/true").spawn().unwrap();
        assert!(sigchld_within(20), "round {round}: SIGCHLD was lost");
        assert!(child.wait().unwrap().success());
        // It may have come for the end of this one again.
        while sigchld_within(0) {}
    }
}
