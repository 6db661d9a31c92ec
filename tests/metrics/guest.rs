//! What the metrics do to the process that they are a guest in.
//!
//! Threads and descriptors are the whole process's, so this runs in a process of its own: this
//! test binary again, told so by its environment.

use std::collections::BTreeSet;
use std::fs;

use mesos_command::event::{Event, ModuleKind};
use mesos_command::exporter;
use mesos_command::exporter::{MetricsAddress, TextfilePath};
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::OutcomeKind;

use crate::support::{free_address, own_process, scrape, wait_for};

const CHILD: &str = "METRICS_TEST_GUEST";
/// Bits of the masks in /proc/PID/status: number of the signal minus one.
const SIGTERM: u64 = 1 << 14;
const SIGSEGV: u64 = 1 << 10;

#[test]
fn a_guest_has_named_threads_with_blocked_signals_and_leaks_no_descriptor() {
    let _ = own_process("guest::child", CHILD);
}

/// Name and status of each of our threads.
fn threads() -> Vec<(String, String)> {
    fs::read_dir("/proc/self/task")
        .expect("Linux")
        .filter_map(|task| {
            let path = task.ok()?.path();
            let name = fs::read_to_string(path.join("comm")).ok()?.trim().to_owned();
            Some((name, fs::read_to_string(path.join("status")).ok()?))
        })
        .filter(|(name, _)| name.starts_with("mcmd-"))
        .collect()
}

fn blocked(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("there");
    u64::from_str_radix(line.trim(), 16).expect("hexadecimal")
}

/// Descriptors without close-on-exec, by number.
fn inheritable() -> BTreeSet<u32> {
    const O_CLOEXEC: u32 = 0o2_000_000;
    fs::read_dir("/proc/self/fdinfo")
        .expect("Linux")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let info = fs::read_to_string(&path).ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
            let flags = u32::from_str_radix(flags.trim(), 8).ok()?;
            let number = path.file_name()?.to_str()?.parse().ok()?;
            (flags & O_CLOEXEC == 0).then_some(number)
        })
        .collect()
}

#[test]
#[ignore = "started by the test above, in a process of its own"]
fn child() {
    assert!(std::env::var_os(CHILD).is_some(), "started without {CHILD}");
    let before = inheritable();
    let module = ModuleMetrics::new("guest", ModuleKind::Isolator);
    module.event(Event::Usage).call(OutcomeKind::Ok, None);
    assert!(
        mesos_command::metrics::render().contains("\nmesos_command_calls_total{module=\"guest\"")
    );
    assert!(threads().is_empty(), "a thread before start: {:?}", threads());

    exporter::start();
    exporter::start();
    let started = wait_for("the thread", || Some(threads()).filter(|t| !t.is_empty()));
    assert_eq!(started.len(), 1);

    let directory = tempfile::tempdir().expect("a directory");
    let addresses = [free_address(), MetricsAddress::Unix(directory.path().join("m.sock"))];
    exporter::listen(&addresses);
    let file = directory.path().join("m.prom");
    let path: TextfilePath = file.to_str().expect("UTF-8").parse().expect("accepted");
    exporter::textfile(&path);
    addresses.iter().for_each(|address| drop(scrape(address)));
    wait_for("the file", || file.exists().then_some(()));
    let all = threads();
    let names: BTreeSet<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["mcmd-metrics", "mcmd-metrics-io"]));
    for (name, status) in &all {
        let mask = blocked(status);
        assert!(mask & SIGTERM != 0 && mask & SIGSEGV == 0, "{name}: {mask:x}");
    }
    assert_eq!(inheritable(), before);
}
