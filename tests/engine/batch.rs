//! One run for many containers.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use mesos_command::call::Answer;
use mesos_command::event::Event;

use crate::support::{Instance, PATIENCE, until, usage_text};

/// Answers for every container of the input: the number of the run, and what it was asked.
const ALL: &str = r#"n=$(wc -l <"$0.runs")
grep -o '"container_id":{"value":"[^"]*"' "$1" | sed 's/.*"\([^"]*\)"$/\1/' >"$0.asked"
sed "s/.*/\"&\":{\"mem_rss_bytes\":$n}/" "$0.asked" | paste -sd, | sed 's/.*/{&}/' >"$2""#;

fn start_all(bench: &Instance, containers: usize) -> Vec<Receiver<Answer>> {
    (0..containers).map(|c| bench.start(Event::Usage, &format!("c{c}"))).collect()
}

fn wait_all(waiting: &[Receiver<Answer>]) -> Vec<String> {
    waiting.iter().map(|answer| usage_text(&answer.recv_timeout(PATIENCE).unwrap())).collect()
}

fn ask_all(bench: &Instance, containers: usize) -> Vec<String> {
    wait_all(&start_all(bench, containers))
}

#[test]
fn a_thousand_containers_take_one_process_per_ttl() {
    let bench = Instance::new(
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
    let bench = Instance::new(
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
    let bench = Instance::new(
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

/// A batch command that writes what is in a file: after `printf`'s escapes.
fn says(module: &str, more: &[(&str, &str)]) -> Instance {
    let mut parameters =
        vec![("isolator_usage_cache_ttl", "50ms"), ("isolator_usage_stale_ttl", "60s")];
    parameters.extend(more);
    let script = r#"if [ -e "$0.says" ]; then printf "$(cat "$0.says")" >"$2"; fi"#;
    Instance::new(module, &[("isolator_usage_batch", script)], &parameters)
}

fn say(bench: &Instance, text: &str) {
    let path = bench.path("isolator_usage_batch.says");
    std::fs::write(path.with_extension("new"), text).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

fn memory(bytes: u64) -> String {
    format!(r#"{{"mem_rss_bytes":{bytes}}}"#)
}

fn failures(bench: &Instance, reason: &str) -> u64 {
    let part = format!("reason=\"{reason}\"");
    bench.metric("mesos_command_failures_total", &part)
}

#[test]
fn a_bad_value_costs_one_container() {
    let bench = says("bad-values", &[]);
    for container in 0..6 {
        bench.call(Event::Prepare, &format!("c{container}"));
    }
    say(
        &bench,
        r#"{"c0":{"mem_rss_bytes":1},"c1":NaN,"c2":{"mem_rss_bytes":002},"\\u0063%s":{"mem_rss_bytes":3.},
        "c4":{"mem_rss_bytes":0,"mem_rss_bytes":4,"x":"\377"},"c5":{"mem_rss_bytes":"five"}}"#
            .replace("%s", "3")
            .as_str(),
    );
    let expected = [memory(1), String::new(), memory(2), memory(3), memory(4), String::new()];
    until("all values", || ask_all(&bench, 6) == expected);
    assert!(failures(&bench, "invalid_output") >= 2);
    let ok = bench.metric("mesos_command_runs_total", "outcome=\"ok\"");
    assert_eq!(ok, bench.metric("mesos_command_runs_total", "isolator_usage_batch"));
}

#[test]
fn what_can_be_read_of_an_answer_that_is_no_json_is_kept() {
    let bench = says("cut-off", &[]);
    for container in 0..3 {
        bench.call(Event::Prepare, &format!("c{container}"));
    }
    say(&bench, r#"{"c0":{"mem_rss_bytes":1} "c1":{"mem_rss_bytes":2},"c2":{"mem_rss"#);
    until("two values", || ask_all(&bench, 3) == [memory(1), memory(2), String::new()]);
    let failed = "outcome=\"invalid_output\"";
    let before = bench.metric("mesos_command_runs_total", failed);
    // Nothing can be read of this one, so the last values stay.
    say(&bench, "no JSON");
    until("a failed run", || {
        ask_all(&bench, 1);
        bench.metric("mesos_command_runs_total", failed) > before
    });
    assert_eq!(ask_all(&bench, 3), [memory(1), memory(2), String::new()]);
}

#[test]
fn an_empty_output_says_nothing_and_a_container_that_is_missing_is_told_once() {
    let bench = says("silent", &[]);
    for container in 0..2 {
        bench.call(Event::Prepare, &format!("c{container}"));
    }
    say(&bench, r#"{"c0":{"mem_rss_bytes":1},"c1":{"mem_rss_bytes":1}}"#);
    until("both", || ask_all(&bench, 2) == [memory(1), memory(1)]);
    assert_eq!(failures(&bench, ""), 0);
    let some_runs = || {
        let runs = bench.runs("isolator_usage_batch");
        until("three more runs", || {
            assert_eq!(ask_all(&bench, 2).len(), 2);
            bench.runs("isolator_usage_batch") >= runs + 3
        });
    };
    say(&bench, " ");
    some_runs();
    assert_eq!(ask_all(&bench, 2), [memory(1), memory(1)], "the last values");
    assert_eq!(failures(&bench, ""), 0, "there is nothing to tell");
    say(&bench, r#"{"c0":{"mem_rss_bytes":2}}"#);
    some_runs();
    assert_eq!(ask_all(&bench, 2), [memory(2), memory(1)]);
    assert_eq!(failures(&bench, "invalid_output"), 1, "c1, once");
    say(&bench, r#"{"c0":{"mem_rss_bytes":3},"c1":{"mem_rss_bytes":3}}"#);
    until("both", || ask_all(&bench, 2) == [memory(3), memory(3)]);
    say(&bench, r#"{"c0":{"mem_rss_bytes":4}}"#);
    some_runs();
    assert_eq!(failures(&bench, "invalid_output"), 2, "once more");
    let calls = bench.metric("mesos_command_calls_total", "event=\"isolator_usage\"");
    let ok = bench.metric("mesos_command_calls_total", "event=\"isolator_usage\",outcome=\"ok\"");
    assert_eq!(calls, ok);
}

#[test]
fn the_size_of_an_output_counts_per_container() {
    let bench = says("sizes", &[("max_output_bytes", "300")]);
    for container in 0..4 {
        bench.call(Event::Prepare, &format!("c{container}"));
    }
    let padded = |bytes: u64, padding: usize| {
        format!(r#"{{"mem_rss_bytes":{bytes},"x":"{}"}}"#, "x".repeat(padding))
    };
    let [a, b, c] = [1, 2, 3].map(|bytes| padded(bytes, 200));
    say(&bench, &format!(r#"{{"c0":{a},"c1":{b},"c2":{c},"c3":{}}}"#, padded(4, 400)));
    let expected = [memory(1), memory(2), memory(3), String::new()];
    until("three values", || ask_all(&bench, 4) == expected);
    assert!(failures(&bench, "output_too_large") >= 1);
    say(&bench, &padded(1, 4 * 1400));
    until("a refused run", || {
        ask_all(&bench, 4);
        bench.metric("mesos_command_runs_total", "outcome=\"output_too_large\"") >= 1
    });
    assert_eq!(ask_all(&bench, 4), expected, "the last values");
}
