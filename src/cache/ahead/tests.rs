//! The pace and the rounds, on made-up instants. `tests/ahead` plays whole patterns.

use std::time::{Duration, Instant};

use super::pace::Pace;
use super::window::Window;
use super::{Ahead, Containers, LONGEST_RUN};

const LIFE: Duration = Duration::from_secs(1);
const GAP: Duration = Duration::from_millis(250);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A pace that has heard bursts at these seconds, and its origin.
fn pace(bursts: &[f64]) -> (Pace, Instant) {
    let (mut pace, start) = (Pace::new(Window::new(LIFE, LIFE / 4), GAP), Instant::now());
    bursts.iter().for_each(|burst| pace.burst(start + seconds(*burst)));
    (pace, start)
}

/// When the next request is foreseen, looked at `now`, in seconds.
fn next((pace, start): &mut (Pace, Instant), now: f64) -> Option<f64> {
    pace.next(*start + seconds(now)).map(|foreseen| (foreseen.at - *start).as_secs_f64())
}

fn is_near(found: Option<f64>, wanted: f64) -> bool {
    found.is_some_and(|found| (found - wanted).abs() < 0.02)
}

#[test]
fn one_request_foretells_nothing_and_two_do() {
    assert_eq!(next(&mut pace(&[]), 1.0), None);
    assert_eq!(next(&mut pace(&[0.0]), 1.0), None);
    assert!(is_near(next(&mut pace(&[0.0, 10.0]), 10.3), 20.0));
    assert_eq!(next(&mut pace(&[0.0, 4000.0]), 4001.0), None, "slower than an hour");
    assert_eq!(next(&mut pace(&[0.0, 0.1]), 0.4), None, "quicker than bursts are told apart");
}

#[test]
fn the_request_after_one_that_is_late_is_foreseen() {
    let mut known = pace(&[0.0, 10.0, 20.0, 30.0]);
    assert!(is_near(next(&mut known, 39.9), 40.0));
    assert!(is_near(next(&mut known, 40.1), 50.0), "it may still come, and the next is planned");
    assert!(is_near(next(&mut known, 51.0), 60.0), "one was left out");
    assert_eq!(next(&mut known, 100.0), None, "it comes no more");
}

#[test]
fn two_readers_are_found_in_one_stream() {
    let mut bursts: Vec<f64> = (0..16).map(|number| f64::from(number) * 2.0).collect();
    bursts.extend([3.3, 13.3, 23.3]);
    bursts.sort_by(f64::total_cmp);
    let mut known = pace(&bursts);
    assert!(is_near(next(&mut known, 30.1), 32.0));
    assert!(is_near(next(&mut known, 32.5), 33.3));
}

#[test]
fn a_wrong_guess_makes_it_wary_and_a_proven_pace_believing_again() {
    // 1.3 s was a guess that nothing came of.
    let mut known = pace(&[0.0, 1.3, 7.0, 9.1]);
    assert_eq!(next(&mut known, 9.3), None);
    let mut bursts = vec![0.0, 1.3, 7.0];
    bursts.extend((0..6).map(|number| 20.0 + 10.0 * f64::from(number)));
    assert_eq!(next(&mut pace(&bursts[..5]), 30.3), None, "not yet believed");
    assert!(is_near(next(&mut pace(&bursts), 70.3), 80.0), "believed since it has come true");
}

#[test]
fn the_lead_grows_with_jitter_and_leaves_room_for_late_ones() {
    let window = Window::new(LIFE, LIFE / 4);
    assert!((window.lead(0.0) - 0.05).abs() < 1e-9);
    assert!((window.lead(0.05) - 0.15).abs() < 1e-9);
    assert!((window.lead(10.0) - 0.375).abs() < 1e-9);
    assert!((window.reach(0.375) - 0.375).abs() < 1e-9);
    let short = Window::new(LIFE / 10, LIFE / 40);
    assert!(short.lead(0.0) < 0.006);
}

/// Containers by number, all with the same end of their value.
#[derive(Default)]
struct Hands {
    ends: Option<Instant>,
    count: usize,
    listened: u32,
    refreshed: Vec<usize>,
}

impl Containers for Hands {
    type Container = usize;

    fn listen(&mut self) {
        self.listened += 1;
    }

    fn due(&mut self, now: Instant, until: Instant) -> Vec<(Instant, usize)> {
        let ends = self.ends.unwrap_or(now);
        let due = (0..self.count).map(|number| (ends, number));
        if ends <= until { due.collect() } else { Vec::new() }
    }

    fn refresh(&mut self, container: usize, _: Instant) {
        self.refreshed.push(container);
    }
}

/// Lets time pass until `end`; when something was refreshed, in seconds.
fn play(ahead: &mut Ahead<usize>, hands: &mut Hands, start: Instant, end: f64) -> Vec<f64> {
    let mut times = Vec::new();
    while let Some(at) = ahead.next().filter(|at| *at <= start + seconds(end)) {
        let before = hands.refreshed.len();
        ahead.step(at, hands);
        let new = hands.refreshed.len() - before;
        times.extend(std::iter::repeat_n((at - start).as_secs_f64(), new));
    }
    times
}

/// Bursts at 0 and 10 s.
fn asked_twice(together: bool, count: usize) -> (Ahead<usize>, Hands, Instant) {
    let (mut ahead, start) = (Ahead::new(LIFE, together), Instant::now());
    let mut hands = Hands { count, ..Hands::default() };
    ahead.burst(start);
    assert_eq!(play(&mut ahead, &mut hands, start, 9.9), [0.0; 0], "nothing is foreseen yet");
    ahead.burst(start + seconds(10.0));
    (ahead, hands, start)
}

#[test]
fn a_round_is_spread_and_done_before_the_request() {
    let (mut ahead, mut hands, start) = asked_twice(false, 5);
    let times = play(&mut ahead, &mut hands, start, 19.99);
    assert_eq!(hands.refreshed, [0, 1, 2, 3, 4], "each once");
    assert_eq!(hands.listened, 2, "once after each burst");
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 0.05).abs() < 1e-6), "{times:?}");
    assert!(times[0] > 19.0 && times[4] < 19.95, "{times:?}");
    let (mut ahead, mut hands, start) = asked_twice(true, 5);
    let times = play(&mut ahead, &mut hands, start, 19.99);
    assert!(times.windows(2).all(|pair| pair[0] == pair[1]), "in one run: {times:?}");
}

#[test]
fn slow_runs_begin_earlier_and_quick_ones_make_that_forgotten() {
    let first = |took: &[f64]| {
        let (mut ahead, mut hands, start) = asked_twice(false, 1);
        took.iter().for_each(|took| ahead.took(seconds(*took)));
        play(&mut ahead, &mut hands, start, 19.99)[0]
    };
    assert!((first(&[0.0]) - first(&[2.0]) - 2.0).abs() < 1e-6);
    let forgotten = [vec![2.0], vec![0.0; 50]].concat();
    assert!((first(&[0.0]) - first(&forgotten)).abs() < 0.01);
    let mut ahead: Ahead<usize> = Ahead::new(LIFE, false);
    ahead.took(Duration::MAX);
    assert_eq!(ahead.run_time, LONGEST_RUN);
}

#[test]
fn values_that_are_fresh_for_longer_are_left_alone() {
    let (mut ahead, mut hands, start) = asked_twice(false, 5);
    hands.ends = Some(start + seconds(21.0));
    assert_eq!(play(&mut ahead, &mut hands, start, 19.99), [0.0; 0]);
}
