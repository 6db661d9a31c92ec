//! Suspends a hook whose command times out again and again.
//!
//! After three timeouts in a row calls are answered at once, as the event's `_failure` requires.
//! After a pause one call is let through as a probe: if it times out as well, the pause doubles; if
//! it does not, all is well again. The first pause is four times the command's timeout, so that a
//! command that hangs for good holds the agent for less than a fifth of the time, and ever less.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::call::Suspension;

/// Timeouts in a row that suspend.
const TIMEOUTS: u32 = 3;
/// The first pause, in timeouts.
const PAUSE_FACTOR: u32 = 4;
/// Bounds of the pause.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    first_pause: Duration,
    timeouts: u32,
    /// While suspended: until when, and how long the pause was.
    suspended: Option<(Instant, Duration)>,
    probing: bool,
}

impl Breaker {
    pub(super) fn new(timeout: Duration) -> Breaker {
        let first_pause = first_pause(timeout);
        let state = State { first_pause, timeouts: 0, suspended: None, probing: false };
        Breaker { state: Mutex::new(state) }
    }

    /// The command is another one, with this timeout: what the one before did is forgotten.
    pub(super) fn begin_anew(&self, timeout: Duration) {
        let mut state = self.state.lock();
        state.first_pause = first_pause(timeout);
        state.timeouts = 0;
        state.suspended = None;
    }

    /// Lets a call through, or returns how long the command is still suspended. Each call that is
    /// let through must be followed by [`ended`](Breaker::ended).
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock();
        match state.suspended {
            None => Ok(()),
            Some((until, _)) if now >= until && !state.probing => {
                state.probing = true;
                Ok(())
            }
            Some((until, _)) => Err(until.saturating_duration_since(now)),
        }
    }

    /// A call that was let through has ended.
    pub(super) fn ended(&self, timed_out: bool, now: Instant) {
        let mut state = self.state.lock();
        state.probing = false;
        if !timed_out {
            state.timeouts = 0;
            state.suspended = None;
            return;
        }
        state.timeouts = state.timeouts.saturating_add(1);
        if state.timeouts >= TIMEOUTS {
            let pause = match state.suspended {
                Some((_, pause)) => pause.saturating_mul(2).min(MAX_PAUSE),
                None => state.first_pause,
            };
            state.suspended = Some((now + pause, pause));
        }
    }
}

fn first_pause(timeout: Duration) -> Duration {
    timeout.saturating_mul(PAUSE_FACTOR).clamp(MIN_PAUSE, MAX_PAUSE)
}

impl Suspension for Breaker {
    fn lasts(&self) -> Option<Duration> {
        let (until, _) = self.state.lock().suspended?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    fn end(&self) -> bool {
        let mut state = self.state.lock();
        state.timeouts = 0;
        state.suspended.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);
    const PAUSE: Duration = Duration::from_secs(20);

    fn suspended(start: Instant) -> Breaker {
        let breaker = Breaker::new(TIMEOUT);
        for _ in 0..TIMEOUTS {
            assert_eq!(breaker.admit(start), Ok(()));
            breaker.ended(true, start);
        }
        breaker
    }

    #[test]
    fn three_timeouts_in_a_row_suspend() {
        let start = Instant::now();
        let breaker = Breaker::new(TIMEOUT);
        for timed_out in [true, true, false, true, true] {
            assert_eq!(breaker.admit(start), Ok(()));
            breaker.ended(timed_out, start);
        }
        assert_eq!(breaker.admit(start), Ok(()), "a success in between starts anew");
        breaker.ended(true, start);
        assert_eq!(breaker.admit(start), Err(PAUSE));
    }

    #[test]
    fn one_probe_at_a_time_and_pauses_that_double_up_to_a_bound() {
        let mut now = Instant::now();
        let breaker = suspended(now);
        let mut pause = PAUSE;
        for _ in 0..10 {
            now += pause;
            assert_eq!(breaker.admit(now), Ok(()), "the probe");
            assert!(breaker.admit(now).is_err(), "only one");
            breaker.ended(true, now);
            pause = (pause * 2).min(MAX_PAUSE);
            assert_eq!(breaker.admit(now), Err(pause));
        }
        assert_eq!(pause, MAX_PAUSE);
    }

    #[test]
    fn an_operator_ends_a_suspension_and_the_count_begins_anew() {
        let start = Instant::now();
        let breaker = suspended(start);
        assert!(breaker.lasts().is_some());
        assert!(breaker.end());
        assert!(!breaker.end() && breaker.lasts().is_none());
        for _ in 1..TIMEOUTS {
            assert_eq!(breaker.admit(start), Ok(()));
            breaker.ended(true, start);
        }
        assert_eq!(breaker.admit(start), Ok(()));
    }

    #[test]
    fn another_command_begins_without_a_suspension_and_with_its_own_pause() {
        let start = Instant::now();
        let breaker = suspended(start);
        breaker.begin_anew(TIMEOUT * 2);
        for _ in 0..TIMEOUTS {
            assert_eq!(breaker.admit(start), Ok(()));
            breaker.ended(true, start);
        }
        assert_eq!(breaker.admit(start), Err(PAUSE * 2));
    }

    #[test]
    fn a_probe_that_succeeds_ends_the_suspension() {
        let start = Instant::now();
        let breaker = suspended(start);
        assert_eq!(breaker.admit(start + PAUSE), Ok(()));
        breaker.ended(false, start + PAUSE);
        for _ in 0..5 {
            assert_eq!(breaker.admit(start + PAUSE), Ok(()));
        }
    }
}
