//! The usage cache with real commands.

use mesos_command::call::Answer;
use mesos_command::event::Event;

use crate::support::{Instance, PATIENCE, until, usage_text};

const COUNTING: &str =
    r#"n=$(wc -l <"$0.runs"); printf '{"mem_rss_bytes":%d,"timestamp":7}' "$n" >"$2""#;

#[test]
fn a_thousand_simultaneous_misses_take_one_run() {
    let script =
        "while [ ! -e \"$0.go\" ]; do sleep 0.02; done\nprintf '{\"mem_rss_bytes\":5}' >\"$2\"";
    let bench = Instance::new(
        "stampede",
        &[("isolator_usage", script)],
        &[("isolator_usage_cache_ttl", "60")],
    );
    bench.call(Event::Prepare, "c");
    let waiting: Vec<_> = (0..1000).map(|_| bench.start(Event::Usage, "c")).collect();
    std::fs::write(bench.path("isolator_usage.go"), "").unwrap();
    for answer in waiting {
        let answer = answer.recv_timeout(PATIENCE).unwrap();
        assert_eq!(usage_text(&answer), r#"{"mem_rss_bytes":5}"#);
    }
    assert_eq!(bench.runs("isolator_usage"), 1);
    assert_eq!(bench.metric("mesos_command_calls_total", "outcome=\"ok\""), 1000);
    assert_eq!(bench.metric("mesos_command_runs_total", "outcome=\"ok\""), 1);
    assert_eq!(bench.metric("mesos_command_usage_cache_requests_total", "result=\"miss\""), 1);
    assert_eq!(bench.metric("mesos_command_usage_cache_requests_total", "result=\"joined\""), 999);
}

#[test]
fn a_leader_that_fails_wakes_all_and_the_last_good_value_serves() {
    let script = "[ -e \"$0.broken\" ] && exit 3\nprintf '{\"mem_rss_bytes\":5}' >\"$2\"";
    let bench = Instance::new(
        "failing-leader",
        &[("isolator_usage", script)],
        &[("isolator_usage_cache_ttl", "20ms"), ("isolator_usage_stale_ttl", "60")],
    );
    bench.call(Event::Prepare, "c");
    assert_eq!(bench.usage("c"), r#"{"mem_rss_bytes":5}"#);
    std::fs::write(bench.path("isolator_usage.broken"), "").unwrap();
    until("a failing run", || {
        assert_eq!(bench.usage("c"), r#"{"mem_rss_bytes":5}"#, "stale rather than nothing");
        bench.metric("mesos_command_runs_total", "outcome=\"exit\"") > 0
    });
    // A container that never had a value gets an empty one.
    bench.call(Event::Prepare, "new");
    let waiting: Vec<_> = (0..50).map(|_| bench.start(Event::Usage, "new")).collect();
    for answer in waiting {
        assert_eq!(answer.recv_timeout(PATIENCE).unwrap(), Answer::Nothing);
    }
}

#[test]
fn values_live_for_their_ttl_and_zero_turns_the_cache_off() {
    let bench = Instance::new(
        "ttl",
        &[("isolator_usage", COUNTING)],
        &[("isolator_usage_cache_ttl", "60")],
    );
    bench.call(Event::Prepare, "c");
    for _ in 0..10 {
        assert_eq!(bench.usage("c"), r#"{"mem_rss_bytes":1}"#, "and the timestamp is dropped");
    }
    let bench = Instance::new(
        "no-cache",
        &[("isolator_usage", COUNTING)],
        &[("isolator_usage_cache_ttl", "0")],
    );
    bench.call(Event::Prepare, "c");
    for run in 1..=10 {
        assert_eq!(bench.usage("c"), format!("{{\"mem_rss_bytes\":{run}}}"));
    }
}

/// For usage and status alike.
#[test]
fn a_refresh_that_hangs_is_not_waited_for_while_there_is_an_old_value() {
    let script = |value: &str| {
        format!(
            "while [ -e \"$0.hang\" ]; do sleep 0.02; done\n\
             [ ! -e \"$0.new\" ] || {{ printf '{{}}' >\"$2\"; exit; }}\nprintf '{value}' >\"$2\""
        )
    };
    let bench = Instance::new(
        "slow-refresh",
        &[
            ("isolator_usage", &script(r#"{"mem_rss_bytes":5}"#)),
            ("isolator_status", &script(r#"{"executor_pid":7}"#)),
        ],
        &[
            ("isolator_usage_cache_ttl", "10ms"),
            ("isolator_usage_timeout", "600"),
            ("isolator_status_timeout", "600"),
        ],
    );
    bench.call(Event::Prepare, "c");
    for (event, name) in [(Event::Usage, "isolator_usage"), (Event::Status, "isolator_status")] {
        let old = bench.call(event, "c");
        assert!(matches!(&old, Answer::Message(bytes) if !bytes.is_empty()), "{old:?}");
        let hang = bench.path(&format!("{name}.hang"));
        std::fs::write(&hang, "").unwrap();
        until("a run that hangs", || {
            // By far less than its time, and by the answer of a run that did not hang yet.
            let waiting: Vec<_> = (0..5).map(|_| bench.start(event, "c")).collect();
            for answer in waiting {
                assert_eq!(answer.recv_timeout(PATIENCE).unwrap(), old, "the old value");
            }
            bench.metric("mesos_command_running", &format!("event=\"{name}\"")) == 1
        });
        let served = || bench.metric("mesos_command_usage_cache_requests_total", "\"stale\"");
        let before = served();
        assert_eq!(bench.start(event, "c").recv_timeout(PATIENCE).unwrap(), old);
        if event == Event::Usage {
            assert!(served() > before, "counted as stale");
            let calls = bench.metric("mesos_command_calls_total", "event=\"isolator_usage\"");
            let counted = bench.metric("mesos_command_usage_cache_requests_total", "");
            assert_eq!(counted, calls, "each call once");
        }
        assert_eq!(
            bench.metric("mesos_command_calls_total", "outcome=\"timeout\""),
            0,
            "nobody waited until it was ended"
        );
        // The refresh goes on, and what it brings enters the cache.
        std::fs::write(bench.path(&format!("{name}.new")), "").unwrap();
        std::fs::remove_file(&hang).unwrap();
        until("the new value", || bench.call(event, "c") != old);
    }
}

#[test]
fn while_revalidating_nobody_waits() {
    let bench = Instance::new(
        "revalidate",
        &[("isolator_usage", COUNTING)],
        &[("isolator_usage_cache_ttl", "10ms"), ("isolator_usage_stale_while_revalidate", "60")],
    );
    bench.call(Event::Prepare, "c");
    assert_eq!(bench.usage("c"), r#"{"mem_rss_bytes":1}"#);
    until("a refresh behind", || {
        // Answered on the calling thread, fresh or stale: it is there when `start` returns.
        bench.start(Event::Usage, "c").try_recv().expect("no wait");
        bench.runs("isolator_usage") >= 3
    });
}

#[test]
fn what_the_containers_need_is_bounded() {
    let bench = Instance::new("bounded", &[("isolator_usage", COUNTING)], &[]);
    let memfds = || {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        fds.filter_map(|fd| std::fs::read_link(fd.path()).ok())
            .filter(|target| target.to_string_lossy().contains("memfd"))
            .count()
    };
    for container in 0..100 {
        let name = format!("c{container}");
        bench.call(Event::Prepare, &name);
        bench.usage(&name);
    }
    // Other tests of this program keep a few as well.
    assert!(memfds() <= 16 + 48, "{} memfds", memfds());
    assert_eq!(bench.metric("mesos_command_containers", ""), 100);
    assert_eq!(bench.metric("mesos_command_usage_cache_entries", ""), 100);
    for container in 0..100 {
        bench.call(Event::Cleanup, &format!("c{container}"));
    }
    assert_eq!(bench.metric("mesos_command_containers", ""), 0);
    assert_eq!(bench.metric("mesos_command_usage_cache_entries", ""), 0);
    assert_eq!(bench.isolator.containers(), 0);
}
