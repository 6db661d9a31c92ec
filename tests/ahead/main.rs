//! Refreshes ahead, simulated: recorded and made-up patterns of requests against the real slots and
//! the real state machine, on made-up instants. Nothing is started and nothing is slept for, so the
//! figures are the same everywhere; `docs/refresh-ahead.md` has them, and `make ahead` writes them
//! there.

#![expect(clippy::unwrap_used, reason = "tests")]

mod page;
mod patterns;
mod plot;
mod simulation;

use patterns::{Pattern, by_name};
use simulation::{Course, simulate};

/// With refreshes ahead, and without.
fn both(name: &str) -> (Pattern, Course, Course) {
    let pattern = by_name(name);
    let (with, without) = (simulate(&pattern, true), simulate(&pattern, false));
    (pattern, with, without)
}

/// What holds whatever the pattern: a run for each foreseen request, those that are judged wrong
/// among them, and no more than without for those that were not foreseen.
fn holds_the_bounds(with: &Course, without: &Course) {
    assert_eq!(with.asked, without.asked);
    assert!(with.wasted <= with.ahead_runs);
    assert_eq!(with.ahead_runs, with.used + with.wasted + with.unjudged, "each is judged once");
    assert!(with.oldest < 1.0, "no value is older than its TTL: {}", with.oldest);
    let most = with.asked + with.wasted + with.unjudged;
    assert!(with.runs <= most, "{} runs, {most} at most", with.runs);
}

#[test]
fn a_steady_reader_waits_twice_and_never_again() {
    for name in ["every 2 s", "every 10 s", "every 60 s", "every 5 min"] {
        let (pattern, with, without) = both(name);
        holds_the_bounds(&with, &without);
        assert_eq!(with.waiting_requests(), [0, 1], "{name}: from the third request on");
        assert!(with.runs_per_request() <= 1.0 + 1.0 / pattern.requests.len() as f64, "{name}");
        assert!(with.mean_age() < 0.5, "{name}: {}", with.mean_age());
        assert_eq!(without.waiting_requests().len(), pattern.requests.len(), "{name}");
    }
}

#[test]
fn jitter_and_drift_are_followed() {
    for (name, least) in
        [("every 2 s, jitter 10 %", 0.9), ("every 10 s, jitter 1 %", 0.95), ("drifting", 0.97)]
    {
        let (_, with, without) = both(name);
        holds_the_bounds(&with, &without);
        assert!(with.fresh_share() > least, "{name}: {}", with.fresh_share());
        assert!(with.runs_per_request() < 1.15, "{name}: {}", with.runs_per_request());
    }
    // More jitter than values live: most of the requests cannot be met.
    let (_, with, without) = both("every 10 s, jitter 10 %");
    holds_the_bounds(&with, &without);
    assert!(with.runs_per_request() < 1.25, "{}", with.runs_per_request());
}

#[test]
fn a_missed_beat_costs_one_run_and_the_request_after_it() {
    let (pattern, with, without) = both("every 10 s, each 7th missing");
    holds_the_bounds(&with, &without);
    let missed = pattern.requests.windows(2).filter(|pair| pair[1] - pair[0] > 15.0).count();
    assert!(with.waiting_requests().len() <= 2 + missed, "{:?}", with.waiting_requests());
    assert!(with.wasted <= missed as u64 * u64::from(simulation::CONTAINERS));
}

#[test]
fn two_readers_are_told_apart() {
    let (_, with, without) = both("every 2 s and every 10 s");
    holds_the_bounds(&with, &without);
    assert!(with.fresh_share() > 0.97, "{}", with.fresh_share());
    assert!(with.runs_per_request() <= 1.05, "{}", with.runs_per_request());
    let (_, with, without) = both("every 15 s and every 60 s");
    holds_the_bounds(&with, &without);
    assert!(with.fresh_share() > 0.9, "{}", with.fresh_share());
}

#[test]
fn a_reader_that_stops_costs_one_run_per_container() {
    for name in ["every 2 s, then none", "every 60 s, then none"] {
        let (pattern, with, without) = both(name);
        holds_the_bounds(&with, &without);
        let last = *pattern.requests.last().unwrap();
        let after = with.run_times.iter().filter(|time| **time > last + 0.1).count();
        assert!(after <= simulation::CONTAINERS as usize, "{name}: {after} runs");
        assert_eq!(with.unjudged, 0, "{name}: what was wasted is counted");
    }
}

#[test]
fn requests_without_a_pace_are_as_without_refreshes_ahead() {
    for name in ["at random, every 10 s", "at random, every 30 s"] {
        let (pattern, with, without) = both(name);
        holds_the_bounds(&with, &without);
        let each = pattern.requests.len() as f64 * f64::from(simulation::CONTAINERS);
        assert!(with.wasted as f64 / each < 0.05, "{name}: {} wasted", with.wasted);
        assert!(with.runs as f64 <= without.runs as f64 * 1.05, "{name}");
    }
}

#[test]
fn requests_without_a_pause_wait_for_nothing() {
    for name in ["every 0.5 s", "every 20 ms"] {
        let (pattern, with, without) = both(name);
        holds_the_bounds(&with, &without);
        assert!(with.waiting_requests().len() <= 4, "{name}: {:?}", with.waiting_requests());
        // A value lives for a second: as many runs as that, and an eighth more at the most.
        let lives = pattern.requests.last().unwrap() * f64::from(simulation::CONTAINERS);
        assert!(with.runs as f64 <= lives * 1.3 + 100.0, "{name}: {} runs", with.runs);
    }
}

#[test]
fn a_reader_that_changes_its_pace_is_found_again() {
    let (_, with, without) = both("every 10 s, then every 3 s");
    holds_the_bounds(&with, &without);
    assert!(with.waiting_requests().len() <= 8, "{:?}", with.waiting_requests());
}

#[test]
fn recorded_readers_are_foreseen() {
    for pattern in patterns::recorded() {
        let (with, without) = (simulate(&pattern, true), simulate(&pattern, false));
        holds_the_bounds(&with, &without);
        let waiting = with.waiting_requests();
        assert!(waiting.len() <= 3, "{}: {waiting:?}", pattern.name);
        assert!(with.runs_per_request() < 1.1, "{}: {}", pattern.name, with.runs_per_request());
    }
}

#[test]
fn it_is_deterministic() {
    let pattern = by_name("every 2 s, jitter 10 %");
    assert_eq!(simulate(&pattern, true).run_times, simulate(&pattern, true).run_times);
}
