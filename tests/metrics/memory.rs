//! What years of recording leave behind: nothing.

use std::time::{Duration, Instant};

use mesos_command::event::{Event, ModuleKind, OutcomeKind};
use mesos_command::metrics::Registry;

/// Resident memory of this process, in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("there");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn memory_stays_flat_without_a_scraper_and_without_upkeep() {
    // 3 million samples would be 24 MiB even in the tightest form. Other tests in this process
    // take memory too, hence the wide limit.
    const ROUNDS: u32 = 1_000_000;
    let registry = Registry::new();
    let module = registry.module("m", ModuleKind::Isolator);
    let event = module.event(Event::Usage);
    event.call(OutcomeKind::Ok, Some(Duration::from_millis(1)));
    let record = |rounds: u32| {
        for round in 0..rounds {
            let duration = Duration::from_micros(u64::from(round % 5000));
            event.run(OutcomeKind::Ok, duration);
            event.spawn(duration);
            event.queue(duration);
        }
    };
    record(50_000);
    let before = resident();
    record(ROUNDS);
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "grew by {grown} KiB");
    let count =
        "mesos_command_spawn_duration_seconds_count{module=\"m\",event=\"isolator_usage\"} ";
    assert!(registry.render().contains(&format!("{count}{}\n", ROUNDS + 50_000)));
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
    std::thread::scope(|scope| {
        let rendering = scope.spawn(|| {
            let start = Instant::now();
            let text = registry.render();
            (start.elapsed(), text.len())
        });
        let mut longest = Duration::ZERO;
        while !rendering.is_finished() {
            let start = Instant::now();
            event.run(OutcomeKind::Ok, Duration::from_millis(1));
            longest = longest.max(start.elapsed());
            std::thread::yield_now();
        }
        let (rendering, length) = rendering.join().expect("renders");
        // A ratio, not a time: a recorder that waited for the rendering would take all of it.
        assert!(longest < rendering.mul_f64(0.9), "{longest:?} of {rendering:?} ({length} bytes)");
    });
}
