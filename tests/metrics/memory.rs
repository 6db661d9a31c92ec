//! What years of recording leave behind: nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::Registry;
use mesos_command::outcome::CacheResult;
use mesos_command::outcome::OutcomeKind;

use crate::support::{PATIENCE, own_process};

/// Tells the process that records an hour what it is for.
const HOUR: &str = "METRICS_TEST_HOUR";

/// Resident memory of this process, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("there");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

/// An hour of 4,000 usage calls a second over 200 containers with a time to live of 1 s, without a
/// single scrape: 14.4 million calls, of which 720,000 start a command. It is shortened by leaving
/// out the time between the calls; everything that an hour records is recorded. In a process of its
/// own, this test binary again, because other tests take memory too.
#[test]
fn memory_stays_flat_for_an_hour_without_a_scraper_and_without_upkeep() {
    let done = own_process("memory::hour", HOUR);
    let said = String::from_utf8_lossy(&done.stdout);
    let grown = said.split_once("grown_kib=").expect("the figure").1;
    let grown: usize = grown.split_whitespace().next().and_then(|n| n.parse().ok()).expect(grown);
    // Four durations of each run, were they kept, would be 22 MiB in their tightest form.
    assert!(grown < 4 * 1024, "grew by {grown} KiB");
}

#[test]
#[ignore = "started by the test above, in a process of its own"]
fn hour() {
    assert!(std::env::var_os(HOUR).is_some(), "started without {HOUR}");
    const RUNS: u32 = 200 * 3600;
    const CALLS_PER_RUN: u32 = 4000 / 200;
    let registry = Registry::new();
    let module = registry.module("m", ModuleKind::Isolator);
    let event = module.event(Event::Usage);
    let record = |runs: u32| {
        for run in 0..runs {
            let duration = Duration::from_micros(u64::from(run % 5000));
            module.cache_request(CacheResult::Miss);
            event.queue(duration);
            event.running_inc();
            event.spawn(duration);
            event.running_dec();
            event.output_bytes(80);
            event.run(OutcomeKind::Ok, duration);
            event.call(OutcomeKind::Ok, Some(duration));
            for _ in 1..CALLS_PER_RUN {
                module.cache_request(CacheResult::Hit);
                event.call(OutcomeKind::Ok, None);
            }
        }
    };
    // What is made once: buffers, and whatever the allocator keeps.
    record(RUNS / 20);
    let before = resident();
    record(RUNS);
    println!("grown_kib={}", resident().saturating_sub(before));
    let text = registry.render();
    let labels = "{module=\"m\",event=\"isolator_usage\"";
    let runs = RUNS + RUNS / 20;
    for line in [
        format!("mesos_command_calls_total{labels},outcome=\"ok\"}} {}\n", runs * CALLS_PER_RUN),
        format!("mesos_command_spawn_duration_seconds_count{labels}}} {runs}\n"),
    ] {
        assert!(text.contains(&line), "{line}");
    }
}

#[test]
fn recording_goes_on_while_a_large_registry_is_rendered() {
    let registry = Registry::new();
    for number in 0..20 {
        let module = registry.module(&format!("m{number}"), ModuleKind::Isolator);
        Event::ALL.into_iter().for_each(|event| {
            module.event(event);
        });
    }
    let module = registry.module("m0", ModuleKind::Isolator);
    let event = module.event(Event::Usage);
    let start = Instant::now();
    std::hint::black_box(registry.render());
    let pause = start.elapsed() / 20;
    let renderings = AtomicUsize::new(0);
    let end = AtomicBool::new(false);
    // By number of the rendering, odd while it goes on: how many recordings began and ended in it.
    let mut during = BTreeMap::new();
    let enough = |during: &BTreeMap<usize, usize>| {
        during.values().filter(|recordings| **recordings >= 3).count() >= 3
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::SeqCst) {
                renderings.fetch_add(1, Ordering::SeqCst);
                std::hint::black_box(registry.render());
                renderings.fetch_add(1, Ordering::SeqCst);
            }
        });
        // A recorder that waited for the rendering would end none in it, but perhaps one before
        // the rendering has really begun.
        while !enough(&during) && start.elapsed() < PATIENCE {
            std::thread::sleep(pause);
            let before = renderings.load(Ordering::SeqCst);
            event.run(OutcomeKind::Ok, Duration::from_millis(1));
            if before % 2 == 1 && renderings.load(Ordering::SeqCst) == before {
                *during.entry(before).or_insert(0) += 1;
            }
        }
        end.store(true, Ordering::SeqCst);
    });
    assert!(enough(&during), "recordings in each rendering: {:?}", during.values());
}
