//! The processes below a leader, and ending them.

use std::collections::HashSet;

use crate::sys::{self, PidFd, process_stat};

use super::child::Child;

/// Most descendants that are looked for: a fork bomb must not keep us busy.
const MOST: usize = 4096;

/// A descendant that left the leader's process group, found while it still hung together with it.
struct Stray {
    pid: i32,
    start: u64,
    pidfd: Option<PidFd>,
}

impl Stray {
    fn signal(&self, signal: i32) {
        match &self.pidfd {
            Some(fd) => {
                let _ = fd.signal(signal);
            }
            // Without pidfds, by number, if it is still the process that was found.
            None if process_stat(self.pid).is_some_and(|stat| stat.start == self.start) => {
                let _ = sys::kill(self.pid, signal);
            }
            None => {}
        }
    }
}

/// What is known of the processes that belong to a leader.
#[derive(Default)]
pub(super) struct Tree {
    strays: Vec<Stray>,
}

impl Tree {
    /// Looks for descendants that left the group. To be done before a signal: afterwards their
    /// parents are gone, and with them the connection. `alive` says that the leader may be looked
    /// at: its number may be a stranger's once it is reaped.
    fn collect(&mut self, leader: i32, alive: bool) {
        let mut seen: HashSet<i32> = self.strays.iter().map(|stray| stray.pid).collect();
        let mut parents: Vec<(i32, u64)> =
            self.strays.iter().map(|stray| (stray.pid, stray.start)).collect();
        if alive {
            parents.extend(process_stat(leader).map(|stat| (leader, stat.start)));
        }
        while let Some((parent, start)) = parents.pop() {
            let found = sys::children(parent);
            // Still the same process after the look, so the children are its.
            if process_stat(parent).is_none_or(|stat| stat.start != start) {
                continue;
            }
            for pid in found {
                if seen.len() >= MOST || !seen.insert(pid) {
                    continue;
                }
                let Some((child, group)) = descendant(pid, parent) else { continue };
                parents.push((pid, child.start));
                if group != leader {
                    self.strays.push(child);
                }
            }
        }
    }

    /// Asks leader, group and strays to end (TERM, and CONT for those that are stopped).
    pub(super) fn terminate(&mut self, child: &Child) {
        self.collect(child.pid(), true);
        self.send(child, libc::SIGTERM);
        self.send(child, libc::SIGCONT);
    }

    /// Kills leader, group and strays.
    pub(super) fn kill(&mut self, child: &Child) {
        self.collect(child.pid(), true);
        self.send(child, libc::SIGKILL);
    }

    /// Kills what is left when the leader has ended: group and strays.
    pub(super) fn kill_rest(&mut self, child: &Child) {
        child.signal_group(libc::SIGKILL);
        // Children of strays are still found below them.
        self.collect(child.pid(), false);
        for stray in &self.strays {
            stray.signal(libc::SIGKILL);
        }
    }

    fn send(&self, child: &Child, signal: i32) {
        child.signal_group(signal);
        // The leader may have moved to another group; a second TERM would be handled twice.
        if process_stat(child.pid()).is_none_or(|stat| stat.group != child.pid()) {
            child.signal(signal);
        }
        for stray in &self.strays {
            stray.signal(signal);
        }
    }
}

/// A handle on `pid`, if it is a child of `parent`, and its process group.
fn descendant(pid: i32, parent: i32) -> Option<(Stray, i32)> {
    let pidfd = PidFd::open(pid).ok();
    // Looked at after the pidfd was opened: if it is the parent's child now, the pidfd is its.
    let stat = process_stat(pid)?;
    (stat.parent == parent).then_some((Stray { pid, start: stat.start, pidfd }, stat.group))
}
