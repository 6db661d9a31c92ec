//! A leader: waiting for its end, signalling it and its group, reaping it.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use parking_lot::Mutex;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::sys::{self, ExitStatus, Pid, PidFd, Spawned, WaitTarget};

/// Between two looks at a child when neither a pidfd nor a waiter thread can be had.
const POLL: Duration = Duration::from_millis(10);

/// How a leader ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// With this status.
    Status(ExitStatus),
    /// Somebody else in the process collected it, and the kernel no longer says.
    Lost,
}

/// A started leader that is not reaped yet.
pub(crate) struct Child {
    pid: Pid,
    handle: Handle,
    /// Somebody reaped it (we, or the host): its number may belong to another by now.
    gone: bool,
}

enum Handle {
    /// Whoever owns it waits for it by other means.
    Plain(Option<PidFd>),
    /// The runtime tells when it ends. Taken out of epoll before the descriptor is closed.
    Polled(AsyncFd<PidFd>),
    /// For kernels without usable pidfds: a thread waits, and says so here.
    Waited { pidfd: Option<PidFd>, ended: Option<watch::Receiver<bool>> },
}

impl Child {
    /// Takes charge of a child. [`ended`](Child::ended) is for later, after
    /// [`listen`](Child::listen).
    pub(crate) fn new(spawned: Spawned) -> Child {
        let Spawned { pid, pidfd } = spawned;
        Child { pid, handle: Handle::Plain(pidfd), gone: false }
    }

    /// Lets the runtime tell when it ends. Must run on the runtime.
    pub(crate) fn listen(self) -> Child {
        let Child { pid, handle, gone } = self;
        let handle = match handle {
            Handle::Plain(None) => Handle::Waited { pidfd: None, ended: waiter_thread(pid) },
            Handle::Plain(Some(pidfd)) => match sys::poll_by_runtime(pidfd) {
                Ok(polled) => Handle::Polled(polled),
                // Linux 5.2 has pidfds that cannot be polled; or epoll has no room left.
                Err(pidfd) => Handle::Waited { pidfd: Some(pidfd), ended: waiter_thread(pid) },
            },
            other => other,
        };
        Child { pid, handle, gone }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn pidfd(&self) -> Option<&PidFd> {
        match &self.handle {
            Handle::Plain(pidfd) => pidfd.as_ref(),
            Handle::Polled(polled) => Some(polled.get_ref()),
            Handle::Waited { pidfd, .. } => pidfd.as_ref(),
        }
    }

    fn target(&self) -> WaitTarget {
        WaitTarget::of(self.pid, self.pidfd())
    }

    /// Completes when it has ended, without reaping it. Cancel safe.
    pub(crate) async fn ended(&self) {
        match &self.handle {
            Handle::Polled(polled) => {
                if polled.readable().await.is_err() {
                    self.look_again_and_again().await;
                }
            }
            Handle::Waited { ended: Some(ended), .. } => {
                let mut ended = ended.clone();
                if ended.wait_for(|ended| *ended).await.is_err() {
                    self.look_again_and_again().await;
                }
            }
            Handle::Plain(_) | Handle::Waited { ended: None, .. } => {
                self.look_again_and_again().await;
            }
        }
    }

    async fn look_again_and_again(&self) {
        while matches!(sys::wait(self.target(), WAIT_HERE | libc::WNOHANG), Ok(None)) {
            tokio::time::sleep(POLL).await;
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
        // By number only while the number is certainly ours; asking (0) hurts nobody.
        (!self.gone || signal == 0) && sys::kill_group(self.pid.led_group(), signal).is_ok()
    }
}

/// Wait for the end, but leave the zombie.
const WAIT_HERE: i32 = libc::WEXITED | libc::WNOWAIT;

/// Starts a thread that waits for `pid`.
fn waiter_thread(pid: Pid) -> Option<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let wait = move || {
        let _ = sys::wait(WaitTarget::of(pid, None), WAIT_HERE);
        let _ = sender.send(true);
    };
    match sys::start_thread("mcmd-wait".to_owned(), Some(64 * 1024), wait) {
        Ok(()) => Some(receiver),
        Err(error) => {
            static LINES: Seldom = Seldom(Mutex::new(None));
            // A host that is out of threads is so for every command.
            if LINES.permit(Instant::now()) {
                tracing::warn!(
                    %error,
                    "cannot start a waiter thread; looking at the child every 10 ms \
                     (told once a minute at most)"
                );
            }
            None
        }
    }
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

    #[test]
    fn a_line_a_minute_is_let_through() {
        let (lines, start) = (Seldom(Mutex::new(None)), Instant::now());
        let after = |seconds| lines.permit(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 59, 60, 61, 121].map(after), [true, false, false, true, false, true]);
    }
}
