//! Sides that make calls by turns.

use std::time::{Duration, Instant};

use crate::figure::Figure;
use crate::median::median;
use crate::pools::Calls;

/// One of the ways to make calls.
pub(crate) struct Side {
    name: &'static str,
    /// Of the first side: microseconds of a call. Of others: their rate, to that of the first.
    figure: Figure,
    calls: Calls,
    /// Seconds per call, per round.
    rounds: Vec<f64>,
}

pub(crate) fn measure(sides: &mut [Side], rounds: usize, slice: usize, turns: usize) {
    for side in &mut *sides {
        (side.calls)(slice);
    }
    for round in 0..rounds {
        let mut took = vec![Duration::ZERO; sides.len()];
        for turn in 0..turns {
            for index in 0..sides.len() {
                let which = (index + turn + round) % sides.len();
                let start = Instant::now();
                (sides[which].calls)(slice);
                took[which] += start.elapsed();
            }
        }
        for (side, took) in sides.iter_mut().zip(took) {
            side.rounds.push(took.as_secs_f64() / (slice * turns) as f64);
        }
    }
}

pub(crate) fn report(title: &str, sides: &[Side]) {
    println!("{title}");
    println!("{:<22} {:>10} {:>10}", "", "us a call", "rate x");
    for (place, side) in sides.iter().enumerate() {
        let relative = side.rounds.iter().zip(&sides[0].rounds).map(|(own, first)| first / own);
        let (micros, rate) = (median(side.rounds.iter().copied()) * 1e6, median(relative));
        println!("{:<22} {micros:>10.1} {rate:>10.2}", side.name);
        side.figure.print(if place == 0 { micros } else { rate });
    }
}

pub(crate) fn side(name: &'static str, figure: Figure, calls: Calls) -> Side {
    Side { name, figure, calls, rounds: Vec::new() }
}
