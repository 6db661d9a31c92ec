//! A leader: waiting for its end, signalling it and its group, reaping it.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use parking_lot::Mutex;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::epoll::{Job, Reactor, Watch};
use crate::sys::{self, ExitStatus, Pid, PidFd, Spawned, WaitTarget};

/// Pause between two polls of a child whose end nothing reports.
const POLL: Duration = Duration::from_millis(10);
/// Pause between two polls of one whose end was reported although it has no status yet.
const NO_STATUS: Duration = Duration::from_millis(1);

/// How a leader ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// With this status.
    Status(ExitStatus),
    /// Other code in the process collected it, and the kernel no longer gives it.
    Lost,
}

/// A started leader that is not reaped yet.
pub(crate) struct Child {
    pid: Pid,
    handle: Handle,
    /// It was reaped (by us, or by the host): its number may belong to another by now.
    gone: bool,
    notice: Notice,
}

enum Handle {
    /// The kernel has no pidfds, or gave none.
    Number,
    PidFd(PidFd),
    /// The runtime waits for it too. It is taken out of epoll before the descriptor is closed.
    Polled(AsyncFd<PidFd>),
}

/// How its end is reported.
enum Notice {
    /// Nothing was asked for.
    Unasked,
    /// The reactor waits for its pidfd.
    Reactor(Arc<Reactor>, Watch),
    /// For kernels without usable pidfds: a thread waits for it.
    Thread,
    /// The same, for tasks.
    Waited(watch::Receiver<bool>),
    /// Neither can be had: its owner has to poll.
    Nothing,
    /// Its end was reported.
    Reported,
}

impl Child {
    /// Takes charge of a child.
    pub(crate) fn new(spawned: Spawned) -> Child {
        let Spawned { pid, pidfd } = spawned;
        let handle = pidfd.map_or(Handle::Number, Handle::PidFd);
        Child { pid, handle, gone: false, notice: Notice::Unasked }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn pidfd(&self) -> Option<&PidFd> {
        match &self.handle {
            Handle::Number => None,
            Handle::PidFd(pidfd) => Some(pidfd),
            Handle::Polled(polled) => Some(polled.get_ref()),
        }
    }

    fn target(&self) -> WaitTarget {
        WaitTarget::of(self.pid, self.pidfd())
    }

    /// Has the reactor do `job()` once when it has ended, which may be at once; later calls do
    /// nothing. Where neither a pidfd nor a thread can be had, the job is dropped, and the
    /// [pause](Child::poll_pause) is how often the status is to be polled.
    pub(crate) fn report_end(&mut self, reactor: &Arc<Reactor>, job: impl FnOnce() -> Job) {
        if !matches!(self.notice, Notice::Unasked) {
            return;
        }
        let watched = match self.pidfd() {
            Some(pidfd) => reactor.watch(pidfd.as_fd(), job()),
            None => Err(job()),
        };
        self.notice = match watched {
            Ok(watch) => Notice::Reactor(reactor.clone(), watch),
            // Linux 5.2 has pidfds that cannot be polled; or epoll has no room left.
            Err(job) => {
                let reactor = reactor.clone();
                match waiter_thread(self.pid, move || reactor.run(job)) {
                    true => Notice::Thread,
                    false => Notice::Nothing,
                }
            }
        };
    }

    /// To be called by that job, or on its behalf.
    pub(crate) fn end_was_reported(&mut self) {
        self.notice = Notice::Reported;
    }

    /// How soon its status is to be polled although nothing is reported; `None`: not at all.
    pub(crate) fn poll_pause(&self) -> Option<Duration> {
        match self.notice {
            Notice::Unasked | Notice::Reactor(..) | Notice::Thread | Notice::Waited(_) => None,
            Notice::Nothing => Some(POLL),
            Notice::Reported => Some(NO_STATUS),
        }
    }

    /// Lets a task wait for its end, instead of the reactor. Must run on the runtime.
    pub(crate) fn listen(mut self) -> Child {
        let polled = match std::mem::replace(&mut self.handle, Handle::Number) {
            Handle::PidFd(pidfd) => sys::poll_by_runtime(pidfd).map_err(Handle::PidFd),
            other => Err(other),
        };
        match polled {
            Ok(polled) => self.handle = Handle::Polled(polled),
            // As in `report_end`.
            Err(handle) => {
                self.handle = handle;
                let (sender, ended) = watch::channel(false);
                let waits = waiter_thread(self.pid, move || {
                    let _ = sender.send(true);
                });
                self.notice = if waits { Notice::Waited(ended) } else { Notice::Nothing };
            }
        }
        self
    }

    /// Completes when it has ended, without reaping it; for one that was [listened
    /// to](Child::listen). Cancel safe.
    pub(crate) async fn ended(&self) {
        let is_reported = match (&self.handle, &self.notice) {
            (Handle::Polled(polled), _) => polled.readable().await.is_ok(),
            (_, Notice::Waited(ended)) => ended.clone().wait_for(|ended| *ended).await.is_ok(),
            _ => false,
        };
        if !is_reported {
            while matches!(sys::wait(self.target(), WAIT_HERE | libc::WNOHANG), Ok(None)) {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Its status, if it has ended; it stays unreaped.
    pub(crate) fn try_status(&mut self) -> Option<Exit> {
        match sys::wait(self.target(), WAIT_HERE | libc::WNOHANG) {
            Ok(None) => None,
            Ok(Some(status)) => Some(Exit::Status(status)),
            // A host that ignores SIGCHLD, or waits for everything. Not yet gone is possible too
            // while other threads of it end, but then the kernel has no exit information either.
            Err(_) => {
                self.gone = true;
                Some(self.pidfd().and_then(sys::exit_info).map_or(Exit::Lost, Exit::Status))
            }
        }
    }

    /// Reaps it after it has ended.
    pub(crate) fn reap(&mut self) {
        if !self.gone {
            let _ = sys::wait(self.target(), libc::WEXITED | libc::WNOHANG);
            self.gone = true;
        }
    }

    /// Reaps it after it has ended, and kills the rest of its process group; whether there was any.
    ///
    /// A group has its leader in it until that is reaped, and what was killed may be gone before
    /// anybody can look. So the group is killed when the leader is out of it, which takes a pidfd.
    /// Without, what ends in that moment is not seen.
    pub(crate) fn reap_and_kill_group(&mut self) -> bool {
        let by_pidfd = self.pidfd().is_some_and(|fd| fd.signal_group(0).is_ok());
        if !by_pidfd {
            self.signal_group(libc::SIGKILL);
        }
        self.reap();
        self.signal_group(if by_pidfd { libc::SIGKILL } else { 0 })
    }

    /// Sends a signal to the leader itself.
    pub(crate) fn signal(&self, signal: i32) {
        let sent = match self.pidfd() {
            Some(fd) => fd.signal(signal),
            None => Err(Errno::ENOSYS),
        };
        // ESRCH: it has ended. Other errors come from kernels and filters without the call.
        if let Err(errno) = sent
            && errno != Errno::ESRCH
            && !self.gone
        {
            let _ = sys::kill(self.pid, signal);
        }
    }

    /// Sends a signal to its process group; false when the group is empty.
    pub(crate) fn signal_group(&self, signal: i32) -> bool {
        if let Some(fd) = self.pidfd() {
            match fd.signal_group(signal) {
                Ok(()) => return true,
                Err(Errno::ESRCH) => return false,
                Err(_) => {}
            }
        }
        // By number only while the number is certainly ours; signal 0 only asks.
        (!self.gone || signal == 0) && sys::kill_group(self.pid.led_group(), signal).is_ok()
    }
}

/// Wait for the end, but leave the zombie.
const WAIT_HERE: i32 = libc::WEXITED | libc::WNOWAIT;

impl Drop for Child {
    fn drop(&mut self) {
        if let (Notice::Reactor(reactor, watch), Some(pidfd)) = (&self.notice, self.pidfd()) {
            reactor.unwatch(pidfd.as_fd(), watch);
        }
    }
}

/// Starts a thread that does `job` when `pid` has ended; false when there is no thread.
fn waiter_thread(pid: Pid, job: impl FnOnce() + Send + 'static) -> bool {
    let wait = move || {
        let _ = sys::wait(WaitTarget::of(pid, None), WAIT_HERE);
        job();
    };
    let started = sys::start_thread("mcmd-wait".to_owned(), Some(64 * 1024), wait);
    if let Err(error) = &started {
        static LINES: Seldom = Seldom(Mutex::new(None));
        // A host that is out of threads is so for every command.
        if LINES.permit(Instant::now()) {
            tracing::warn!(
                %error,
                "cannot start a waiter thread; looking at the child every 10 ms \
                 (told once a minute at most)"
            );
        }
    }
    started.is_ok()
}

/// Lets one line a minute through.
struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    fn permit(&self, now: Instant) -> bool {
        const PAUSE: Duration = Duration::from_secs(60);
        let mut last = self.0.lock();
        let permits = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if permits {
            *last = Some(now);
        }
        permits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a shell with this text.
    fn shell(text: &str) -> Spawned {
        let table = |entries: &[&str]| {
            let mut table = sys::StringTable::default();
            entries.iter().for_each(|entry| table.push(&[entry.as_bytes()]).expect("no NUL"));
            table
        };
        let plan = sys::Plan {
            candidates: table(&["/bin/sh"]),
            arguments: table(&["sh", "-c", text]),
            ..sys::Plan::default()
        };
        let (spawned, start) =
            sys::spawn(plan).map_err(|refusal| refusal.failure).expect("a process");
        // What the child reads is left to it for good when its start is dropped before it is over.
        test_support::until("an executed shell", || start.is_over());
        spawned
    }

    #[test]
    fn an_end_is_reported_with_and_without_a_pidfd() {
        let reactor = Reactor::start("test", 1).expect("a thread");
        for with_pidfd in [true, false] {
            let mut spawned = shell("exit 3");
            spawned.pidfd = spawned.pidfd.filter(|_| with_pidfd);
            let mut child = Child::new(spawned);
            let (sender, receiver) = std::sync::mpsc::channel();
            child.report_end(&reactor, || Box::new(move || sender.send(()).expect("it waits")));
            child.report_end(&reactor, || unreachable!("it was asked for already"));
            assert_eq!(receiver.recv_timeout(test_support::PATIENCE), Ok(()));
            assert_eq!(child.try_status(), Some(Exit::Status(ExitStatus::Exited(3))));
            child.reap();
        }
    }

    #[test]
    fn the_end_of_a_child_that_was_dropped_is_not_reported() {
        let reactor = Reactor::start("test", 1).expect("a thread");
        let mut child = Child::new(shell("read line </dev/null; exec sleep 600"));
        let (sender, receiver) = std::sync::mpsc::channel();
        child.report_end(&reactor, || Box::new(move || sender.send(()).expect("it waits")));
        let (pid, target) = (child.pid(), WaitTarget::of(child.pid(), None));
        drop(child);
        test_support::dropped_unanswered(&receiver);
        let _ = sys::kill(pid, libc::SIGKILL);
        sys::wait(target, libc::WEXITED).expect("a child of ours");
    }

    #[test]
    fn what_is_left_of_a_group_is_killed_and_told_of() {
        for with_pidfd in [true, false] {
            for (text, expected) in [("sleep 600 & exit 3", true), ("exit 3", false)] {
                let mut spawned = shell(text);
                spawned.pidfd = spawned.pidfd.filter(|_| with_pidfd);
                let mut child = Child::new(spawned);
                test_support::until("its end", || child.try_status().is_some());
                let found = child.reap_and_kill_group();
                assert!(found == expected || (!with_pidfd && !found), "{text}");
                test_support::until("an empty group", || !child.signal_group(0));
                assert!(!child.reap_and_kill_group(), "once more");
            }
        }
    }

    #[test]
    fn a_line_a_minute_is_let_through() {
        let (lines, start) = (Seldom(Mutex::new(None)), Instant::now());
        let after = |seconds| lines.permit(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61, 121].map(after), [true, false, false, true, false, true]);
    }
}
