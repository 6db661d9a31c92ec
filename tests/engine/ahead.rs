//! Usage that is refreshed before the next request, with real commands.
//!
//! Readers keep a pace here, which is the one thing that takes time. What is asserted of a machine
//! that may be late is what holds always: bounds, and what must come to pass at some time.

use std::time::{Duration, Instant};

use mesos_command::event::Event;
use serde_json::Value;
use test_support::{collect_log, logged};

use crate::control::ask;
use crate::support::{Instance, until, usage_text};

const PERIOD: Duration = Duration::from_millis(600);
const CONTAINERS: usize = 5;

/// Notes for which container it runs.
const USAGE: &str = r#"echo "$MESOS_CONTAINER_ID" >>"$0.for"; n=$(wc -l <"$0.runs"); printf '{"mem_rss_bytes":%d}' "$n" >"$2""#;
/// The same for many.
const BATCH: &str = r#"n=$(wc -l <"$0.runs")
grep -o '"container_id":{"value":"[^"]*"' "$1" | sed 's/.*"\([^"]*\)"$/\1/' >"$0.asked"
sed "s/.*/\"&\":{\"mem_rss_bytes\":$n}/" "$0.asked" | paste -sd, | sed 's/.*/{&}/' >"$2""#;
/// A worker in sh; the number of its requests is the value.
const WORKER: &str = r#"[ "$MESOS_COMMAND_WORKER" = 1 ] || { echo '{"mem_rss_bytes":1}' >"$2"; exit; }
n=0
while read -r line; do
  case $line in
  *mesos_command_worker*) echo '{"ready":1}' ;;
  *) n=$((n + 1)); id=${line#*\"id\":}; echo "{\"id\":${id%%,*},\"output\":{\"mem_rss_bytes\":$n}}" ;;
  esac
done"#;

/// Somebody who asks for all containers once in each period.
struct Reader<'a> {
    bench: &'a Instance,
    next: Instant,
}

impl Reader<'_> {
    fn new(bench: &Instance) -> Reader<'_> {
        Reader { bench, next: Instant::now() }
    }

    fn ask(&mut self) {
        until("the next turn", || Instant::now() >= self.next);
        self.next += PERIOD;
        let all: Vec<_> =
            (0..CONTAINERS).map(|c| self.bench.start(Event::Usage, &format!("c{c}"))).collect();
        for answer in all {
            let answer = answer.recv_timeout(crate::support::PATIENCE).unwrap();
            assert!(usage_text(&answer).contains("mem_rss_bytes"), "{answer:?}");
        }
    }

    /// Asks until so many calls found a value that was refreshed ahead of them.
    fn ask_until_ahead(&mut self, calls: u64) {
        until("values that were refreshed ahead", || {
            self.ask();
            requests(self.bench, "ahead") >= calls
        });
    }
}

fn bench(module: &str, scripts: &[(&str, &str)], more: &[(&str, &str)]) -> Instance {
    let parameters = [&[("isolator_usage_cache_ttl", "300ms")], more].concat();
    let bench = Instance::new(module, scripts, &parameters);
    for container in 0..CONTAINERS {
        bench.call(Event::Prepare, &format!("c{container}"));
    }
    bench
}

fn requests(bench: &Instance, result: &str) -> u64 {
    let part = format!("result=\"{result}\"");
    bench.metric("mesos_command_usage_cache_requests_total", &part)
}

fn refreshes(bench: &Instance, result: &str) -> u64 {
    let part = format!("result=\"{result}\"");
    bench.metric("mesos_command_usage_refreshes_ahead_total", &part)
}

fn runs(bench: &Instance) -> u64 {
    bench.metric("mesos_command_runs_total", "event=\"isolator_usage")
}

#[test]
fn a_reader_with_a_pace_finds_values_that_were_refreshed_ahead() {
    let worker = [("isolator_usage_mode", "worker")];
    let benches = [
        bench("ahead-single", &[("isolator_usage", USAGE)], &[]),
        bench("ahead-batch", &[("isolator_usage_batch", BATCH)], &[]),
        bench("ahead-worker", &[("isolator_usage", WORKER)], &worker),
    ];
    std::thread::scope(|scope| {
        for bench in &benches {
            scope.spawn(|| Reader::new(bench).ask_until_ahead(4 * CONTAINERS as u64));
        }
    });
    for bench in &benches {
        let calls = bench.metric("mesos_command_usage_cache_requests_total", "");
        let ahead = requests(bench, "ahead");
        assert_eq!(
            calls,
            bench.metric("mesos_command_calls_total", "event=\"isolator_usage\""),
            "each call once"
        );
        // A request that comes while a refresh ahead runs joins it, or gets the old value.
        let asked = ahead + requests(bench, "joined") + requests(bench, "stale");
        let used = refreshes(bench, "used");
        assert!(ahead <= calls && used <= asked, "{}: {used} of {asked}", bench.module);
        assert!(
            runs(bench) <= calls + refreshes(bench, "wasted") + CONTAINERS as u64,
            "{}: one run for each container and foreseen request",
            bench.module
        );
        let ages = bench.metric("mesos_command_usage_value_age_seconds_count", "");
        assert!(ages > 0 && ages <= calls, "{}: {ages} ages of {calls} calls", bench.module);
    }
}

#[test]
fn operators_see_when_values_are_refreshed_next() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("c.sock");
    let at = socket.display().to_string();
    let bench = bench("ahead-seen", &[("isolator_usage", USAGE)], &[("control_socket", &at)]);
    let containers = || ask(&socket, "GET", "/v1/containers?module=ahead-seen", 200);
    let left = |answer: &Value| -> Vec<Option<f64>> {
        let all = answer["containers"].as_array().unwrap();
        all.iter().map(|one| one["usage"]["next_refresh_seconds"].as_f64()).collect()
    };
    assert_eq!(left(&containers()), [None; CONTAINERS], "nobody has asked yet");
    let mut reader = Reader::new(&bench);
    // At the pace of the reader a refresh is never further away than two periods.
    let near = |left: f64| (0.0..=2.0 * PERIOD.as_secs_f64()).contains(&left);
    // What is planned is known some time after a burst, and before the next one.
    let mut between_bursts = |is_seen: &dyn Fn() -> bool| {
        reader.ask();
        let end = Instant::now() + PERIOD / 2;
        std::iter::repeat_with(is_seen).find(|seen| *seen || Instant::now() >= end) == Some(true)
    };
    let all_have_one = || {
        let all = left(&containers());
        all.len() == CONTAINERS && all.iter().all(|one| one.is_some_and(near))
    };
    until("a time for each container", || between_bursts(&all_have_one));
    let has_pace = || {
        let status = ask(&socket, "GET", "/v1/status?module=ahead-seen", 200);
        let foreseen = &status["instances"][0]["foreseen"];
        foreseen["every_seconds"].is_f64() && foreseen["in_seconds"].as_f64().is_some_and(near)
    };
    until("the pace", || between_bursts(&has_pace));
}

#[test]
fn a_reader_that_stops_costs_one_run_per_container() {
    let bench = bench("ahead-stop", &[("isolator_usage", USAGE)], &[]);
    Reader::new(&bench).ask_until_ahead(CONTAINERS as u64);
    let before = bench.runs("isolator_usage");
    // The second time that nobody comes, all is known of the first.
    until("the end of what was foreseen", || {
        let (used, wasted) = (refreshes(&bench, "used"), refreshes(&bench, "wasted"));
        let ahead = bench.runs("isolator_usage") as u64 - requests(&bench, "miss");
        wasted >= CONTAINERS as u64 && used + wasted >= ahead
    });
    let after = bench.runs("isolator_usage") - before;
    assert!(after <= CONTAINERS, "{after} runs after the last request");
}

#[test]
fn a_container_that_is_new_joins_the_next_round() {
    let bench = bench("ahead-new", &[("isolator_usage", USAGE)], &[]);
    let mut reader = Reader::new(&bench);
    reader.ask_until_ahead(CONTAINERS as u64);
    bench.call(Event::Prepare, "new");
    let ran_for = || std::fs::read_to_string(bench.path("isolator_usage.for")).unwrap();
    let runs = || ran_for().lines().filter(|line| *line == "new").count();
    until("its value", || {
        reader.ask();
        runs() > 0
    });
    for _ in 0..3 {
        reader.ask();
    }
    assert_eq!(runs(), 1, "nobody has asked for it");
    bench.call(Event::Cleanup, "new");
    until("its refresh to be judged", || refreshes(&bench, "wasted") > 0);
}

#[test]
fn off_means_that_commands_run_when_somebody_asks() {
    let off = [("isolator_usage_refresh_ahead", "off")];
    let bench = bench("ahead-off", &[("isolator_usage", USAGE)], &off);
    let mut reader = Reader::new(&bench);
    for _ in 0..6 {
        reader.ask();
    }
    assert_eq!(requests(&bench, "ahead"), 0);
    assert_eq!(runs(&bench), requests(&bench, "miss"));
}

#[test]
fn the_log_says_the_pace_and_with_debug_how_old_each_value_is() {
    collect_log();
    let debug = [("debug", "true")];
    let bench = bench("ahead-log", &[("isolator_usage", USAGE)], &debug);
    // The directory is in the lines of commands, the container in those of answers.
    bench.call(Event::Prepare, "ahead-log-c");
    let mut reader = Reader::new(&bench);
    until("values that were refreshed ahead", || {
        reader.ask();
        bench.usage("ahead-log-c");
        logged("TASK=ahead-log-c, METHOD=usage] Answering with a value 0.")
            .iter()
            .any(|line| line.contains(" s old (fresh, refreshed ahead)"))
    });
    assert!(!logged("usage is asked for every ").is_empty());
}
