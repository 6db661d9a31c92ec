//! Descriptor numbers that a process of an ended run might still open.
//!
//! A command knows its memfds as `/proc/<our pid>/fd/N`. If N were used again while a process of
//! the run lives, that process could truncate and overwrite whatever N is then. So the memfds stay
//! open, sealed and without content, until the run's process group is empty and no process is left
//! that looks like a descendant (its environment or command line came from such a run). Only a few
//! are kept: beyond that, runs get files.

use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use parking_lot::Mutex;

use crate::sys::{self, Pid, ProcessGroup};

use super::SealedInput;
use super::measure::cut;

/// Most runs whose descriptors are kept.
const MOST: usize = 32;
/// How much of an environment is searched, in bytes.
const ENVIRONMENT_BYTES: u64 = 256 * 1024;

/// What distinguishes the processes of a run from others.
#[derive(Clone, Debug)]
pub(crate) struct RunMark {
    /// The run's process group.
    pub(crate) group: ProcessGroup,
    /// Start of the run in clock ticks since boot; descendants are not older.
    pub(crate) start: u64,
    /// Entries that all of them have in their environment, unless they cleared it.
    pub(crate) environment: [Vec<u8>; 2],
}

#[derive(Debug)]
struct Kept {
    mark: RunMark,
    _files: [File; 2],
    _input: Option<Arc<SealedInput>>,
}

/// The descriptors in quarantine.
#[derive(Debug, Default)]
pub(crate) struct ReservedFds {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: Vec<Kept>,
    live_groups: HashSet<ProcessGroup>,
}

impl ReservedFds {
    /// Whether another run may have memfds.
    pub(crate) fn has_room(&self) -> bool {
        self.state.lock().kept.len() < MOST
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().kept.is_empty()
    }

    /// A run with memfds has started: its processes are not taken for left-overs of another.
    pub(crate) fn started(&self, group: ProcessGroup) {
        self.state.lock().live_groups.insert(group);
    }

    /// Takes the memfds of an ended run.
    pub(super) fn keep(&self, mark: RunMark, files: [File; 2], input: Option<Arc<SealedInput>>) {
        for file in &files {
            // By a hole: who has it mapped would get SIGBUS if it were made shorter.
            cut(file, 0, 0);
            // Each on its own: a writable mapping forbids the second.
            for seal in [SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK, SealFlag::F_SEAL_WRITE] {
                let _ = fcntl(file, FcntlArg::F_ADD_SEALS(seal));
            }
        }
        let mut state = self.state.lock();
        state.live_groups.remove(&mark.group);
        state.kept.push(Kept { mark, _files: files, _input: input });
    }

    /// Frees what no process can open any more. True when something was freed. Blocks: it reads
    /// `/proc` for all processes of the machine, and one of them that hangs may hold it up.
    pub(crate) fn sweep(&self) -> bool {
        let (marks, live) = {
            let state = self.state.lock();
            let marks: Vec<RunMark> = state.kept.iter().map(|p| p.mark.clone()).collect();
            (marks, state.live_groups.clone())
        };
        let held = held_groups(&marks, &live);
        let mut state = self.state.lock();
        let before = state.kept.len();
        // Runs that were kept meanwhile are not among the marks, and stay.
        state.kept.retain(|p| {
            held.contains(&p.mark.group) || !marks.iter().any(|m| m.group == p.mark.group)
        });
        state.kept.len() < before
    }
}

/// The groups of those runs of which a process may be left.
fn held_groups(marks: &[RunMark], live: &HashSet<ProcessGroup>) -> HashSet<ProcessGroup> {
    let own = Pid::own();
    let own_paths = format!("/proc/{own}/fd/");
    let mut held = HashSet::new();
    for pid in sys::processes() {
        let Some(stat) = sys::process_stat(pid) else { continue };
        let mut environment = None;
        for mark in marks.iter().filter(|mark| stat.start >= mark.start) {
            if held.contains(&mark.group) {
                continue;
            }
            if stat.group == Some(mark.group) {
                held.insert(mark.group);
                continue;
            }
            if stat.group.is_some_and(|group| live.contains(&group)) {
                continue;
            }
            // A process that hangs in the kernel may hold up a reader of its memory. It may be one
            // of the run's if it is an orphan; else its parent is examined.
            if stat.state == b'D' {
                if [Some(Pid::INIT), Some(own)].contains(&stat.parent) {
                    held.insert(mark.group);
                }
                continue;
            }
            let text = environment.get_or_insert_with(|| {
                let mut text = sys::read_small(&format!("/proc/{pid}/environ"), ENVIRONMENT_BYTES);
                text.push(0);
                text.extend(sys::read_small(&format!("/proc/{pid}/cmdline"), ENVIRONMENT_BYTES));
                text
            });
            let has = |needle: &[u8]| !needle.is_empty() && memmem(text, needle);
            if mark.environment.iter().all(|entry| has(entry)) || has(own_paths.as_bytes()) {
                held.insert(mark.group);
            }
        }
    }
    held
}

fn memmem(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn memfd() -> File {
        memfd::MemfdOptions::default().allow_sealing(true).create("t").unwrap().into_file()
    }

    #[test]
    fn a_number_stays_reserved_while_a_marked_process_lives() {
        if !sys::memfd_paths() {
            return test_support::skip("reserved numbers", "memfds cannot be opened by path");
        }
        let reserved = ReservedFds::default();
        let mut child = std::process::Command::new("sleep")
            .arg("100")
            .env("MARK_A", "reserved-test")
            .env("MARK_B", "reserved-test")
            .spawn()
            .unwrap();
        let files = [memfd(), memfd()];
        let path = format!("/proc/self/fd/{}", files[0].as_raw_fd());
        let environment = [b"MARK_A=reserved-test".to_vec(), b"MARK_B=reserved-test".to_vec()];
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let start = sys::process_stat(pid).unwrap().start;
        // No group that the child is in.
        let group = Pid::from_raw(i32::MAX).unwrap().led_group();
        reserved.keep(RunMark { group, start, environment }, files, None);
        assert!(!reserved.sweep());
        assert!(!reserved.is_empty());
        assert!(
            std::fs::write(&path, "late").is_err(),
            "a late writer does not get through to anything"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        // Another process of the machine that is in the kernel just then may be one of the run's.
        test_support::until("the number is freed", || reserved.sweep());
        assert!(reserved.is_empty());
    }
}
