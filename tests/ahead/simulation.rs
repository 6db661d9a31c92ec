//! Containers, their slots, runs that take a known time, and a clock that is a number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesos_command::cache::{Ahead, Containers, Flight, Fresh, Lookup, Policy, Slot};
use mesos_command::config::CacheConfig;
use mesos_command::outcome::AheadResult;

use crate::patterns::Pattern;

/// Containers of a simulation.
pub(crate) const CONTAINERS: u32 = 20;
const TTL: Duration = Duration::from_secs(1);
/// What a run takes.
const RUN: Duration = Duration::from_millis(10);

type Holder = Arc<Slot<u32>>;

/// What was seen. Times are in seconds, numbers those of calls (one for each container and
/// request) unless they say otherwise.
#[derive(Default)]
pub(crate) struct Course {
    pub(crate) asked: u64,
    /// Answered at once with a fresh value, and of those, with one that was refreshed ahead.
    pub(crate) fresh: u64,
    pub(crate) ahead: u64,
    /// All runs, those that were ahead, and when each began.
    pub(crate) runs: u64,
    pub(crate) ahead_runs: u64,
    pub(crate) run_times: Vec<f64>,
    /// Of the values that were refreshed ahead.
    pub(crate) used: u64,
    pub(crate) wasted: u64,
    pub(crate) unjudged: u64,
    /// The oldest value that was served.
    pub(crate) oldest: f64,
    ages: f64,
    /// For each request: when, and which share of its calls was answered at once.
    pub(crate) requests: Vec<(f64, f64)>,
}

impl Course {
    /// The numbers of the requests of which a call waited for a run.
    pub(crate) fn waiting_requests(&self) -> Vec<usize> {
        let waits = |(index, request): (usize, &(f64, f64))| (request.1 < 1.0).then_some(index);
        self.requests.iter().enumerate().filter_map(waits).collect()
    }

    /// The share of calls that were answered at once.
    pub(crate) fn fresh_share(&self) -> f64 {
        self.fresh as f64 / self.asked as f64
    }

    /// Runs of a container for each request.
    pub(crate) fn runs_per_request(&self) -> f64 {
        self.runs as f64 / self.asked as f64
    }

    /// The mean age of the values that were served, in seconds.
    pub(crate) fn mean_age(&self) -> f64 {
        self.ages / self.asked as f64
    }
}

/// A run that ends at some time.
struct Run {
    ends: Instant,
    number: u64,
    flight: Flight<u32, Holder>,
}

struct World {
    start: Instant,
    now: Instant,
    policy: Policy,
    slots: Vec<Holder>,
    listening: bool,
    running: BinaryHeap<Reverse<Run>>,
    seen: Course,
}

/// Plays the pattern to its end.
pub(crate) fn simulate(pattern: &Pattern, is_on: bool) -> Course {
    let config =
        CacheConfig { ttl: TTL, stale_ttl: TTL * 120, stale_while_revalidate: Duration::ZERO };
    let start = Instant::now();
    let mut world = World {
        start,
        now: start,
        policy: Policy::from(config),
        slots: (0..CONTAINERS).map(|seed| Arc::new(Slot::new(seed * 7919 + 1))).collect(),
        listening: is_on,
        running: BinaryHeap::new(),
        seen: Course::default(),
    };
    let mut ahead = Ahead::new(TTL, false);
    let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
    let mut requests = pattern.requests.iter().map(|seconds| at(*seconds)).peekable();
    let end = at(pattern.end);
    loop {
        let run = world.running.peek().map(|run| run.0.ends);
        // In this order where they coincide.
        let next = [run, ahead.next(), requests.peek().copied()];
        let Some(first) = next.into_iter().flatten().min().filter(|first| *first <= end) else {
            break;
        };
        world.now = first.max(world.now);
        if run == Some(first) {
            world.end_run(&mut ahead);
        } else if ahead.next() == Some(first) {
            ahead.step(world.now, &mut world);
        } else {
            requests.next();
            world.ask(&mut ahead);
        }
    }
    world.finish()
}

impl World {
    /// One request: a call for each container.
    fn ask(&mut self, ahead: &mut Ahead<usize>) {
        if std::mem::take(&mut self.listening) {
            ahead.burst(self.now);
        }
        let before = self.seen.fresh;
        for index in 0..self.slots.len() {
            self.seen.asked += 1;
            let slot = self.slots[index].clone();
            if let Some(Fresh { ahead, first, .. }) = slot.fresh(self.now) {
                let age = slot.age(self.now).unwrap_or_default().as_secs_f64();
                self.seen.fresh += 1;
                self.seen.ages += age;
                self.seen.oldest = self.seen.oldest.max(age);
                self.seen.ahead += u64::from(ahead);
                self.seen.used += u64::from(ahead && first);
                continue;
            }
            match slot.asked(self.now) {
                Some(AheadResult::Used) => self.seen.used += 1,
                Some(AheadResult::Wasted) => self.seen.wasted += 1,
                None => {}
            }
            if let Lookup::Lead(flight) = Slot::lookup(&slot, self.policy, self.now, 0) {
                self.begin_run(flight);
            }
        }
        let share = (self.seen.fresh - before) as f64 / f64::from(CONTAINERS);
        self.seen.requests.push(((self.now - self.start).as_secs_f64(), share));
    }

    fn begin_run(&mut self, flight: Flight<u32, Holder>) {
        self.seen.runs += 1;
        self.seen.ahead_runs += u64::from(flight.is_ahead());
        self.seen.run_times.push((self.now - self.start).as_secs_f64());
        let number = self.seen.runs;
        self.running.push(Reverse(Run { ends: self.now + RUN, number, flight }));
    }

    fn end_run(&mut self, ahead: &mut Ahead<usize>) {
        let Some(Reverse(run)) = self.running.pop() else { return };
        let delivery = run.flight.finish(Ok(Some(Arc::from(*b"value"))), self.now);
        self.seen.used += u64::from(delivery.used);
        ahead.took(RUN);
    }

    fn finish(mut self) -> Course {
        for slot in std::mem::take(&mut self.slots) {
            self.seen.unjudged += u64::from(slot.close().wasted);
        }
        let in_flight = self.running.iter().filter(|run| run.0.flight.is_ahead()).count();
        self.seen.unjudged += in_flight as u64;
        self.seen
    }
}

impl Containers for World {
    type Container = usize;

    fn listen(&mut self) {
        self.listening = true;
    }

    fn due(&mut self, now: Instant, until: Instant) -> Vec<(Instant, usize)> {
        let mut due = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            self.seen.wasted += u64::from(slot.take_wasted(now));
            due.extend(slot.due_ahead(now, until).map(|ends| (ends, index)));
        }
        due
    }

    fn refresh(&mut self, index: usize, until: Instant) {
        let (slot, policy) = (self.slots[index].clone(), self.policy.together());
        if let Some(flight) = Slot::take_ahead(&slot, policy, self.now, until) {
            self.begin_run(flight);
        }
    }
}

impl Ord for Run {
    fn cmp(&self, other: &Run) -> std::cmp::Ordering {
        (self.ends, self.number).cmp(&(other.ends, other.number))
    }
}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Run) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Run) -> bool {
        self.number == other.number
    }
}

impl Eq for Run {}
