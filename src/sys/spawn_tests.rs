//! What a child does on its way to the program, seen from outside.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use test_support::wait_for;

use super::super::clone::tests::LEAVES_NO_MARK;
use super::super::pidfd::{ExitStatus, WaitTarget, kill, wait};
use super::super::strings::StringTable;
use super::*;

fn table(entries: &[&[u8]]) -> StringTable {
    let mut table = StringTable::default();
    entries.iter().for_each(|entry| table.push(&[entry]).unwrap());
    table
}

fn null() -> Source {
    Source::Open(CString::from(c"/dev/null"), libc::O_RDWR)
}

/// A program between `/dev/null`s.
fn plan(path: &[u8]) -> Plan {
    Plan {
        candidates: table(&[path]),
        arguments: table(&[path]),
        environment: StringTable::default(),
        stdio: [null(), null(), Source::Stdout],
        ..Plan::default()
    }
}

/// A program that is looked for in so many places that this takes a while.
fn long_search() -> Plan {
    let mut plan = plan(b"/nowhere/program");
    for _ in 0..2_000_000 {
        plan.candidates.push(&[b"/nowhere/program"]).unwrap();
    }
    plan
}

fn start(plan: Plan) -> (Spawned, Start) {
    spawn(plan).map_err(|refusal| refusal.failure).unwrap()
}

/// Waits until the child is about to execute its program.
fn searching(start: &Start) {
    wait_for("the search", || (!start.duration().is_zero()).then_some(()));
}

fn end(spawned: &Spawned) -> ExitStatus {
    let target = WaitTarget::of(spawned.pid, spawned.pidfd.as_ref());
    wait(target, libc::WEXITED).unwrap().unwrap()
}

#[test]
fn a_signal_that_dumps_core_dumps_none_before_the_program_is_executed() {
    for signal in [libc::SIGQUIT, libc::SIGABRT, libc::SIGSEGV, libc::SIGXCPU] {
        let (spawned, start) = start(long_search());
        searching(&start);
        kill(spawned.pid, signal).unwrap();
        let ended = end(&spawned);
        assert_eq!(ended, ExitStatus::Signaled(libc::SIGKILL), "signal {signal}");
        start.child_has_ended();
    }
}

#[test]
fn the_program_has_the_default_dispositions() {
    let mut plan = plan(b"/bin/sh");
    plan.arguments = table(&[b"sh", b"-c", b"kill -QUIT $$"]);
    let (spawned, _start) = start(plan);
    assert_eq!(end(&spawned), ExitStatus::Signaled(libc::SIGQUIT));
}

#[test]
fn a_child_that_has_ended_has_left_although_the_kernel_does_not_say_so() {
    LEAVES_NO_MARK.set(true);
    let (spawned, start) = start(long_search());
    LEAVES_NO_MARK.set(false);
    searching(&start);
    kill(spawned.pid, libc::SIGKILL).unwrap();
    assert_eq!(end(&spawned), ExitStatus::Signaled(libc::SIGKILL));
    assert!(!start.is_over(), "as before Linux 4.8");
    start.child_has_ended();
    assert!(start.is_over());
    assert!(start.into_plan().is_some(), "its memory is ours again");
}

/// The descriptors of a process.
fn descriptors(pid: Pid) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether the process sleeps in the kernel in an open of a FIFO.
fn opens(pid: Pid) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    text.starts_with(&format!("{} ", libc::SYS_openat))
}

#[test]
fn an_open_that_hangs_has_no_descriptor_of_the_host() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let hanging = Source::Open(CString::new(path.as_os_str().as_bytes()).unwrap(), libc::O_RDONLY);
    let descriptor = Source::Descriptor(Arc::new(above_stdio(writer).unwrap()));
    // The table is shared with the host at first, or copied, by what the program is to get.
    for stdout in [null(), descriptor] {
        let is_copied = matches!(stdout, Source::Descriptor(_));
        let mut plan = plan(b"/bin/true");
        plan.stdio = [hanging.clone(), stdout, Source::Stdout];
        let (spawned, _start) = start(plan);
        wait_for("the open", || opens(spawned.pid).then_some(()));
        let open = descriptors(spawned.pid);
        assert!(open.iter().all(|fd| *fd < 3), "copied {is_copied}: {open:?}");
        assert!(!open.contains(&listener.as_raw_fd()));
        if is_copied {
            let its = fs::read_link(format!("/proc/{}/fd/1", spawned.pid)).unwrap();
            let ours = fs::read_link(format!("/proc/self/fd/{}", reader.as_fd().as_raw_fd()));
            assert_eq!(its, ours.unwrap(), "its stdout is the pipe");
        }
        open_writer(&path);
        assert_eq!(end(&spawned), ExitStatus::Exited(0));
    }
}

fn open_writer(path: &Path) {
    drop(fs::OpenOptions::new().write(true).open(path).unwrap());
}
