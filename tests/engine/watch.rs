//! Many watching containers: how many run at a time, what that takes, and who has his turn when.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mesos_command::call::Answer;
use mesos_command::event::Event;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use test_support::{own_process, until};

use crate::support::Instance;

const CONTAINERS: usize = 300;
const PARALLEL: usize = 16;
const INTERVAL: Duration = Duration::from_secs(15);
/// Of the host, for all of them.
const DESCRIPTORS: usize = 64;

/// The limit is one of the whole process.
#[test]
fn three_hundred_containers_are_watched_with_few_descriptors() {
    let output = own_process("watch::with_few_descriptors", "ENGINE_WATCH_CHILD");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| line.contains("watching")).for_each(|line| println!("{line}"));
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
#[ignore = "started by the test above"]
fn with_few_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 512, hard).unwrap();
    // Each takes a moment, so that many would run at once.
    let script = "mkdir \"$0.now.$$\"; ls -d \"$0\".now.* | wc -l >>\"$0.at-a-time\"\n\
                  sleep 0.2; echo \"$MESOS_CONTAINER_ID\" >>\"$0.seen\"; rmdir \"$0.now.$$\"";
    let bench = Instance::new(
        "few-descriptors",
        &[("isolator_watch", script)],
        &[("isolator_watch_interval", &INTERVAL.as_secs().to_string())],
    );
    for c in 0..CONTAINERS {
        assert_eq!(bench.call(Event::Prepare, &format!("c{c}")), Answer::Nothing);
    }
    // What the process has for good once something has run.
    let before = descriptors();
    let start = Instant::now();
    let watching: Vec<_> =
        (0..CONTAINERS).map(|c| bench.start(Event::Watch, &format!("c{c}"))).collect();
    let mut grown = 0;
    while start.elapsed() < INTERVAL * 2 {
        grown = grown.max(descriptors().saturating_sub(before));
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = std::fs::read_to_string(bench.path("isolator_watch.at-a-time")).unwrap();
    let most = text.lines().map(|line| line.trim().parse::<usize>().unwrap()).max().unwrap();
    let text = std::fs::read_to_string(bench.path("isolator_watch.seen")).unwrap();
    let mut seen = HashMap::<&str, usize>::new();
    text.lines().for_each(|line| *seen.entry(line).or_default() += 1);
    println!(
        "{CONTAINERS} containers watching: at most {most} commands at a time, {grown} descriptors \
         more, {} containers watched within two intervals ({} runs)",
        seen.len(),
        text.lines().count()
    );
    assert_eq!(seen.len(), CONTAINERS, "each was watched within two intervals");
    assert!(most <= PARALLEL, "{most} at a time");
    assert!(grown <= DESCRIPTORS, "{grown} descriptors more");
    for (c, watching) in watching.iter().enumerate() {
        bench.call(Event::Cleanup, &format!("c{c}"));
        // It ends with its container.
        test_support::dropped_unanswered(watching);
    }
    until("the end of all", || bench.metric("mesos_command_running", "") == 0);
}

#[test]
fn the_first_runs_of_many_are_spread_and_the_first_of_few_are_not() {
    let script = "date +%s%N >>\"$0.times\"";
    let bench = Instance::new(
        "spread",
        &[("isolator_watch", script)],
        &[("isolator_watch_interval", "600"), ("watch_parallel", "4")],
    );
    for c in 0..400 {
        bench.call(Event::Prepare, &format!("c{c}"));
    }
    let _watching: Vec<_> = (0..400).map(|c| bench.start(Event::Watch, &format!("c{c}"))).collect();
    until("the first ones", || bench.runs("isolator_watch") >= 4);
    // One each 1.5 seconds follows; without spreading, hundreds would.
    std::thread::sleep(Duration::from_secs(3));
    let runs = bench.runs("isolator_watch");
    assert!((4..=20).contains(&runs), "{runs}");
    (0..400).for_each(|c| drop(bench.call(Event::Cleanup, &format!("c{c}"))));
}
