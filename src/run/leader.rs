//! The leader of a run: its deadline, its withdrawal, its sizes, and how it is ended.

use std::time::{Duration, Instant};

use crate::containment::Slot;
use crate::reactor::{Child, Exit};
use crate::staging::Noted;
use crate::sys::{Plan, SpawnFailure, Start, process_stat};

use super::files::Files;
use super::judge::{Cause, unkillable};
use super::run::Run;
use super::sizes::Sizes;
use super::tree::Tree;
use super::{Kills, Timings};

/// How long after its KILL, and how often after that, a leader is looked at. One that hangs in the
/// kernel at two looks in succession is answered for. At one look it may only wait for a lock, as
/// any process that ends does while another is moved between cgroups.
const NEXT_KILLED_LOOK: Duration = Duration::from_millis(40);
/// How long one is waited for that could run but was not given a processor yet.
const BUSY_PATIENCE: Duration = Duration::from_secs(1);
/// Pause between two searches for descendants when one was not enough.
const NEXT_SEARCH: Duration = Duration::from_millis(10);
/// Pause between two looks whether the rest of a cgroup has ended.
const NEXT_LOOK: Duration = Duration::from_millis(1);

/// Where the escalation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// TERM was sent. KILL follows at this time; `None`: it is too far away to be represented.
    Terminating(Option<Instant>),
    /// KILL was sent. At `next` a leader that hangs in the kernel is called unkillable if it `hung`
    /// at the look before, at `last` any leader.
    Killed {
        next: Instant,
        last: Instant,
        hung: bool,
    },
    /// It was called unkillable, and the run is answered. Its end is waited for all the same.
    Unkillable,
}

/// A started leader, and what belongs to it.
pub(super) struct Leader {
    pub(super) child: Child,
    /// Until it is known that the program was executed.
    start: Option<Start>,
    phase: Phase,
    pub(super) tree: Tree,
    /// The cgroup that it runs in.
    pub(super) slot: Option<Slot>,
    /// At level `group`, so that it does not outlive a host that is killed.
    pub(super) noted: Option<Noted>,
    /// Processes were in its cgroup when it had ended.
    pub(super) left_some: bool,
    /// Until when those are waited for.
    rest_until: Option<Instant>,
    /// Why we ended it.
    pub(super) cause: Option<Cause>,
    pub(super) kills: Kills,
    pub(super) timings: Timings,
    /// A process that stood ready has executed the command anew.
    pub(super) ran_plainly: bool,
    sizes: Sizes,
    /// When the sizes are measured next.
    next_measure: Instant,
}

impl Leader {
    /// A leader for which a process was asked for at `taken`.
    pub(super) fn new(
        run: &Run,
        child: Child,
        start: Start,
        slot: Option<Slot>,
        taken: Instant,
    ) -> Leader {
        let queued = taken.saturating_duration_since(run.request.submitted);
        let sizes = Sizes::new();
        Leader {
            child,
            start: Some(start),
            phase: Phase::Running,
            tree: Tree::default(),
            noted: None,
            slot,
            left_some: false,
            rest_until: None,
            cause: None,
            kills: Kills::default(),
            timings: Timings { queued, spawn: Duration::ZERO, total: Duration::ZERO },
            ran_plainly: false,
            next_measure: taken + sizes.pause(),
            sizes,
        }
    }

    /// When something is to be done about it, if it does not end before.
    pub(super) fn next_step(&self, deadline: Option<Instant>) -> Instant {
        let due = match self.phase {
            Phase::Running => deadline,
            Phase::Terminating(kill) => kill,
            Phase::Killed { next, .. } => Some(next),
            Phase::Unkillable => None,
        };
        due.map_or(self.next_measure, |due| due.min(self.next_measure))
    }

    /// Does what is due. Returns how it has ended, if it has: it is not reaped then.
    pub(super) fn step(
        &mut self,
        run: &mut Run,
        files: &mut Files,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Option<Exit> {
        // First, so that one that has ended in this very moment is sent nothing.
        if let Some(exit) = self.child.try_status() {
            if let Some(start) = &self.start {
                start.child_has_ended();
            }
            self.note_exec();
            return Some(exit);
        }
        self.note_exec();
        self.escalate(run, deadline, now);
        if now >= self.next_measure {
            let is_alive = matches!(self.phase, Phase::Running | Phase::Terminating(_));
            if self.measure(run, files) && is_alive {
                self.kill(deadline);
            }
            self.tree.search_on(&self.child);
            let search = self.tree.is_unfinished().then_some(NEXT_SEARCH);
            self.next_measure = Instant::now() + search.unwrap_or(self.sizes.pause());
        }
        None
    }

    /// Frees the spawn arguments once the child has called `execve`.
    fn note_exec(&mut self) {
        if let Some(start) = self.start.take_if(|it| it.is_over() && it.failure().is_none()) {
            self.timings.spawn = start.duration();
            self.ran_plainly = start.ran_plainly();
        }
    }

    /// Why the program of a leader that has ended was not executed. One that we ended before that
    /// is no failed start.
    pub(super) fn start_failure(&self) -> Option<SpawnFailure> {
        self.start.as_ref().and_then(Start::failure).filter(|_| self.cause.is_none())
    }

    /// The plan of an ended leader that was not executed.
    pub(super) fn take_plan(&mut self) -> Plan {
        self.start.take().and_then(Start::into_plan).unwrap_or_default()
    }

    /// Goes to the next phase when its time has come.
    fn escalate(&mut self, run: &mut Run, deadline: Option<Instant>, now: Instant) {
        match self.phase {
            Phase::Running if run.is_withdrawn() => self.end(Cause::Cancelled, run, deadline),
            Phase::Running if deadline.is_some_and(|deadline| deadline <= now) => {
                self.end(Cause::Timeout, run, deadline);
            }
            Phase::Terminating(Some(kill)) if kill <= now => self.kill(deadline),
            Phase::Killed { next, last, hung } if next <= now => {
                let hangs = self.hangs_in_kernel();
                if now < last && !(hangs && hung) {
                    self.phase = Phase::Killed { next: now + NEXT_KILLED_LOOK, last, hung: hangs };
                } else {
                    self.phase = Phase::Unkillable;
                    self.answer_unkillable(run);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, cause: Cause, run: &Run, deadline: Option<Instant>) {
        self.cause = Some(cause);
        let grace = run.request.spec.kill_grace;
        if grace.is_zero() {
            return self.kill(deadline);
        }
        self.tree.terminate(&self.child);
        self.kills.term += 1;
        self.phase = Phase::Terminating(Instant::now().checked_add(grace));
    }

    fn kill(&mut self, deadline: Option<Instant>) {
        self.tree.kill(&self.child);
        if let Some(slot) = &mut self.slot {
            slot.kill();
        }
        self.kills.kill += 1;
        let now = Instant::now();
        let (soon, last) = (now + NEXT_KILLED_LOOK, now + BUSY_PATIENCE);
        // The kernel lets a writer of much sleep for a tenth of a second and more, and nobody
        // expects an answer before the deadline: a command that was killed for its sizes gets that
        // time.
        let next = match self.cause {
            Some(Cause::TooLarge(_) | Cause::FilesTooLarge(_)) => {
                deadline.map_or(last, |deadline| deadline.clamp(soon, last))
            }
            _ => soon,
        };
        self.phase = Phase::Killed { next, last, hung: false };
    }

    /// For a leader that has ended and is not reaped: ends what it left in its cgroup, if that
    /// `must_end`. Returns when to look again whether it has ended; `None` when it has, or does not
    /// end.
    pub(super) fn end_rest(&mut self, must_end: bool, now: Instant) -> Option<Instant> {
        let slot = self.slot.as_mut()?;
        if !slot.is_populated() {
            return None;
        }
        self.left_some = true;
        if !must_end || self.rest_until.is_some_and(|until| until <= now) {
            return None;
        }
        // Again each time: at version 1 processes may have begun meanwhile.
        slot.kill();
        if self.rest_until.is_none() {
            self.kills.kill = self.kills.kill.max(1);
            self.rest_until = Some(now + BUSY_PATIENCE);
        }
        Some(now + NEXT_LOOK)
    }

    fn hangs_in_kernel(&self) -> bool {
        process_stat(self.child.pid()).is_some_and(|stat| stat.state == b'D')
    }

    fn answer_unkillable(&self, run: &mut Run) {
        let cause = self.cause.unwrap_or(Cause::Timeout);
        let mut report = unkillable(&run.request, cause, self.child.pid(), self.kills);
        report.timings = self.timings;
        report.timings.total = run.request.submitted.elapsed();
        // In this order: the next one in the lane must see it.
        run.enter_quarantine(self.child.pid());
        run.permit = None;
        run.done.answer(report);
    }

    /// Keeps captured text small and measures the files; true when something is too large.
    fn measure(&mut self, run: &Run, files: &mut Files) -> bool {
        let found = self.sizes.measure(files, &run.request, &run.services.reads);
        self.cause = self.cause.or(found);
        found.is_some()
    }
}
