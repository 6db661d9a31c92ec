//! A worker that waits 10 ms for each request: with one request at a time, and with sixteen.
//!
//! Both sides are the same asyncio program, made with `examples/workers/mesos_worker.py`, and both
//! have sixteen calls under way. The sides alternate in slices; the results are medians of the
//! rounds' ratios. Usage: `cargo bench --bench multiplex [-- rounds]`.

#[path = "common/asyncio.rs"]
mod asyncio;
#[path = "common/commands.rs"]
mod commands;
#[path = "common/figure.rs"]
mod figure;
#[path = "common/median.rs"]
mod median;
#[path = "common/pools.rs"]
mod pools;
#[path = "common/scripts.rs"]
mod scripts;
#[path = "common/sides.rs"]
mod sides;

use std::sync::Arc;

use asyncio::worker;
use figure::figure;
use pools::continued;
use sides::{measure, report, side};

/// Calls under way.
const AT_ONCE: usize = 16;
/// Calls of a slice; each side has one slice per turn.
const SLICE: usize = 2 * AT_ONCE;
/// Turns of a round.
const TURNS: usize = 2;

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let rounds = arguments.first().copied().unwrap_or(9).max(9);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let input: Arc<[u8]> = b"{}".as_slice().into();
    let [one, many] = [1, AT_ONCE].map(|multiplex| worker(directory.path(), multiplex));
    let mut sides = vec![
        side(
            "one at a time",
            figure!("multiplex: one at a time", "us"),
            continued(&one, &input, AT_ONCE),
        ),
        side(
            "sixteen at a time",
            figure!("multiplex: sixteen at a time", "x rate"),
            continued(&many, &input, AT_ONCE),
        ),
    ];
    measure(&mut sides, rounds, SLICE, TURNS);
    report("asyncio worker, 10 ms of waiting; target 8 x the rate of one at a time", &sides);
}
