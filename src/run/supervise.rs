//! A run from its start to its end, as one state machine: [`Supervision::step`].
//!
//! It does not wait: [`drive`](super::drive) calls it when the leader has ended, and at the times
//! that it asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::command::Background;
use crate::containment::Slot;
use crate::outcome::{FailureReason, OutcomeKind, WarmStart};
use crate::reactor::{Child, Exit};
use crate::sys::{self, NoProcess, Plan, SpawnFailure, Spawned, Start, Step};

use super::awaited::{Awaited, Taken};
use super::cgroup::Cgroup;
use super::ending::{Cleaning, Ended};
use super::files::Files;
use super::judge::Cause;
use super::leader::Leader;
use super::plan::run_mark;
use super::run::Run;
use super::services::Services;
use super::standby::Standby;
use super::start_error::{explain, reason};
use super::{RunReport, waited_since};

/// Pauses before further attempts when a file is being written or processes run short: a quarter of
/// a second in all. A file may look so because another thread of this process is starting
/// something, which on a busy machine takes longer than its time slice.
const RETRY_PAUSES: [Duration; 4] = [
    Duration::from_millis(5),
    Duration::from_millis(15),
    Duration::from_millis(30),
    Duration::from_millis(200),
];

/// A run that has its files.
pub(super) struct Supervision {
    run: Run,
    files: Files,
    deadline: Option<Instant>,
    /// Attempts to start the leader that failed.
    attempt: usize,
    cgroup: Cgroup,
    process: Process,
    awaited: Awaited,
}

/// What is left of a supervision whose leader has ended.
struct Supervised {
    run: Run,
    files: Files,
    deadline: Option<Instant>,
    uncontained: bool,
    warm_start: Option<WarmStart>,
}

enum Process {
    /// There is none: it is started at this time.
    Planned(Plan, Instant),
    Started(Leader),
}

/// What a step leads to.
pub(super) enum Next {
    /// Another step at this time, or when the leader has ended.
    Step(Instant),
    /// All that is left is to [conclude](Supervision::conclude) the run.
    Conclude(End),
}

/// How a supervision ends.
pub(super) enum End {
    /// The leader has ended, and is not reaped.
    Exited(Exit),
    /// It could not be started.
    NotStarted(SpawnFailure),
    /// There is no cgroup for its limits, for this reason.
    NoCgroup(String),
    /// That is not wanted any more.
    Withdrawn(Cause),
}

impl Supervision {
    /// The supervision of a run that has its files and a plan; the first step starts it.
    pub(super) fn new(
        run: Run,
        files: Files,
        plan: Plan,
        deadline: Option<Instant>,
    ) -> Supervision {
        let process = Process::Planned(plan, Instant::now());
        let cgroup = Cgroup::default();
        let awaited = Awaited::new(run.request.standby.clone());
        Supervision { run, files, deadline, attempt: 0, cgroup, process, awaited }
    }

    pub(super) fn services(&self) -> &Arc<Services> {
        &self.run.services
    }

    /// The leader, if there is one now.
    pub(super) fn child(&mut self) -> Option<&mut Child> {
        match &mut self.process {
            Process::Planned(..) => None,
            Process::Started(leader) => Some(&mut leader.child),
        }
    }

    /// Whether the run is answered although it has not ended.
    pub(super) fn is_answered(&self) -> bool {
        self.run.done.is_answered()
    }

    /// Does what is due at `now`, which is the present: starts the leader, notices its end, ends it
    /// when it must not go on. May be called at any time. Does not block; to search for descendants
    /// may take 0.1 s.
    pub(super) fn step(&mut self, now: Instant) -> Next {
        match &mut self.process {
            Process::Planned(plan, at) => {
                if self.attempt > 0 || self.awaited.is_waiting() {
                    if let Some(cause) = unwanted(&self.run, self.deadline, now) {
                        return Next::Conclude(End::Withdrawn(cause));
                    }
                    if now < *at {
                        return Next::Step(sooner(*at, self.deadline));
                    }
                }
                let plan = std::mem::take(plan);
                self.start(plan, now)
            }
            Process::Started(leader) => {
                let exit = leader.step(&mut self.run, &mut self.files, self.deadline, now);
                let Some(exit) = exit else {
                    return Next::Step(leader.next_step(self.deadline));
                };
                let Some(failure) = leader.start_failure() else {
                    return match leader.end_rest(must_end(leader.cause, &self.run), now) {
                        Some(at) => Next::Step(at),
                        None => Next::Conclude(End::Exited(exit)),
                    };
                };
                leader.child.reap();
                let plan = leader.take_plan();
                self.cgroup.slot = leader.slot.take();
                self.retry(plan, failure, now)
            }
        }
    }

    /// Gives the run to a process that stands ready, or starts one.
    fn start(&mut self, plan: Plan, now: Instant) -> Next {
        match self.awaited.take(plan, now) {
            Taken::Started(spawned, start, slot) => {
                self.cgroup.slot = slot;
                self.started(spawned, start, now)
            }
            Taken::Later(plan, at) => {
                self.process = Process::Planned(plan, at);
                Next::Step(sooner(at, self.deadline))
            }
            Taken::None(plan) => self.spawn(plan, now),
        }
    }

    fn spawn(&mut self, mut plan: Plan, now: Instant) -> Next {
        if let Err(why) = self.cgroup.enter(&self.run.request.spec, &mut plan) {
            return Next::Conclude(End::NoCgroup(why));
        }
        match sys::spawn(plan) {
            Ok((spawned, start)) => self.started(spawned, start, now),
            Err(refusal) => {
                let NoProcess { failure, plan } = *refusal;
                self.retry(plan, failure, now)
            }
        }
    }

    fn started(&mut self, spawned: Spawned, start: Start, now: Instant) -> Next {
        let child = Child::new(spawned);
        self.run.request.has_process(child.pid());
        if self.files.io.has_memfd_outputs() {
            self.run.services.cleaner.reserved_fds.started(child.pid().led_group());
        }
        let mut leader = Leader::new(&self.run, child, start, self.cgroup.slot.take(), now);
        if leader.slot.is_none() {
            leader.noted = self.run.note(leader.child.pid());
        }
        let next = leader.next_step(self.deadline);
        self.process = Process::Started(leader);
        Next::Step(next)
    }

    /// It was woken, because a process may stand ready.
    pub(super) fn was_woken(&mut self) {
        self.awaited.was_woken();
    }

    /// What will have a process ready for this run, if it waits for one and nobody is to wake it
    /// yet.
    pub(super) fn awaits(&mut self) -> Option<Arc<Standby>> {
        self.awaited.asks_to_be_woken()
    }

    /// Plans another attempt after one that failed, if that can help.
    fn retry(&mut self, mut plan: Plan, failure: SpawnFailure, now: Instant) -> Next {
        if self.cgroup.is_lost(failure, &mut plan) {
            return self.start(plan, now);
        }
        if self.awaited.began_warm() {
            // The cgroup was that of the process, and the plan has none.
            self.cgroup.slot = None;
            return self.start(plan, now);
        }
        let Some(pause) = retry_pause(failure, self.attempt) else {
            return Next::Conclude(End::NotStarted(failure));
        };
        self.attempt += 1;
        let at = now + pause;
        self.process = Process::Planned(plan, at);
        Next::Step(sooner(at, self.deadline))
    }

    /// Answers the run and removes what belongs to it.
    pub(super) fn conclude(self, end: End, cleaning: Cleaning) {
        let uncontained = self.cgroup.is_missing;
        match (end, self.process) {
            (End::Exited(exit), Process::Started(leader)) => {
                let Supervision { run, files, deadline, .. } = self;
                let warm_start = self.awaited.how_it_began(leader.ran_plainly);
                let supervised = Supervised { run, files, deadline, uncontained, warm_start };
                conclude_exited(supervised, leader, exit, cleaning);
            }
            (End::NotStarted(failure), _) => {
                let runtime = self.run.services.runtime.clone();
                runtime.spawn(answer_failed(self.run, self.files, self.deadline, failure));
            }
            (End::NoCgroup(why), _) => {
                let reason = Some(FailureReason::SpawnResources);
                self.run.answer_unstarted(OutcomeKind::SpawnError, why, reason);
            }
            (End::Withdrawn(cause), _) => {
                self.run.withdrawn(cause, "no process was started for it yet");
            }
            // There is no exit without a leader. The run's `ReplyOnce` answers.
            (End::Exited(_), Process::Planned(..)) => {}
        }
    }
}

/// Why a run that waits for its start must not be started.
fn unwanted(run: &Run, deadline: Option<Instant>, now: Instant) -> Option<Cause> {
    if deadline.is_some_and(|deadline| deadline <= now) {
        return Some(Cause::Timeout);
    }
    run.is_withdrawn().then_some(Cause::Cancelled)
}

fn sooner(at: Instant, deadline: Option<Instant>) -> Instant {
    deadline.map_or(at, |deadline| deadline.min(at))
}

/// The pause before the next attempt after `attempt` others, if there is to be one.
pub(super) fn retry_pause(failure: SpawnFailure, attempt: usize) -> Option<Duration> {
    let is_temporary = matches!(
        failure,
        SpawnFailure::Child(Step::Execute, Errno::ETXTBSY) | SpawnFailure::Clone(Errno::EAGAIN)
    );
    RETRY_PAUSES.get(attempt).copied().filter(|_| is_temporary)
}

/// Whether processes that a leader left are ended.
fn must_end(cause: Option<Cause>, run: &Run) -> bool {
    cause.is_some() || run.request.spec.background == Background::Kill
}

/// The leader has ended: everything else of the run follows at once.
fn conclude_exited(supervised: Supervised, leader: Leader, exit: Exit, cleaning: Cleaning) {
    let Supervised { run, files, deadline, uncontained, warm_start } = supervised;
    let Leader { mut child, mut tree, mut slot, left_some, cause, mut kills, timings, .. } = leader;
    let kill_rest = must_end(cause, &run);
    let mark = files.io.has_memfd_outputs().then(|| run_mark(&run.request, child.pid()));
    let in_group = if kill_rest {
        tree.reap_and_kill_rest(&mut child)
    } else {
        child.reap();
        child.signal_group(0)
    };
    let others = in_group || left_some;
    if kill_rest && others && kills.kill == 0 {
        kills.kill = 1;
    }
    if left_some && !kill_rest {
        let until_cleanup = run.request.spec.background == Background::Container;
        // Before the answer: the agent may die at any time.
        if let Some(slot) = slot.take() {
            slot.keep(run.request.container_id.as_deref(), until_cleanup);
        }
    }
    let exceeded = slot.as_mut().map(Slot::exceeded).unwrap_or_default();
    let pid = child.pid();
    drop(child);
    let kept = (in_group && !kill_rest).then(|| pid.led_group());
    let ended = Ended {
        run,
        deadline,
        files,
        cause,
        exit,
        pid,
        kills,
        timings,
        others,
        kept,
        mark,
        exceeded,
        slot,
        uncontained,
        warm_start,
    };
    ended.conclude(cleaning);
}

/// Answers a run that cannot be started, with the reason as far as it can be seen.
async fn answer_failed(run: Run, files: Files, deadline: Option<Instant>, failure: SpawnFailure) {
    let Run { services, request, permit, mut done, .. } = run;
    drop((files, permit));
    let timings = waited_since(request.submitted);
    let message = explain(&request, failure, &services.explanations, deadline).await;
    let report = RunReport::without_process(OutcomeKind::SpawnError, message, timings);
    done.answer(RunReport { reason: Some(reason(failure)), ..report });
}
