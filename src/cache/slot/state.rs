//! What a slot knows: its values and its flights.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{
    Arrived, FIRST_SHORTENING, MAX_FAILURE_LIFE, Policy, REFRESH_PATIENCE, SHORTENING, Served,
};
use crate::outcome::OutcomeKind;

// In the order in which a hit reads it, here and in `State`.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Good {
    pub(super) fresh_until: Instant,
    pub(super) bytes: Arc<[u8]>,
    /// Whether it was refreshed ahead of requests.
    pub(super) ahead: bool,
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(super) struct Failed {
    pub(super) outcome: OutcomeKind,
    pub(super) until: Instant,
}

#[derive(Debug)]
#[repr(C)]
pub(super) struct State<W> {
    /// Whether anybody has asked since the last flight without a leader took off.
    pub(super) asked: bool,
    pub(super) good: Option<Good>,
    pub(super) failed: Option<Failed>,
    /// The runs under way: one at most that is not outdated, or one for each caller when there is
    /// no cache.
    pub(super) flights: Vec<UnderWay<W>>,
    pub(super) closed: bool,
    /// Whether those who wait will be looked at when their patience ends.
    pub(super) looked_at: bool,
    /// The number of the last flight.
    pub(super) last_flight: u32,
    /// State of the jitter's generator.
    pub(super) seed: u32,
}

/// A run under way and those who wait for it.
#[derive(Debug)]
pub(super) struct UnderWay<W> {
    pub(super) number: u32,
    pub(super) since: Instant,
    /// Whether the first of those who wait started it.
    pub(super) led: bool,
    /// Whether the slot was expired since it began: its value is that of those who wait already.
    pub(super) outdated: bool,
    pub(super) waiters: Vec<W>,
}

/// What the slot has to know of a flight that ends.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) policy: Policy,
    pub(super) number: u32,
    /// Whether it is ahead of requests.
    pub(super) ahead: bool,
    /// Whether its run was that of another command than the one that holds now.
    pub(super) outdated: bool,
}

impl Good {
    /// Whether it may be served although it is not fresh.
    pub(super) fn is_young(&self, policy: Policy, now: Instant) -> bool {
        now < self.since + policy.stale_ttl
    }

    pub(super) fn served(&self) -> Served {
        Some(self.bytes.clone())
    }
}

impl<W> State<W> {
    pub(super) fn failed(&self, now: Instant) -> Option<OutcomeKind> {
        self.failed.as_ref().filter(|failed| now < failed.until).map(|failed| failed.outcome)
    }

    pub(super) fn last_good(&self, policy: Policy, now: Instant) -> Option<&Good> {
        self.good.as_ref().filter(|good| good.is_young(policy, now))
    }

    /// The last good value and since when there is it, while it may be served.
    pub(super) fn serve_last_good(&self, policy: Policy, now: Instant) -> (Served, Instant) {
        let good = self.last_good(policy, now);
        good.map_or((None, now), |good| (good.served(), good.since))
    }

    /// A flight begins, led by `leader` if somebody waits for it; returns its number.
    pub(super) fn take_off(&mut self, now: Instant, leader: Option<W>) -> u32 {
        self.last_flight = self.last_flight.wrapping_add(1);
        let number = self.last_flight;
        let led = leader.is_some();
        self.asked = led;
        let waiters = leader.into_iter().collect();
        self.flights.push(UnderWay { number, since: now, led, outdated: false, waiters });
        number
    }

    /// The run under way that brings a value for those who ask now.
    pub(super) fn under_way(&mut self) -> Option<&mut UnderWay<W>> {
        self.flights.iter_mut().find(|flight| !flight.outdated)
    }

    /// Whether there is no such run.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.iter().all(|flight| flight.outdated)
    }

    /// A flight ends; `None` when the slot was closed meanwhile.
    pub(super) fn touch_down(&mut self, number: u32) -> Option<UnderWay<W>> {
        let index = self.flights.iter().position(|flight| flight.number == number)?;
        Some(self.flights.swap_remove(index))
    }

    /// Keeps what a flight has brought, as expired if it is outdated; whether there was no value
    /// before.
    pub(super) fn keep(&mut self, facts: Facts, arrived: &Arrived, now: Instant) -> bool {
        let Facts { policy, ahead, outdated, .. } = facts;
        // An empty answer is an answer: it is kept like any other.
        let bytes = arrived.value.clone().unwrap_or_else(|| Arc::from([]));
        let entered = self.good.is_none();
        let shortening = if entered { FIRST_SHORTENING } else { SHORTENING };
        let life = arrived.fresh_for.map_or(policy.ttl, |wish| policy.bounded(wish));
        let life = if outdated { Duration::ZERO } else { self.life(policy, life, shortening) };
        let fresh_until = now + life;
        self.good = Some(Good { bytes, since: now, fresh_until, ahead });
        self.failed = None;
        entered
    }

    /// Keeps that a flight has failed, which is not tried again for a while.
    pub(super) fn keep_failure(&mut self, policy: Policy, outcome: OutcomeKind, now: Instant) {
        let life = policy.ttl.min(MAX_FAILURE_LIFE);
        let until = now + self.life(policy, life, SHORTENING);
        self.failed = Some(Failed { outcome, until });
    }

    /// When the first of those who wait have waited for long enough.
    pub(super) fn end_of_patience(&self) -> Option<Instant> {
        let waited_for = self.flights.iter().filter(|flight| !flight.waiters.is_empty());
        waited_for.map(|flight| flight.since + REFRESH_PATIENCE).min()
    }

    /// `life`, shortened by a random part of up to `most`.
    pub(super) fn life(&mut self, policy: Policy, life: Duration, most: f64) -> Duration {
        if !policy.jitter {
            return life;
        }
        // Marsaglia's xorshift32.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        life.mul_f64(1.0 - most * f64::from(self.seed % 1024) / 1024.0)
    }
}
