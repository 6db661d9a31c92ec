//! A modules file on a file system that does not answer.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use mesos_command::event::Event;
use nix::sys::stat::Mode;
use test_support::own_process;

use super::{Rig, at, place};
use crate::control::ask;
use crate::support::until;

/// Reloads that are under way or wait.
const MOST: usize = 16;
const CHILD: &str = "RELOAD_THAT_HANGS";

/// Reloads are one after the other in a process, so this one has a process of its own.
#[test]
fn it_holds_up_no_call_and_is_bounded() {
    let _ = own_process("reload::hang::in_a_process_of_its_own", CHILD);
}

fn threads() -> usize {
    let all = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    all.filter_map(|task| name(task).ok()).filter(|name| name.trim() == "mcmd-reload").count()
}

#[test]
#[ignore = "run by it_holds_up_no_call_and_is_bounded"]
fn in_a_process_of_its_own() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let scripts = place(&[("u", "printf '{\"mem_rss_bytes\":1}' >\"$2\"")]);
    let usage = at(scripts.path(), "u");
    let command = ("isolator_usage_command", usage.as_str());
    let ttl = ("isolator_usage_cache_ttl", "0");
    let rig = Rig::new("reload-hang", scripts, &[command, ttl], &[]);
    rig.call(Event::Prepare, "c");
    // Who opens it waits for a writer.
    let (file, fifo) = (rig.file(), rig.place.path().join("fifo"));
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    std::fs::rename(&fifo, &file).unwrap();
    let mut waiting: Vec<UnixStream> = (1..=MOST)
        .map(|number| {
            let mut stream = UnixStream::connect(rig.socket()).unwrap();
            stream.write_all(b"POST /v1/reload HTTP/1.0\r\n\r\n").unwrap();
            until("another reload", || threads() == number);
            stream
        })
        .collect();
    assert!(rig.refused().contains("several reloads wait already"), "one more");
    assert_eq!(threads(), MOST);
    assert_eq!(rig.usage("c"), r#"{"mem_rss_bytes":1}"#);
    assert!(rig.status()["reloaded_seconds"].is_null());
    let mut answer = String::new();
    waiting.remove(0).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 504 ") || answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.contains("the reload goes on"), "{answer}");
    // It answers: the first one gets a text that is no modules file, the others a good one.
    let mut writer = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    rig.write(&[command, ttl, ("kill_grace", "3")], &[]);
    writer.write_all(b"{").unwrap();
    drop(writer);
    until("their end", || threads() == 0);
    assert_eq!(rig.holds("kill_grace"), "3");
    assert_eq!(rig.metric("mesos_command_reload_failures_total", ""), 2.0, "of both instances");
    ask(&rig.socket(), "POST", "/v1/reload", 200);
}
