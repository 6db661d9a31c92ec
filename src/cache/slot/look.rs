//! A slot as an operator sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Policy, Slot};
use crate::outcome::OutcomeKind;

/// What a look at a slot has seen.
#[derive(Clone, Debug)]
pub struct Look {
    /// The last good value.
    pub value: Option<Arc<[u8]>>,
    /// Its age.
    pub age: Option<Duration>,
    /// How long it stays fresh; `None`: it is not.
    pub fresh_for: Option<Duration>,
    /// Whether it may be served although it is not fresh.
    pub is_served: bool,
    /// The last failure, while it is not retried.
    pub failed: Option<OutcomeKind>,
    /// Runs that refresh it now.
    pub flights: usize,
    /// Callers that wait for them.
    pub waiting: usize,
}

impl<W> Slot<W> {
    /// What the slot knows at `now`, for an operator who looks.
    pub fn look(&self, policy: Policy, now: Instant) -> Look {
        let state = self.state.lock();
        let good = state.good.as_ref();
        Look {
            value: good.map(|good| good.bytes.clone()),
            age: good.map(|good| now.saturating_duration_since(good.since)),
            fresh_for: good.and_then(|good| good.fresh_until.checked_duration_since(now)),
            is_served: good.is_some_and(|good| good.is_young(policy, now)),
            failed: state.failed(now),
            flights: state.flights.len(),
            waiting: state.flights.iter().map(|flight| flight.waiters.len()).sum(),
        }
    }
}
