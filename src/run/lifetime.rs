//! How long an instance may run commands and speak to its host.
//!
//! The host deletes an instance when it is about to end, and soon afterwards takes down what the
//! continuations of its futures need. So the end of an instance is an order of events: nothing is
//! started any more, what runs is ended, threads that are calling the host finish, and from then on
//! the host is not called.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::reactor::CancelToken;

/// How long the end of an instance may take beyond the time between TERM and KILL: a withdrawal is
/// noticed within 50 ms, and what outlives KILL is not waited for.
const SLACK: Duration = Duration::from_millis(1500);
/// The longest wait between TERM and KILL that is waited for.
const LONGEST_GRACE: Duration = Duration::from_millis(3500);

/// All that live.
static ALL: Mutex<Vec<Weak<Lifetime>>> = Mutex::new(Vec::new());

thread_local! {
    /// The lifetimes, by address, whose hosts this thread is calling; one inside the other.
    static SPEAKS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The life of one instance.
#[derive(Debug)]
pub struct Lifetime {
    stop: CancelToken,
    grace: Mutex<Duration>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Threads that are speaking to the host now.
    speaking: usize,
    /// Requests that are not answered, and workers.
    running: usize,
}

/// Something that is to be ended with the instance and has not ended.
#[derive(Debug)]
pub(crate) struct Unended(Arc<Lifetime>);

/// The calling thread may speak to the host until this is dropped.
pub(crate) struct Speaking<'a>(&'a Lifetime);

impl Lifetime {
    /// A life that begins now; `grace` is the time between TERM and KILL.
    pub fn begin(grace: Duration) -> Arc<Lifetime> {
        let (stop, changed, grace) = (CancelToken::new(), Condvar::new(), Mutex::new(grace));
        let lifetime = Arc::new(Lifetime { stop, grace, state: Mutex::default(), changed });
        let mut all = ALL.lock();
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&lifetime));
        lifetime
    }

    /// The time between TERM and KILL is another one from now on.
    pub(crate) fn set_grace(&self, grace: Duration) {
        *self.grace.lock() = grace;
    }

    /// Cancelled at the end. Everything that the instance submits must have it or a child of it.
    pub(crate) fn stop(&self) -> &CancelToken {
        &self.stop
    }

    /// Counts something that the end waits for.
    pub(crate) fn unended(self: &Arc<Self>) -> Unended {
        self.state.lock().running += 1;
        Unended(self.clone())
    }

    /// Lets the calling thread speak to the host; `None` for good when the end has begun.
    pub(crate) fn speak(&self) -> Option<Speaking<'_>> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        state.speaking += 1;
        // A thread that ends has no such list any more; then its end waits for itself, with a
        // bound.
        let _ = SPEAKS.try_with(|speaks| speaks.borrow_mut().push(self.address()));
        Some(Speaking(self))
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Ends it, and waits until all has ended: the time between TERM and KILL (at most 3.5 s of it)
    /// and 1.5 s more, at the longest. False when something has not. What the calling thread itself
    /// is doing is not waited for. More than once is harmless.
    pub fn end(&self) -> bool {
        self.begin_to_end();
        self.wait_until(Instant::now() + self.patience())
    }

    fn begin_to_end(&self) {
        // What is submitted from now on sees this; all else is counted already.
        self.stop.cancel();
        self.state.lock().closed = true;
    }

    fn patience(&self) -> Duration {
        (*self.grace.lock()).min(LONGEST_GRACE) + SLACK
    }

    fn wait_until(&self, until: Instant) -> bool {
        let count = |all: &RefCell<Vec<usize>>| {
            all.borrow().iter().filter(|one| **one == self.address()).count()
        };
        let own = SPEAKS.try_with(count).unwrap_or(0);
        let mut state = self.state.lock();
        while state.running > 0 || state.speaking > own {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return state.running == 0 && state.speaking <= own;
            }
        }
        true
    }
}

/// Ends the lives of all instances together, as [`Lifetime::end`] ends one: for a process that is
/// about to end. False when something has not ended in time.
pub fn end_all() -> bool {
    let all: Vec<Arc<Lifetime>> = ALL.lock().iter().filter_map(Weak::upgrade).collect();
    all.iter().for_each(|lifetime| lifetime.begin_to_end());
    let until = all.iter().map(|lifetime| lifetime.patience()).max().unwrap_or_default();
    let until = Instant::now() + until;
    // Each of them is waited for, also after one that is late.
    all.iter().filter(|lifetime| !lifetime.wait_until(until)).count() == 0
}

impl Drop for Unended {
    fn drop(&mut self) {
        self.0.state.lock().running -= 1;
        self.0.changed.notify_all();
    }
}

impl Drop for Speaking<'_> {
    fn drop(&mut self) {
        let _ = SPEAKS.try_with(|speaks| speaks.borrow_mut().pop());
        self.0.state.lock().speaking -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn the_end_waits_for_calls_to_the_host_and_for_what_runs_and_allows_no_more() {
        let lifetime = Lifetime::begin(Duration::from_secs(60));
        let (sender, receiver) = channel();
        let (go, wait) = channel::<()>();
        let other = lifetime.clone();
        let speaker = thread::spawn(move || {
            let speaking = other.speak().expect("it lives");
            let unended = other.unended();
            sender.send(()).expect("received");
            wait.recv().expect("sent");
            drop((speaking, unended));
        });
        receiver.recv().expect("it speaks");
        let ender = lifetime.clone();
        let ended = thread::spawn(move || ender.end());
        test_support::until("the end's beginning", || lifetime.stop().is_cancelled());
        test_support::until("the gate", || lifetime.speak().is_none());
        assert!(!ended.is_finished(), "a thread speaks");
        go.send(()).expect("it waits");
        assert!(ended.join().expect("no panic"));
        speaker.join().expect("no panic");
        assert!(lifetime.speak().is_none());
        assert!(lifetime.end(), "once more");
    }

    #[test]
    fn a_thread_that_speaks_may_end_it() {
        let (lifetime, other) = (Lifetime::begin(Duration::ZERO), Lifetime::begin(Duration::ZERO));
        let _speaking = lifetime.speak().expect("it lives");
        let _inside = other.speak().expect("it lives");
        let began = Instant::now();
        assert!(lifetime.end());
        assert!(began.elapsed() < SLACK, "it did not wait for itself");
    }

    #[test]
    fn what_does_not_end_is_not_waited_for_without_an_end() {
        let lifetime = Lifetime::begin(Duration::ZERO);
        let _unended = lifetime.unended();
        let began = Instant::now();
        assert!(!lifetime.end());
        assert!(began.elapsed() >= SLACK);
    }
}
