//! What calls [`Supervision::step`]: the reactor when the leader has ended, the timers at other
//! times; or a caller that waits for the run anyway.
//!
//! Most commands end within a few milliseconds. Then the only step after the start is the one on
//! the thread that the kernel wakes at the leader's end, and that thread concludes the run.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use parking_lot::Mutex;

use crate::reactor::{Poll, Reactor};

use super::ending::Cleaning;
use super::supervise::{Next, Supervision};

/// A run that the reactor and the timers take to its end.
#[derive(Default)]
struct Driven(Mutex<Place>);

#[derive(Default)]
struct Place {
    /// `None` while a thread makes a step, and after the last one. No lock is held during a step.
    supervision: Option<Supervision>,
    /// The leader's end was reported during a step.
    end_reported: bool,
    /// When the timers call next; calls that are left over from earlier plans come later.
    timer: Option<Instant>,
    is_over: bool,
}

/// Takes a run to its end, without the calling thread: that makes the first step only.
pub(super) fn drive(supervision: Supervision) {
    Arc::new(Driven::default()).go_on(supervision);
}

impl Driven {
    /// Makes the steps that are due and arranges for the next one.
    fn go_on(self: Arc<Self>, mut supervision: Supervision) {
        loop {
            let now = Instant::now();
            let at = match supervision.step(now) {
                Next::Step(at) => at,
                Next::Conclude(end) => {
                    self.0.lock().is_over = true;
                    if Reactor::is_current() {
                        return supervision.conclude(end, Cleaning::Here);
                    }
                    // The runtime's thread must not, and a caller's thread should not.
                    let reactor = supervision.services().reactor.clone();
                    return reactor
                        .run(Box::new(move || supervision.conclude(end, Cleaning::Here)));
                }
            };
            let services = supervision.services().clone();
            let pause = supervision.child().and_then(|child| {
                let own = &self;
                child.report_end(&services.reactor, || {
                    let own = own.clone();
                    Box::new(move || own.leader_ended())
                });
                child.poll_pause()
            });
            let at = pause.map_or(at, |pause| at.min(now + pause));
            if let Some(standby) = supervision.awaits() {
                let own = self.clone();
                standby.wake(Box::new(move || own.process_is_ready()));
            }
            let mut place = self.0.lock();
            if std::mem::take(&mut place.end_reported) {
                drop(place);
                end_was_reported(&mut supervision);
                continue;
            }
            place.supervision = Some(supervision);
            let is_sooner = place.timer.is_none_or(|timer| at < timer);
            if is_sooner {
                place.timer = Some(at);
            }
            drop(place);
            if is_sooner {
                services.timers.poll(at, self);
            }
            return;
        }
    }

    /// The leader has ended; on a reactor thread.
    fn leader_ended(self: Arc<Self>) {
        let mut place = self.0.lock();
        let Some(mut supervision) = place.supervision.take() else {
            // The thread that makes a step sees it.
            place.end_reported = true;
            return;
        };
        drop(place);
        end_was_reported(&mut supervision);
        self.go_on(supervision);
    }
}

impl Driven {
    /// A process stands ready that it may take. While a thread makes a step, a later one sees it.
    fn process_is_ready(self: Arc<Self>) {
        let supervision = self.0.lock().supervision.take();
        if let Some(mut supervision) = supervision {
            supervision.was_woken();
            self.go_on(supervision);
        }
    }
}

fn end_was_reported(supervision: &mut Supervision) {
    if let Some(child) = supervision.child() {
        child.end_was_reported();
    }
}

impl Poll for Driven {
    fn is_over(&self) -> bool {
        self.0.lock().is_over
    }

    fn poll(self: Arc<Self>) {
        let mut place = self.0.lock();
        if place.timer.is_some_and(|timer| timer > Instant::now()) {
            return;
        }
        place.timer = None;
        // Without one, a thread that makes a step arranges for the next one afterwards.
        let supervision = place.supervision.take();
        drop(place);
        if let Some(supervision) = supervision {
            self.go_on(supervision);
        }
    }
}

/// Takes a run to its answer on the calling thread, which waits for it anyway. What goes on after
/// the answer, and what this thread cannot wait for, is [driven](drive) without it.
pub(super) fn drive_here(mut supervision: Supervision) {
    let mut was_readable = false;
    loop {
        let until = match supervision.step(Instant::now()) {
            Next::Step(at) => at,
            Next::Conclude(end) => return supervision.conclude(end, Cleaning::Later),
        };
        // A pidfd that is readable without a status would be polled in a busy loop.
        if supervision.is_answered() || was_readable {
            return drive(supervision);
        }
        was_readable = match supervision.child().map(|child| child.pidfd()) {
            Some(Some(pidfd)) => is_readable(Some(pidfd.as_fd()), until),
            Some(None) => return drive(supervision),
            None => is_readable(None, until),
        };
    }
}

/// Waits until `fd` becomes readable, at most until `until`; true when it is.
fn is_readable(fd: Option<BorrowedFd<'_>>, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = fd.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match ppoll(fds.as_mut_slice(), Some(TimeSpec::from_duration(left)), None) {
            Ok(1..) => return true,
            Err(Errno::EINTR) if !left.is_zero() => {}
            _ => return false,
        }
    }
}
