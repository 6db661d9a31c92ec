//! A run under way, as its leader holds it.

use std::time::Instant;

use super::state::Facts;
use super::{Arrived, Delivery, Policy, Served, Slot};
use crate::outcome::OutcomeKind;

/// The duty to end a flight. Dropping it ends it as `status_lost`, through the hook given to
/// [`Slot::lookup`]'s caller by [`Flight::on_abandoned`].
pub struct Flight<W, H: AsRef<Slot<W>>> {
    holder: H,
    facts: Facts,
    finished: bool,
    abandoned: Option<Abandoned<W>>,
}

type Abandoned<W> = Box<dyn FnOnce(Delivery<W>) + Send>;

impl<W, H: AsRef<Slot<W>>> std::fmt::Debug for Flight<W, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flight").field("finished", &self.finished).finish_non_exhaustive()
    }
}

impl<W, H: AsRef<Slot<W>>> Flight<W, H> {
    pub(super) fn new(holder: H, policy: Policy, number: u32) -> Flight<W, H> {
        let facts = Facts { policy, number, ahead: false, outdated: false };
        Flight { holder, facts, finished: false, abandoned: None }
    }

    /// The same, ahead of requests.
    pub(super) fn ahead(mut self) -> Self {
        self.facts.ahead = true;
        self
    }

    /// The same with a value that has expired when it comes, if so.
    pub fn outdated(mut self, is_outdated: bool) -> Self {
        self.facts.outdated = is_outdated;
        self
    }

    /// Whether it is ahead of requests.
    pub fn is_ahead(&self) -> bool {
        self.facts.ahead
    }

    /// Whose value the flight is to bring.
    pub fn holder(&self) -> &H {
        &self.holder
    }

    /// Sets what happens with the delivery when the flight is dropped unfinished.
    pub fn on_abandoned(mut self, deliver: impl FnOnce(Delivery<W>) + Send + 'static) -> Self {
        self.abandoned = Some(Box::new(deliver));
        self
    }

    /// Ends the flight with the run's value (`None`: an empty one) or the kind of its failure.
    pub fn finish(self, result: Result<Served, OutcomeKind>, now: Instant) -> Delivery<W> {
        self.arrive(result.map(Arrived::from), now)
    }

    /// The same, where the run may have said for how long its value is good.
    pub fn arrive(mut self, result: Result<Arrived, OutcomeKind>, now: Instant) -> Delivery<W> {
        self.finished = true;
        self.holder.as_ref().settle(self.facts, result, now)
    }
}

impl<W, H: AsRef<Slot<W>>> Drop for Flight<W, H> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let lost = Err(OutcomeKind::StatusLost);
        let delivery = self.holder.as_ref().settle(self.facts, lost, Instant::now());
        if let Some(deliver) = self.abandoned.take() {
            deliver(delivery);
        }
    }
}
