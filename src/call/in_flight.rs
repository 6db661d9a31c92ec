//! The gauges `queued` and `running`: a request is in one of them from submission to its report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::event::{Event, ModuleKind};
use crate::metrics::ModuleMetrics;
use crate::run::Unended;

/// Takes the request out of its gauge when dropped, and lets the end of the instance go on.
#[derive(Debug)]
pub(super) struct InFlight(
    pub(super) Arc<State>,
    #[expect(dead_code, reason = "is dropped")] Unended,
);

#[derive(Debug)]
pub(super) struct State {
    metrics: Arc<ModuleMetrics>,
    event: Event,
    running: AtomicBool,
}

impl InFlight {
    pub(super) fn new(metrics: Arc<ModuleMetrics>, event: Event, unended: Unended) -> InFlight {
        let state = State { metrics, event, running: AtomicBool::new(false) };
        state.queued(1);
        InFlight(Arc::new(state), unended)
    }
}

impl State {
    /// The request leaves its queue.
    pub(super) fn start(&self) {
        if !self.running.swap(true, Ordering::Relaxed) {
            self.queued(-1);
            self.metrics.event(self.event).running_inc();
        }
    }

    /// Hooks have no queue, and so no gauge of it.
    fn queued(&self, difference: i32) {
        match (self.event.row().kind, difference) {
            (ModuleKind::Hook, _) => {}
            (ModuleKind::Isolator, 1) => self.metrics.queued_inc(),
            (ModuleKind::Isolator, _) => self.metrics.queued_dec(),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.running.load(Ordering::Relaxed) {
            self.0.metrics.event(self.0.event).running_dec();
        } else {
            self.0.queued(-1);
        }
    }
}
