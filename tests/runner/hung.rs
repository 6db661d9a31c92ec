//! An execve that hangs, because nobody answers whether it is permitted (fanotify).

#![expect(unsafe_code, reason = "fanotify has no safe interface here")]

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use mesos_command::outcome::OutcomeKind::{Ok, Timeout};
use mesos_command::sys::User;
use test_support::{in_time, skip};

use crate::modes::by_posix_spawn;
use crate::support::{children, command, eventually, for_everybody, probe, runner, serial};

/// The other half of `an_execve_that_hangs_is_ended_at_the_deadline`; `user`: of another user.
pub(crate) fn hung_exec(whose: &str) {
    let user = User { name: "x".into(), uid: 65_534, gid: 65_534, groups: [65_534].into() };
    let user = (whose == "user").then_some(user);
    let (_directory, program) = for_everybody("/bin/true");
    let Some(guard) = hang(&program) else { return };
    let _oracle = serial();
    if by_posix_spawn() {
        return hung_start(&program, &guard);
    }
    const TIMEOUT: u64 = 3000;
    let promised = Duration::from_millis(TIMEOUT + 200 + 100);
    in_time("starts that hang", promised, || {
        let (sender, receiver) = std::sync::mpsc::channel();
        for _ in 0..3 {
            let sender = sender.clone();
            let case = command(&program).timeout(TIMEOUT);
            let request = case.with(|spec| spec.identity.user = user.clone()).request();
            runner().submit(request, None, None, move |report| {
                let _ = sender.send(report);
            });
        }
        drop(sender);
        eventually("the starts hang", || children().len() == 3);
        assert_eq!(probe("output:{}").run().outcome, Ok);
        let early = receiver.try_recv().expect_err("others still run meanwhile");
        assert_eq!(early, TryRecvError::Empty);
        let reports: Vec<_> = receiver.iter().collect();
        assert_eq!(reports.len(), 3);
        assert!(reports.iter().all(|report| report.outcome == Timeout), "{reports:?}");
        reports.iter().map(|report| report.timings.total).max().unwrap()
    });
}

/// `posix_spawn` holds its thread, whatever the deadline is; when the file system answers, all goes
/// on.
fn hung_start(program: &Path, guard: &OwnedFd) {
    let started = std::thread::spawn({
        let case = command(program).timeout(10);
        move || case.run()
    });
    eventually("the start hangs", || children().len() == 1);
    assert_eq!(probe("output:{}").run().outcome, Ok, "others still run");
    assert!(!started.is_finished());
    // The child still has a copy of it, so to close ours would let nobody go on.
    allow(guard);
    let report = started.join().unwrap();
    assert!([Ok, Timeout].contains(&report.outcome), "{report:?}");
}

/// Lets the execution go on that waits.
fn allow(fanotify: &OwnedFd) {
    let mut event = [0; std::mem::size_of::<libc::fanotify_event_metadata>()];
    let length = nix::unistd::read(fanotify, &mut event).unwrap();
    assert_eq!(length, event.len(), "one event");
    let event = event.as_ptr().cast::<libc::fanotify_event_metadata>();
    // SAFETY: the kernel wrote the structure, whose fields are all integers.
    let event = unsafe { event.read_unaligned() };
    // SAFETY: the event's descriptor is for us.
    let file = unsafe { OwnedFd::from_raw_fd(event.fd) };
    let answer = [event.fd.to_ne_bytes(), libc::FAN_ALLOW.to_ne_bytes()].concat();
    nix::unistd::write(fanotify, &answer).unwrap();
    drop(file);
}

/// Makes executions of a file wait for an answer that nobody gives.
fn hang(path: &Path) -> Option<OwnedFd> {
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is a C string; the descriptor is new.
    unsafe {
        let fd = libc::fanotify_init(
            libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC,
            libc::O_RDONLY as libc::c_uint,
        );
        if fd < 0 {
            let error = std::io::Error::last_os_error();
            skip("an execve that hangs", &format!("fanotify_init: {error}"));
            return None;
        }
        let owner = OwnedFd::from_raw_fd(fd);
        let marked = libc::fanotify_mark(
            fd,
            libc::FAN_MARK_ADD,
            libc::FAN_OPEN_EXEC_PERM,
            libc::AT_FDCWD,
            name.as_ptr(),
        );
        if marked != 0 {
            let error = std::io::Error::last_os_error();
            skip("an execve that hangs", &format!("fanotify_mark: {error}"));
            return None;
        }
        Some(owner)
    }
}
