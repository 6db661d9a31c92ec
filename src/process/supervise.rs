//! The life of a run: one task owns its leader, its timers and its files.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::event::OutcomeKind;
use crate::io::RunMark;
use crate::sys::{PidFd, process_stat};

use super::cancel::cancelled;
use super::child::{Child, Exit};
use super::plan::run_mark;
use super::report::{Cause, judge, unkillable};
use super::run::Run;
use super::runner::{Shared, waited_since};
use super::start::{Files, Launch, Started, sleep_until, started};
use super::tree::Tree;
use super::{Background, Kills, Request, RunReport, Timings, group};

/// Pauses between two looks at the sizes of output and captured text: short at first and while
/// they grow.
const FIRST_TICK: Duration = Duration::from_millis(10);
const LONGEST_TICK: Duration = Duration::from_millis(250);
/// How long a killed leader that hangs in the kernel is waited for before the answer is given.
const KILL_PATIENCE: Duration = Duration::from_millis(80);
/// How long one is waited for that could run but was not given a processor yet.
const BUSY_PATIENCE: Duration = Duration::from_secs(1);
/// Pauses between two looks for descriptors that can be freed.
const SWEEP_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// What a run has when its program is queued to the spawners.
pub(super) struct Prepared {
    pub(super) files: Files,
    pub(super) launched: Launch,
    pub(super) deadline: Option<Instant>,
}

/// Who removes the files of an ended run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cleaning {
    /// The thread that ended it, after the answer.
    Here,
    /// Another one, because this one is the caller's.
    Behind,
}

/// Sees a launched run through to its end.
pub(super) async fn supervise(mut run: Run, prepared: Prepared) {
    let Prepared { files, launched, deadline } = prepared;
    let start = started(&run.shared, &run.request, deadline, run.cancel.as_ref(), launched).await;
    let since = run.request.submitted;
    let (spawned, ending) = match start {
        Started::Yes { spawned, taken, spawn, ending } => {
            (spawned, (ending, run.timings(taken, spawn)))
        }
        Started::Failed { message, reason, taken, spawn } => {
            let timings = Timings { total: since.elapsed(), ..run.timings(taken, spawn) };
            let report = RunReport::without_process(OutcomeKind::SpawnError, message, timings);
            run.permit = None;
            return run.done.answer(RunReport { reason: Some(reason), ..report });
        }
        Started::Withdrawn(cause) => {
            return run.withdrawn(cause, "no process was started for it yet");
        }
        Started::Stuck { cause, killed, reply } => {
            let kills = Kills { term: 0, kill: u32::from(killed) };
            let mut report = unkillable(cause, None, kills);
            report.timings = waited_since(since);
            run.done.answer(report);
            let Ok(reply) = reply.await else { return };
            let Ok(spawned) = reply.result else { return };
            (spawned, (Some(cause), Timings::default()))
        }
    };
    let (ending, timings) = ending;
    let supervision = Supervision::new(&run, files, Child::adopt(spawned), ending, timings);
    watch_over(run, supervision, deadline).await;
}

/// Sees a running leader through to its end.
pub(super) async fn watch_over(mut run: Run, supervision: Supervision, deadline: Option<Instant>) {
    let Supervision { child, .. } = supervision;
    let mut supervision = Supervision { child: child.listen(), ..supervision };
    let exit = supervision.until_ended(&mut run, deadline).await;
    supervision.finish(run, exit, Cleaning::Here);
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
    /// It was called unkillable, and is waited for without an end.
    GivenUp,
}

/// A leader that runs, and what belongs to it.
pub(super) struct Supervision {
    child: Child,
    files: Files,
    tree: Tree,
    cause: Option<Cause>,
    kills: Kills,
    timings: Timings,
    tick: Duration,
    last_size: u64,
}

impl Supervision {
    /// A leader that was just started; with a `cause` when it was killed meanwhile.
    pub(super) fn new(
        run: &Run,
        files: Files,
        child: Child,
        cause: Option<Cause>,
        timings: Timings,
    ) -> Supervision {
        if files.io.has_memfd_outputs() {
            run.shared.parking.started(child.pid());
        }
        Supervision {
            child,
            files,
            tree: Tree::default(),
            cause,
            kills: Kills::default(),
            timings,
            tick: FIRST_TICK,
            last_size: 0,
        }
    }

    /// The leader's pidfd.
    pub(super) fn pidfd(&self) -> Option<&PidFd> {
        self.child.pidfd()
    }

    /// How the leader ended, if it has.
    pub(super) fn exit(&mut self) -> Option<Exit> {
        self.child.try_status()
    }

    async fn until_ended(&mut self, run: &mut Run, deadline: Option<Instant>) -> Exit {
        let mut phase = match self.cause {
            Some(_) => self.kill(),
            None => Phase::Running,
        };
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
                    if self.look_at_sizes(&run.request) && phase == Phase::Running {
                        phase = self.kill();
                    }
                    next_tick = Instant::now() + self.tick;
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

    /// Keeps captured text small and measures the output; true when the output is too large.
    fn look_at_sizes(&mut self, request: &Request) -> bool {
        let size = self.files.io.output_size().unwrap_or(0);
        let trimmed = self.files.capture.as_mut().is_some_and(|capture| capture.trim());
        let grows = trimmed || size > self.last_size;
        self.last_size = size;
        self.tick = if grows { FIRST_TICK } else { (self.tick * 2).min(LONGEST_TICK) };
        let too_large = size > request.spec.max_output_bytes;
        if too_large && self.cause.is_none() {
            self.cause = Some(Cause::TooLarge(size));
        }
        too_large
    }

    /// The leader has ended: everything else follows at once.
    pub(super) fn finish(mut self, mut run: Run, exit: Exit, cleaning: Cleaning) {
        let spec = run.request.spec.clone();
        let mut report = judge(&spec, &self.files.io, self.cause, exit);
        let failed = self.cause.is_some();
        let kill_rest = failed || spec.background == Background::Kill;
        let mark = if self.files.io.has_memfd_outputs() {
            run_mark(&run.request, self.child.pid())
        } else {
            RunMark::default()
        };
        if kill_rest {
            self.tree.kill_rest(&self.child);
        }
        self.child.reap();
        let others = self.child.signal_group(0);
        if kill_rest && others && self.kills.kill == 0 {
            self.kills.kill = 1;
        }
        report.strays = others && report.exit_code == Some(0) && !failed;
        report.stdio_tail =
            self.files.capture.as_ref().map(|capture| capture.tail()).unwrap_or_default();
        report.kills = self.kills;
        report.pid = Some(self.child.pid());
        report.timings = self.timings;
        report.timings.total = run.request.submitted.elapsed();
        run.permit = None;
        run.done.answer(report);
        let Supervision { files, child, .. } = self;
        let group = child.pid();
        drop(child);
        let shared = run.shared;
        let kept = (others && !kill_rest).then_some(group);
        match cleaning {
            Cleaning::Here => clean_up(&shared, files, mark, kept),
            Cleaning::Behind => {
                let own = shared.clone();
                shared.completers.run(Box::new(move || clean_up(&own, files, mark, kept)));
            }
        }
    }
}

/// Removes the files of an ended run; `kept` is its process group if some of it lives on.
fn clean_up(shared: &Arc<Shared>, files: Files, mark: RunMark, kept: Option<i32>) {
    let Files { io, capture } = files;
    io.finish(&shared.parking, mark);
    match (capture, kept) {
        (Some(capture), Some(group)) => {
            shared.runtime.spawn(group::watch(group, capture));
        }
        (Some(capture), None) => capture.close(),
        (None, _) => {}
    }
    if !shared.parking.is_empty() && !shared.sweeping.swap(true, Ordering::SeqCst) {
        shared.runtime.spawn(sweep_parking(shared.clone()));
    }
}

/// Frees reserved descriptors until none is left.
async fn sweep_parking(shared: Arc<Shared>) {
    let [short, long] = SWEEP_PAUSES;
    let mut pause = short;
    loop {
        tokio::time::sleep(pause).await;
        pause = if shared.parking.sweep() { short } else { (pause * 2).min(long) };
        if shared.parking.is_empty() {
            shared.sweeping.store(false, Ordering::SeqCst);
            // Somebody may have parked between the two: then it is ours again, or theirs.
            if shared.parking.is_empty() || shared.sweeping.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}
