//! Reloads while many threads call: no call is lost, and none is a mix of two sets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use mesos_command::call::Answer;
use mesos_command::event::Event;
use serde_json::Value;

use super::{Rig, at, place};
use crate::support::until;

/// It prints its version, and that of its timeout, by what is left to its deadline.
const USAGE: &str = "v=${0##*[!0-9]}; t=1; \
    [ $((MESOS_COMMAND_DEADLINE - $(date +%s))) -lt 50000 ] || t=2; \
    printf '{\"mem_rss_bytes\":%s,\"mem_limit_bytes\":%s}' $v $t >\"$2\"";
/// As that, of a hook: attributes of an agent.
const HOOK: &str = "v=${0##*[!0-9]}; t=1; \
    [ $((MESOS_COMMAND_DEADLINE - $(date +%s))) -lt 50000 ] || t=2; \
    printf '{\"attributes\":[{\"name\":\"v\",\"type\":\"TEXT\",\"text\":{\"value\":\"%s=%s\"}}]}' $v $t >\"$2\"";
/// Each says which one it is.
const WORKER: &str = r#"v=${0##*[!0-9]}
[ "$MESOS_COMMAND_WORKER" = 1 ] || { printf '{"mem_rss_bytes":%s}' $v >"$2"; exit; }
while read -r line; do
  case $line in
  *mesos_command_worker*) echo '{"ready":1}' ;;
  *) id=${line#*\"id\":}; echo "{\"id\":${id%%,*},\"output\":{\"mem_rss_bytes\":$v}}" ;;
  esac
done"#;

const RELOADS: usize = 12;
const THREADS: usize = 4;

const TIMEOUTS: [&str; 2] = ["1000", "100000"];
const EVENT: &str = "hook_slave_attributes_decorator";

/// The commands of both versions.
struct Commands {
    usage: [String; 2],
    hook: [String; 2],
}

impl Commands {
    fn isolator(&self, version: usize) -> [(&str, &str); 4] {
        [
            ("isolator_usage_command", &self.usage[version]),
            ("isolator_usage_timeout", TIMEOUTS[version]),
            ("isolator_usage_cache_ttl", "0"),
            ("max_parallel", ["2", "7"][version]),
        ]
    }

    fn hook(&self, version: usize) -> [(&str, &str); 2] {
        [
            ("hook_slave_attributes_decorator_command", &self.hook[version]),
            ("hook_slave_attributes_decorator_timeout", TIMEOUTS[version]),
        ]
    }
}

/// Tells callers to stop when it goes, however that comes about: a scope waits for all of them.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The calls that were made.
#[derive(Default)]
struct Made {
    stop: AtomicBool,
    /// By the version that answered.
    usages: [AtomicU64; 2],
    hooks: AtomicU64,
}

impl Made {
    fn ask_for_usage(&self, rig: &Rig) {
        while !self.stop.load(Ordering::Relaxed) {
            let text = rig.usage("c");
            let usage: Value = serde_json::from_str(&text).expect("an answer");
            let number = |key: &str| usage[key].as_u64();
            let version = match (number("mem_rss_bytes"), number("mem_limit_bytes")) {
                (Some(1), Some(1)) => 0,
                (Some(2), Some(2)) => 1,
                _ => panic!("a mix: {text}"),
            };
            self.usages[version].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn call_the_hook(&self, rig: &Rig) {
        while !self.stop.load(Ordering::Relaxed) {
            let answer = rig.attributes();
            let Answer::Message(bytes) = answer else { panic!("no answer: {answer:?}") };
            self.hooks.fetch_add(1, Ordering::Relaxed);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(text.contains("1=1") || text.contains("2=2"), "a mix: {text:?}");
        }
    }
}

#[test]
fn each_call_is_that_of_one_set_and_none_is_lost() {
    let scripts = place(&[("u1", USAGE), ("u2", USAGE), ("h1", HOOK), ("h2", HOOK)]);
    let both = |name: &str| ["1", "2"].map(|n| at(scripts.path(), &format!("{name}{n}")));
    let commands = Commands { usage: both("u"), hook: both("h") };
    let rig = Rig::new("reload-load", scripts, &commands.isolator(0), &commands.hook(0));
    rig.call(Event::Prepare, "c");
    let made = Made::default();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| made.ask_for_usage(&rig));
        }
        scope.spawn(|| made.call_the_hook(&rig));
        let _stops = Stops(&made.stop);
        for round in 1..=RELOADS {
            let version = round % 2;
            rig.write(&commands.isolator(version), &commands.hook(version));
            let [isolator, hook] = rig.reload();
            assert_eq!(isolator["changed"].as_array().unwrap().len(), 3, "{isolator}");
            assert_eq!(hook["changed"].as_array().unwrap().len(), 2, "{hook}");
            // What begins now is of the new set.
            let answered = || made.usages[version].load(Ordering::Relaxed);
            let before = answered();
            until("calls of the new set", || answered() > before);
        }
    });
    let counted = |labels: &str| rig.metric("mesos_command_calls_total", labels) as u64;
    let usages = made.usages.iter().map(|one| one.load(Ordering::Relaxed)).sum();
    for (event, calls) in [("isolator_usage", usages), (EVENT, made.hooks.into_inner())] {
        assert_eq!(counted(&format!("event=\"{event}\",outcome=\"ok\"")), calls);
        assert_eq!(counted(&format!("event=\"{event}\"")), calls, "each has one outcome");
        println!("{calls} calls of {event}, over {RELOADS} reloads");
    }
    until("the end", || {
        rig.metric("mesos_command_running", "") + rig.metric("mesos_command_queued", "") == 0.0
    });
}

#[test]
fn workers_that_are_replaced_answer_what_they_have() {
    let scripts = place(&[("w1", WORKER), ("w2", WORKER)]);
    let paths = ["w1", "w2"].map(|name| at(scripts.path(), name));
    let parameters = |version: usize| {
        [
            ("isolator_usage_command", paths[version].as_str()),
            ("isolator_usage_mode", "worker"),
            ("isolator_usage_timeout", "600"),
            ("isolator_usage_cache_ttl", "0"),
        ]
    };
    let rig = Rig::new("reload-workers", scripts, &parameters(0), &[]);
    rig.call(Event::Prepare, "c");
    until("the worker", || rig.metric("mesos_command_worker_up", "") == 1.0);
    let stop = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let text = rig.usage("c");
                    calls.fetch_add(1, Ordering::Relaxed);
                    let known = [r#"{"mem_rss_bytes":1}"#, r#"{"mem_rss_bytes":2}"#];
                    assert!(known.contains(&text.as_str()), "{text}");
                }
            });
        }
        let _stops = Stops(&stop);
        for round in 1..=RELOADS {
            let version = round % 2;
            rig.write(&parameters(version), &[]);
            rig.reload();
            assert_eq!(rig.usage("c"), format!("{{\"mem_rss_bytes\":{}}}", version + 1));
            calls.fetch_add(1, Ordering::Relaxed);
        }
    });
    let counted = |labels: &str| rig.metric("mesos_command_calls_total", labels) as u64;
    let calls = calls.into_inner();
    assert_eq!(counted("event=\"isolator_usage\",outcome=\"ok\""), calls);
    assert_eq!(counted("event=\"isolator_usage\""), calls);
    // Those of the sets before have ended.
    until("one worker", || rig.metric("mesos_command_worker_up", "") == 1.0);
    let status = rig.status();
    assert_eq!(status["workers"][0]["processes"].as_array().unwrap().len(), 1, "{status}");
    println!("{calls} calls over {RELOADS} reloads");
}
