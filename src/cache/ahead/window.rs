//! What a refresh ahead covers: how long before a request it is done, and until when it serves.

use std::time::Duration;

/// The least time between the last refresh and the request, in seconds; less for short lives.
const LEAST_LEAD: f64 = 0.05;

/// In seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// How long a value is fresh.
    life: f64,
    /// Within which all containers are refreshed.
    spread: f64,
}

impl Window {
    pub(super) fn new(life: Duration, spread: Duration) -> Window {
        Window { life: life.as_secs_f64(), spread: spread.as_secs_f64() }
    }

    /// How long before the expected time all refreshes are done, when requests deviate by `error`
    /// on average: long enough for those that come early, and never more than half of what is
    /// there, so that those that come late find fresh values as well.
    pub(super) fn lead(&self, error: f64) -> f64 {
        let least = LEAST_LEAD.min(self.life / 20.0);
        (3.0 * error).clamp(least, ((self.life - self.spread) / 2.0).max(least))
    }

    /// How much later than expected a request still finds all values fresh.
    pub(super) fn reach(&self, lead: f64) -> f64 {
        self.life - self.spread - lead
    }
}
