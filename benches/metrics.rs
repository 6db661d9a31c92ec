//! What the metrics of a call cost, next to a bare atomic addition.
//!
//! The target is a call that the usage cache answers: 60 ns at most for all that is counted of it.
//! A call that runs a command is here for comparison; it takes half a millisecond anyway.

#[path = "common/estimates.rs"]
mod estimates;
#[path = "common/figure.rs"]
mod figure;
#[path = "common/settings.rs"]
mod settings;

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group};
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::Registry;
use mesos_command::outcome::CacheResult;
use mesos_command::outcome::OutcomeKind;

use estimates::Estimates;
use figure::figure;
use settings::criterion;

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

criterion_group!(name = benches; config = criterion(); targets = costs, rendering);

fn main() {
    let found = Estimates::begin();
    benches();
    criterion().configure_from_args().final_summary();
    found.print(figure!("metrics: a cached call", "ns"), "metrics", "cached_call/1_thread");
    found.print(figure!("metrics: a call with a run", "ns"), "metrics", "call_with_run");
}
