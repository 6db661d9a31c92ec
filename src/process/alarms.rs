//! When quick runs are handed over to the runtime.
//!
//! Most commands end within a few milliseconds, so the runtime is not told of every run at its
//! start: it looks once when the first of them should have ended, and skips those that have.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::quick::Quick;
use super::sleep_until;

#[derive(Default)]
pub(super) struct Alarms {
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
    run: Arc<Quick>,
}

impl Alarms {
    /// Has `run` handed over at `at`, unless it has ended by then. Wakes the runtime only if it
    /// would look too late.
    pub(super) fn set(&self, at: Instant, run: Arc<Quick>) {
        let sooner = {
            let mut state = self.state.lock();
            state.heap.push(Reverse(Alarm { at, run }));
            let sooner = state.planned.is_none_or(|planned| at < planned);
            if sooner {
                state.planned = Some(at);
            }
            sooner
        };
        if sooner {
            self.changed.notify_one();
        }
    }

    /// Hands over what is due, for ever. To be run on the runtime.
    pub(super) async fn serve(&self) {
        loop {
            let (due, next) = self.due(Instant::now());
            for run in due {
                run.hand_over();
            }
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Those whose time has come, and when the next one's will.
    fn due(&self, now: Instant) -> (Vec<Arc<Quick>>, Option<Instant>) {
        let mut state = self.state.lock();
        let mut due = Vec::new();
        while let Some(Reverse(first)) = state.heap.peek() {
            if !first.run.is_over() && first.at > now {
                break;
            }
            due.extend(state.heap.pop().map(|Reverse(alarm)| alarm.run));
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
