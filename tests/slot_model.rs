//! The single-flight of the cache, whatever its threads do when, and whatever becomes of the
//! leader.
//!
//! shuttle runs threads one at a time and picks at each lock which goes on, thousands of times
//! anew. A failure prints the schedule, which `shuttle::replay` plays again.

#[path = "../src/cache/slot.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a part of the library's slot is enough here"
)]
mod slot;

mod config {
    pub(crate) use mesos_command::config::CacheConfig;
}

mod outcome {
    pub(crate) use mesos_command::outcome::{AheadResult, OutcomeKind};
}

/// The slots' lock, with shuttle's inside.
mod sync {
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}

use std::sync::Arc;
use std::time::{Duration, Instant};

use outcome::OutcomeKind;
use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::thread;
use slot::{Delivery, Flight, Lookup, Policy, Slot};
use sync::Mutex;

const SCHEDULES: usize = 4_000;
const THREADS: u32 = 4;
const CALLS: u32 = 3;
const RELOADS: u32 = 2;

/// What becomes of a leader.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Value,
    Failure,
    Panic,
    Abandoned,
}

const FATES: [Fate; 4] = [Fate::Value, Fate::Failure, Fate::Panic, Fate::Abandoned];

/// What happened, looked at when all threads have ended.
#[derive(Default)]
struct Seen {
    leaders: u32,
    flying: u32,
    answered: Vec<u32>,
    outcomes: Vec<OutcomeKind>,
}

fn policy() -> Policy {
    let second = Duration::from_secs(1);
    Policy { ttl: second, stale_ttl: second, stale_while_revalidate: second, jitter: true }
}

fn deliver(seen: &Mutex<Seen>, delivery: Delivery<u32>) {
    let mut seen = seen.lock();
    seen.outcomes.push(delivery.outcome);
    seen.answered.extend(delivery.waiters);
}

fn lead(fate: Fate, flight: Flight<u32, Arc<Slot<u32>>>, now: Instant, seen: &Arc<Mutex<Seen>>) {
    let abandoned = seen.clone();
    let flight = flight.on_abandoned(move |delivery| deliver(&abandoned, delivery));
    thread::yield_now();
    // Before it ends, because the next may begin in that moment.
    seen.lock().flying -= 1;
    match fate {
        Fate::Value => deliver(seen, flight.finish(Ok(Some(Arc::from(*b"value"))), now)),
        Fate::Failure => deliver(seen, flight.finish(Err(OutcomeKind::Timeout), now)),
        Fate::Abandoned => drop(flight),
        Fate::Panic => {
            let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _flight = flight;
                // Without the panic hook, which would print it thousands of times.
                std::panic::resume_unwind(Box::new("a leader"));
            }));
            assert!(unwound.is_err());
        }
    }
}

fn caller(fate: Fate, caller: u32, slot: &Arc<Slot<u32>>, now: Instant, seen: &Arc<Mutex<Seen>>) {
    for call in 0..CALLS {
        match Slot::lookup(slot, policy(), now, caller * CALLS + call) {
            Lookup::Joined => {}
            Lookup::Answer { waiter, refresh, .. } => {
                assert!(refresh.is_none(), "the value is fresh, the failure recent");
                seen.lock().answered.push(waiter);
            }
            Lookup::Lead(flight) => {
                {
                    let mut seen = seen.lock();
                    seen.leaders += 1;
                    seen.flying += 1;
                    assert_eq!(seen.flying, 1, "two flights at a time");
                }
                lead(fate, flight, now, seen);
            }
        }
    }
}

/// All callers, and perhaps a cleanup; returns what was seen.
fn play(fate: Fate, closes: bool) -> Seen {
    let (slot, now) = (Arc::new(Slot::new(1)), Instant::now());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (slot, seen) = (slot.clone(), seen.clone());
            thread::spawn(move || caller(fate, number, &slot, now, &seen))
        })
        .collect();
    if closes {
        let (slot, seen) = (slot.clone(), seen.clone());
        threads.push(thread::spawn(move || {
            let waiters = slot.close().waiters;
            seen.lock().answered.extend(waiters);
        }));
    }
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    let mut seen = std::mem::take(&mut *seen.lock());
    seen.answered.sort_unstable();
    assert_eq!(seen.answered, (0..THREADS * CALLS).collect::<Vec<_>>(), "{fate:?}: answered once");
    if closes {
        assert!(!slot.has_value(), "{fate:?}: a late result was kept");
    }
    seen
}

#[test]
fn one_run_serves_everybody_whatever_becomes_of_its_leader() {
    for fate in FATES {
        let once = move || {
            let seen = play(fate, false);
            assert_eq!(seen.leaders, 1, "{fate:?}");
            let expected = match fate {
                Fate::Value => OutcomeKind::Ok,
                Fate::Failure => OutcomeKind::Timeout,
                Fate::Panic | Fate::Abandoned => OutcomeKind::StatusLost,
            };
            assert_eq!(seen.outcomes, [expected], "{fate:?}");
        };
        shuttle::check_random(once, SCHEDULES);
        shuttle::check_pct(once, SCHEDULES / 4, 3);
    }
}

#[test]
fn a_cleanup_in_the_middle_leaves_nobody_waiting_and_keeps_nothing() {
    for fate in FATES {
        let once = move || drop(play(fate, true));
        shuttle::check_random(once, SCHEDULES);
        shuttle::check_pct(once, SCHEDULES / 4, 3);
    }
}

/// A reload in two steps, as the engine makes it, and how far it is.
#[derive(Default)]
struct Reloads {
    /// The number of the set that runs are of which begin now.
    set: AtomicU32,
    /// The set of the last reload that is over.
    over: AtomicU32,
}

impl Reloads {
    fn make(&self, slot: &Slot<u32>, now: Instant) {
        for set in 1..=RELOADS {
            self.set.store(set, Ordering::SeqCst);
            slot.expire(now);
            self.over.store(set, Ordering::SeqCst);
        }
    }

    /// Calls whose waiters are the oldest set that they may get a value of; how many got one.
    fn call(&self, slot: &Arc<Slot<u32>>, now: Instant) -> u32 {
        let mut answered = 0;
        for _ in 0..CALLS {
            let oldest = self.over.load(Ordering::SeqCst);
            match Slot::lookup(slot, fresh_only(), now, oldest) {
                Lookup::Joined => {}
                Lookup::Answer { value, waiter, .. } => {
                    answered += judge(value.as_deref(), waiter);
                }
                Lookup::Lead(flight) => {
                    // Taken after the flight has begun, as `Inner::refresh` does.
                    let set = self.set.load(Ordering::SeqCst);
                    thread::yield_now();
                    let value: Arc<[u8]> = Arc::from(set.to_le_bytes());
                    let delivery = flight.finish(Ok(Some(value)), now);
                    let value = delivery.value.as_deref();
                    answered += delivery.waiters.iter().map(|it| judge(value, *it)).sum::<u32>();
                }
            }
        }
        answered
    }
}

/// Nothing that has expired is served.
fn fresh_only() -> Policy {
    Policy { stale_while_revalidate: Duration::ZERO, ..policy() }
}

/// One answer, which is not of an older set than it may be.
fn judge(value: Option<&[u8]>, oldest: u32) -> u32 {
    let bytes = value.and_then(|value| value.try_into().ok()).expect("a value of a set");
    let set = u32::from_le_bytes(bytes);
    assert!(set >= oldest, "set {set} for one who came after the reload to {oldest}");
    1
}

/// Refuses a slot whose outdated flights are joined, or whose values are kept, and a leader that
/// takes its set before its flight begins.
#[test]
fn nobody_who_comes_after_a_reload_gets_what_was_before() {
    let once = || {
        let (slot, now) = (Arc::new(Slot::new(1)), Instant::now());
        let reloads = Arc::new(Reloads::default());
        let callers: Vec<_> = (0..THREADS)
            .map(|_| {
                let (slot, reloads) = (slot.clone(), reloads.clone());
                thread::spawn(move || reloads.call(&slot, now))
            })
            .collect();
        reloads.make(&slot, now);
        let answered = callers.into_iter().map(|it| it.join().expect("no panic")).sum::<u32>();
        assert_eq!(answered, THREADS * CALLS, "each has an answer");
    };
    shuttle::check_random(once, SCHEDULES);
    shuttle::check_pct(once, SCHEDULES / 4, 3);
}
