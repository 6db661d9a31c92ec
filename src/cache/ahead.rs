//! Refreshing values ahead of the requests that are foreseen, so that nobody waits for a run.
//!
//! # Background
//!
//! Statistics are asked for at a pace: by an exporter every few seconds, by the agent's own
//! resource estimator. A reader that comes less often than values live finds all of them expired,
//! and waits for a run of each container, every time. So the paces are learned (`pace`), and the
//! containers are refreshed shortly before the next request.
//!
//! # Mechanism
//!
//! A *burst* is what one reader asks for in one go: it begins with a request, and whatever comes
//! within [`Ahead::gap`] belongs to it. Only its beginning is told to this state machine
//! ([`Ahead::burst`]), which then plans a *round*: all containers whose value will have expired
//! when the next burst is foreseen are refreshed in turn, spread over a quarter of a life, so that
//! the last one is done a moment (the lead) before. The lead grows with the jitter of the reader.
//!
//! When requests come so often that bursts follow one another without a pause, values are
//! refreshed one by one, each shortly before it expires.
//!
//! # Bounds
//!
//! A container is refreshed ahead once for each foreseen burst at most, and not again before
//! somebody has asked for it ([`Slot::take_ahead`](super::Slot::take_ahead) sees to that): when
//! the reader stops, each container costs one run. Paces that do not foretell requests are not
//! acted on, so requests without a pace cost a run per container in all.
//!
//! It has no clock, no thread and no lock: whoever has it gives the instants and does what it
//! asks for ([`Containers`]). `docs/refresh-ahead.md` shows what comes of it.

mod beat;
mod pace;
#[cfg(test)]
mod tests;
mod window;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pace::{Foreseen, Pace};
use window::Window;

/// Values that live shorter are not refreshed ahead: the work would never end.
pub const LEAST_LIFE: Duration = Duration::from_millis(100);
/// The longest time in which requests are one burst.
const LONGEST_GAP: Duration = Duration::from_millis(250);
/// The longest time that a run is begun earlier because runs take long.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// The containers, as the state machine needs them.
pub trait Containers {
    /// Names one of them.
    type Container;

    /// The next request begins a burst: it is to be told to [`Ahead::burst`].
    fn listen(&mut self);

    /// Those that somebody has asked for and whose value is not fresh any more at `until`, each
    /// with when that ends.
    fn due(&mut self, now: Instant, until: Instant) -> Vec<(Instant, Self::Container)>;

    /// Refreshes one, unless that has become needless: its value is fresh at `until`.
    fn refresh(&mut self, container: Self::Container, until: Instant);
}

/// What is done ahead, and when.
#[derive(Debug)]
pub struct Ahead<C> {
    pace: Pace,
    /// How long a value is fresh.
    life: Duration,
    /// Whether one run refreshes all containers.
    together: bool,
    /// About how long a refresh takes.
    run_time: Duration,
    /// When a request begins another burst.
    listen_at: Option<Instant>,
    round: Option<Round>,
    /// When each is refreshed, in order.
    queue: VecDeque<(Instant, C)>,
}

/// The refreshes before one foreseen burst.
#[derive(Clone, Copy, Debug)]
struct Round {
    foreseen: Foreseen,
    /// When its containers are looked up; `None` once they are.
    begins: Option<Instant>,
}

impl<C> Ahead<C> {
    /// For values that are fresh for `life`. `together`: one run refreshes all containers.
    pub fn new(life: Duration, together: bool) -> Ahead<C> {
        let spread = if together { Duration::ZERO } else { life / 4 };
        let gap = gap(life);
        Ahead {
            pace: Pace::new(Window::new(life, spread), gap * 9 / 10),
            life,
            together,
            run_time: Duration::ZERO,
            listen_at: None,
            round: None,
            queue: VecDeque::new(),
        }
    }

    /// How long after its beginning a burst is over.
    pub fn gap(&self) -> Duration {
        gap(self.life)
    }

    /// A burst of requests began at `at`.
    pub fn burst(&mut self, at: Instant) {
        self.pace.burst(at);
        self.listen_at = Some(at + self.gap());
    }

    /// A refresh took so long, from when it was asked for.
    pub fn took(&mut self, time: Duration) {
        let time = time.min(LONGEST_RUN);
        // Slow runs count at once, and are forgotten after some quick ones.
        let less = self.run_time.saturating_sub(time) / 8;
        self.run_time = time.max(self.run_time - less);
    }

    /// The pace of the reader that comes next, and when, if one is foreseen.
    pub fn foreseen(&self) -> Option<(Duration, Instant)> {
        self.round.map(|round| (round.foreseen.period, round.foreseen.at))
    }

    /// When each container has its turn, of those whose turn was decided.
    pub fn turns(&self) -> impl Iterator<Item = (Instant, &C)> {
        self.queue.iter().map(|(at, container)| (*at, container))
    }

    /// When the turns of the next round are decided, and until when its values are to be fresh;
    /// `None` once they are, or when no request is foreseen.
    pub fn begins(&self) -> Option<(Instant, Instant)> {
        self.round.and_then(|round| Some((round.begins?, round.until(self.gap()))))
    }

    /// When [`step`](Ahead::step) has something to do next.
    pub fn next(&self) -> Option<Instant> {
        let round = self.round.map(|round| round.begins.unwrap_or(round.over()));
        let first = self.queue.front().map(|first| first.0);
        [self.listen_at, round, first].into_iter().flatten().min()
    }

    /// Does what is due at `now`.
    pub fn step(&mut self, now: Instant, containers: &mut impl Containers<Container = C>) {
        if self.listen_at.take_if(|at| *at <= now).is_some() {
            containers.listen();
            self.plan(now);
        }
        // The burst has not come.
        if self.round.is_some_and(|round| round.begins.is_none() && round.over() <= now) {
            self.plan(now);
        }
        if let Some(round) = &mut self.round
            && round.begins.take_if(|begins| *begins <= now).is_some()
        {
            let round = *round;
            self.line_up(round, now, containers);
        }
        let until = self.round.map_or(now, |round| round.until(self.gap()));
        while self.queue.front().is_some_and(|first| first.0 <= now) {
            if let Some((_, container)) = self.queue.pop_front() {
                containers.refresh(container, until);
            }
        }
    }

    /// Prepares for the next burst that is foreseen.
    fn plan(&mut self, now: Instant) {
        self.queue.clear();
        self.round = self.pace.next(now).map(|foreseen| {
            let before = foreseen.lead + self.spread() + self.run_time;
            let begins = foreseen.at.checked_sub(before).map_or(now, |begins| begins.max(now));
            Round { foreseen, begins: Some(begins) }
        });
    }

    /// Decides when each container has its turn.
    fn line_up(
        &mut self,
        round: Round,
        now: Instant,
        containers: &mut impl Containers<Container = C>,
    ) {
        let due = containers.due(now, round.until(self.gap()));
        let each = self.spread() / u32::try_from(due.len()).unwrap_or(u32::MAX).max(1);
        let ahead = round.foreseen.lead + self.run_time;
        let mut at = now;
        let mut turns: Vec<_> = due
            .into_iter()
            .map(|(ends, container)| {
                at += each;
                let one_by_one = ends.checked_sub(ahead).map_or(now, |start| start.max(now));
                (if round.is_dense(self.gap()) { one_by_one } else { at - each }, container)
            })
            .collect();
        turns.sort_by_key(|turn| turn.0);
        self.queue = turns.into();
    }

    fn spread(&self) -> Duration {
        if self.together { Duration::ZERO } else { self.life / 4 }
    }
}

fn gap(life: Duration) -> Duration {
    (life / 4).min(LONGEST_GAP)
}

impl Round {
    /// Whether requests come without a pause.
    fn is_dense(&self, gap: Duration) -> bool {
        self.foreseen.period < gap * 2
    }

    /// Until when values are to be fresh: for as long after the foreseen time as before it, and
    /// where there is no pause, until the burst after it.
    fn until(&self, gap: Duration) -> Instant {
        let pause = if self.is_dense(gap) { self.foreseen.period } else { Duration::ZERO };
        self.foreseen.at + self.foreseen.lead + pause
    }

    /// When the foreseen burst should have come.
    fn over(&self) -> Instant {
        self.foreseen.at + self.foreseen.lead
    }
}
