//! Ending everything that was started here: for a program that hosts the engine and must
//! stop, such as the command line tool. An agent never does this: its commands may outlive it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::containment;
use crate::sys::{self, Pid, ProcessGroup, ProcessStat, process_stat, stat_since};

/// Pause between two searches.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a process may take to vanish after KILL before it is given up: it hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends all processes that descend from this one, and those that are in the process groups of
/// commands whose leaders were still there: TERM, after `grace` KILL, as at a deadline. Returns how
/// many outlived even that. Blocks; meant for the last moments of a program, since commands that
/// are started meanwhile are ended too.
///
/// At containment level `group` a process that made itself a session of its own and whose parent
/// has ended is not found.
pub fn end_descendants(grace: Duration) -> usize {
    let left = end_family(grace);
    containment::end_everything();
    left
}

fn end_family(grace: Duration) -> usize {
    let kill_at = Instant::now() + grace;
    let mut family = Family::default();
    // As at a deadline, TERM is for those that are there now: what a command starts to clean up
    // after itself is to be let.
    let mut asked = false;
    loop {
        let left = family.alive();
        let now = Instant::now();
        if left.is_empty() || now >= kill_at + PATIENCE {
            return left.len();
        }
        for (pid, start) in left {
            if now >= kill_at {
                send(pid, start, libc::SIGKILL);
            } else if !asked {
                send(pid, start, libc::SIGTERM);
                // A stopped process would not handle it.
                send(pid, start, libc::SIGCONT);
            }
        }
        asked = true;
        std::thread::sleep(PAUSE);
    }
}

/// Signals by number, if it is still the process that was found: only we reap our children, and the
/// numbers of other processes are not used again within one scan.
fn send(pid: Pid, start: u64, signal: i32) {
    if stat_since(pid, start).is_some() {
        // It may have ended meanwhile.
        let _ = sys::kill(pid, signal);
    }
}

/// The processes that were found so far.
#[derive(Default)]
struct Family {
    /// Processes by number and start: they stay members when their parents end.
    members: HashSet<(Pid, u64)>,
    /// Process groups of commands.
    groups: HashSet<ProcessGroup>,
}

impl Family {
    /// The members that are alive now.
    fn alive(&mut self) -> Vec<(Pid, u64)> {
        let all: HashMap<Pid, ProcessStat> = sys::processes()
            .into_iter()
            .filter_map(|pid| process_stat(pid).map(|stat| (pid, stat)))
            .filter(|(_, stat)| stat.state != b'Z')
            .collect();
        let own = Pid::own();
        let own_group = all.get(&own).and_then(|stat| stat.group);
        // Until a pass adds no member, because the list is in no useful order.
        loop {
            let before = self.members.len();
            for (pid, stat) in all.iter().filter(|(pid, _)| **pid != own) {
                let is_child = stat.parent.is_some_and(|parent| {
                    let start = all.get(&parent).map(|stat| stat.start);
                    parent == own || start.is_some_and(|it| self.members.contains(&(parent, it)))
                });
                if is_child || stat.group.is_some_and(|group| self.groups.contains(&group)) {
                    self.members.insert((*pid, stat.start));
                    let led = pid.led_group();
                    if stat.group == Some(led) && stat.group != own_group {
                        self.groups.insert(led);
                    }
                }
            }
            if self.members.len() == before {
                break;
            }
        }
        let alive = |member: &&(Pid, u64)| all.get(&member.0).is_some_and(|s| s.start == member.1);
        self.members.iter().filter(alive).copied().collect()
    }
}
