//! Nothing is left: descriptors, processes, zombies.

use std::time::Duration;

use super::support::{Choice, Rig, TOGETHER, wait_for};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
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
    wait_for("rest", || (zombies() == 0).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    let before = descriptors();
    for fault in ["none", "exit=1", "orphan=2", "huge=1", "partial=2", "twice=1", "deathless"] {
        run(fault);
    }
    wait_for("no zombies", || (zombies() == 0).then_some(()));
    wait_for("as many descriptors as before", || (descriptors() <= before).then_some(()));
}
