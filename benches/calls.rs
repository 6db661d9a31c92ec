//! Calls that run something, for criterion to compare with the run before: `cargo bench --bench
//! calls`.
//!
//! The ratios that are held against bounds are those of `spawn`, `warm` and `multiplex`, whose
//! sides alternate; these are times of one side each.

#[path = "common/asyncio.rs"]
mod asyncio;
#[path = "common/commands.rs"]
mod commands;
#[path = "common/pools.rs"]
mod pools;
#[path = "common/python.rs"]
mod python;
#[path = "common/scripts.rs"]
mod scripts;
#[path = "common/settings.rs"]
mod settings;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group};
use mesos_command::event::Event;
use mesos_command::run::Lifetime;
use mesos_command::staging::IoMode;

const TRIVIAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/trivial.sh");
/// Requests that are on their way to an asyncio worker.
const AT_ONCE: usize = 16;

/// A script of the shell and one of Python, each started for its call, and the latter warm.
fn scripts(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let shell = commands::spec(Path::new(TRIVIAL), Event::Usage, IoMode::SharedStdin, &[]);
    let script = python::script(directory.path());
    let lifetime = Lifetime::begin(Duration::ZERO);
    let pool = python::pool(&lifetime, &script);
    let mut group = criterion.benchmark_group("calls");
    group.bench_function("shell/plain", |b| b.iter(|| python::call(&shell, None)));
    group.bench_function("python/plain", |b| b.iter(|| python::call(&script, None)));
    group.bench_function("python/warm", |b| {
        b.iter(|| python::call(&script, Some(pool.standby().clone())));
    });
    group.finish();
    drop(pool);
    lifetime.end();
}

/// Sixteen calls of an asyncio worker that waits 10 ms for each.
fn workers(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let input: Arc<[u8]> = b"{}".as_slice().into();
    let mut group = criterion.benchmark_group("calls");
    group.throughput(Throughput::Elements(AT_ONCE as u64)).sample_size(20);
    for multiplex in [1, AT_ONCE] {
        let worker = asyncio::worker(directory.path(), multiplex);
        let mut calls = pools::continued(&worker, &input, AT_ONCE);
        group.bench_function(format!("asyncio/multiplex_{multiplex}"), |b| {
            b.iter(|| calls(AT_ONCE));
        });
    }
    group.finish();
}

criterion_group!(name = benches; config = settings::criterion(); targets = scripts, workers);

fn main() {
    benches();
    settings::criterion().configure_from_args().final_summary();
}
