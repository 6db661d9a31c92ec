//! The paces at which statistics are asked for, learned from the beginnings of bursts of requests.
//!
//! A state machine without a clock. It is told when bursts begin, and says when the next one is
//! due. Several readers are told apart: what the known ones do not explain is searched for the
//! pace of another. Nothing is foretold of a reader whose requests do not come when they are
//! expected: each is judged by its last eight.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::beat::{Beat, PROVEN};
use super::window::Window;

/// Readers that are told apart.
const MOST_BEATS: usize = 4;
/// Bursts without an explanation that are kept.
const MOST_KEPT: usize = 16;
/// How many of them, the last, are taken for neighbours of the next one's.
const NEAREST: usize = 4;
/// The slowest pace that is learned, in seconds.
const LONGEST: f64 = 3600.0;

/// What is known of the readers.
#[derive(Debug)]
pub(super) struct Pace {
    window: Window,
    /// The fastest pace that is learned, in seconds.
    shortest: f64,
    origin: Option<Instant>,
    beats: Vec<Beat>,
    /// When bursts began that no established beat explains.
    unexplained: VecDeque<f64>,
    /// Whether a pace is believed before it has proven itself. It is until one was wrong.
    trusting: bool,
}

/// The next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreseen {
    pub(super) at: Instant,
    /// How long before that all values are to be there.
    pub(super) lead: Duration,
    /// The reader's pace.
    pub(super) period: Duration,
}

impl Pace {
    pub(super) fn new(window: Window, shortest: Duration) -> Pace {
        Pace {
            window,
            shortest: shortest.as_secs_f64(),
            origin: None,
            beats: Vec::new(),
            unexplained: VecDeque::new(),
            trusting: true,
        }
    }

    /// A burst of requests began at `at`.
    pub(super) fn burst(&mut self, at: Instant) {
        let time = at.saturating_duration_since(*self.origin.get_or_insert(at)).as_secs_f64();
        self.pass(time);
        let mut explained = false;
        for beat in &mut self.beats {
            if beat.expects(time) {
                let acted = beat.is_acted_on();
                let before = beat.covered;
                beat.meet(time, &self.window);
                explained |= beat.is_established();
                self.trusting &= !acted || beat.covered > before || before >= 2;
                self.trusting |= beat.covered >= PROVEN && beat.is_acted_on();
            }
        }
        if explained {
            return;
        }
        if self.unexplained.len() == MOST_KEPT {
            self.unexplained.pop_front();
        }
        self.unexplained.push_back(time);
        if let Some(found) = self.steady(time) {
            let step = |kept: &f64| ((time - kept) / found.period).round();
            let off = |kept: &f64| (time - kept - step(kept) * found.period).abs();
            self.unexplained.retain(|kept| step(kept) > 3.0 || off(kept) > 0.13 * found.period);
            self.add(found);
        } else if self.beats.is_empty() {
            self.guess(time);
        }
    }

    /// The next request after `now` that somebody is to be prepared for.
    pub(super) fn next(&mut self, now: Instant) -> Option<Foreseen> {
        let origin = self.origin?;
        let time = now.saturating_duration_since(origin).as_secs_f64();
        self.pass(time);
        let acted_on = self.beats.iter().filter(|beat| beat.is_acted_on());
        let first = acted_on.min_by(|a, b| a.next(time).total_cmp(&b.next(time)))?;
        let lead = Duration::from_secs_f64(self.window.lead(first.error));
        let at = origin + Duration::from_secs_f64(first.next(time));
        Some(Foreseen { at, lead, period: Duration::from_secs_f64(first.period) })
    }

    /// Notices what has not come by `time`.
    fn pass(&mut self, time: f64) {
        for beat in &mut self.beats {
            let (acted, expected) = (beat.is_acted_on(), beat.expected);
            beat.pass(time);
            if beat.expected > expected && acted && beat.covered < 2 {
                self.trusting = false;
            }
        }
        self.beats.retain(|beat| !beat.has_stopped());
    }

    fn add(&mut self, found: Beat) {
        if self.beats.iter().any(|beat| beat.is_like(&found)) {
            return;
        }
        if self.beats.len() == MOST_BEATS {
            let worst = (0..MOST_BEATS).min_by_key(|index| self.beats[*index].covered);
            self.beats.swap_remove(worst.unwrap_or(0));
        }
        self.beats.push(found);
    }

    /// Two bursts make a pace, as long as nothing speaks against it.
    fn guess(&mut self, time: f64) {
        let before = self.unexplained.iter().rev().nth(1);
        let period = before.map(|before| time - before).filter(|period| self.is_pace(*period));
        if let Some(period) = period {
            let needs = if self.trusting { 0 } else { 3 };
            self.beats.push(Beat::new(time, period, 0.05 * period, needs));
        }
    }

    /// A pace that the burst at `time` makes with earlier ones, the surest first: three that are
    /// steady, the last two even if they jitter, or four whatever came between them.
    fn steady(&self, time: f64) -> Option<Beat> {
        let needs = if self.trusting { 0 } else { 2 };
        let near = |wanted: f64, most: f64| {
            self.unexplained.iter().any(|kept| (kept - wanted).abs() <= most)
        };
        let earlier = || self.unexplained.iter().rev().skip(1);
        let periods = || earlier().map(|kept| time - kept).filter(|it| self.is_pace(*it));
        let three = |period: &f64| near(time - 2.0 * period, 0.01 * period);
        if let Some(period) = periods().take(NEAREST).find(three) {
            return Some(Beat::new(time, period, 0.01 * period, needs));
        }
        if let (Some(second), Some(first)) = (earlier().next(), earlier().nth(1)) {
            let (before, after) = (second - first, time - second);
            let (period, difference) = ((before + after) / 2.0, (before - after).abs());
            if difference <= 0.25 * period && self.is_pace(period) {
                return Some(Beat::new(time, period, difference / 2.0 + 0.01 * period, needs));
            }
        }
        let four = |period: &f64| {
            near(time - 2.0 * period, 0.03 * period) && near(time - 3.0 * period, 0.045 * period)
        };
        periods().find(four).map(|period| Beat::new(time, period, 0.03 * period, needs))
    }

    fn is_pace(&self, period: f64) -> bool {
        (self.shortest..=LONGEST).contains(&period)
    }
}
