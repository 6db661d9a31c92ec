//! One reader of statistics, as far as its requests tell: when it comes next, and how well that
//! was foretold so far. All times are seconds since an origin of the pace's choice.

use super::window::Window;

/// Requests that a reader may leave out in a row before it is taken to have stopped.
const MOST_MISSED: u32 = 3;
/// How much of a deviation moves what is expected next, and the period: a loop that follows a
/// drifting reader and averages jitter.
const PHASE_GAIN: f64 = 0.5;
const PERIOD_GAIN: f64 = 0.1;
/// The weight of the last deviation in the mean one.
const ERROR_GAIN: f64 = 0.25;
/// Requests that make a reader established: it explains bursts by itself.
const ESTABLISHED: u32 = 2;
/// Covered requests after which new paces are believed at once again.
pub(super) const PROVEN: u32 = 4;

/// A reader with a steady pace.
#[derive(Clone, Debug)]
pub(super) struct Beat {
    pub(super) period: f64,
    /// When it comes next.
    pub(super) expected: f64,
    /// The mean deviation from what was expected.
    pub(super) error: f64,
    /// Requests that it has left out in a row.
    missed: u32,
    /// Requests that came when expected, covered or not.
    met: u32,
    /// Requests for which values refreshed ahead were fresh, or would have been.
    pub(super) covered: u32,
    /// Of the last eight that were expected, those that were covered; the last is bit 0.
    recent: u8,
    judged: u32,
    /// How many must have been covered before it is acted on.
    needs: u32,
}

impl Beat {
    pub(super) fn new(last: f64, period: f64, error: f64, needs: u32) -> Beat {
        Beat {
            period,
            expected: last + period,
            error,
            missed: 0,
            met: 0,
            covered: 0,
            recent: 0,
            judged: 0,
            needs,
        }
    }

    /// How far from the expected time a request is still this reader's.
    pub(super) fn tolerance(&self) -> f64 {
        (4.0 * self.error + 0.02 * self.period).min(self.period / 4.0)
    }

    /// Whether a request at `time` is the expected one.
    pub(super) fn expects(&self, time: f64) -> bool {
        (time - self.expected).abs() <= self.tolerance()
    }

    /// The expected request has come at `time`.
    pub(super) fn meet(&mut self, time: f64, window: &Window) {
        let error = time - self.expected;
        let lead = window.lead(self.error);
        self.judge(error >= -lead && error <= window.reach(lead));
        self.met = self.met.saturating_add(1);
        self.missed = 0;
        self.error += ERROR_GAIN * (error.abs() - self.error);
        self.period += PERIOD_GAIN * error;
        self.expected += PHASE_GAIN * error + self.period;
    }

    /// The expected request has not come, nor those after it before `time`.
    pub(super) fn pass(&mut self, time: f64) {
        while time > self.expected + self.tolerance() && !self.has_stopped() {
            self.judge(false);
            self.missed += 1;
            self.expected += self.period;
        }
    }

    fn judge(&mut self, covered: bool) {
        self.recent = self.recent << 1 | u8::from(covered);
        self.judged = (self.judged + 1).min(u8::BITS);
        self.covered = self.covered.saturating_add(u32::from(covered));
    }

    /// Whether it has left out so many requests that it comes no more.
    pub(super) fn has_stopped(&self) -> bool {
        self.missed > MOST_MISSED
    }

    /// Whether requests have come when they were expected, more than by chance.
    pub(super) fn is_established(&self) -> bool {
        self.met >= ESTABLISHED
    }

    /// Whether values are refreshed ahead of its requests: at least half of the last ones found,
    /// or would have found, fresh values.
    pub(super) fn is_acted_on(&self) -> bool {
        self.covered >= self.needs && 2 * self.recent.count_ones() >= self.judged
    }

    /// The next request after `now`.
    pub(super) fn next(&self, now: f64) -> f64 {
        if self.expected > now { self.expected } else { self.expected + self.period }
    }

    /// Whether `other` says the same.
    pub(super) fn is_like(&self, other: &Beat) -> bool {
        let tolerance = self.tolerance().max(other.tolerance());
        (self.period - other.period).abs() <= 0.15 * self.period
            && (self.expected - other.expected).abs() <= tolerance
    }
}
