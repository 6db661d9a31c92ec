//! Commands that outlived SIGKILL because they hang in the kernel: on a dead network file system,
//! in a frozen cgroup, in a driver.
//!
//! Such a command is answered (`unkillable`) and gives its place in its lane back, or one of them
//! would end all launches and all cleanups of an agent for ever. It cannot be taken out of the
//! process table either, and the next command may hang in the same place: so they are counted here
//! until they end, and when there are too many, no more are started. Then every call is answered at
//! once, in the words of [`Quarantine::refusal`].
//!
//! What samples (usage, status, watch) may fill three quarters of it only, so that it stops no
//! launch, and has one member per container and event: a sample that hangs is taken again and
//! again. So would a worker be that hangs: it has one member per event.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::event::{Event, Lane};
use crate::sys::Pid;

/// Called when a command of an event enters (`true`) or leaves (`false`).
type Changed = Box<dyn Fn(Event, bool) + Send + Sync>;

/// The unkillable commands of one instance.
pub struct Quarantine {
    most: usize,
    members: Mutex<Members>,
    /// How many members there are, so that a call takes no lock while there is none.
    count: AtomicUsize,
    changed: Changed,
}

#[derive(Default)]
struct Members {
    all: Vec<Member>,
    last_number: u64,
}

struct Member {
    number: u64,
    event: Event,
    container: Option<Arc<str>>,
    pid: Pid,
    since: Instant,
}

/// A command in quarantine; it leaves when this is dropped.
pub(crate) struct Quarantined {
    quarantine: Arc<Quarantine>,
    number: u64,
    event: Event,
}

impl std::fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quarantine").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Quarantine {
    /// A quarantine that is full with `most` members (at least 1). `changed` is called when one
    /// of an event enters (`true`) or leaves; it must not block.
    ///
    /// The number of members can become larger than `most` by the commands that ran already when it
    /// became full, one for each place in the lanes.
    pub fn new(
        most: usize,
        changed: impl Fn(Event, bool) + Send + Sync + 'static,
    ) -> Arc<Quarantine> {
        Arc::new(Quarantine {
            most: most.max(1),
            members: Mutex::default(),
            count: AtomicUsize::new(0),
            changed: Box::new(changed),
        })
    }

    /// How many commands hang in the kernel.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why no command of `event` can be started for `container` now, in words for people; `None`
    /// when one can.
    pub(crate) fn refusal(&self, event: Event, container: Option<&str>) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let members = self.members.lock();
        let longest = members.all.iter().min_by_key(|member| member.since)?;
        let samples = samples(event);
        let most = if samples { (self.most * 3 / 4).max(1) } else { self.most };
        if members.all.len() >= most {
            return Some(format!(
                "{} commands of this module instance hang in the kernel and cannot be ended, the \
                 longest for {:.0?} ({}, pid {}); no more are started until some of them have \
                 ended",
                members.all.len(),
                longest.since.elapsed(),
                longest.event.label(),
                longest.pid,
            ));
        }
        drop(members);
        if samples { self.repetition(event, container) } else { None }
    }

    /// Why no worker of `event` can be started now.
    pub(crate) fn refusal_of_worker(&self, event: Event) -> Option<String> {
        self.refusal(event, None).or_else(|| self.repetition(event, None))
    }

    /// The refusal of a run for an event and container whose last run hangs.
    fn repetition(&self, event: Event, container: Option<&str>) -> Option<String> {
        let members = self.members.lock();
        let same =
            |member: &&Member| member.event == event && member.container.as_deref() == container;
        members.all.iter().find(same).map(|member| {
            format!(
                "its last run, pid {}, hangs in the kernel and cannot be ended, for {:.0?} now; it \
                 is not started again until that has ended",
                member.pid,
                member.since.elapsed(),
            )
        })
    }

    /// Takes in a command that outlived SIGKILL.
    pub(crate) fn enter(
        self: &Arc<Quarantine>,
        event: Event,
        container: Option<Arc<str>>,
        pid: Pid,
    ) -> Quarantined {
        let number = {
            let mut members = self.members.lock();
            members.last_number += 1;
            let number = members.last_number;
            members.all.push(Member { number, event, container, pid, since: Instant::now() });
            self.count.store(members.all.len(), Ordering::Relaxed);
            number
        };
        (self.changed)(event, true);
        Quarantined { quarantine: self.clone(), number, event }
    }
}

/// Whether commands of `event` are run again and again for a container.
fn samples(event: Event) -> bool {
    let lane = event.row().lane;
    lane.samples() || lane == Lane::Watch
}

impl Drop for Quarantined {
    fn drop(&mut self) {
        {
            let mut members = self.quarantine.members.lock();
            members.all.retain(|member| member.number != self.number);
            self.quarantine.count.store(members.all.len(), Ordering::Relaxed);
        }
        (self.quarantine.changed)(self.event, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicI64;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number).expect("a number of a process")
    }

    #[test]
    fn it_is_full_with_its_most_members_and_recovers_when_they_end() {
        let quarantine = Quarantine::new(3, |_, _| {});
        let enter = |number| quarantine.enter(Event::Prepare, Some("c".into()), pid(number));
        assert_eq!(quarantine.refusal(Event::Prepare, None), None);
        let first = enter(17);
        let second = enter(18);
        assert_eq!(quarantine.refusal(Event::Prepare, Some("c")), None, "a launch has its own try");
        let third = enter(19);
        let text = quarantine.refusal(Event::Cleanup, Some("d")).expect("full");
        assert!(text.contains("3 commands") && text.contains("pid 17"), "{text}");
        drop(second);
        assert_eq!(quarantine.refusal(Event::Cleanup, Some("d")), None);
        let text = { (enter(20), quarantine.refusal(Event::Isolate, None)).1 };
        assert!(text.expect("full").contains("the longest for "), "since when");
        drop((first, third));
        assert!(quarantine.is_empty());
    }

    #[test]
    fn what_samples_leaves_room_for_the_launch_path_and_hangs_once_per_container() {
        let quarantine = Quarantine::new(4, |_, _| {});
        let enter = |container: &str, number| {
            quarantine.enter(Event::Usage, Some(container.into()), pid(number))
        };
        let first = enter("a", 1);
        let text = quarantine.refusal(Event::Usage, Some("a")).expect("it hangs already");
        assert!(text.contains("pid 1"), "{text}");
        assert_eq!(quarantine.refusal(Event::Status, Some("a")), None, "another command");
        assert_eq!(quarantine.refusal(Event::Usage, Some("b")), None, "another container");
        let _others = (enter("b", 2), enter("c", 3));
        assert!(quarantine.refusal(Event::Usage, Some("d")).is_some());
        assert!(quarantine.refusal(Event::Watch, Some("d")).is_some());
        assert_eq!(quarantine.refusal(Event::Prepare, Some("d")), None);
        drop(first);
        assert_eq!(quarantine.refusal(Event::Usage, Some("a")), None);
    }

    #[test]
    fn every_change_is_told() {
        let now = Arc::new(AtomicI64::new(0));
        let counted = now.clone();
        let quarantine = Quarantine::new(1, move |event, enters| {
            assert_eq!(event, Event::Watch);
            counted.fetch_add(if enters { 1 } else { -1 }, Ordering::Relaxed);
        });
        let members: Vec<_> =
            (1..=5).map(|number| quarantine.enter(Event::Watch, None, pid(number))).collect();
        assert_eq!((now.load(Ordering::Relaxed), quarantine.len()), (5, 5));
        drop(members);
        assert_eq!((now.load(Ordering::Relaxed), quarantine.len()), (0, 0));
    }
}
