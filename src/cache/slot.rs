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
//! one [`Delivery`] with all who still wait comes into being. A slot that was closed meanwhile (its
//! container is being cleaned up) keeps nothing of a late result.
//!
//! # Reloads
//!
//! [`Slot::expire`] outdates the flights under way with the value: what another command has begun
//! to bring goes to those who have waited for it, and has expired for those who come later. So a
//! command that hangs keeps nobody from the one that has taken its place.
//!
//! # Slow refreshes
//!
//! While there is an old value that may still be served, a flight is waited for a second at most
//! ([`Slot::release`]): the whole statistics answer of an agent would otherwise wait for one
//! command that hangs, until its deadline. Nothing older than the stale time is ever served.
//!
//! # Refreshes ahead
//!
//! A slot remembers whether anybody has asked since its last refresh that nobody waited for. Only
//! then it is refreshed ahead of the next request ([`Slot::take_ahead`]): a container that nobody
//! asks for any more costs one run.
//!
//! # Where slots lie
//!
//! A slot is part of its container's context, next to the key that finds it, because with thousands
//! of containers a hit is waits for memory more than anything else. A flight therefore holds not
//! the slot but whoever has it, the holder: anything that gives the slot as [`AsRef`].

#[path = "slot/ahead.rs"]
mod ahead;
#[path = "slot/flight.rs"]
mod flight;
#[path = "slot/look.rs"]
mod look;
#[path = "slot/policy.rs"]
mod policy;
#[path = "slot/state.rs"]
mod state;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sync::Mutex;
use crate::outcome::OutcomeKind;

pub use flight::Flight;
pub use look::Look;
pub use policy::Policy;
use state::{Facts, State, UnderWay};

/// A failure is not retried for this long at most (less when the TTL is less).
pub(super) const MAX_FAILURE_LIFE: Duration = Duration::from_secs(1);

/// How long a refresh is waited for while there is an old value that may still be served.
pub(super) const REFRESH_PATIENCE: Duration = Duration::from_secs(1);

/// The part by which lives are shortened at most, so that values drift apart.
const SHORTENING: f64 = 0.1;
/// The same for the first value of a container: after a restart of the agent all containers get
/// theirs at once, and would go on to be refreshed in bursts for minutes.
const FIRST_SHORTENING: f64 = 0.5;

/// The bytes that a caller is served; `None`: an empty value.
pub type Served = Option<Arc<[u8]>>;

/// What a run has brought.
#[derive(Debug)]
pub struct Arrived {
    /// The value.
    pub value: Served,
    /// For how long it is good, if the run has said so. It is then fresh for that instead of the
    /// TTL, but not for less than that, nor for longer than it may be served at all.
    pub fresh_for: Option<Duration>,
}

impl From<Served> for Arrived {
    fn from(value: Served) -> Arrived {
        Arrived { value, fresh_for: None }
    }
}

/// The cached value of one container. `W` is what waits for it.
#[derive(Debug)]
pub struct Slot<W> {
    state: Mutex<State<W>>,
}

/// A value that is fresh.
#[derive(Debug)]
pub struct Fresh {
    /// The value.
    pub bytes: Arc<[u8]>,
    /// Whether it was refreshed ahead of the request.
    pub ahead: bool,
    /// Whether it is served for the first time.
    pub first: bool,
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
    /// How old the value is.
    pub age: Duration,
    /// Whether the run was ahead of requests, and brought a value for those who wait now.
    pub used: bool,
    /// Whether the slot keeps a value since this delivery and kept none before.
    pub entered: bool,
    /// Whether the first of the waiters started the run; the others joined it.
    pub led: bool,
    /// Who gets it.
    pub waiters: Vec<W>,
}

impl<W> Delivery<W> {
    /// To those who wait for a run of a container that goes away.
    pub fn withdrawn(led: bool, waiters: Vec<W>) -> Delivery<W> {
        Delivery {
            value: None,
            outcome: OutcomeKind::Cancelled,
            stale: false,
            age: Duration::ZERO,
            used: false,
            entered: false,
            led,
            waiters,
        }
    }
}

/// Those who wait no longer for a refresh, and get the old value.
#[derive(Debug)]
pub struct Released<W> {
    /// The old value.
    pub value: Served,
    /// How old it is.
    pub age: Duration,
    /// Who gets it.
    pub waiters: Vec<W>,
    /// When to look again at those who go on waiting, if there are some.
    pub next: Option<Instant>,
}

/// What a slot had when it was closed.
#[derive(Debug)]
pub struct Closed<W> {
    /// Whether it kept a value.
    pub had_value: bool,
    /// Whether it was refreshed ahead and nobody has asked since.
    pub wasted: bool,
    /// Whether the first of the waiters started a run; the others joined it.
    pub led: bool,
    /// Those who wait for a flight that will deliver nothing.
    pub waiters: Vec<W>,
}

impl<W> Slot<W> {
    /// An empty slot. `seed` spreads the jitter of different slots.
    pub fn new(seed: u32) -> Slot<W> {
        let state = State {
            // One that is new joins the next round of refreshes ahead.
            asked: true,
            good: None,
            failed: None,
            flights: Vec::new(),
            closed: false,
            looked_at: false,
            last_flight: 0,
            seed: seed | 1,
        };
        Slot { state: Mutex::new(state) }
    }

    /// The value, if it is fresh at `now`.
    pub fn fresh(&self, now: Instant) -> Option<Fresh> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let good = state.good.as_ref().filter(|good| now < good.fresh_until)?;
        let first = !std::mem::replace(&mut state.asked, true);
        Some(Fresh { bytes: good.bytes.clone(), ahead: good.ahead, first })
    }

    /// Decides what a caller that comes at `now` is to do with the holder's value.
    pub fn lookup<H>(holder: &H, policy: Policy, now: Instant, waiter: W) -> Lookup<W, H>
    where
        H: AsRef<Slot<W>> + Clone,
    {
        let flight = |number| Flight::new(holder.clone(), policy, number);
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
            return Lookup::Lead(flight(state.take_off(now, Some(waiter))));
        }
        if let Some(good) = &state.good {
            let fresh = now < good.fresh_until;
            let revalidate = !fresh
                && now < good.fresh_until + policy.stale_while_revalidate
                && good.is_young(policy, now);
            if fresh || revalidate {
                let value = Some(good.bytes.clone());
                let refreshes = revalidate && state.is_idle() && state.failed(now).is_none();
                let refresh = refreshes.then(|| flight(state.take_off(now, None)));
                let outcome = OutcomeKind::Ok;
                return Lookup::Answer { value, outcome, stale: !fresh, waiter, refresh };
            }
        }
        if let Some(since) = state.under_way().map(|under_way| under_way.since) {
            // Nobody waits anew for what others wait for no longer.
            let overdue = now >= since + REFRESH_PATIENCE;
            if let Some(good) = state.last_good(policy, now).filter(|_| overdue) {
                let (value, outcome) = (good.served(), OutcomeKind::Ok);
                return Lookup::Answer { value, outcome, stale: true, waiter, refresh: None };
            }
            if let Some(under_way) = state.under_way() {
                under_way.waiters.push(waiter);
            }
            return Lookup::Joined;
        }
        if let Some(outcome) = state.failed(now) {
            let (value, _) = state.serve_last_good(policy, now);
            let stale = value.is_some();
            return Lookup::Answer { value, outcome, stale, waiter, refresh: None };
        }
        Lookup::Lead(flight(state.take_off(now, Some(waiter))))
    }

    /// When those who wait are to be [released](Slot::release), to be asked by everybody who has
    /// begun to wait. `None`: there is no old value that they could get, or somebody was told
    /// already.
    pub fn time_to_release(&self, policy: Policy, now: Instant) -> Option<Instant> {
        let mut state = self.state.lock();
        if state.looked_at || state.last_good(policy, now).is_none() {
            return None;
        }
        let at = state.end_of_patience();
        state.looked_at = at.is_some();
        at
    }

    /// Takes those who have waited for long enough at `now`, if there is an old value for them. The
    /// refresh goes on, and its value is kept.
    pub fn release(&self, policy: Policy, now: Instant) -> Released<W> {
        let mut state = self.state.lock();
        let (value, since) = state.serve_last_good(policy, now);
        let age = now.saturating_duration_since(since);
        let mut waiters = Vec::new();
        if value.is_some() {
            let overdue = |flight: &&mut UnderWay<W>| now >= flight.since + REFRESH_PATIENCE;
            for flight in state.flights.iter_mut().filter(overdue) {
                waiters.append(&mut flight.waiters);
                flight.led = false;
            }
        }
        // Without a value there will be none but by a refresh, which wakes everybody.
        let next = state.end_of_patience().filter(|_| value.is_some());
        state.looked_at = next.is_some();
        Released { value, age, waiters, next }
    }

    /// A flight without waiters that refreshes the value together with others', if none is under
    /// way and the value (or failure) is no longer good at `until`.
    pub fn refresh_if_due<H>(holder: &H, policy: Policy, until: Instant) -> Option<Flight<W, H>>
    where
        H: AsRef<Slot<W>> + Clone,
    {
        let mut state = holder.as_ref().state.lock();
        let fresh = state.good.as_ref().is_some_and(|good| until < good.fresh_until);
        if state.closed || !state.is_idle() || fresh || state.failed(until).is_some() {
            return None;
        }
        let number = state.take_off(Instant::now(), None);
        Some(Flight::new(holder.clone(), policy, number))
    }

    /// Lets the value count as expired from `now` on, a failure as forgotten, and runs under way as
    /// outdated: what brings values is another command. Those who wait for an outdated run get its
    /// value; nobody else waits for it, and it has expired when it comes.
    pub fn expire(&self, now: Instant) {
        let mut state = self.state.lock();
        if let Some(good) = &mut state.good {
            good.fresh_until = good.fresh_until.min(now);
        }
        state.failed = None;
        state.flights.iter_mut().for_each(|flight| flight.outdated = true);
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
        let good = state.good.take();
        let wasted = !state.asked && good.as_ref().is_some_and(|good| good.ahead);
        let had_value = good.is_some();
        let led = state.flights.first().is_some_and(|flight| flight.led);
        let waiters = state.flights.drain(..).flat_map(|flight| flight.waiters).collect();
        Closed { had_value, wasted, led, waiters }
    }

    /// Stores the result of a flight and takes the waiters.
    fn settle(
        &self,
        facts: Facts,
        result: Result<Arrived, OutcomeKind>,
        now: Instant,
    ) -> Delivery<W> {
        let mut state = self.state.lock();
        let Some(flight) = state.touch_down(facts.number) else {
            return Delivery::withdrawn(false, Vec::new());
        };
        let policy = facts.policy;
        let facts = Facts { outdated: facts.outdated || flight.outdated, ..facts };
        let mut delivery = Delivery::withdrawn(flight.led, flight.waiters);
        match result {
            Ok(arrived) => {
                delivery.used = facts.ahead && state.asked;
                // What came since an outdated flight took off is of the command that holds now.
                let is_newer = state.good.as_ref().is_none_or(|good| good.since < flight.since);
                if is_newer || !facts.outdated {
                    delivery.entered = state.keep(facts, &arrived, now);
                }
                (delivery.value, delivery.outcome) = (arrived.value, OutcomeKind::Ok);
            }
            Err(outcome) => {
                if !facts.outdated {
                    state.keep_failure(policy, outcome, now);
                }
                let (value, since) = state.serve_last_good(policy, now);
                (delivery.value, delivery.age) = (value, now.saturating_duration_since(since));
                delivery.stale = delivery.value.is_some();
                delivery.outcome = outcome;
            }
        }
        delivery
    }
}
