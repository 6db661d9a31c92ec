//! Lets a container's cleanup wait for the runs that it has just withdrawn.

use std::sync::Arc;

use parking_lot::Mutex;

type Then = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    inside: usize,
    closed: bool,
    then: Option<Then>,
}

/// Counts the runs that have entered; once it is closed no further one enters.
#[derive(Default)]
pub(crate) struct Drain(Mutex<State>);

/// Keeps the drain from becoming empty until it is dropped.
pub(crate) struct Pass(Arc<Drain>);

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drain").field("inside", &self.0.lock().inside).finish_non_exhaustive()
    }
}

impl Drain {
    /// Enters, unless the drain is closed.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Pass> {
        let mut state = self.0.lock();
        if state.closed {
            return None;
        }
        state.inside += 1;
        Some(Pass(self.clone()))
    }

    /// Closes the drain and calls `then` as soon as no run is inside: at once, or on the
    /// thread of the last one that leaves. A second close calls its `then` the same way.
    pub(crate) fn close(&self, then: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        state.closed = true;
        if state.inside > 0 {
            let earlier = state.then.take();
            state.then = Some(Box::new(move || {
                if let Some(earlier) = earlier {
                    earlier();
                }
                then();
            }));
            return;
        }
        drop(state);
        then();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.inside -= 1;
        let then = if state.inside == 0 { state.then.take() } else { None };
        drop(state);
        if let Some(then) = then {
            then();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn the_last_one_out_continues() {
        let drain = Arc::new(Drain::default());
        let count = Arc::new(AtomicUsize::new(0));
        let (first, second) = (drain.enter(), drain.enter());
        let add = |n| {
            let count = count.clone();
            move || {
                count.fetch_add(n, Ordering::Relaxed);
            }
        };
        drain.close(add(1));
        drain.close(add(10));
        assert!(drain.enter().is_none(), "closed");
        drop(first);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        drop(second);
        assert_eq!(count.load(Ordering::Relaxed), 11);
        drain.close(add(100));
        assert_eq!(count.load(Ordering::Relaxed), 111, "an empty drain continues at once");
    }
}
