//! What the runtime does at a certain time: polling runs that did not end at once, scanning queues,
//! removing files.
//!
//! Most commands end within a few milliseconds, so the runtime is not woken for every run: it wakes
//! once when the first of them should have ended, and skips those that have.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Something that is polled at certain times, until it is over.
pub(crate) trait Poll: Send + Sync {
    /// Whether there is nothing left to poll.
    fn is_over(&self) -> bool;

    /// Called on the runtime at the time that was set; must not block.
    fn poll(self: Arc<Self>);
}

/// Timers without a wake-up for each.
#[derive(Default)]
pub(crate) struct Timers {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    heap: BinaryHeap<Reverse<Timer>>,
    /// When the runtime wakes next, if it is going to.
    planned: Option<Instant>,
}

struct Timer {
    at: Instant,
    due: Due,
}

enum Due {
    Poll(Arc<dyn Poll>),
    Job(Box<dyn FnOnce() + Send>),
}

/// When jobs are done that have time.
const LATER: Duration = Duration::from_millis(5);

impl Timers {
    /// Polls `polled` at `at`, unless it is over by then.
    pub(crate) fn poll(&self, at: Instant, polled: Arc<dyn Poll>) {
        self.set(Timer { at, due: Due::Poll(polled) });
    }

    /// Runs `job` on the runtime within milliseconds.
    pub(crate) fn later(&self, job: Box<dyn FnOnce() + Send>) {
        self.at(Instant::now() + LATER, job);
    }

    /// Runs `job` on the runtime at `at`.
    pub(crate) fn at(&self, at: Instant, job: Box<dyn FnOnce() + Send>) {
        self.set(Timer { at, due: Due::Job(job) });
    }

    /// Wakes the runtime only if it would wake too late.
    fn set(&self, timer: Timer) {
        let sooner = {
            let mut state = self.state.lock();
            let sooner = state.planned.is_none_or(|planned| timer.at < planned);
            if sooner {
                state.planned = Some(timer.at);
            }
            state.heap.push(Reverse(timer));
            sooner
        };
        if sooner {
            self.changed.notify_one();
        }
    }

    /// Does what is due, for ever. To be run on the runtime.
    pub(crate) async fn serve(&self) {
        loop {
            let (due, next) = self.due(Instant::now());
            for due in due {
                let done = catch_unwind(AssertUnwindSafe(|| match due {
                    Due::Poll(polled) => polled.poll(),
                    Due::Job(job) => job(),
                }));
                if done.is_err() {
                    // The deadlines of all runs depend on this task: it goes on.
                    tracing::error!("a panic was caught in a timer");
                }
            }
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// What is due, and when something else will be.
    fn due(&self, now: Instant) -> (Vec<Due>, Option<Instant>) {
        let mut state = self.state.lock();
        let mut due = Vec::new();
        while let Some(Reverse(first)) = state.heap.peek() {
            let is_over = matches!(&first.due, Due::Poll(polled) if polled.is_over());
            if !is_over && first.at > now {
                break;
            }
            due.extend(state.heap.pop().map(|Reverse(timer)| timer.due));
        }
        state.planned = state.heap.peek().map(|Reverse(timer)| timer.at);
        (due, state.planned)
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Timer) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Timer) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Timer) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

/// When something that usually ends within a few milliseconds is polled for the first time.
pub(crate) fn first_poll(deadline: Option<Instant>) -> Instant {
    const QUICK: Duration = Duration::from_millis(10);
    let until = Instant::now() + QUICK;
    deadline.map_or(until, |deadline| deadline.min(until))
}

/// Completes at `deadline`; never without one.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
