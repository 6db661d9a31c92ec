//! Calls of an unchanged Python script that are run warm, next to plain starts of it: one after the
//! other, and eight at a time.
//!
//! The sides alternate in short slices; the results are medians of the rounds' ratios: of the time
//! that all calls of a round took, and of the median of how long each of its calls took. Usage:
//! `cargo bench --bench warm [-- rounds]`.

#[path = "common/commands.rs"]
mod commands;
#[path = "common/figure.rs"]
mod figure;
#[path = "common/median.rs"]
mod median;
#[path = "common/python.rs"]
mod python;
#[path = "common/scripts.rs"]
mod scripts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesos_command::run::{CommandSpec, Lifetime, Standby};

use figure::{Figure, figure};
use median::median;
use python::{call, pool, script};

/// Calls of a slice, of each thread; each side has one slice per turn.
const SLICE: usize = 5;
/// Turns of a round.
const TURNS: usize = 4;

/// One of the ways to make calls.
struct Side {
    name: &'static str,
    figure: Figure,
    at_once: usize,
    standby: Option<Arc<Standby>>,
    /// Of which side it shows the ratio.
    to: usize,
    /// Microseconds per call, per round.
    rounds: Vec<f64>,
    /// How long the call in the middle of a round took, in microseconds.
    middles: Vec<f64>,
}

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let rounds = arguments.first().copied().unwrap_or(15).max(9);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let spec = script(directory.path());
    let lifetime = Lifetime::begin(Duration::ZERO);
    let pool = pool(&lifetime, &spec);
    let warm = || Some(pool.standby().clone());
    let side = |name, figure, at_once, standby, to| Side {
        name,
        figure,
        at_once,
        standby,
        to,
        rounds: Vec::new(),
        middles: Vec::new(),
    };
    let mut sides = [
        side("plainly", figure!("warm: started plainly", "us"), 1, None, 0),
        side("warm", figure!("warm: one by one", "x rate"), 1, warm(), 0),
        side("plainly, eight", figure!("warm: started plainly, eight at once", "us"), 8, None, 2),
        side("warm, eight", figure!("warm: eight at once", "x rate"), 8, warm(), 2),
    ];
    for side in &sides {
        calls(&spec, side);
    }
    for round in 0..rounds {
        let (mut took, mut each) = ([Duration::ZERO; 4], [const { Vec::new() }; 4]);
        for turn in 0..TURNS {
            for index in 0..sides.len() {
                let which = (index + turn + round) % sides.len();
                let start = Instant::now();
                each[which].append(&mut calls(&spec, &sides[which]));
                took[which] += start.elapsed();
            }
        }
        for ((side, took), each) in sides.iter_mut().zip(took).zip(each) {
            side.rounds.push(took.as_secs_f64() * 1e6 / (SLICE * TURNS * side.at_once) as f64);
            side.middles.push(median(each.into_iter()));
        }
    }
    report(&sides);
    drop(pool);
    lifetime.end();
}

fn report(sides: &[Side]) {
    println!("an unchanged Python script; target 8 x the rate of plain starts");
    println!("{:<22} {:>10} {:>10}", "", "us a call", "rate x");
    for (place, side) in sides.iter().enumerate() {
        let relative = side.rounds.iter().zip(&sides[side.to].rounds).map(|(own, to)| to / own);
        let (micros, rate) = (median(side.rounds.iter().copied()), median(relative));
        println!("{:<22} {micros:>10.1} {rate:>10.2}", side.name);
        side.figure.print(if side.to == place { micros } else { rate });
    }
    let of_middles = sides[1].middles.iter().zip(&sides[0].middles).map(|(own, to)| own / to);
    let p50 = median(of_middles);
    println!("{:<22} {:>10} {p50:>10.3} (a time; target 0.15)", "warm, p50", "");
    figure!("warm: one by one, p50", "x").print(p50);
}

/// Makes the calls of a slice; how long each took, in microseconds.
fn calls(spec: &Arc<CommandSpec>, side: &Side) -> Vec<f64> {
    let one = || {
        let start = Instant::now();
        call(spec, side.standby.clone());
        start.elapsed().as_secs_f64() * 1e6
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..side.at_once)
            .map(|_| scope.spawn(|| (0..SLICE).map(|_| one()).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a call succeeds")).collect()
    })
}
