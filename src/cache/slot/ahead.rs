//! What refreshes ahead need of a slot.

use std::time::{Duration, Instant};

use super::state::Good;
use super::{Flight, Policy, Slot};
use crate::outcome::AheadResult;

impl<W> Slot<W> {
    /// Somebody asks at `now` who finds no fresh value. If the last refresh was ahead of requests,
    /// and this is the first request since: what has become of it.
    pub fn asked(&self, now: Instant) -> Option<AheadResult> {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.asked, true) {
            return None;
        }
        let good = state.good.as_ref().filter(|good| good.ahead)?;
        // Fresh when another thread was quicker.
        Some(if now < good.fresh_until { AheadResult::Used } else { AheadResult::Wasted })
    }

    /// How old the value is, if there is one. Apart from [`Slot::fresh`], because few of those who
    /// are served a fresh value ask for it.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        let state = self.state.lock();
        state.good.as_ref().map(|good| now.saturating_duration_since(good.since))
    }

    /// When the value ends (or has ended), if it is to be refreshed ahead so as to be fresh at
    /// `until`: somebody has asked since the last such refresh, and none is under way.
    pub fn due_ahead(&self, now: Instant, until: Instant) -> Option<Instant> {
        let state = self.state.lock();
        let ends = state.good.as_ref().map_or(now, |good| good.fresh_until);
        let due = state.asked && ends <= until && !state.closed && state.is_idle();
        due.then_some(ends)
    }

    /// A flight that refreshes the value ahead of requests, so that it is fresh at `until`; `None`
    /// when that is not [due](Slot::due_ahead), or the last run has failed just now.
    pub fn take_ahead<H>(
        holder: &H,
        policy: Policy,
        now: Instant,
        until: Instant,
    ) -> Option<Flight<W, H>>
    where
        H: AsRef<Slot<W>> + Clone,
    {
        let mut state = holder.as_ref().state.lock();
        let fresh = state.good.as_ref().is_some_and(|good| until < good.fresh_until);
        let idle = state.is_idle() && !state.closed;
        if !state.asked || fresh || !idle || state.failed(now).is_some() {
            return None;
        }
        // It was asked for, which is counted.
        if let Some(good) = &mut state.good {
            good.ahead = false;
        }
        let number = state.take_off(now, None);
        Some(Flight::new(holder.clone(), policy, number).ahead())
    }

    /// Whether a value that was refreshed ahead has expired by `now` and nobody has asked for it;
    /// told once.
    pub fn take_wasted(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let unasked = !state.asked;
        let wasted = |good: &&mut Good| unasked && good.ahead && good.fresh_until <= now;
        state.good.as_mut().filter(wasted).map(|good| good.ahead = false).is_some()
    }
}
