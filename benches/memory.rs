//! What a container costs in memory and descriptors beyond the text of its configuration.
//!
//! Usage: `cargo bench --bench memory [-- containers]`. The first containers have their usage from
//! real runs, which also leave what runs leave; the others are seeded with the same value, because
//! ten thousand runs would take long and leave nothing else. Resident memory includes shared
//! memory and memfds; page tables are added from /proc/self/status.

#[path = "common/figure.rs"]
mod figure;
#[path = "common/ids.rs"]
mod ids;
#[path = "common/scripts.rs"]
mod scripts;

use std::sync::mpsc;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use serde_json::json;

use figure::figure;
use ids::id;
use scripts::write_script;

/// Containers whose usage is run: more than inputs are kept as memfds.
const RUN: usize = 200;
const USAGE: &str = r#"{"cpus_user_time_secs":31.5,"mem_rss_bytes":734003200}"#;

fn main() {
    let containers = std::env::args().find_map(|it| it.parse().ok()).unwrap_or(10_000_usize);
    let directory = tempfile::tempdir().expect("a directory");
    let text = format!("#!/bin/sh\nprintf '%s' '{USAGE}' >\"$2\"\n");
    let script = write_script(directory.path(), "usage", &text);
    let parameters = [
        ("module_name", "memory".to_owned()),
        ("state_dir", directory.path().display().to_string()),
        ("isolator_usage_command", script.display().to_string()),
        ("isolator_usage_cache_ttl", "1hrs".to_owned()),
        ("isolator_usage_timeout", "60".to_owned()),
    ];
    let parameters = parameters.map(|(key, value)| (key.to_owned(), value));
    let isolator = Isolator::create(&parameters).expect("the parameters are right");
    // One run before anything is measured: threads and buffers come with it.
    let warm = id(u32::MAX as usize);
    introduce(&isolator, &warm);
    let value = run(&isolator, &[warm]);

    let ids: Vec<_> = (0..containers).map(id).collect();
    let (before, fds_before) = (memory(), descriptors());
    let mut text = 0;
    for id in &ids {
        text += introduce(&isolator, id);
    }
    let first = RUN.min(containers);
    run(&isolator, &ids[..first]);
    for id in &ids[first..] {
        assert!(isolator.seed_usage(id, &value));
    }
    assert_eq!(isolator.containers(), containers + 1);
    let (after, fds_after) = (memory(), descriptors());
    let grown = after.saturating_sub(before);
    let beyond = grown.saturating_sub(text) as f64 / containers as f64;
    println!(
        "{containers} containers: {} KiB more, of it {} KiB configuration text; {beyond:.0} bytes \
         per container beyond that; descriptors {fds_before} -> {fds_after}",
        grown >> 10,
        text >> 10,
    );
    figure!("memory: a container beyond its configuration text", "bytes").print(beyond);
    let more = fds_after.saturating_sub(fds_before);
    figure!("memory: descriptors of 10,000 containers", "").print(more as f64);
}

/// Makes a container known; returns the size of its configuration text.
fn introduce(isolator: &Isolator, id: &[u8]) -> usize {
    let sandbox = format!("/var/lib/mesos/slaves/1-S0/runs/{}", String::from_utf8_lossy(&id[2..]));
    let config = json!({
        "command_info": {"value": "exec /usr/bin/service --port $PORT0", "shell": true},
        "directory": sandbox,
        "user": "service",
    });
    let config = config.to_string();
    isolator.introduce(id, config.as_bytes()).expect("it is well-formed");
    config.len()
}

/// Runs the usage of these containers; returns the last value.
fn run(isolator: &Isolator, ids: &[Vec<u8>]) -> Vec<u8> {
    let (sender, receiver) = mpsc::channel();
    for id in ids {
        let values = [InputValue::Absent, InputValue::Message(id)];
        let sender = sender.clone();
        isolator.call(Event::Usage, &values, Box::new(move |answer| drop(sender.send(answer))));
    }
    drop(sender);
    let answers = receiver.into_iter().map(|answer| match answer {
        Answer::Message(bytes) => bytes.to_vec(),
        other => panic!("usage gave {other:?}"),
    });
    answers.last().expect("an answer for each")
}

/// Resident memory with its page tables, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is readable");
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("it is there");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number")
    };
    (kib("VmRSS:") + kib("VmPTE:")) << 10
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("it is readable").count()
}
