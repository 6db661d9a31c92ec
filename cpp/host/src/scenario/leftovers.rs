//! What a host process has: children, file descriptors, threads, temporary files.
//!
//! A module that has answered all calls must leave nothing behind, so a scenario compares two
//! snapshots. Everything is read from `/proc`, which needs no privilege for one's own process.

use std::path::Path;
use std::time::{Duration, Instant};

use super::model::Allowance;

/// Counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    children: usize,
    zombies: usize,
    fds: usize,
    memfds: usize,
    threads: usize,
    files: usize,
    directories: usize,
}

/// Number of threads of this process.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// What the open file descriptors lead to, without the one that looking takes.
fn targets() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    // The directory handle's own entry vanishes with it and reads as nothing by then.
    let paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    let targets = paths.iter().filter_map(|path| std::fs::read_link(path).ok());
    targets.map(|target| target.to_string_lossy().into_owned()).collect()
}

/// Number of open file descriptors, without the one that counting takes, and how many are memfds.
pub(crate) fn descriptors() -> (usize, usize) {
    let targets = targets();
    let memfds = targets.iter().filter(|it| it.starts_with("/memfd:")).count();
    (targets.len(), memfds)
}

/// State letters of the processes whose parent is this one.
fn children() -> Vec<char> {
    let own = std::process::id().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let stat = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("stat")).ok();
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .filter_map(stat)
        .filter_map(|stat| {
            // The name before the last parenthesis may hold anything.
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let state = fields.next()?.chars().next()?;
            (fields.next()? == own).then_some(state)
        })
        .collect()
}

/// The list that the engine keeps of its running commands where it has no cgroups for them; it is
/// there for as long as the process is.
const LIST: &str = "running";

fn tree(directory: &Path, snapshot: &mut Snapshot) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name() == LIST {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            snapshot.directories += 1;
            tree(&entry.path(), snapshot);
        } else {
            snapshot.files += 1;
        }
    }
}

impl Snapshot {
    /// Of this process, with `temporary` as the place of temporary files.
    pub(crate) fn take(temporary: &Path) -> Snapshot {
        let states = children();
        let zombies = states.iter().filter(|state| **state == 'Z').count();
        let (fds, memfds) = descriptors();
        let mut snapshot = Snapshot {
            children: states.len() - zombies,
            zombies,
            fds,
            memfds,
            threads: threads(),
            ..Snapshot::default()
        };
        tree(temporary, &mut snapshot);
        snapshot
    }

    /// What is there beyond the baseline and the allowance.
    fn excess(&self, baseline: &Snapshot, allowed: &Allowance) -> Vec<String> {
        let rows = [
            ("children", self.children, baseline.children + allowed.children),
            ("zombies", self.zombies, baseline.zombies),
            ("file descriptors", self.fds, baseline.fds + allowed.fds),
            ("memfds", self.memfds, baseline.memfds + allowed.memfds),
            ("threads", self.threads, baseline.threads + allowed.threads),
            ("temporary files", self.files, baseline.files + allowed.files),
            ("temporary directories", self.directories, baseline.directories + allowed.directories),
        ];
        rows.into_iter()
            .filter(|(_, found, most)| found > most)
            .map(|(what, found, most)| format!("{what}: {found}, at most {most} expected"))
            .collect()
    }
}

/// Waits until nothing is left beyond the allowance; what is left when the time is over.
pub(crate) fn settle(temporary: &Path, baseline: &Snapshot, allowed: &Allowance) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_millis(allowed.within_ms);
    loop {
        let now = Snapshot::take(temporary);
        let mut excess = now.excess(baseline, allowed);
        if excess.is_empty() {
            return excess;
        }
        if Instant::now() >= deadline {
            if now.fds > baseline.fds + allowed.fds {
                excess.push(format!("the descriptors lead to {}", targets().join(", ")));
            }
            return excess;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(json: &str) -> Allowance {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn files_and_directories_are_counted() {
        let place = tempfile::tempdir().unwrap();
        let before = Snapshot::take(place.path());
        std::fs::create_dir(place.path().join("call")).unwrap();
        std::fs::write(place.path().join("call/input"), "x").unwrap();
        let mut after = Snapshot::take(place.path());
        // Other tests of this program open files at the same time.
        after.fds = before.fds;
        after.memfds = before.memfds;
        after.threads = before.threads;
        after.children = before.children;
        after.zombies = before.zombies;
        assert_eq!(after.excess(&before, &allowance("{}")).len(), 2);
        assert_eq!(after.excess(&before, &allowance(r#"{"files":1,"directories":1}"#)).len(), 0);
    }

    #[test]
    fn a_child_is_seen_and_so_is_its_zombie() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!children().is_empty());
        child.kill().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !children().contains(&'Z') {
            assert!(Instant::now() < deadline, "no zombie seen");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait().unwrap();
    }
}
