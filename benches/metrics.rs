//! What the metrics of a call cost, next to a bare atomic addition.
//!
//! The target is a call that the usage cache answers: 60 ns at most for all that is counted of it.
//! A call that runs a command is here for comparison; it takes half a millisecond anyway. The last
//! line says the figure of the target, from rounds of its own.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::Registry;
use mesos_command::outcome::CacheResult;
use mesos_command::outcome::OutcomeKind;

fn costs(criterion: &mut Criterion) {
    let registry = Registry::new();
    let module = registry.module("bench", ModuleKind::Isolator);
    let event = module.event(Event::Usage);
    let cached = || {
        let module = black_box(&module);
        module.cache_request(CacheResult::Hit);
        module.event(Event::Usage).call(OutcomeKind::Ok, None);
    };
    let mut group = criterion.benchmark_group("metrics");
    let bare = AtomicU64::new(0);
    group.bench_function("bare_atomic_add", |b| {
        b.iter(|| black_box(&bare).fetch_add(1, Ordering::Relaxed));
    });
    group.bench_function("cached_call/1_thread", |b| b.iter(cached));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                cached();
            }
        });
        group.bench_function("cached_call/2_threads", |b| b.iter(cached));
        stop.store(true, Ordering::Relaxed);
    });
    group.bench_function("call_with_run", |b| {
        b.iter(|| {
            let event = black_box(event);
            let duration = Duration::from_micros(700);
            event.queue(duration);
            event.running_inc();
            event.spawn(duration);
            event.running_dec();
            event.run(OutcomeKind::Ok, duration);
            event.output_bytes(2);
            event.call(OutcomeKind::Ok, Some(duration));
        });
    });
    group.finish();
    // A bench of counters that count wrongly would be worth nothing.
    let text = registry.render();
    let value = |series: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(series)).expect(series);
        line.trim().parse().expect("a number")
    };
    let hits = value("mesos_command_usage_cache_requests_total{module=\"bench\",result=\"hit\"}");
    let labels = "{module=\"bench\",event=\"isolator_usage\"";
    let calls = value(&format!("mesos_command_calls_total{labels},outcome=\"ok\"}}"));
    let timed = value(&format!("mesos_command_call_duration_seconds_count{labels}}}"));
    assert_eq!(calls, hits + timed);
}

fn rendering(criterion: &mut Criterion) {
    let registry = Registry::new();
    let module = registry.module("bench", ModuleKind::Isolator);
    for event in [Event::Prepare, Event::Isolate, Event::Usage, Event::Cleanup] {
        module.event(event).call(OutcomeKind::Ok, Some(Duration::from_millis(1)));
    }
    let mut group = criterion.benchmark_group("metrics");
    group.sample_size(20);
    group.bench_function("render/4_events", |b| b.iter(|| registry.render().len()));
    group.finish();
}

/// One line with the figure that the target is about: the median of so many rounds.
fn figure(_: &mut Criterion) {
    const ROUNDS: usize = 15;
    const CALLS: u32 = 2_000_000;
    const TARGET_NS: f64 = 60.0;
    let registry = Registry::new();
    let module = registry.module("bench", ModuleKind::Isolator);
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                let module = black_box(&module);
                module.cache_request(CacheResult::Hit);
                module.event(Event::Usage).call(OutcomeKind::Ok, None);
            }
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .collect();
    rounds.sort_unstable_by(f64::total_cmp);
    let median = rounds[ROUNDS / 2];
    let verdict = if median <= TARGET_NS { "within" } else { "ABOVE" };
    println!(
        "metrics of one cached call: {median:.1} ns, {verdict} the target of {TARGET_NS} ns \
         (median of {ROUNDS} rounds; {:.1} to {:.1})",
        rounds[0],
        rounds[ROUNDS - 1]
    );
}

criterion_group!(benches, costs, rendering, figure);
criterion_main!(benches);
