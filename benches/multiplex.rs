//! A worker that waits 10 ms for each request: with one request at a time, and with sixteen.
//!
//! Both sides are the same asyncio program, made with `examples/workers/mesos_worker.py`, and both
//! have sixteen calls under way. The sides alternate in slices; the results are medians of the
//! rounds' ratios. Usage: `cargo bench --bench multiplex [-- rounds]`.

#[path = "common/figure.rs"]
mod figure;
#[path = "common/median.rs"]
mod median;
#[path = "common/pools.rs"]
mod pools;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use figure::figure;
use pools::{continued, measure, report, side};

/// Calls under way.
const AT_ONCE: usize = 16;
/// Calls of a slice; each side has one slice per turn.
const SLICE: usize = 2 * AT_ONCE;
/// Turns of a round.
const TURNS: usize = 2;

const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workers");

fn main() {
    let arguments: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let rounds = arguments.first().copied().unwrap_or(9).max(9);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let input: Arc<[u8]> = b"{}".as_slice().into();
    let [one, many] = [1, AT_ONCE].map(|multiplex| script(directory.path(), multiplex));
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

/// A worker that takes so many requests at a time.
fn script(directory: &Path, multiplex: usize) -> PathBuf {
    let path = directory.join(format!("worker-{multiplex}.py"));
    let text = format!(
        "#!/usr/bin/python3\nimport asyncio, sys\nsys.path.insert(0, {LIBRARY:?})\n\
         import mesos_worker\n\
         async def answer(request):\n    await asyncio.sleep(0.01)\n    return request\n\
         mesos_worker.main_async(answer, multiplex={multiplex})\n"
    );
    std::fs::write(&path, text).expect("the script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("its mode");
    path
}
