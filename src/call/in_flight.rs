//! Requests on their way: what the gauges `queued` and `running` count, and the control socket
//! lists. A request is in flight from submission to its report.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::event::{Event, ModuleKind};
use crate::metrics::ModuleMetrics;
use crate::outcome::OutcomeKind;
use crate::reactor::CancelToken;
use crate::run::{Followed, Request, RunReport, Unended};

/// All of one instance, by their numbers. There are as many as its lanes let in.
#[derive(Debug, Default)]
pub(super) struct Table(Mutex<HashMap<u64, Arc<Followed>>>);

impl Table {
    /// The oldest `most`, by age, and how many more there are.
    pub(super) fn oldest(&self, most: usize) -> (Vec<Arc<Followed>>, usize) {
        let mut all: Vec<_> = self.0.lock().values().cloned().collect();
        all.sort_unstable_by_key(|followed| followed.id);
        let left_out = all.len().saturating_sub(most);
        all.truncate(most);
        (all, left_out)
    }

    /// How many wait for their turn, and how many run.
    pub(super) fn counts(&self) -> (usize, usize) {
        let all = self.0.lock();
        let running = all.values().filter(|followed| followed.started().is_some()).count();
        (all.len() - running, running)
    }

    /// The one with this number.
    pub(super) fn get(&self, id: u64) -> Option<Arc<Followed>> {
        self.0.lock().get(&id).cloned()
    }
}

/// Takes the request out of table and gauge when dropped, and lets the end of the instance go on.
#[derive(Debug)]
pub(super) struct InFlight {
    followed: Arc<Followed>,
    table: Arc<Table>,
    metrics: Arc<ModuleMetrics>,
    _unended: Unended,
}

impl InFlight {
    /// Lists a request, which `cancel` withdraws, and follows it from now on.
    pub(super) fn new(
        request: &mut Request,
        cancel: &CancelToken,
        table: &Arc<Table>,
        metrics: &Arc<ModuleMetrics>,
        unended: Unended,
    ) -> InFlight {
        let event = request.spec.event;
        queued(metrics, event, 1);
        let counted = metrics.clone();
        let started = move || {
            queued(&counted, event, -1);
            counted.event(event).running_inc();
        };
        // A child, so that it can be withdrawn alone.
        let followed = Arc::new(Followed::new(request, cancel.child(), started));
        table.0.lock().insert(followed.id, followed.clone());
        request.followed = Some(followed.clone());
        let (table, metrics) = (table.clone(), metrics.clone());
        InFlight { followed, table, metrics, _unended: unended }
    }

    /// What withdraws it.
    pub(super) fn cancel(&self) -> CancelToken {
        self.followed.cancel.clone()
    }

    /// It is reported: the report says what it was about.
    pub(super) fn end(self, report: RunReport) -> RunReport {
        let is_killed = report.outcome == OutcomeKind::Cancelled && self.followed.is_killed();
        RunReport { is_killed, followed: Some(self.followed.clone()), ..report }
    }
}

/// Hooks have no queue, and so no gauge of it.
fn queued(metrics: &ModuleMetrics, event: Event, difference: i32) {
    match (event.row().kind, difference) {
        (ModuleKind::Hook, _) => {}
        (ModuleKind::Isolator, 1) => metrics.queued_inc(),
        (ModuleKind::Isolator, _) => metrics.queued_dec(),
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.table.0.lock().remove(&self.followed.id);
        let event = self.followed.spec.event;
        if self.followed.started().is_some() {
            self.metrics.event(event).running_dec();
        } else {
            queued(&self.metrics, event, -1);
        }
    }
}
