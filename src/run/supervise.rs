//! The life of a run: one task owns its leader, its timers and its files.

use std::time::{Duration, Instant};

use crate::sys::{PidFd, Start, process_stat};

use super::ending::{Cleaning, Ended};
use super::plan::run_mark;
use super::report::{Cause, unkillable};
use super::run::{Ready, Run};
use super::sizes::Sizes;
use super::start::{Files, failed};
use super::tree::Tree;
use super::{Kills, Timings};
use crate::command::Background;
use crate::reactor::CancelToken;
use crate::reactor::cancelled;
use crate::reactor::sleep_until;
use crate::reactor::{Child, Exit};

/// How long a killed leader that hangs in the kernel is waited for before the answer is given.
const KILL_PATIENCE: Duration = Duration::from_millis(80);
/// How long one is waited for that could run but was not given a processor yet.
const BUSY_PATIENCE: Duration = Duration::from_secs(1);
/// Pause between two looks for strays when one was not enough.
const NEXT_LOOK: Duration = Duration::from_millis(10);

/// A run whose leader was started.
pub(super) struct Running {
    pub(super) run: Run,
    pub(super) supervision: Supervision,
    pub(super) deadline: Option<Instant>,
}

/// Sees a running leader through to its end. On the runtime.
pub(super) async fn supervise(running: Running) {
    let Running { mut run, supervision, deadline } = running;
    let Supervision { child, .. } = supervision;
    let mut supervision = Supervision { child: child.listen(), ..supervision };
    supervision.note_exec();
    let exit = supervision.until_ended(&mut run, deadline).await;
    ended(Running { run, supervision, deadline }, exit, Cleaning::Here);
}

impl Running {
    /// Whether nothing is to be done about it now.
    pub(super) fn is_fine(&mut self) -> bool {
        let withdrawn = self.run.cancel.as_ref().is_some_and(CancelToken::is_cancelled);
        let too_long = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        !withdrawn && !too_long && !self.supervision.look_at_sizes(&self.run)
    }

    /// Goes on with it on the runtime.
    pub(super) fn detach(self) {
        let runtime = self.run.shared.runtime.clone();
        runtime.spawn(supervise(self));
    }

    /// Ends it after its pidfd said that the leader has ended.
    pub(super) fn end(mut self, cleaning: Cleaning) {
        match self.supervision.child.try_status() {
            Some(exit) => ended(self, exit, cleaning),
            // Nothing to collect yet.
            None => self.detach(),
        }
    }
}

/// The leader has ended: a run that was executed is judged, another is tried again or answered.
fn ended(running: Running, exit: Exit, cleaning: Cleaning) {
    let Running { run, mut supervision, deadline } = running;
    if let Some(start) = &supervision.start {
        start.child_has_ended();
    }
    supervision.note_exec();
    // One that was ended before it was executed is no failed start.
    let failure = supervision.start.as_ref().and_then(Start::failure);
    let Some(failure) = failure.filter(|_| supervision.cause.is_none()) else {
        return supervision.finish(run, deadline, exit, cleaning);
    };
    supervision.child.reap();
    let Supervision { files, start, attempt, .. } = supervision;
    // It is there: the child has left.
    let plan = start.and_then(Start::into_plan).unwrap_or_default();
    failed(Ready { run, files, plan, deadline, attempt }, failure);
}

/// Where the escalation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// TERM was sent; KILL follows then.
    Terminating(Instant),
    /// KILL was sent; at the first instant a leader in the kernel is called unkillable, at the
    /// second any.
    Killed(Instant, Instant),
    /// Nothing more is sent: it was called unkillable, or the grace period is too long to be told.
    /// Its end is waited for all the same.
    GivenUp,
}

/// A leader that runs, and what belongs to it.
pub(super) struct Supervision {
    child: Child,
    /// Until it is known that the program was executed.
    start: Option<Start>,
    attempt: usize,
    files: Files,
    tree: Tree,
    cause: Option<Cause>,
    kills: Kills,
    timings: Timings,
    sizes: Sizes,
}

impl Supervision {
    /// A leader that was just started, after `attempt` attempts that failed.
    pub(super) fn new(
        run: &Run,
        files: Files,
        child: Child,
        start: Start,
        taken: Instant,
        attempt: usize,
    ) -> Supervision {
        if files.io.has_memfd_outputs() {
            run.shared.reserved_fds.started(child.pid().led_group());
        }
        let queued = taken.saturating_duration_since(run.request.submitted);
        Supervision {
            child,
            start: Some(start),
            attempt,
            files,
            tree: Tree::default(),
            cause: None,
            kills: Kills::default(),
            timings: Timings { queued, spawn: Duration::ZERO, total: Duration::ZERO },
            sizes: Sizes::new(),
        }
    }

    /// Lets go of what the start needed if the program was executed.
    fn note_exec(&mut self) {
        if let Some(start) = self.start.take_if(|it| it.is_over() && it.failure().is_none()) {
            self.timings.spawn = start.duration();
        }
    }

    /// The leader's pidfd.
    pub(super) fn pidfd(&self) -> Option<&PidFd> {
        self.child.pidfd()
    }

    async fn until_ended(&mut self, run: &mut Run, deadline: Option<Instant>) -> Exit {
        let mut phase = Phase::Running;
        // It may be running for a while already.
        let mut next_tick = Instant::now();
        loop {
            let until = match phase {
                Phase::Running => deadline,
                Phase::Terminating(kill) => Some(kill),
                Phase::Killed(look, _) => Some(look),
                Phase::GivenUp => None,
            };
            tokio::select! {
                biased;
                () = self.child.ended() => {
                    if let Some(exit) = self.child.try_status() {
                        return exit;
                    }
                    // Nothing to collect yet although the pidfd said so: look again soon.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                () = cancelled(run.cancel.as_ref()), if phase == Phase::Running => {
                    phase = self.escalate(Cause::Cancelled, run.request.spec.kill_grace);
                }
                () = sleep_until(until) => {
                    // It may have ended in this very moment: then nothing is sent.
                    if let Some(exit) = self.child.try_status() {
                        return exit;
                    }
                    phase = self.advance(phase, run);
                }
                () = tokio::time::sleep_until(next_tick.into()) => {
                    let is_alive = matches!(phase, Phase::Running | Phase::Terminating(_));
                    if self.look_at_sizes(run) && is_alive {
                        phase = self.kill();
                    }
                    self.tree.look_on(&self.child);
                    let looks = self.tree.is_unfinished().then_some(NEXT_LOOK);
                    next_tick = Instant::now() + looks.unwrap_or(self.sizes.tick());
                }
            }
        }
    }

    /// What happens when the time of a phase is up.
    fn advance(&mut self, phase: Phase, run: &mut Run) -> Phase {
        match phase {
            Phase::Running => self.escalate(Cause::Timeout, run.request.spec.kill_grace),
            Phase::Terminating(_) => self.kill(),
            Phase::Killed(_, last) => {
                let now = Instant::now();
                if now < last && !self.hangs_in_kernel() {
                    return Phase::Killed(now + KILL_PATIENCE, last);
                }
                let cause = self.cause.unwrap_or(Cause::Timeout);
                let mut report = unkillable(cause, Some(self.child.pid()), self.kills);
                report.timings = self.timings;
                report.timings.total = run.request.submitted.elapsed();
                // In this order: the next one in the lane must see it.
                run.enter_quarantine(self.child.pid());
                run.permit = None;
                run.done.answer(report);
                Phase::GivenUp
            }
            Phase::GivenUp => Phase::GivenUp,
        }
    }

    fn escalate(&mut self, cause: Cause, grace: Duration) -> Phase {
        self.cause = Some(cause);
        if grace.is_zero() {
            return self.kill();
        }
        self.tree.terminate(&self.child);
        self.kills.term += 1;
        match Instant::now().checked_add(grace) {
            Some(kill) => Phase::Terminating(kill),
            None => Phase::GivenUp,
        }
    }

    fn kill(&mut self) -> Phase {
        self.tree.kill(&self.child);
        self.kills.kill += 1;
        let now = Instant::now();
        Phase::Killed(now + KILL_PATIENCE, now + BUSY_PATIENCE)
    }

    fn hangs_in_kernel(&self) -> bool {
        process_stat(self.child.pid()).is_some_and(|stat| stat.state == b'D')
    }

    /// Keeps captured text small and measures the files; true when something is too large.
    fn look_at_sizes(&mut self, run: &Run) -> bool {
        let found = self.sizes.look(&mut self.files, &run.request, &run.shared.reads);
        self.cause = self.cause.or(found);
        found.is_some()
    }

    /// The leader has ended: everything else follows at once.
    fn finish(mut self, run: Run, deadline: Option<Instant>, exit: Exit, cleaning: Cleaning) {
        let kill_rest = self.cause.is_some() || run.request.spec.background == Background::Kill;
        let has_memfds = self.files.io.has_memfd_outputs();
        let mark = has_memfds.then(|| run_mark(&run.request, self.child.pid()));
        if kill_rest {
            self.tree.kill_rest(&self.child);
        }
        self.child.reap();
        let others = self.child.signal_group(0);
        if kill_rest && others && self.kills.kill == 0 {
            self.kills.kill = 1;
        }
        let Supervision { child, files, cause, kills, timings, .. } = self;
        let pid = child.pid();
        drop(child);
        let kept = (others && !kill_rest).then(|| pid.led_group());
        let ended =
            Ended { run, deadline, files, cause, exit, pid, kills, timings, others, kept, mark };
        ended.conclude(cleaning);
    }
}
