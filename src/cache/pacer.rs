//! Spreads the starts of runs that no caller waits for: refreshes of values, watch commands.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Spreads refreshes: those that come together, as containers' values expire or an agent asks for
/// all of them, would otherwise keep every processor busy for a moment, and the agent's own threads
/// waiting.
#[derive(Debug)]
pub struct Pacer {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// In which all containers are to have their turn once.
    period: Duration,
    /// How many may start at once before the others are spread.
    burst: u32,
    next: Option<Instant>,
}

impl Pacer {
    /// For values that live for `ttl` and are answered for `grace` longer: they are all refreshed
    /// within a quarter of the shorter, so that a paced refresh is never too late.
    pub fn new(ttl: Duration, grace: Duration) -> Pacer {
        Pacer::with(ttl.min(grace) / 4, 0)
    }

    /// For first runs of something that then has its turn once in each `period`: `burst` of them
    /// start at once, more are spread over the period, and with them all that follow.
    pub fn over(period: Duration, burst: usize) -> Pacer {
        let burst = u32::try_from(burst).unwrap_or(u32::MAX);
        Pacer::with(period, burst)
    }

    fn with(period: Duration, burst: u32) -> Pacer {
        Pacer { state: Mutex::new(State { period, burst, next: None }) }
    }

    /// Spreads as `other` does from now on.
    pub fn follow(&self, other: Pacer) {
        *self.state.lock() = other.state.into_inner();
    }

    /// When a run that is asked for at `now` is to start, one of `containers` that may need one.
    pub fn start(&self, now: Instant, containers: usize) -> Instant {
        let mut state = self.state.lock();
        if containers <= state.burst as usize {
            return now;
        }
        let pause = state.period / u32::try_from(containers).unwrap_or(u32::MAX).max(1);
        let ahead = pause.saturating_mul(state.burst);
        let latest = now + state.period + ahead;
        let turn = state.next.map_or(now, |next| next.clamp(now, latest));
        state.next = Some(turn + pause);
        turn.checked_sub(ahead).map_or(now, |start| start.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_single_refresh_starts_at_once() {
        let (pacer, now) = (Pacer::new(SECOND, SECOND * 2), Instant::now());
        assert_eq!(pacer.start(now, 200), now);
        let later = now + SECOND;
        assert_eq!(pacer.start(later, 200), later);
    }

    #[test]
    fn a_burst_is_spread_over_a_quarter_of_the_ttl_and_no_more() {
        let (pacer, now) = (Pacer::new(SECOND, SECOND * 2), Instant::now());
        let starts: Vec<_> = (0..200).map(|_| pacer.start(now, 200) - now).collect();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == SECOND / 800));
        assert_eq!(starts[199], SECOND / 800 * 199);
        // More than there are containers: the number was too low, or they come again.
        let late = (0..300).map(|_| pacer.start(now, 200) - now).max();
        assert_eq!(late, Some(SECOND / 4));
    }

    #[test]
    fn a_few_that_come_together_start_at_once_and_the_rest_is_spread_over_the_period() {
        let (pacer, now) = (Pacer::over(SECOND * 30, 16), Instant::now());
        for container in 1..=10 {
            assert_eq!(pacer.start(now, container), now, "few containers");
        }
        let later = now + SECOND * 3600;
        let starts: Vec<_> = (0..300).map(|_| pacer.start(later, 300) - later).collect();
        assert_eq!(starts[..17], [Duration::ZERO; 17]);
        assert!(starts[16..].windows(2).all(|pair| pair[1] - pair[0] == SECOND / 10));
        assert!(starts[299] < SECOND * 30);
        let late = (0..300).map(|_| pacer.start(later, 300) - later).max();
        assert_eq!(late, Some(SECOND * 30), "never later than by a period");
    }

    #[test]
    fn another_period_holds_at_once() {
        let (pacer, now) = (Pacer::over(SECOND * 30, 1), Instant::now());
        pacer.start(now, 10);
        pacer.follow(Pacer::over(SECOND * 10, 0));
        assert_eq!(pacer.start(now, 10), now);
        assert_eq!(pacer.start(now, 10) - now, SECOND);
    }

    #[test]
    fn a_short_time_after_the_ttl_counts() {
        let pacer = Pacer::new(SECOND * 60, Duration::from_millis(100));
        let now = Instant::now();
        pacer.start(now, 10);
        assert_eq!(pacer.start(now, 10) - now, Duration::from_micros(2500));
        let without = Pacer::new(SECOND, Duration::ZERO);
        without.start(now, 10);
        assert_eq!(without.start(now, 10), now);
    }
}
