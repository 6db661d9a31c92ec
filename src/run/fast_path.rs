//! The first moments of a run, without the runtime.
//!
//! Most commands end within a few milliseconds. Until then a run needs nobody who looks after its
//! deadline: the thread that the kernel wakes at the leader's end (a reactor thread, or the caller, if
//! it waits anyway) ends the run. One that takes longer, as all do when many start at once, is
//! looked at now and then; when it goes on for long or something is to be done about it, it is
//! handed over to the runtime.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use parking_lot::Mutex;

use super::ending::Cleaning;
use super::run::Ready;
use super::start::begin;
use super::supervise::Running;
use crate::reactor::Poll;
use crate::reactor::Watch;

/// How long a call may take without being looked at.
const QUICK: Duration = Duration::from_millis(10);
/// Pauses between the looks at a run until it is handed over.
const LOOKS: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(30), Duration::from_millis(40)];

/// A run in its first moments that the reactor waits for. Whoever takes the run goes on with it.
pub(super) struct FastRun(Mutex<Option<Place>>);

/// The place of a run.
struct Place {
    running: Running,
    watch: Watch,
    /// How often it was looked at.
    looks: usize,
}

impl FastRun {
    /// Starts a prepared run.
    pub(super) fn start(ready: Ready) {
        let Some(running) = begin(ready) else { return };
        let (shared, until) = (running.run.shared.clone(), first_poll(running.deadline));
        let quick = Arc::new(FastRun(Mutex::new(None)));
        let own = quick.clone();
        // Called at once perhaps, it waits for the run to be put in.
        let mut place = quick.0.lock();
        let watch = running
            .supervision
            .pidfd()
            .map(|pidfd| shared.reactor.watch(pidfd.as_fd(), Box::new(move || own.ended())));
        match watch {
            Some(Ok(watch)) => *place = Some(Place { running, watch, looks: 0 }),
            // The kernel has no pidfds, or no room left for another.
            _ => return running.detach(),
        }
        drop(place);
        shared.timers.poll(until, quick);
    }

    /// The leader has ended; on a reactor thread.
    fn ended(&self) {
        let taken = self.0.lock().take();
        if let Some(Place { running, .. }) = taken {
            running.end(Cleaning::Here);
        }
    }
}

impl Poll for FastRun {
    fn is_over(&self) -> bool {
        self.0.lock().is_none()
    }

    /// Hands the run over to a task if something is to be done about it.
    fn poll(self: Arc<Self>) {
        let mut place = self.0.lock();
        let Some(Place { running, looks, .. }) = &mut *place else { return };
        if running.is_fine()
            && let Some(pause) = LOOKS.get(*looks)
        {
            *looks += 1;
            let next = Instant::now() + *pause;
            let next = running.deadline.map_or(next, |deadline| deadline.min(next));
            let shared = running.run.shared.clone();
            drop(place);
            return shared.timers.poll(next, self);
        }
        let Some(Place { running, watch, .. }) = place.take() else { return };
        drop(place);
        if let Some(pidfd) = running.supervision.pidfd() {
            // Its job, if it is about to be done, finds nothing any more.
            running.run.shared.reactor.unwatch(pidfd.as_fd(), &watch);
        }
        running.detach();
    }
}

/// Starts a prepared run and waits for its end on the calling thread; hands over what takes too
/// long.
pub(super) fn run_on_caller(ready: Ready) {
    let Some(running) = begin(ready) else { return };
    let until = first_poll(running.deadline);
    if running.supervision.pidfd().is_some_and(|pidfd| is_readable(pidfd, until)) {
        running.end(Cleaning::Later);
    } else {
        running.detach();
    }
}

/// When what begins now is looked at first.
pub(crate) fn first_poll(deadline: Option<Instant>) -> Instant {
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
