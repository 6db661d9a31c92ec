//! The processes below a leader, and ending them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sys::{self, Family, Pid, PidFd, ProcessStat, process_stat, stat_since};

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
    /// With a pidfd, if there is one to be had.
    fn new(pid: Pid, start: u64) -> Stray {
        let mut stray = Stray { pid, start, pidfd: None };
        let pidfd = Counted::open(pid);
        // Read after the pidfd was opened: if it is the same process still, the pidfd is its.
        stray.pidfd = pidfd.filter(|_| stray.stat().is_some());
        stray
    }

    /// `None` when it is not the process any more that was found.
    fn stat(&self) -> Option<ProcessStat> {
        stat_since(self.pid, self.start)
    }

    fn signal(&self, signal: i32) {
        match &self.pidfd {
            Some(Counted(fd)) => {
                let _ = fd.signal(signal);
            }
            // Without a pidfd, by number, if it is still the process that was found.
            None if self.stat().is_some() => {
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
    /// Processes that are still to be examined, each with what ties it to the leader.
    met: Vec<(Pid, Tie)>,
}

/// How a process is known to be the leader's: it has this parent, or it was found before and was
/// started then.
enum Tie {
    Parent(Pid),
    Start(u64),
}

impl Tie {
    fn holds(&self, stat: &ProcessStat) -> bool {
        match self {
            Tie::Parent(parent) => stat.parent == Some(*parent),
            // Nothing hangs together with one that has ended.
            Tie::Start(start) => stat.start == *start && stat.state != b'Z',
        }
    }
}

/// What is known of the processes that belong to a leader.
#[derive(Default)]
pub(super) struct Tree {
    strays: Vec<Stray>,
    /// Descendants in the leader's group, and when they were started: what hangs together with them
    /// is found when the leader, or what was between them, has ended.
    members: Vec<(Pid, u64)>,
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
        let strays = self.strays.iter().map(|one| (one.pid, one.start));
        let mut walk = Walk { parents: strays.collect(), ..Walk::default() };
        walk.seen = walk.parents.iter().map(|(pid, _)| *pid).collect();
        if alive {
            walk.parents.extend(process_stat(leader).map(|stat| (leader, stat.start)));
        }
        let members = std::mem::take(&mut self.members);
        walk.seen.extend(members.iter().map(|(pid, _)| *pid));
        walk.met = members.into_iter().map(|(pid, start)| (pid, Tie::Start(start))).collect();
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
            if let Some((pid, tie)) = walk.met.pop() {
                if let Some(stat) = process_stat(pid).filter(|stat| tie.holds(stat)) {
                    walk.parents.push((pid, stat.start));
                    self.keep(pid, &stat, leader);
                }
            } else if let Some((parent, start)) = walk.parents.pop() {
                let found = family.children(parent);
                // Still the same process after the search, so the children are its.
                if stat_since(parent, start).is_some() {
                    for pid in found {
                        if walk.seen.len() < MOST && walk.seen.insert(pid) {
                            walk.met.push((pid, Tie::Parent(parent)));
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

    /// Keeps a descendant, by whether it is in the leader's group now.
    fn keep(&mut self, pid: Pid, stat: &ProcessStat, leader: Pid) {
        if stat.group == Some(leader.led_group()) {
            self.members.push((pid, stat.start));
        } else {
            let stray = Stray::new(pid, stat.start);
            self.sent.iter().for_each(|signal| stray.signal(*signal));
            self.strays.push(stray);
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
        // They were killed with their group: nothing is to be searched below them any more.
        self.members.clear();
    }

    /// Kills what is left when the leader has ended: group and strays.
    pub(super) fn kill_rest(&mut self, child: &Child) {
        self.collect_rest(child);
        child.signal_group(libc::SIGKILL);
        self.send_strays(libc::SIGKILL);
    }

    /// The same, and reaps the leader. Whether something was left in the group.
    pub(super) fn reap_and_kill_rest(&mut self, child: &mut Child) -> bool {
        self.collect_rest(child);
        let in_group = child.reap_and_kill_group();
        self.send_strays(libc::SIGKILL);
        in_group
    }

    /// Children of strays and members are still found below them.
    fn collect_rest(&mut self, child: &Child) {
        self.collect(child.pid(), false, Instant::now() + SEARCH);
    }

    /// KILL goes to the groups of strays too, as far as a stray leads or led them: all of a group
    /// is killed at one moment, and with it what was started after the last search. While a stray
    /// is in a group, the group's number is no other's.
    fn send_strays(&self, signal: i32) {
        if signal == libc::SIGKILL {
            let led: HashSet<_> = self.strays.iter().map(|stray| stray.pid.led_group()).collect();
            let groups: HashSet<_> =
                self.strays.iter().filter_map(|stray| stray.stat()?.group).collect();
            for group in led.intersection(&groups) {
                let _ = sys::kill_group(*group, signal);
            }
        }
        for stray in &self.strays {
            stray.signal(signal);
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
            self.send_strays(*signal);
        }
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
