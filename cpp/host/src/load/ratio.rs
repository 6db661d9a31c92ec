//! `mesos-host ratio`: what a call costs inside a real libmesos, next to the bare command.
//!
//! The two sides alternate in short slices, so that what else goes on in the machine hits both;
//! the results are medians over rounds of the rounds' own ratios. The modules file must turn the
//! cache off, or calls would not run the command.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use load_generator::Bare;
use mesos_command::event::Event;
use serde_json::json;

use super::{Host, each};
use crate::clock;
use crate::mesos::{Isolator, State};
use crate::options::HostArgs;
use crate::sample::{median, quantile};
use crate::scenario::Arguments;

/// Bare starts that are under way together for each processor: more gain nothing.
const BARE_PER_CPU: usize = 4;
/// Calls of one side before the other has its turn.
const SLICE: usize = 5;

/// What to compare, by the first isolator of the modules file.
#[derive(Debug, clap::Args)]
pub(crate) struct Ratio {
    #[command(flatten)]
    host: HostArgs,
    /// How many calls are under way together, one comparison each; 1: latencies, more: throughput
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 200])]
    at_once: Vec<u32>,
    /// Rounds, each with both sides
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(9..))]
    rounds: u32,
    /// Calls of a side in a round (with more at once: at least two rounds of them)
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(5..))]
    calls: u32,
    /// One JSON object per line instead of a table
    #[arg(long)]
    json: bool,
}

/// Figures of a comparison: medians over the rounds.
struct Figures {
    own: f64,
    bare: f64,
    ratio: f64,
}

/// Makes all comparisons.
pub(crate) fn compare(ratios: &Ratio) -> anyhow::Result<bool> {
    let host = Host::open(&ratios.host, ratios.json)?;
    let most = ratios.at_once.iter().copied().max().unwrap_or(1);
    each(host.isolator(), Event::Prepare, &host.arguments(Event::Prepare, most)?)?;
    let usage = host.arguments(Event::Usage, most)?;
    let bare = || host.bare()?.context("the modules file has no isolator_usage_command");
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let bares = (0..cpus * BARE_PER_CPU).map(|_| bare()).collect::<anyhow::Result<Vec<_>>>()?;
    for _ in 0..3 {
        together(host.isolator(), &usage, most as usize)?;
        bare_together(&bares, most as usize)?;
    }
    for at_once in &ratios.at_once {
        if *at_once <= 1 {
            for (name, figures) in latencies(ratios, host.isolator(), &usage[0], &bares[0])? {
                show(ratios.json, &format!("one call, {name}"), "us", &figures);
            }
        } else {
            let figures = throughput(ratios, host.isolator(), &usage, &bares, *at_once as usize)?;
            show(ratios.json, &format!("{at_once} calls at once"), "calls/s", &figures);
        }
    }
    each(host.isolator(), Event::Cleanup, &host.arguments(Event::Cleanup, most)?)?;
    Ok(true)
}

fn show(as_json: bool, what: &str, unit: &str, figures: &Figures) {
    let Figures { own, bare, ratio } = figures;
    if as_json {
        let line =
            json!({"compared": what, "unit": unit, "own": own, "bare": bare, "ratio": ratio});
        println!("{line}");
    } else {
        println!("{what:24} {own:9.1} {unit}, bare {bare:9.1} {unit}: {ratio:.3} x");
    }
}

/// One call and one bare start after the other.
fn latencies(
    ratios: &Ratio,
    isolator: &Isolator,
    usage: &Arguments,
    bare: &Bare,
) -> anyhow::Result<[(&'static str, Figures); 2]> {
    let mut rounds = [Vec::new(), Vec::new()];
    for round in 0..ratios.rounds as usize {
        let mut sides = [Vec::new(), Vec::new()];
        for slice in 0..(ratios.calls as usize).div_ceil(SLICE) {
            for turn in 0..2 {
                let side = (round + slice + turn) % 2;
                for _ in 0..SLICE {
                    let took = if side == 0 { one(isolator, usage)? } else { bare.run()? };
                    sides[side].push(took);
                }
            }
        }
        for (rounds, share) in rounds.iter_mut().zip([0.5, 0.99]) {
            rounds.push(sides.each_mut().map(|times| {
                times.sort_unstable();
                quantile(times, share).as_secs_f64() * 1e6
            }));
        }
    }
    let [median, tail] = rounds.map(|rounds| figures(&rounds));
    Ok([("p50", median), ("p99", tail)])
}

fn throughput(
    ratios: &Ratio,
    isolator: &Isolator,
    usage: &[Arguments],
    bares: &[Bare],
    at_once: usize,
) -> anyhow::Result<Figures> {
    let mut rounds = Vec::new();
    let slices = (ratios.calls as usize).div_ceil(at_once).max(2);
    for round in 0..ratios.rounds as usize {
        let mut sides = [Duration::ZERO; 2];
        for slice in 0..slices {
            for turn in 0..2 {
                let side = (round + slice + turn) % 2;
                sides[side] += if side == 0 {
                    together(isolator, usage, at_once)?
                } else {
                    bare_together(bares, at_once)?
                };
            }
        }
        rounds.push(sides.map(|time| (slices * at_once) as f64 / time.as_secs_f64()));
    }
    Ok(figures(&rounds))
}

fn figures(rounds: &[[f64; 2]]) -> Figures {
    Figures {
        own: median(rounds.iter().map(|round| round[0])),
        bare: median(rounds.iter().map(|round| round[1])),
        ratio: median(rounds.iter().map(|round| round[0] / round[1])),
    }
}

/// A call, from its beginning to the completion of its future.
fn one(isolator: &Isolator, usage: &Arguments) -> anyhow::Result<Duration> {
    let start = clock::now();
    let future = isolator.call(Event::Usage, usage.inputs());
    let state = future.wait(super::TIMEOUT);
    anyhow::ensure!(state == State::Ready, "usage is {state:?}");
    Ok(Duration::from_nanos(future.completed_ns()).saturating_sub(start))
}

/// So many calls at once, each for a container of its own, until the last is answered.
fn together(isolator: &Isolator, usage: &[Arguments], count: usize) -> anyhow::Result<Duration> {
    let start = Instant::now();
    each(isolator, Event::Usage, &usage[..count])?;
    Ok(start.elapsed())
}

/// So many bare starts, by as many threads as there are `bares`.
fn bare_together(bares: &[Bare], count: usize) -> anyhow::Result<Duration> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let start = Instant::now();
    let run = |bare: &Bare| {
        while next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < count {
            bare.run()?;
        }
        std::io::Result::Ok(())
    };
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            bares.iter().take(count).map(|bare| scope.spawn(move || run(bare))).collect();
        for thread in threads {
            thread.join().ok().context("a thread panicked")??;
        }
        Ok(start.elapsed())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_own() {
        let figures = figures(&[[2.0, 1.0], [30.0, 10.0], [1000.0, 100.0]]);
        assert_eq!((figures.own, figures.bare, figures.ratio), (30.0, 10.0, 3.0));
    }
}
