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

#[path = "common/figure.rs"]
mod figure;
#[path = "common/hits.rs"]
mod hits;
#[path = "common/ids.rs"]
mod ids;
#[path = "common/median.rs"]
mod median;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use mesos_command::isolator::Isolator;

use figure::{Figure, figure};
use hits::{create, hit, processor_time, seed};
use ids::id;
use median::median;

const SIZES: [u32; 4] = [10, 100, 1_000, 10_000];
/// Hits in a slice that are timed, a multiple of all sizes.
const HITS: usize = 20_000;

static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// Containers, and an order in which their usage is asked for.
struct Side<'a> {
    name: &'static str,
    /// The ratio of the most containers to the fewest, in this order.
    figure: Figure,
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
        let seventh: Vec<u32> = (0..size).map(|n| n * 7 % size).collect();
        for (name, figure, order) in [
            (
                "as introduced",
                figure!("cache: hit, as introduced, 10,000 to 10 containers", "x"),
                seventh,
            ),
            ("random", figure!("cache: hit, random, 10,000 to 10 containers", "x"), shuffled(size)),
        ] {
            sides.push(Side { name, figure, isolator, order, rounds: Vec::new() });
        }
    }
    let (mut id, count) = (id(0), sides.len());
    let mut calls = 0;
    for round in 0..rounds {
        for index in 0..count {
            let side = &mut sides[(index + round) % count];
            // What the side before it displaced comes back first.
            let passes = HITS / side.order.len();
            ask(side, &mut id, passes);
            let start = processor_time();
            ask(side, &mut id, passes);
            let took = processor_time() - start;
            calls += 2 * HITS as u64;
            side.rounds.push(took.as_nanos() as f64 / HITS as f64);
        }
    }
    assert_eq!(ANSWERED.load(Ordering::Relaxed), calls, "a call was not answered at once");
    report(&sides, rounds);
}

/// Calls for all containers of the side, `passes` times.
fn ask(side: &Side<'_>, id: &mut [u8], passes: usize) {
    for _ in 0..passes {
        for &number in &side.order {
            write_number(id, number);
            hit(side.isolator, id, &ANSWERED);
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
        if side.order.len() == 10_000 {
            side.figure.print(ratio);
        }
    }
}

/// An isolator that has a value of this many containers.
fn isolator(containers: u32) -> Isolator {
    let command = ("isolator_usage_command", "/bin/true");
    let contexts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-contexts"));
    let isolator = create(contexts, "1hrs", command);
    for number in 0..containers as usize {
        seed(&isolator, &id(number));
    }
    isolator
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
