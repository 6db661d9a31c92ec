//! One run for many containers.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use mesos_command::call::Answer;
use mesos_command::event::Event;

use crate::support::{Bench, PATIENCE, until, usage_text};

/// Answers for every container of the input: the number of the run, and what it was asked.
const ALL: &str = r#"n=$(wc -l <"$0.runs")
grep -o '"container_id":{"value":"[^"]*"' "$1" | sed 's/.*"\([^"]*\)"$/\1/' >"$0.asked"
sed "s/.*/\"&\":{\"mem_rss_bytes\":$n}/" "$0.asked" | paste -sd, | sed 's/.*/{&}/' >"$2""#;

fn start_all(bench: &Bench, containers: usize) -> Vec<Receiver<Answer>> {
    (0..containers).map(|c| bench.start(Event::Usage, &format!("c{c}"))).collect()
}

fn wait_all(waiting: &[Receiver<Answer>]) -> Vec<String> {
    waiting.iter().map(|answer| usage_text(&answer.recv_timeout(PATIENCE).unwrap())).collect()
}

fn ask_all(bench: &Bench, containers: usize) -> Vec<String> {
    wait_all(&start_all(bench, containers))
}

#[test]
fn a_thousand_containers_take_one_process_per_ttl() {
    let bench = Bench::new(
        "batch",
        &[("isolator_usage_batch", ALL)],
        &[("isolator_usage_cache_ttl", "1s")],
    );
    for container in 0..1000 {
        bench.call(Event::Prepare, &format!("c{container}"));
    }
    for answer in ask_all(&bench, 1000) {
        assert_eq!(answer, r#"{"mem_rss_bytes":1}"#);
    }
    assert_eq!(bench.runs("isolator_usage_batch"), 1);
    // Asked without a pause for three lives: each life is at least a TTL long, so no more than
    // one run starts in each.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        ask_all(&bench, 1000);
    }
    let lives = start.elapsed().as_secs() as usize + 1;
    let runs = bench.runs("isolator_usage_batch");
    assert!((2..=1 + lives).contains(&runs), "{runs} runs in {lives} lives");
}

#[test]
fn a_container_that_is_left_out_keeps_its_last_good_value_and_strangers_are_told() {
    let script = r#"case $(wc -l <"$0.runs") in
1) while [ ! -e "$0.go" ]; do sleep 0.02; done
  echo '{"c0":{"mem_rss_bytes":1},"c1":{"mem_rss_bytes":1},"stranger":{}}' ;;
*) echo '{"c0":{"mem_rss_bytes":2},"c1":{"mem_rss_bytes":"x"}}' ;;
esac >"$2""#;
    let bench = Bench::new(
        "left-out",
        &[("isolator_usage_batch", script)],
        &[("isolator_usage_cache_ttl", "50ms"), ("isolator_usage_stale_ttl", "60")],
    );
    for container in ["c0", "c1", "c2"] {
        bench.call(Event::Prepare, container);
    }
    let waiting = start_all(&bench, 3);
    std::fs::write(bench.path("isolator_usage_batch.go"), "").unwrap();
    assert_eq!(wait_all(&waiting), [r#"{"mem_rss_bytes":1}"#, r#"{"mem_rss_bytes":1}"#, ""]);
    let strangers = || bench.metric("mesos_command_lossy_outputs_total", "isolator_usage_batch");
    until("the stranger to be counted", || strangers() == 1);
    until("the second run", || bench.usage("c0") == r#"{"mem_rss_bytes":2}"#);
    assert_eq!(bench.usage("c1"), r#"{"mem_rss_bytes":1}"#, "its new value was no number");
    assert_eq!(bench.call(Event::Usage, "c2"), Answer::Nothing);
}

#[test]
fn a_batch_that_fails_fails_for_all_and_cleanup_does_not_wait_for_it() {
    let script = "while [ ! -e \"$0.go\" ]; do sleep 0.02; done\nexit 3";
    let bench = Bench::new(
        "broken-batch",
        &[("isolator_usage_batch", script)],
        &[("isolator_usage_cache_ttl", "60")],
    );
    bench.call(Event::Prepare, "c0");
    bench.call(Event::Prepare, "c1");
    let waiting = [bench.start(Event::Usage, "c0"), bench.start(Event::Usage, "c1")];
    // The batch does not end before it is told to.
    assert_eq!(bench.call(Event::Cleanup, "c1"), Answer::Nothing);
    assert_eq!(waiting[1].recv_timeout(PATIENCE).unwrap(), Answer::Nothing);
    std::fs::write(bench.path("isolator_usage_batch.go"), "").unwrap();
    assert_eq!(waiting[0].recv_timeout(PATIENCE).unwrap(), Answer::Nothing);
    assert_eq!(bench.runs("isolator_usage_batch"), 1);
    assert_eq!(bench.metric("mesos_command_calls_total", "event=\"isolator_usage\""), 2);
}
