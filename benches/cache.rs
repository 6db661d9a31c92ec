//! What a usage call costs that the cache answers, and one that it does not.
//!
//! All through [`Isolator::call`]: the map of containers, the cache's decision, the metrics and the
//! handing over of the answer. How a hit's time grows with the number of containers: `scale.rs`.
//!
//! Hits are measured in processor time of the calling thread: a hit never waits for anything, and
//! the processor time does not count what a busy machine does in between. What waits for a run is
//! measured by the clock.

#[path = "common/estimates.rs"]
mod estimates;
#[path = "common/figure.rs"]
mod figure;
#[path = "common/hits.rs"]
mod hits;
#[path = "common/ids.rs"]
mod ids;
#[path = "common/scripts.rs"]
mod scripts;
#[path = "common/settings.rs"]
mod settings;

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, criterion_group};
use mesos_command::call::InputValue;
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;

use estimates::Estimates;
use figure::figure;
use hits::{create, create_with, hit, introduce, processor_time, seed};
use ids::id;
use scripts::write_script;
use settings::criterion;

/// Processor time of the measuring thread.
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        processor_time()
    }

    fn end(&self, start: Duration) -> Duration {
        processor_time() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        // Nanoseconds, as the clock's are.
        WallTime.formatter()
    }
}

/// The path of a shell script.
fn script(directory: &Path, text: &str) -> String {
    let text = format!("#!/bin/sh\n{text}\n");
    write_script(directory, "script", &text).display().to_string()
}

fn isolator(directory: &Path, ttl: &str) -> Isolator {
    let trivial = script(directory, "printf '{}' >\"$2\"");
    create(directory, ttl, ("isolator_usage_command", &trivial))
}

/// Calls for these containers, all at once, until all are answered.
fn wait(isolator: &Isolator, ids: &[&[u8]]) {
    let (sender, receiver) = mpsc::channel();
    for id in ids {
        let values = [InputValue::Absent, InputValue::Message(id)];
        let sender = sender.clone();
        isolator.call(Event::Usage, &values, Box::new(move |answer| drop(sender.send(answer))));
    }
    drop(sender);
    assert_eq!(receiver.into_iter().count(), ids.len());
}

fn hits(criterion: &mut Criterion<ThreadTime>) {
    static OWN: AtomicU64 = AtomicU64::new(0);
    static OTHER: AtomicU64 = AtomicU64::new(0);
    let directory = tempfile::tempdir().expect("a directory");
    let mut group = criterion.benchmark_group("cache/hit");
    for containers in [10, 100, 1_000, 10_000] {
        let isolator = isolator(directory.path(), "1hrs");
        let ids: Vec<_> = (0..containers).map(id).collect();
        for id in &ids {
            seed(&isolator, id);
        }
        let (next, calls) = (Cell::new(0), Cell::new(0));
        let round = || {
            let index = next.get();
            // Not one after the other as they lie in memory.
            next.set((index + 7) % ids.len());
            calls.set(calls.get() + 1);
            hit(&isolator, &ids[index], &OWN);
        };
        OWN.store(0, Ordering::Relaxed);
        group.bench_function(format!("1_thread/{containers}"), |b| b.iter(round));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for id in ids.iter().rev().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    hit(&isolator, id, &OTHER);
                }
            });
            group.bench_function(format!("2_threads/{containers}"), |b| b.iter(round));
            stop.store(true, Ordering::Relaxed);
        });
        // Misses would be slow and wrong; a hit is answered before the call returns.
        assert_eq!(OWN.load(Ordering::Relaxed), calls.get(), "a call was not answered at once");
    }
    group.finish();
}

/// Calls of containers for which the command is not run, next to hits of others of the instance.
fn skips(criterion: &mut Criterion<ThreadTime>) {
    static HITS: AtomicU64 = AtomicU64::new(0);
    static SKIPS: AtomicU64 = AtomicU64::new(0);
    let directory = tempfile::tempdir().expect("a directory");
    let trivial = script(directory.path(), "printf '{}' >\"$2\"");
    let more = [("isolator_usage_when", "label.team == infra")];
    let isolator =
        create_with(directory.path(), "1hrs", ("isolator_usage_command", &trivial), &more);
    let ids: Vec<_> = (0..2_000).map(id).collect();
    let (runs, rest) = ids.split_at(1_000);
    let config = r#"{"command_info":{"value":"x"},"directory":"/x","executor_info":{
        "executor_id":{"value":"e"},"labels":{"labels":[{"key":"team","value":"infra"}]}}}"#;
    for id in runs {
        isolator.introduce(id, config.as_bytes()).expect("the container is well-formed");
        assert!(isolator.seed_usage(id, &[7; 80]));
    }
    rest.iter().for_each(|id| introduce(&isolator, id));
    let mut group = criterion.benchmark_group("cache/when");
    for (name, ids, answers) in [("hit", runs, &HITS), ("skip", rest, &SKIPS)] {
        let (next, calls) = (Cell::new(0), Cell::new(0));
        answers.store(0, Ordering::Relaxed);
        group.bench_function(name, |b| {
            b.iter(|| {
                let index = next.get();
                next.set((index + 7) % ids.len());
                calls.set(calls.get() + 1);
                hit(&isolator, &ids[index], answers);
            });
        });
        assert_eq!(answers.load(Ordering::Relaxed), calls.get(), "a call was not answered at once");
    }
    group.finish();
}

fn misses(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut group = criterion.benchmark_group("cache");
    group.sample_size(20);
    let uncached = isolator(directory.path(), "0");
    introduce(&uncached, &id(0));
    group.bench_function("miss", |b| b.iter(|| wait(&uncached, &[&id(0)])));

    // 100 callers, one container, one run; the container is a new one each time.
    let cached = isolator(directory.path(), "1hrs");
    let next = Cell::new(0);
    group.bench_function("stampede/100_calls", |b| {
        b.iter(|| {
            let id = id(next.replace(next.get() + 1));
            introduce(&cached, &id);
            wait(&cached, &[id.as_slice(); 100]);
            let values = [InputValue::Absent, InputValue::Message(&id)];
            cached.call(Event::Cleanup, &values, Box::new(drop));
        });
    });
    group.finish();
}

/// Many containers whose usage one run gives, all called at once.
fn batches(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut group = criterion.benchmark_group("batch");
    group.sample_size(20);
    for containers in [10, 1_000] {
        let ids: Vec<_> = (0..containers).map(id).collect();
        let answer: Vec<_> = ids
            .iter()
            .map(|id| {
                let text = String::from_utf8_lossy(&id[2..]);
                format!("\"{text}\":{{\"cpus_user_time_secs\":31.5,\"mem_rss_bytes\":734003200}}")
            })
            .collect();
        let file = directory.path().join("answer");
        std::fs::write(&file, format!("{{{}}}", answer.join(","))).expect("the answer");
        let script = script(directory.path(), &format!("cat {} >\"$2\"", file.display()));
        let isolator = create(directory.path(), "1hrs", ("isolator_usage_batch_command", &script));
        let slices: Vec<&[u8]> = ids.iter().map(Vec::as_slice).collect();
        group.bench_function(format!("{containers}_containers"), |b| {
            b.iter_custom(|times| {
                (0..times)
                    .map(|_| {
                        ids.iter().for_each(|id| introduce(&isolator, id));
                        let start = Instant::now();
                        wait(&isolator, &slices);
                        let took = start.elapsed();
                        for id in &ids {
                            let values = [InputValue::Absent, InputValue::Message(id)];
                            isolator.call(Event::Cleanup, &values, Box::new(drop));
                        }
                        took
                    })
                    .sum()
            });
        });
    }
    group.finish();
}

criterion_group!(
    name = at_once;
    config = criterion().with_measurement(ThreadTime);
    targets = hits, skips
);
criterion_group!(name = waiting; config = criterion(); targets = misses, batches);

fn main() {
    let found = Estimates::begin();
    at_once();
    waiting();
    criterion().configure_from_args().final_summary();
    report_hits(&found);
    report_misses(&found);
}

fn report_hits(found: &Estimates) {
    for (figure, name) in [
        (figure!("cache: hit, 1_thread, 10 containers", "ns"), "1_thread/10"),
        (figure!("cache: hit, 1_thread, 100 containers", "ns"), "1_thread/100"),
        (figure!("cache: hit, 1_thread, 1000 containers", "ns"), "1_thread/1000"),
        (figure!("cache: hit, 1_thread, 10000 containers", "ns"), "1_thread/10000"),
        (figure!("cache: hit, 2_threads, 10 containers", "ns"), "2_threads/10"),
        (figure!("cache: hit, 2_threads, 100 containers", "ns"), "2_threads/100"),
        (figure!("cache: hit, 2_threads, 1000 containers", "ns"), "2_threads/1000"),
        (figure!("cache: hit, 2_threads, 10000 containers", "ns"), "2_threads/10000"),
    ] {
        found.print(figure, "cache/hit", name);
    }
    let when = |name| found.median("cache/when", name);
    if let (Some(hit), Some(skip)) = (when("hit"), when("skip")) {
        figure!("cache: a skipped call to a hit", "x").print(skip / hit);
    }
    let side_by_side = |containers| found.median("cache/hit", &format!("2_threads/{containers}"));
    if let (Some(few), Some(many)) = (side_by_side(10), side_by_side(10_000)) {
        figure!("cache: hit, 2_threads, 10,000 to 10 containers", "x").print(many / few);
    }
}

/// What one run serves, next to as many misses.
fn report_misses(found: &Estimates) {
    let Some(miss) = found.median("cache", "miss") else { return };
    figure!("cache: a miss", "us").print(miss / 1e3);
    for (figure, group, name, calls) in [
        (
            figure!("cache: 100 callers of one container to one miss", "x"),
            "cache",
            "stampede/100_calls",
            1.0,
        ),
        (
            figure!("cache: 10 containers in one batch run to as many misses", "x"),
            "batch",
            "10_containers",
            10.0,
        ),
        (
            figure!("cache: 1,000 containers in one batch run to as many misses", "x"),
            "batch",
            "1000_containers",
            1000.0,
        ),
    ] {
        if let Some(time) = found.median(group, name) {
            figure.print(time / (miss * calls));
        }
    }
}
