//! Every transition of a slot, on made-up instants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::slot::{MAX_FAILURE_LIFE, REFRESH_PATIENCE};
use super::{Flight, Lookup, Policy, Served, Slot};
use crate::outcome::{AheadResult, OutcomeKind};

const TTL: Duration = Duration::from_millis(1000);

fn policy() -> Policy {
    Policy { ttl: TTL, stale_ttl: TTL * 3, stale_while_revalidate: Duration::ZERO, jitter: true }
}

fn slot() -> Arc<Slot<u32>> {
    Arc::new(Slot::new(7))
}

fn value(text: &str) -> Served {
    Some(Arc::from(text.as_bytes()))
}

/// Who has the slot.
type Holder = Arc<Slot<u32>>;

fn lead(lookup: Lookup<u32, Holder>) -> Flight<u32, Holder> {
    match lookup {
        Lookup::Lead(flight) => flight,
        other => panic!("expected to lead, got {other:?}"),
    }
}

/// Value, outcome, staleness and whether a refresh is asked for.
fn answer(lookup: Lookup<u32, Holder>) -> (Served, OutcomeKind, bool, Option<Flight<u32, Holder>>) {
    match lookup {
        Lookup::Answer { value, outcome, stale, refresh, .. } => (value, outcome, stale, refresh),
        other => panic!("expected an answer, got {other:?}"),
    }
}

#[test]
fn a_miss_leads_others_join_and_all_are_delivered() {
    let (slot, now) = (slot(), Instant::now());
    let flight = lead(Slot::lookup(&slot, policy(), now, 1));
    assert!(matches!(Slot::lookup(&slot, policy(), now, 2), Lookup::Joined));
    assert!(matches!(Slot::lookup(&slot, policy(), now, 3), Lookup::Joined));
    let delivery = flight.finish(Ok(value("a")), now);
    assert_eq!((delivery.value, delivery.outcome), (value("a"), OutcomeKind::Ok));
    assert_eq!(delivery.waiters, [1, 2, 3]);
    let (served, outcome, stale, refresh) = answer(Slot::lookup(&slot, policy(), now, 4));
    assert_eq!((served, outcome, stale), (value("a"), OutcomeKind::Ok, false));
    assert!(refresh.is_none());
}

#[test]
fn what_was_under_way_when_the_slot_expired_is_nobodys_who_asks_later() {
    let (slot, now) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy(), now, 0)).finish(Ok(value("old")), now);
    let now = now + TTL;
    let before = lead(Slot::lookup(&slot, policy(), now, 1));
    assert!(matches!(Slot::lookup(&slot, policy(), now, 2), Lookup::Joined));
    slot.expire(now);
    let after = lead(Slot::lookup(&slot, policy(), now, 3));
    assert!(matches!(Slot::lookup(&slot, policy(), now, 4), Lookup::Joined));
    assert!(Slot::take_ahead(&slot, policy(), now, now + TTL).is_none(), "one is under way");
    let delivery = after.finish(Ok(value("b")), now);
    assert_eq!((delivery.value, delivery.waiters), (value("b"), vec![3, 4]));
    let delivery = before.finish(Ok(value("a")), now);
    assert_eq!((delivery.value, delivery.waiters), (value("a"), vec![1, 2]));
    assert_eq!(answer(Slot::lookup(&slot, policy(), now, 5)).0, value("b"), "it was not kept");
}

#[test]
fn the_value_of_an_outdated_run_has_expired_and_its_failure_is_forgotten() {
    for result in [Ok(value("a")), Err(OutcomeKind::Timeout)] {
        let (slot, now) = (slot(), Instant::now());
        let flight = lead(Slot::lookup(&slot, policy(), now, 1));
        slot.expire(now);
        assert_eq!(flight.finish(result.clone(), now).entered, result.is_ok());
        let flight = lead(Slot::lookup(&slot, policy(), now, 2)).outdated(true);
        assert_eq!(flight.finish(result.clone(), now).waiters, [2]);
        // It is there for those whose own run fails.
        let flight = lead(Slot::lookup(&slot, policy(), now, 3));
        assert_eq!(flight.finish(Err(OutcomeKind::Exit), now).stale, result.is_ok());
    }
}

#[test]
fn a_value_is_fresh_for_nine_tenths_to_all_of_its_ttl() {
    for seed in 0..200 {
        let (slot, now) = (Arc::new(Slot::new(seed)), Instant::now());
        lead(Slot::lookup(&slot, policy(), now, 1)).finish(Ok(value("a")), now);
        let now = now + TTL;
        lead(Slot::lookup(&slot, policy(), now, 2)).finish(Ok(value("b")), now);
        let early = now + TTL * 9 / 10 - Duration::from_millis(1);
        assert!(answer(Slot::lookup(&slot, policy(), early, 3)).3.is_none(), "seed {seed}");
        drop(lead(Slot::lookup(&slot, policy(), now + TTL, 4)));
    }
}

#[test]
fn first_values_of_the_same_moment_drift_apart_at_once() {
    let now = Instant::now();
    let mut due = [0; 10];
    for seed in 0..1000 {
        let slot = Arc::new(Slot::new(seed));
        lead(Slot::lookup(&slot, policy(), now, 1)).finish(Ok(value("a")), now);
        let is_fresh = |tenth: &u32| slot.fresh(now + TTL * *tenth / 10).is_some();
        due[(0..10).take_while(is_fresh).count() - 1] += 1;
    }
    assert_eq!(due[..5], [0; 5], "at least half of the TTL");
    assert!(due[5..].iter().all(|count| (100..=300).contains(count)), "{due:?}");
}

#[test]
fn a_failure_serves_the_last_good_value_until_it_is_too_old() {
    let (slot, start) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy(), start, 1)).finish(Ok(value("old")), start);
    let later = start + TTL * 2;
    let delivery =
        lead(Slot::lookup(&slot, policy(), later, 2)).finish(Err(OutcomeKind::Exit), later);
    assert_eq!((delivery.value, delivery.outcome), (value("old"), OutcomeKind::Exit));
    assert!(delivery.stale);
    let (served, outcome, stale, _) = answer(Slot::lookup(&slot, policy(), later, 3));
    assert_eq!((served, outcome, stale), (value("old"), OutcomeKind::Exit, true));
    let end = start + TTL * 3;
    let delivery =
        lead(Slot::lookup(&slot, policy(), end, 4)).finish(Err(OutcomeKind::Timeout), end);
    assert_eq!((delivery.value, delivery.outcome), (None, OutcomeKind::Timeout));
    assert!(!delivery.stale);
}

#[test]
fn a_failure_is_not_retried_within_its_own_life() {
    let (slot, now) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy(), now, 1)).finish(Err(OutcomeKind::Exit), now);
    let soon = now + TTL * 9 / 10 - Duration::from_millis(1);
    let (served, outcome, ..) = answer(Slot::lookup(&slot, policy(), soon, 2));
    assert_eq!((served, outcome), (None, OutcomeKind::Exit));
    drop(lead(Slot::lookup(&slot, policy(), now + TTL, 3)));
    // A long TTL does not make failures live long.
    let long = Policy { ttl: Duration::from_secs(600), ..policy() };
    let slot = Arc::new(Slot::new(3));
    lead(Slot::lookup(&slot, long, now, 1)).finish(Err(OutcomeKind::Exit), now);
    drop(lead(Slot::lookup(&slot, long, now + MAX_FAILURE_LIFE, 2)));
}

#[test]
fn while_revalidating_the_old_value_is_answered_and_one_caller_refreshes() {
    let policy = Policy { stale_while_revalidate: TTL * 2, ..policy() };
    let (slot, start) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy, start, 1)).finish(Ok(value("old")), start);
    let later = start + TTL * 2;
    let (served, _, stale, refresh) = answer(Slot::lookup(&slot, policy, later, 2));
    assert_eq!((served, stale), (value("old"), true));
    let flight = refresh.expect("the first one refreshes");
    assert!(answer(Slot::lookup(&slot, policy, later, 3)).3.is_none(), "only one refreshes");
    let delivery = flight.finish(Ok(value("new")), later);
    assert!(delivery.waiters.is_empty(), "nobody waited");
    assert_eq!(answer(Slot::lookup(&slot, policy, later, 4)).0, value("new"));
}

#[test]
fn a_slow_refresh_is_waited_for_a_second_while_there_is_an_old_value() {
    let policy = Policy { stale_ttl: TTL * 100, ..policy() };
    let (slot, start) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy, start, 1)).finish(Ok(value("old")), start);
    let begun = start + TTL * 2;
    let flight = lead(Slot::lookup(&slot, policy, begun, 2));
    let at = slot.time_to_release(policy, begun).expect("there is an old value");
    assert_eq!(at, begun + REFRESH_PATIENCE);
    assert!(matches!(Slot::lookup(&slot, policy, at - TTL / 2, 3), Lookup::Joined));
    assert_eq!(slot.time_to_release(policy, begun), None, "it is arranged already");
    let early = slot.release(policy, at - Duration::from_nanos(1));
    assert_eq!((early.waiters, early.next), (vec![], Some(at)));
    let released = slot.release(policy, at);
    assert_eq!((released.value, released.waiters), (value("old"), vec![2, 3]));
    assert_eq!(released.next, None);
    let (served, outcome, stale, refresh) = answer(Slot::lookup(&slot, policy, at, 4));
    assert_eq!((served, outcome, stale), (value("old"), OutcomeKind::Ok, true), "nobody waits");
    assert!(refresh.is_none(), "one is under way");
    let delivery = flight.finish(Ok(value("new")), at + TTL);
    assert!(delivery.waiters.is_empty() && !delivery.led);
    assert_eq!(answer(Slot::lookup(&slot, policy, at + TTL, 5)).0, value("new"), "it is kept");
}

#[test]
fn without_a_cache_each_slow_run_is_waited_for_a_second() {
    let policy = Policy { ttl: Duration::ZERO, stale_ttl: TTL * 100, ..policy() };
    let (slot, start) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy, start, 1)).finish(Ok(value("old")), start);
    let half = REFRESH_PATIENCE / 2;
    let first = lead(Slot::lookup(&slot, policy, start, 2));
    let at = slot.time_to_release(policy, start).expect("there is an old value");
    let second = lead(Slot::lookup(&slot, policy, start + half, 3));
    assert_eq!(slot.time_to_release(policy, start + half), None);
    let released = slot.release(policy, at);
    assert_eq!((released.waiters, released.next), (vec![2], Some(at + half)));
    assert_eq!(second.finish(Ok(value("new")), at).waiters, [3], "in time");
    let released = slot.release(policy, at + half);
    assert_eq!((released.waiters, released.next), (vec![], None));
    assert!(first.finish(Err(OutcomeKind::Timeout), at + TTL).waiters.is_empty());
}

#[test]
fn what_is_older_than_the_stale_time_is_never_served() {
    let policy = Policy { stale_while_revalidate: TTL * 100, ..policy() };
    let (slot, start) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy, start, 1)).finish(Ok(value("old")), start);
    let last = start + policy.stale_ttl - Duration::from_nanos(1);
    let (served, .., refresh) = answer(Slot::lookup(&slot, policy, last, 2));
    assert_eq!(served, value("old"));
    let flight = refresh.expect("the first one refreshes");
    let end = start + policy.stale_ttl;
    assert!(
        matches!(Slot::lookup(&slot, policy, end, 3), Lookup::Joined),
        "not while revalidating"
    );
    assert_eq!(slot.time_to_release(policy, end), None);
    let released = slot.release(policy, end + REFRESH_PATIENCE);
    assert_eq!((released.value, released.waiters), (None, vec![]), "nor when it is slow");
    let delivery = flight.finish(Err(OutcomeKind::Timeout), end + REFRESH_PATIENCE);
    assert_eq!((delivery.value, delivery.waiters), (None, vec![3]), "nor when it fails");
}

#[test]
fn callers_past_revalidation_join_the_refresh() {
    let policy = Policy { stale_while_revalidate: TTL, ..policy() };
    let (slot, start) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy, start, 1)).finish(Ok(value("old")), start);
    let refresh = answer(Slot::lookup(&slot, policy, start + TTL, 2)).3.expect("refreshes");
    assert!(matches!(Slot::lookup(&slot, policy, start + TTL * 5, 3), Lookup::Joined));
    assert_eq!(refresh.finish(Ok(value("new")), start + TTL * 5).waiters, [3]);
}

#[test]
fn an_abandoned_leader_delivers_to_all_and_the_next_caller_may_lead() {
    let (slot, now) = (slot(), Instant::now());
    static DELIVERED: Mutex<Vec<(u32, OutcomeKind)>> = Mutex::new(Vec::new());
    let flight = lead(Slot::lookup(&slot, policy(), now, 1)).on_abandoned(|delivery| {
        let outcome = delivery.outcome;
        DELIVERED.lock().extend(delivery.waiters.into_iter().map(|waiter| (waiter, outcome)));
    });
    assert!(matches!(Slot::lookup(&slot, policy(), now, 2), Lookup::Joined));
    drop(flight);
    let lost = OutcomeKind::StatusLost;
    assert_eq!(*DELIVERED.lock(), [(1, lost), (2, lost)]);
    drop(lead(Slot::lookup(&slot, policy(), Instant::now() + TTL, 3)));
}

#[test]
fn values_refreshed_together_expire_together_and_only_what_is_due_is_refreshed() {
    let (slot, now) = (slot(), Instant::now());
    let together = policy().together();
    let half = TTL / 2;
    let flight = Slot::refresh_if_due(&slot, together, now + half).expect("there is no value yet");
    assert!(Slot::refresh_if_due(&slot, together, now + half).is_none(), "one at a time");
    assert!(matches!(Slot::lookup(&slot, together, now, 1), Lookup::Joined));
    assert_eq!(flight.finish(Ok(value("a")), now).waiters, [1]);
    let last = now + TTL - Duration::from_nanos(1);
    assert_eq!(answer(Slot::lookup(&slot, together, last, 2)).0, value("a"), "no jitter");
    assert!(
        Slot::refresh_if_due(&slot, together, now + half).is_none(),
        "good beyond that instant"
    );
    assert!(Slot::refresh_if_due(&slot, together, last + half).is_some());
    slot.close();
    assert!(Slot::refresh_if_due(&slot, together, now + TTL * 9).is_none());
}

#[test]
fn a_value_enters_once_however_often_it_is_replaced_or_grows_too_old() {
    let (slot, start) = (slot(), Instant::now());
    let off = Policy { ttl: Duration::ZERO, ..policy() };
    let both = [1, 2].map(|waiter| lead(Slot::lookup(&slot, off, start, waiter)));
    let entered = both.map(|flight| flight.finish(Ok(value("a")), start).entered);
    assert_eq!(entered, [true, false], "of flights side by side only one");
    let late = start + TTL * 9;
    let failed = lead(Slot::lookup(&slot, policy(), late, 3)).finish(Err(OutcomeKind::Exit), late);
    assert_eq!((failed.value, failed.entered), (None, false), "too old to serve");
    let later = late + TTL;
    assert!(!lead(Slot::lookup(&slot, policy(), later, 4)).finish(Ok(value("b")), later).entered);
    assert!(slot.close().had_value);
    assert!(!slot.close().had_value);
}

#[test]
fn a_closed_slot_drops_late_results_and_answers_empty() {
    let (slot, now) = (slot(), Instant::now());
    let flight = lead(Slot::lookup(&slot, policy(), now, 1));
    let closed = slot.close();
    assert_eq!((closed.waiters, closed.had_value), (vec![1], false));
    let delivery = flight.finish(Ok(value("late")), now);
    assert!(delivery.waiters.is_empty() && delivery.value.is_none());
    let (served, outcome, ..) = answer(Slot::lookup(&slot, policy(), now, 2));
    assert_eq!((served, outcome), (None, OutcomeKind::Cancelled));
    assert!(!slot.has_value());
}

#[test]
fn without_a_ttl_every_caller_leads_its_own_flight() {
    let policy = Policy { ttl: Duration::ZERO, stale_ttl: Duration::ZERO, ..policy() };
    let (slot, now) = (slot(), Instant::now());
    let first = lead(Slot::lookup(&slot, policy, now, 1));
    let second = lead(Slot::lookup(&slot, policy, now, 2));
    assert_eq!(second.finish(Ok(value("b")), now).waiters, [2]);
    let delivery = first.finish(Err(OutcomeKind::Exit), now);
    assert_eq!((delivery.waiters, delivery.value), (vec![1], None));
}

#[test]
fn a_thousand_simultaneous_misses_make_one_flight() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let slot = Arc::new(Slot::<usize>::new(1));
    let (leaders, delivered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (slot, leaders, delivered, barrier) = (&slot, &leaders, &delivered, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for call in 0..125 {
                    match Slot::lookup(&slot, policy(), Instant::now(), thread * 125 + call) {
                        Lookup::Lead(flight) => {
                            leaders.fetch_add(1, Ordering::Relaxed);
                            std::thread::yield_now();
                            let delivery = flight.finish(Ok(value("a")), Instant::now());
                            delivered.fetch_add(delivery.waiters.len(), Ordering::Relaxed);
                        }
                        Lookup::Answer { .. } => {
                            delivered.fetch_add(1, Ordering::Relaxed);
                        }
                        Lookup::Joined => {}
                    }
                }
            });
        }
    });
    assert_eq!(leaders.into_inner(), 1);
    assert_eq!(delivered.into_inner(), 1000);
}

#[test]
fn a_value_is_refreshed_ahead_once_until_somebody_asks() {
    let (slot, start) = (slot(), Instant::now());
    let ahead = |now: Instant| Slot::take_ahead(&slot, policy().together(), now, now + TTL / 2);
    // One that is new is refreshed before anybody asks.
    assert_eq!(slot.due_ahead(start, start), Some(start));
    let first = ahead(start).expect("it is new");
    assert!(first.is_ahead() && slot.due_ahead(start, start + TTL).is_none(), "under way");
    assert!(!first.finish(Ok(value("a")), start).used);
    let later = start + TTL * 2;
    assert_eq!(slot.due_ahead(later, later), None, "nobody has asked");
    assert!(ahead(later).is_none());
    assert!(slot.take_wasted(later) && !slot.take_wasted(later), "told once");
    assert_eq!(slot.asked(later), None, "told already");
    lead(Slot::lookup(&slot, policy().together(), later, 1)).finish(Ok(value("b")), later);
    assert_eq!(slot.due_ahead(later, later + TTL / 2), None, "fresh for long enough");
    assert_eq!(slot.due_ahead(later, later + TTL), Some(later + TTL));
    let refresh = ahead(later + TTL * 3 / 4).expect("somebody has asked");
    refresh.finish(Ok(value("c")), later + TTL);
    let fresh = slot.fresh(later + TTL).expect("fresh");
    assert!(fresh.ahead && fresh.first, "of use");
    assert!(!slot.fresh(later + TTL).expect("fresh").first);
    assert!(!slot.close().wasted);
}

#[test]
fn what_became_of_a_refresh_ahead_is_told_once() {
    let (slot, start) = (slot(), Instant::now());
    let ahead = |now: Instant| {
        let flight = Slot::take_ahead(&slot, policy().together(), now, now + TTL * 2);
        flight.expect("somebody has asked")
    };
    ahead(start).finish(Ok(value("a")), start);
    assert_eq!(slot.asked(start + TTL * 2), Some(AheadResult::Wasted), "too late");
    assert_eq!(slot.asked(start + TTL * 2), None);
    // Somebody comes while it is under way.
    let flight = ahead(start + TTL * 2);
    assert_eq!(slot.asked(start + TTL * 2), None);
    assert!(matches!(Slot::lookup(&slot, policy(), start + TTL * 2, 1), Lookup::Joined));
    let delivery = flight.finish(Ok(value("b")), start + TTL * 2);
    assert!(delivery.used && !delivery.led);
    assert_eq!(delivery.waiters, [1]);
    ahead(start + TTL * 3).finish(Ok(value("c")), start + TTL * 3);
    assert!(slot.close().wasted);
}

#[test]
fn a_failed_run_is_not_repeated_ahead_at_once() {
    let (slot, now) = (slot(), Instant::now());
    lead(Slot::lookup(&slot, policy(), now, 1)).finish(Err(OutcomeKind::Exit), now);
    assert!(Slot::take_ahead(&slot, policy(), now, now + TTL).is_none());
    assert!(Slot::take_ahead(&slot, policy(), now + TTL, now + TTL * 2).is_some());
}
