//! Nothing is left: descriptors, processes, zombies.

use std::collections::BTreeMap;
use std::time::Duration;

use super::support::{Choice, Rig, TOGETHER, wait_for};

/// What our descriptors lead to, by number. Those without close-on-exec are the harness's.
fn descriptors() -> BTreeMap<i32, String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let own = entries.filter_map(|entry| {
        let number: i32 = entry.file_name().to_str()?.parse().ok()?;
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
        let target = std::fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
        (flags & nix::libc::O_CLOEXEC != 0).then_some((number, target))
    });
    own.collect()
}

/// Whether no worker and no run has a descriptor.
fn at_rest() -> bool {
    let of_a_run = ["pipe:", "pidfd", "memfd:"];
    !descriptors().values().any(|target| of_a_run.iter().any(|part| target.contains(part)))
}

fn zombies() -> usize {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            let text = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let mut fields = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
            fields.next() == Some("Z") && fields.next() == Some(&own.to_string())
        })
        .count()
}

#[test]
fn no_fault_leaves_anything_behind() {
    let _alone = TOGETHER.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let choice = || Choice {
        timeout: Some(Duration::from_millis(500)),
        alone: true,
        workers: 2,
        ..Choice::default()
    };
    let run = |fault: &str| {
        let rig = Rig::ready(fault, choice());
        for _ in 0..4 {
            rig.call();
        }
        rig.finish();
    };
    // What is made once, and stays, is made by now.
    run("none");
    wait_for("rest", || (zombies() == 0 && at_rest()).then_some(()));
    let before = descriptors().len();
    for fault in ["none", "exit=1", "orphan=2", "huge=1", "partial=2", "twice=1", "deathless"] {
        run(fault);
    }
    wait_for("no zombies", || (zombies() == 0).then_some(()));
    wait_for("rest", || at_rest().then_some(()));
    let after = descriptors();
    assert!(after.len() <= before, "{before} descriptors before, then {after:?}");
}
