//! How the time of a hit grows with the number of containers.
//!
//! With 10,000 containers nearly every hit finds its context outside the processor's nearer
//! caches, so the figure depends on two things that a criterion benchmark does not hold still: on
//! who else uses the shared cache meanwhile, and on the order of the calls. All sizes are therefore
//! measured in turn, in short slices, and the result is the median of the rounds' ratios to the
//! smallest; and in two orders: every seventh container as they were introduced, which the
//! processor can foresee, and a random one, which it cannot (the agent asks in the order of its
//! own hash maps, always the same one).
//!
//! Usage: `cargo bench --bench scale [-- rounds]`. Times are processor time of the calling thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use nix::time::{ClockId, clock_gettime};

const CONFIG: &[u8] = br#"{"command_info":{"value":"x"},"directory":"/var/lib/mesos/sandbox"}"#;
const SIZES: [u32; 4] = [10, 100, 1_000, 10_000];
/// Hits in a slice that are timed, a multiple of all sizes.
const HITS: usize = 20_000;

static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// Containers, and an order in which their usage is asked for.
struct Side<'a> {
    name: &'static str,
    isolator: &'a Isolator,
    order: Vec<u32>,
    /// Nanoseconds of a hit, per round.
    rounds: Vec<f64>,
}

fn main() {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(41).max(9);
    let isolators = SIZES.map(isolator);
    let mut sides = Vec::new();
    for (isolator, size) in isolators.iter().zip(SIZES) {
        let seventh = (0..size).map(|n| n * 7 % size).collect();
        sides.push(Side { name: "as introduced", isolator, order: seventh, rounds: Vec::new() });
        sides.push(Side { name: "random", isolator, order: shuffled(size), rounds: Vec::new() });
    }
    let (mut id, count) = (serialised(0), sides.len());
    let mut calls = 0;
    for round in 0..rounds {
        for index in 0..count {
            let side = &mut sides[(index + round) % count];
            // What the side before it displaced comes back first.
            let passes = HITS.max(side.order.len()) / side.order.len();
            hits(side, &mut id, passes);
            let start = processor_time();
            hits(side, &mut id, passes);
            let took = processor_time() - start;
            let hits = passes * side.order.len();
            calls += 2 * hits as u64;
            side.rounds.push(took.as_nanos() as f64 / hits as f64);
        }
    }
    assert_eq!(ANSWERED.load(Ordering::Relaxed), calls, "a call was not answered at once");
    report(&sides, rounds);
}

/// Calls for all containers of the side, `passes` times.
fn hits(side: &Side<'_>, id: &mut [u8], passes: usize) {
    for _ in 0..passes {
        for &number in &side.order {
            write_number(id, number);
            let values = [InputValue::Absent, InputValue::Message(id)];
            side.isolator.call(
                Event::Usage,
                &values,
                Box::new(|answer| {
                    if matches!(answer, Answer::Message(_)) {
                        ANSWERED.fetch_add(1, Ordering::Relaxed);
                    }
                }),
            );
        }
    }
}

fn report(sides: &[Side<'_>], rounds: usize) {
    println!("{rounds} rounds; medians of the rounds, ratios to {} containers", SIZES[0]);
    println!("{:<15} {:>11} {:>7} {:>7}", "order", "containers", "ns", "x");
    for side in sides {
        let smallest = sides.iter().find(|other| other.name == side.name).expect("itself at least");
        let ratios = side.rounds.iter().zip(&smallest.rounds).map(|(own, other)| own / other);
        let (time, ratio) = (median(side.rounds.iter().copied()), median(ratios));
        println!("{:<15} {:>11} {time:>7.0} {ratio:>7.3}", side.name, side.order.len());
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// An isolator that has a value of this many containers.
fn isolator(containers: u32) -> Isolator {
    let parameters = [
        ("module_name", "bench"),
        ("state_dir", "/nonexistent"),
        ("isolator_usage_cache_ttl", "1hrs"),
        ("isolator_usage_command", "/bin/true"),
    ];
    let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let isolator = Isolator::create(&parameters).expect("the parameters are right");
    for number in 0..containers {
        let id = serialised(number);
        isolator.introduce(&id, CONFIG).expect("the container is well-formed");
        // As long as eight fields of ResourceStatistics.
        assert!(isolator.seed_usage(&id, &[7; 80]));
    }
    isolator
}

/// The serialised ID with a value as long as Mesos's own.
fn serialised(number: u32) -> Vec<u8> {
    let mut id = b"\x0a\x24________-0000-4000-8000-000000000000".to_vec();
    write_number(&mut id, number);
    id
}

/// Makes it the ID of another container: IDs of the agent's calls are in the nearest cache, which
/// 10,000 kept ones would not be.
fn write_number(id: &mut [u8], number: u32) {
    for digit in 0..8 {
        id[2 + digit] = b"0123456789abcdef"[(number >> (28 - 4 * digit)) as usize % 16];
    }
}

/// The numbers below `count` in an order that is random, but always the same one.
fn shuffled(count: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    // Marsaglia's xorshift64, and the shuffle of Fisher and Yates.
    let mut seed = 88_172_645_463_325_252_u64;
    for last in (1..order.len()).rev() {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        order.swap(last, (seed % (last as u64 + 1)) as usize);
    }
    order
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock exists").into()
}
