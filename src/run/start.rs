//! The first part of a run: its files, a process, and what to do when there is none.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::outcome::OutcomeKind;
use crate::staging::{Capture, RunFiles};
use crate::sys::{self, NoProcess, Plan, SpawnFailure, Step};

use super::fast_path::FastRun;
use super::plan::plan;
use super::report::Cause;
use super::run::{Ready, Run};
use super::runner::{Shared, waited_since};
use super::start_error::{explain, reason};
use super::supervise::{Running, Supervision, supervise};
use super::tree::Tree;
use super::{Request, RunReport};
use crate::command::Stdio;
use crate::reactor::CancelToken;
use crate::reactor::Child;
use crate::reactor::FsHelpers;
use crate::reactor::cancelled;
use crate::reactor::sleep_until;

/// Pauses before further attempts when a file is being written or processes run short: 50 ms in
/// all.
const RETRY_PAUSES: [Duration; 3] =
    [Duration::from_millis(5), Duration::from_millis(15), Duration::from_millis(30)];
/// Between two looks whether a program was executed, where that is to be known before it ends.
const LOOK: Duration = Duration::from_millis(1);

/// The files of a run.
pub(super) struct Files {
    pub(super) io: RunFiles,
    pub(super) capture: Option<Capture>,
}

/// Makes the files of a run and plans its program.
pub(super) fn prepare(
    shared: &Shared,
    request: &Request,
    deadline: Option<Instant>,
) -> Result<(Files, Plan), String> {
    let spec = &request.spec;
    let staging = shared
        .staging(spec.temp_dir.as_deref())
        .map_err(|error| format!("no place for the command's files: {error}"))?;
    let io = RunFiles::create(&staging, &shared.reserved_fds, &request.input, spec.io)
        .map_err(|error| format!("cannot make the command's files: {error}"))?;
    let capture = match spec.stdio {
        Stdio::Capture => Some(
            Capture::new().map_err(|error| format!("cannot capture stdout and stderr: {error}"))?,
        ),
        Stdio::Inherit | Stdio::Null => None,
    };
    let plan = plan(request, &io, capture.as_ref(), deadline)?;
    Ok((Files { io, capture }, plan))
}

/// Starts the leader of a run, on the calling thread; `None` when that failed, and was answered or
/// is tried again.
pub(super) fn begin(ready: Ready) -> Option<Running> {
    let Ready { run, files, plan, deadline, attempt } = ready;
    let taken = Instant::now();
    match sys::spawn(plan) {
        Ok((spawned, start)) => {
            let child = Child::new(spawned);
            let supervision = Supervision::new(&run, files, child, start, taken, attempt);
            Some(Running { run, supervision, deadline })
        }
        Err(refusal) => {
            let NoProcess { errno, plan } = *refusal;
            failed(Ready { run, files, plan, deadline, attempt }, SpawnFailure::Clone(errno));
            None
        }
    }
}

/// How long the making of files that are not in memory is waited for without a deadline.
const MAKING: Duration = Duration::from_secs(30);

/// Has the files of a run made where threads of ours do not go, and starts it.
pub(super) async fn begin_on_disk(ready: Ready) {
    let left = ready.deadline.map(|it| it.saturating_duration_since(Instant::now()));
    let made = match ready.files.io.on_disk() {
        Some(on_disk) => on_disk.make(left.unwrap_or(MAKING)).await,
        None => Ok(()),
    };
    let place = "its files were still being made";
    if ready.run.cancel.as_ref().is_some_and(CancelToken::is_cancelled) {
        return ready.run.withdrawn(Cause::Cancelled, place);
    }
    if ready.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        return ready.run.withdrawn(Cause::Timeout, place);
    }
    match made {
        Ok(()) => FastRun::start(ready),
        Err(message) => ready.run.without_files(message),
    }
}

/// Tries a failed start again after a pause if that can help, or answers the run.
pub(super) fn failed(ready: Ready, failure: SpawnFailure) {
    match pause(failure, ready.attempt) {
        Some(pause) => {
            let runtime = ready.run.shared.runtime.clone();
            runtime.spawn(again(Ready { attempt: ready.attempt + 1, ..ready }, pause));
        }
        None => {
            let runtime = ready.run.shared.runtime.clone();
            runtime.spawn(answer_failed(ready, failure));
        }
    }
}

/// Answers a run that cannot be started, with the reason as far as it can be seen.
async fn answer_failed(ready: Ready, failure: SpawnFailure) {
    let Ready { run, files, deadline, .. } = ready;
    let Run { shared, request, permit, mut done, .. } = run;
    drop((files, permit));
    let timings = waited_since(request.submitted);
    let message = explain(&request, failure, &shared.explanations, deadline).await;
    let report = RunReport::without_process(OutcomeKind::SpawnError, message, timings);
    done.answer(RunReport { reason: Some(reason(failure)), ..report });
}

async fn again(ready: Ready, pause: Duration) {
    let place = "no process was started for it yet";
    tokio::select! {
        biased;
        () = sleep_until(ready.deadline) => return ready.run.withdrawn(Cause::Timeout, place),
        () = cancelled(ready.run.cancel.as_ref()) => {
            return ready.run.withdrawn(Cause::Cancelled, place);
        }
        () = tokio::time::sleep(pause) => {}
    }
    if let Some(running) = begin(ready) {
        supervise(running).await;
    }
}

/// The pause before the next attempt after `attempt` others, if there is to be one.
fn pause(failure: SpawnFailure, attempt: usize) -> Option<Duration> {
    let is_temporary = matches!(
        failure,
        SpawnFailure::Child(Step::Execute, Errno::ETXTBSY) | SpawnFailure::Clone(Errno::EAGAIN)
    );
    RETRY_PAUSES.get(attempt).copied().filter(|_| is_temporary)
}

/// Starts a program that stays, and waits until it is executed; how long that took, too. On the
/// runtime.
///
/// # Errors
/// When that cannot be done, or not until `deadline` or before `cancel` withdraws it; in words for
/// people.
pub(super) async fn execute(
    request: &Request,
    mut plan: Plan,
    deadline: Option<Instant>,
    cancel: &CancelToken,
    helpers: &FsHelpers,
) -> Result<(Child, Duration), String> {
    let mut attempt = 0;
    loop {
        let failure = match sys::spawn(plan) {
            Err(refusal) => {
                plan = refusal.plan;
                SpawnFailure::Clone(refusal.errno)
            }
            Ok((spawned, start)) => {
                let mut child = Child::new(spawned).listen();
                while !start.is_over() {
                    if let Err(message) = rest(LOOK, deadline, cancel).await {
                        reap_behind(child, start);
                        return Err(message);
                    }
                    if child.try_status().is_some() {
                        start.child_has_ended();
                    }
                }
                let Some(failure) = start.failure() else { return Ok((child, start.duration())) };
                child.ended().await;
                child.reap();
                plan = start.into_plan().unwrap_or_default();
                failure
            }
        };
        match pause(failure, attempt) {
            Some(pause) => rest(pause, deadline, cancel).await?,
            None => return Err(explain(request, failure, helpers, deadline).await),
        }
        attempt += 1;
    }
}

/// Expires for `pause`, unless the start is not wanted any more.
async fn rest(
    pause: Duration,
    deadline: Option<Instant>,
    cancel: &CancelToken,
) -> Result<(), String> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err("it was withdrawn while it was being started".to_owned()),
        () = sleep_until(deadline) => Err("it was not executed in time".to_owned()),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}

/// Kills and reaps a program that nobody wants any more.
fn reap_behind(mut child: Child, start: sys::Start) {
    tokio::spawn(async move {
        Tree::default().kill(&child);
        child.ended().await;
        Tree::default().kill_rest(&child);
        child.reap();
        start.child_has_ended();
    });
}
