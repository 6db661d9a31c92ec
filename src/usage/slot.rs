//! The cache of one sampled value: TTL, single-flight, stale answers.
//!
//! # Background
//!
//! Mesos asks for the usage of every container in one burst, as often as somebody reads its
//! statistics, and the whole answer hangs on the slowest container. A command costs hundreds of
//! microseconds at best, so a value is kept for a TTL, and callers that come while a run is under
//! way join it instead of starting another.
//!
//! # States
//!
//! A slot has, independently: a last good value (fresh, stale or too old), a recent failure (which
//! is not retried until its own short life is over, or a failing script would run at the full
//! rate), and a flight (a run under way, with those who wait for it). [`Slot::lookup`] decides
//! under the slot's lock and the lock is released before anything else happens: no call out, no
//! completion and no map access is made with it held.
//!
//! # The four fates of a leader
//!
//! Whoever is told [`Lookup::Lead`] holds a [`Flight`]. It ends with a value or a failure
//! ([`Flight::finish`]), or it is dropped: a panic or an abandoned run. In all four cases exactly
//! one [`Delivery`] with all waiters comes into being. A slot that was closed meanwhile (its
//! container is being cleaned up) keeps nothing of a late result.
//!
//! # Where slots lie
//!
//! A slot is part of its container's context, next to the key that finds it, because with thousands
//! of containers a hit is waits for memory more than anything else. A flight therefore holds not
//! the slot but whoever has it, the holder: anything that gives the slot as [`AsRef`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sync::Mutex;
use crate::config::CacheConfig;
use crate::event::OutcomeKind;

/// A failure is not retried for this long at most (less when the TTL is less).
pub(super) const MAX_FAILURE_LIFE: Duration = Duration::from_secs(1);

/// The part by which lives are shortened at most, so that values drift apart.
const SHORTENING: f64 = 0.1;
/// The same for the first value of a container: after a restart of the agent all containers get
/// theirs at once, and would go on to be refreshed in bursts for minutes.
const FIRST_SHORTENING: f64 = 0.5;

/// How long values live.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub(super) ttl: Duration,
    pub(super) stale_ttl: Duration,
    pub(super) stale_while_revalidate: Duration,
    /// Whether lives are shortened by a random part, so that values drift apart.
    pub(super) jitter: bool,
}

impl Policy {
    /// The same for values that are refreshed together, and so are to expire together.
    pub fn together(self) -> Policy {
        Policy { jitter: false, ..self }
    }

    /// How long a value is fresh.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }
}

impl From<CacheConfig> for Policy {
    fn from(config: CacheConfig) -> Policy {
        Policy {
            ttl: config.ttl,
            stale_ttl: config.stale_ttl,
            stale_while_revalidate: config.stale_while_revalidate,
            jitter: true,
        }
    }
}

/// The bytes that a caller is served; `None`: an empty value.
pub type Served = Option<Arc<[u8]>>;

// In the order in which a hit reads it, here and in `State`.
#[derive(Debug)]
#[repr(C)]
struct Good {
    fresh_until: Instant,
    bytes: Arc<[u8]>,
    since: Instant,
}

#[derive(Debug)]
struct Failed {
    outcome: OutcomeKind,
    until: Instant,
}

#[derive(Debug)]
#[repr(C)]
struct State<W> {
    good: Option<Good>,
    failed: Option<Failed>,
    /// Callers that wait for the flight, while there is one.
    waiting: Option<Vec<W>>,
    closed: bool,
    /// State of the jitter's generator.
    seed: u32,
}

/// The cached value of one container. `W` is what waits for it.
#[derive(Debug)]
pub struct Slot<W> {
    state: Mutex<State<W>>,
}

/// What a caller is to do.
#[derive(Debug)]
pub enum Lookup<W, H: AsRef<Slot<W>>> {
    /// Answer with this now.
    Answer {
        /// The value.
        value: Served,
        /// `Ok`, or the recent failure that is not retried yet.
        outcome: OutcomeKind,
        /// Whether the value is past its TTL.
        stale: bool,
        /// Who asked.
        waiter: W,
        /// Set for one caller when the value is to be refreshed behind: it leads that flight.
        refresh: Option<Flight<W, H>>,
    },
    /// Nothing: the flight under way will deliver.
    Joined,
    /// Start a run and end the flight with its result; the caller waits in it.
    Lead(Flight<W, H>),
}

/// The result of a flight and those who wait for it.
#[derive(Debug)]
pub struct Delivery<W> {
    /// The value.
    pub value: Served,
    /// How the run ended.
    pub outcome: OutcomeKind,
    /// Whether the value is an older one than the run's.
    pub stale: bool,
    /// Whether the slot keeps a value since this delivery and kept none before.
    pub entered: bool,
    /// Who gets it.
    pub waiters: Vec<W>,
}

/// What a slot had when it was closed.
#[derive(Debug)]
pub struct Closed<W> {
    /// Whether it kept a value.
    pub had_value: bool,
    /// Those who wait for a flight that will deliver nothing.
    pub waiters: Vec<W>,
}

/// The duty to end a flight. Dropping it ends it as `status_lost`, through the hook given to
/// [`Slot::lookup`]'s caller by [`Flight::on_abandoned`].
pub struct Flight<W, H: AsRef<Slot<W>>> {
    holder: H,
    policy: Policy,
    /// The leader, when the flight is its own only (no cache, so nobody joins).
    alone: Vec<W>,
    finished: bool,
    abandoned: Option<Abandoned<W>>,
}

type Abandoned<W> = Box<dyn FnOnce(Delivery<W>) + Send>;

impl<W, H: AsRef<Slot<W>>> std::fmt::Debug for Flight<W, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flight").field("finished", &self.finished).finish_non_exhaustive()
    }
}

impl<W> Slot<W> {
    /// An empty slot. `seed` spreads the jitter of different slots.
    pub fn new(seed: u32) -> Slot<W> {
        let state =
            State { good: None, failed: None, waiting: None, closed: false, seed: seed | 1 };
        Slot { state: Mutex::new(state) }
    }

    /// The value, if it is fresh at `now`.
    pub fn fresh(&self, now: Instant) -> Option<Arc<[u8]>> {
        let state = self.state.lock();
        state.good.as_ref().filter(|good| now < good.fresh_until).map(|good| good.bytes.clone())
    }

    /// Decides what a caller that comes at `now` is to do with the holder's value.
    pub fn lookup<H>(holder: &H, policy: Policy, now: Instant, waiter: W) -> Lookup<W, H>
    where
        H: AsRef<Slot<W>> + Clone,
    {
        let flight = |alone| Flight::new(holder.clone(), policy, alone);
        let mut state = holder.as_ref().state.lock();
        if state.closed {
            return Lookup::Answer {
                value: None,
                outcome: OutcomeKind::Cancelled,
                stale: false,
                waiter,
                refresh: None,
            };
        }
        if policy.ttl.is_zero() {
            drop(state);
            return Lookup::Lead(flight(vec![waiter]));
        }
        if let Some(good) = &state.good {
            let fresh = now < good.fresh_until;
            let revalidate = !fresh && now < good.fresh_until + policy.stale_while_revalidate;
            if fresh || revalidate {
                let value = Some(good.bytes.clone());
                let idle = state.waiting.is_none() && state.failed(now).is_none();
                let refresh = (revalidate && idle).then(|| {
                    state.waiting = Some(Vec::new());
                    flight(Vec::new())
                });
                let outcome = OutcomeKind::Ok;
                return Lookup::Answer { value, outcome, stale: !fresh, waiter, refresh };
            }
        }
        if let Some(waiting) = &mut state.waiting {
            waiting.push(waiter);
            return Lookup::Joined;
        }
        if let Some(outcome) = state.failed(now) {
            let value = state.last_good(policy, now);
            let stale = value.is_some();
            return Lookup::Answer { value, outcome, stale, waiter, refresh: None };
        }
        state.waiting = Some(vec![waiter]);
        Lookup::Lead(flight(Vec::new()))
    }

    /// A flight without waiters that refreshes the value together with others', if none is under
    /// way and the value (or failure) is no longer good at `until`.
    pub fn refresh_if_due<H>(holder: &H, policy: Policy, until: Instant) -> Option<Flight<W, H>>
    where
        H: AsRef<Slot<W>> + Clone,
    {
        let mut state = holder.as_ref().state.lock();
        let fresh = state.good.as_ref().is_some_and(|good| until < good.fresh_until);
        if state.closed || state.waiting.is_some() || fresh || state.failed(until).is_some() {
            return None;
        }
        state.waiting = Some(Vec::new());
        Some(Flight::new(holder.clone(), policy, Vec::new()))
    }

    /// Whether a good value is kept.
    pub fn has_value(&self) -> bool {
        self.state.lock().good.is_some()
    }

    /// Forgets everything for good: the container is going away.
    pub fn close(&self) -> Closed<W> {
        let mut state = self.state.lock();
        state.closed = true;
        state.failed = None;
        let had_value = state.good.take().is_some();
        Closed { had_value, waiters: state.waiting.take().unwrap_or_default() }
    }

    /// Stores a result and takes the waiters.
    fn land(
        &self,
        policy: Policy,
        result: Result<Served, OutcomeKind>,
        now: Instant,
        alone: Vec<W>,
    ) -> Delivery<W> {
        let mut state = self.state.lock();
        let mut waiters = alone;
        if !policy.ttl.is_zero() {
            waiters.extend(state.waiting.take().unwrap_or_default());
        }
        if state.closed {
            let outcome = OutcomeKind::Cancelled;
            return Delivery { value: None, outcome, stale: false, entered: false, waiters };
        }
        match result {
            Ok(value) => {
                // An empty answer is an answer: it is kept like any other.
                let bytes = value.clone().unwrap_or_else(|| Arc::from([]));
                let entered = state.good.is_none();
                let shortening = if entered { FIRST_SHORTENING } else { SHORTENING };
                let fresh_until = now + state.life(policy, policy.ttl, shortening);
                state.good = Some(Good { bytes, since: now, fresh_until });
                state.failed = None;
                Delivery { value, outcome: OutcomeKind::Ok, stale: false, entered, waiters }
            }
            Err(outcome) => {
                let life = policy.ttl.min(MAX_FAILURE_LIFE);
                let until = now + state.life(policy, life, SHORTENING);
                state.failed = Some(Failed { outcome, until });
                let value = state.last_good(policy, now);
                Delivery { stale: value.is_some(), value, outcome, entered: false, waiters }
            }
        }
    }
}

impl<W> State<W> {
    fn failed(&self, now: Instant) -> Option<OutcomeKind> {
        self.failed.as_ref().filter(|failed| now < failed.until).map(|failed| failed.outcome)
    }

    fn last_good(&self, policy: Policy, now: Instant) -> Served {
        let young = |good: &&Good| now < good.since + policy.stale_ttl;
        self.good.as_ref().filter(young).map(|good| good.bytes.clone())
    }

    /// `life`, shortened by a random part of up to `most`.
    fn life(&mut self, policy: Policy, life: Duration, most: f64) -> Duration {
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

impl<W, H: AsRef<Slot<W>>> Flight<W, H> {
    fn new(holder: H, policy: Policy, alone: Vec<W>) -> Flight<W, H> {
        Flight { holder, policy, alone, finished: false, abandoned: None }
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
    pub fn finish(mut self, result: Result<Served, OutcomeKind>, now: Instant) -> Delivery<W> {
        self.finished = true;
        let alone = std::mem::take(&mut self.alone);
        self.holder.as_ref().land(self.policy, result, now, alone)
    }
}

impl<W, H: AsRef<Slot<W>>> Drop for Flight<W, H> {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let alone = std::mem::take(&mut self.alone);
        let lost = Err(OutcomeKind::StatusLost);
        let delivery = self.holder.as_ref().land(self.policy, lost, Instant::now(), alone);
        if let Some(deliver) = self.abandoned.take() {
            deliver(delivery);
        }
    }
}
