//! What the runtime does a little later: looking at runs that are not so quick, and removing files.
//!
//! Most commands end within a few milliseconds, so the runtime is not woken for every run: it looks
//! once when the first of them should have ended, and skips those that have.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::quick::Quick;
use super::sleep_until;

#[derive(Default)]
pub(crate) struct Alarms {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    heap: BinaryHeap<Reverse<Alarm>>,
    /// When the runtime looks next, if it is going to.
    planned: Option<Instant>,
}

struct Alarm {
    at: Instant,
    due: Due,
}

enum Due {
    Look(Arc<Quick>),
    Job(Box<dyn FnOnce() + Send>),
}

/// When jobs are done that have time.
const LATER: Duration = Duration::from_millis(5);

impl Alarms {
    /// Has `run` looked at at `at`, unless it has ended by then.
    pub(super) fn look(&self, at: Instant, run: Arc<Quick>) {
        self.set(Alarm { at, due: Due::Look(run) });
    }

    /// Has `job` done on the runtime within milliseconds.
    pub(super) fn later(&self, job: Box<dyn FnOnce() + Send>) {
        self.at(Instant::now() + LATER, job);
    }

    /// Has `job` done on the runtime at `at`.
    pub(crate) fn at(&self, at: Instant, job: Box<dyn FnOnce() + Send>) {
        self.set(Alarm { at, due: Due::Job(job) });
    }

    /// Wakes the runtime only if it would look too late.
    fn set(&self, alarm: Alarm) {
        let sooner = {
            let mut state = self.state.lock();
            let sooner = state.planned.is_none_or(|planned| alarm.at < planned);
            if sooner {
                state.planned = Some(alarm.at);
            }
            state.heap.push(Reverse(alarm));
            sooner
        };
        if sooner {
            self.changed.notify_one();
        }
    }

    /// Does what is due, for ever. To be run on the runtime.
    pub(super) async fn serve(&self) {
        loop {
            let (due, next) = self.due(Instant::now());
            for due in due {
                let done = catch_unwind(AssertUnwindSafe(|| match due {
                    Due::Look(run) => run.look(),
                    Due::Job(job) => job(),
                }));
                if done.is_err() {
                    // The deadlines of all runs depend on this task: it goes on.
                    tracing::error!("a panic was caught where runs are looked at");
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
            let is_over = matches!(&first.due, Due::Look(run) if run.is_over());
            if !is_over && first.at > now {
                break;
            }
            due.extend(state.heap.pop().map(|Reverse(alarm)| alarm.due));
        }
        state.planned = state.heap.peek().map(|Reverse(alarm)| alarm.at);
        (due, state.planned)
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Alarm) -> Ordering {
        self.at.cmp(&other.at)
    }
}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Alarm) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Alarm) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}
