//! The first moments of a run, without the runtime.
//!
//! Most commands end within a few milliseconds. Until then a run needs nobody who looks after its
//! deadline: the thread that the kernel wakes at the leader's end (a completer, or the caller, if
//! it waits anyway) ends the run. What takes longer is handed over to the runtime.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use parking_lot::Mutex;

use super::completers::Watch;
use super::run::Ready;
use super::start::begin;
use super::supervise::{Cleaning, Running};

/// How long a call may take without the runtime.
const QUICK: Duration = Duration::from_millis(10);

/// A run in its first moments that a completer waits for. Whoever takes the run goes on with it.
pub(super) struct Quick(Mutex<Option<(Running, Watch)>>);

impl Quick {
    /// Starts a prepared run.
    pub(super) fn start(ready: Ready) {
        let Some(running) = begin(ready) else { return };
        let (shared, until) = (running.run.shared.clone(), quick_until(running.deadline));
        let quick = Arc::new(Quick(Mutex::new(None)));
        let own = quick.clone();
        // Called at once perhaps, it waits for the run to be put in.
        let mut place = quick.0.lock();
        let watch = running
            .supervision
            .pidfd()
            .map(|pidfd| shared.completers.watch(pidfd.as_fd(), Box::new(move || own.ended())));
        match watch {
            Some(Ok(watch)) => *place = Some((running, watch)),
            // The kernel has no pidfds, or no room left for another.
            _ => return running.go_on_behind(),
        }
        drop(place);
        shared.alarms.hand_over(until, quick);
    }

    /// The leader has ended; on a completer.
    fn ended(&self) {
        let taken = self.0.lock().take();
        if let Some((running, _)) = taken {
            running.end(Cleaning::Here);
        }
    }

    /// Whether nothing is left to be handed over.
    pub(super) fn is_over(&self) -> bool {
        self.0.lock().is_none()
    }

    /// Gives the run to the runtime, unless it is over.
    pub(super) fn hand_over(&self) {
        let Some((running, watch)) = self.0.lock().take() else { return };
        if let Some(pidfd) = running.supervision.pidfd() {
            // Its job, if it is about to be done, finds nothing any more.
            running.run.shared.completers.unwatch(pidfd.as_fd(), &watch);
        }
        running.go_on_behind();
    }
}

/// Starts a prepared run and waits for its end on the calling thread; hands over what takes too
/// long.
pub(super) fn see_through(ready: Ready) {
    let Some(running) = begin(ready) else { return };
    let until = quick_until(running.deadline);
    if running.supervision.pidfd().is_some_and(|pidfd| is_readable(pidfd, until)) {
        running.end(Cleaning::Later);
    } else {
        running.go_on_behind();
    }
}

/// When the runtime takes over what begins now.
pub(crate) fn quick_until(deadline: Option<Instant>) -> Instant {
    let until = Instant::now() + QUICK;
    deadline.map_or(until, |deadline| deadline.min(until))
}

/// Whether `fd` becomes readable before `until`.
fn is_readable(fd: impl AsFd, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None) {
            Ok(1..) => return true,
            Err(Errno::EINTR) if !left.is_zero() => {}
            _ => return false,
        }
    }
}
