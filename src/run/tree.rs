//! The processes below a leader, and ending them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sys::{self, Family, Pid, PidFd, ProcessGroup, process_stat};

use crate::reactor::Child;

/// Most descendants that are searched for: a fork bomb must not keep us busy.
const MOST: usize = 4096;
/// Most pidfds for strays, in the whole process: descriptors are the host's.
const MOST_PIDFDS: usize = 64;
/// How long one search may take: it is made on the thread that keeps the deadlines of all runs, and
/// a descendant costs some 50 µs.
const SEARCH: Duration = Duration::from_millis(20);
/// How long the only search before a kill may take.
const ONLY_SEARCH: Duration = Duration::from_millis(100);
/// How many searches TERM waits for when one is not enough: processes that handle it end, and with
/// them the connection to their children.
const SEARCHES_BEFORE_TERM: u32 = 25;

/// Pidfds that strays have.
static PIDFDS: AtomicUsize = AtomicUsize::new(0);

/// A pidfd within [`MOST_PIDFDS`].
struct Counted(PidFd);

impl Counted {
    /// `None` when there are too many, or the kernel gives none.
    fn open(pid: Pid) -> Option<Counted> {
        let more = |used: usize| (used < MOST_PIDFDS).then_some(used + 1);
        PIDFDS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let pidfd = PidFd::open(pid).map(Counted);
        if pidfd.is_err() {
            PIDFDS.fetch_sub(1, Ordering::Relaxed);
        }
        pidfd.ok()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        PIDFDS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A descendant that left the leader's process group, found while it still hung together with it.
struct Stray {
    pid: Pid,
    start: u64,
    pidfd: Option<Counted>,
}

impl Stray {
    fn signal(&self, signal: i32) {
        match &self.pidfd {
            Some(Counted(fd)) => {
                let _ = fd.signal(signal);
            }
            // Without a pidfd, by number, if it is still the process that was found.
            None if process_stat(self.pid).is_some_and(|stat| stat.start == self.start) => {
                let _ = sys::kill(self.pid, signal);
            }
            None => {}
        }
    }
}

/// A walk down from the leader that may take several searches.
#[derive(Default)]
struct Walk {
    /// Processes that were met.
    seen: HashSet<Pid>,
    /// Processes, and when they were started, whose children are still to be asked for.
    parents: Vec<(Pid, u64)>,
    /// Processes that are still to be examined, each with its parent.
    met: Vec<(Pid, Pid)>,
}

/// What is known of the processes that belong to a leader.
#[derive(Default)]
pub(super) struct Tree {
    strays: Vec<Stray>,
    /// The walk that the last search did not finish.
    unfinished: Option<Walk>,
    /// Whether some walk was finished.
    walked: bool,
    /// What strays that are found from now on are sent.
    sent: &'static [i32],
    /// TERM is sent after so many searches more, or as soon as all were found.
    term_after: Option<u32>,
}

/// TERM, and CONT for those that are stopped.
const TERM: &[i32] = &[libc::SIGTERM, libc::SIGCONT];

impl Tree {
    /// Searches for descendants that left the group, until `until`. To be done before a signal:
    /// afterwards their parents are gone, and with them the connection. `alive`: the leader is not
    /// reaped; afterwards its number may belong to another process.
    fn collect(&mut self, leader: Pid, alive: bool, until: Instant) {
        let mut family = Family::new(leader, until);
        if let Some(walk) = self.unfinished.take()
            && !self.walk_on(walk, leader, &mut family, until)
        {
            return;
        }
        let mut parents: Vec<_> = self.strays.iter().map(|one| (one.pid, one.start)).collect();
        let seen = parents.iter().map(|(pid, _)| *pid).collect();
        if alive {
            parents.extend(process_stat(leader).map(|stat| (leader, stat.start)));
        }
        let walk = Walk { seen, parents, met: Vec::new() };
        self.walk_on(walk, leader, &mut family, until);
    }

    /// Whether the walk was finished.
    fn walk_on(
        &mut self,
        mut walk: Walk,
        leader: Pid,
        family: &mut Family,
        until: Instant,
    ) -> bool {
        loop {
            if let Some((pid, parent)) = walk.met.pop() {
                if let Some((stray, group)) = descendant(pid, parent, leader) {
                    walk.parents.push((pid, stray.start));
                    if group != Some(leader.led_group()) {
                        self.sent.iter().for_each(|signal| stray.signal(*signal));
                        self.strays.push(stray);
                    }
                }
            } else if let Some((parent, start)) = walk.parents.pop() {
                let found = family.children(parent);
                // Still the same process after the search, so the children are its.
                if process_stat(parent).is_some_and(|stat| stat.start == start) {
                    for pid in found {
                        if walk.seen.len() < MOST && walk.seen.insert(pid) {
                            walk.met.push((pid, parent));
                        }
                    }
                }
            } else {
                self.walked = true;
                return true;
            }
            if Instant::now() >= until {
                self.unfinished = Some(walk);
                return false;
            }
        }
    }

    /// Whether there was not enough time for all descendants.
    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Goes on searching, if there was not enough time, and sends the processes that are found what
    /// the others were sent. The leader must not be reaped.
    pub(super) fn search_on(&mut self, child: &Child) {
        if !self.is_unfinished() {
            return;
        }
        self.collect(child.pid(), true, Instant::now() + SEARCH);
        match self.term_after {
            Some(left @ 1..) if self.is_unfinished() => self.term_after = Some(left - 1),
            Some(_) => self.send(child, TERM),
            None => {}
        }
    }

    /// Asks leader, group and strays to end. There may be so many that some have to be
    /// [searched](Tree::search_on) for first.
    pub(super) fn terminate(&mut self, child: &Child) {
        self.collect(child.pid(), true, Instant::now() + SEARCH);
        if self.is_unfinished() {
            self.term_after = Some(SEARCHES_BEFORE_TERM);
        } else {
            self.send(child, TERM);
        }
    }

    /// Kills leader, group and strays.
    pub(super) fn kill(&mut self, child: &Child) {
        let search = if self.walked { SEARCH } else { ONLY_SEARCH };
        self.collect(child.pid(), true, Instant::now() + search);
        self.send(child, &[libc::SIGKILL]);
    }

    /// Kills what is left when the leader has ended: group and strays.
    pub(super) fn kill_rest(&mut self, child: &Child) {
        child.signal_group(libc::SIGKILL);
        self.kill_strays(child);
    }

    /// The same, and reaps the leader. Whether something was left in the group.
    pub(super) fn reap_and_kill_rest(&mut self, child: &mut Child) -> bool {
        let in_group = child.reap_and_kill_group();
        self.kill_strays(child);
        in_group
    }

    fn kill_strays(&mut self, child: &Child) {
        // Children of strays are still found below them.
        self.collect(child.pid(), false, Instant::now() + SEARCH);
        for stray in &self.strays {
            stray.signal(libc::SIGKILL);
        }
    }

    fn send(&mut self, child: &Child, signals: &'static [i32]) {
        self.sent = signals;
        self.term_after = None;
        for signal in signals {
            child.signal_group(*signal);
            // The leader may have moved to another group; a second TERM would be handled twice.
            if process_stat(child.pid())
                .is_none_or(|stat| stat.group != Some(child.pid().led_group()))
            {
                child.signal(*signal);
            }
            for stray in &self.strays {
                stray.signal(*signal);
            }
        }
    }
}

/// A handle on `pid`, if it is a child of `parent`, and its process group. The handle has a pidfd,
/// if there is one to be had, when it left the group `leader`.
fn descendant(pid: Pid, parent: Pid, leader: Pid) -> Option<(Stray, Option<ProcessGroup>)> {
    let child = process_stat(pid).filter(|stat| stat.parent == Some(parent))?;
    let mut stray = Stray { pid, start: child.start, pidfd: None };
    if child.group != Some(leader.led_group()) {
        let pidfd = Counted::open(pid);
        // Read after the pidfd was opened: if it is the same process still, the pidfd is its.
        let is_same = || process_stat(pid).is_some_and(|stat| stat.start == child.start);
        stray.pidfd = pidfd.filter(|_| is_same());
    }
    Some((stray, child.group))
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
