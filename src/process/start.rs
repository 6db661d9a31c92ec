//! The first part of a run: its files, and getting a process out of the spawners.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::sync::oneshot;

use crate::event::Lane;
use crate::io::{CallIo, Capture};
use crate::metrics::FailureReason;
use crate::sys::{self, Plan, SpawnFailure, Spawned, Step};

use super::cancel::cancelled;
use super::explain::{explain, reason};
use super::plan::plan;
use super::report::Cause;
use super::runner::Shared;
use super::spawner::{Job, Reply, Ticket, Withdrawal};
use super::{CancelToken, CommandSpec, Request, Stdio};

/// Pauses before further attempts when a file is being written or processes run short: 50 ms in
/// all.
const RETRY_PAUSES: [Duration; 3] =
    [Duration::from_millis(5), Duration::from_millis(15), Duration::from_millis(30)];
/// A start that takes longer than this may be stuck.
const SUSPICIOUS: Duration = Duration::from_millis(100);
/// Between two attempts to kill a process that is just being started.
const KILL_PAUSE: Duration = Duration::from_millis(5);
/// How long a killed start may take to come back.
const KILL_PATIENCE: Duration = Duration::from_millis(80);

/// The files of a run.
pub(super) struct Files {
    pub(super) io: CallIo,
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
    let io = CallIo::create(&staging, &shared.parking, &request.input, spec.io)
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

/// A job in the hands of the spawners.
pub(super) struct Launch {
    pub(super) ticket: Arc<Ticket>,
    pub(super) reply: oneshot::Receiver<Reply>,
}

/// Queues a program to the spawners.
pub(super) fn launch(shared: &Shared, request: &Request, plan: Plan) -> Launch {
    let ticket = Ticket::new();
    let (sender, receiver) = oneshot::channel();
    let reply = Box::new(move |reply| reply_by(sender, reply));
    let is_hook = is_hook(&request.spec);
    shared.spawners.push(Job { plan, ticket: ticket.clone(), reply, is_hook });
    Launch { ticket, reply: receiver }
}

/// Whether the start may use the thread that is reserved for hooks.
pub(super) fn is_hook(spec: &CommandSpec) -> bool {
    spec.event.row().lane == Lane::Hook
}

/// Sends a spawner's reply to a supervisor.
pub(super) fn reply_by(sender: oneshot::Sender<Reply>, reply: Reply) {
    if let Err(Reply { result: Ok(orphan), .. }) = sender.send(reply) {
        // The supervisor is gone, which only a panic can bring about: leave nothing behind.
        let _ = sys::kill_group(orphan.pid, libc::SIGKILL);
        let _ = sys::wait(sys::WaitTarget::of(orphan.pid, orphan.pidfd.as_ref()), libc::WEXITED);
    }
}

/// How a start ended.
pub(super) enum Started {
    /// There is a process; `ending` says whether it was killed on the way, and why.
    Yes { spawned: Spawned, taken: Instant, spawn: Duration, ending: Option<Cause> },
    /// It cannot be started.
    Failed { message: String, reason: FailureReason, taken: Instant, spawn: Duration },
    /// It was not started in time, or not wanted any more.
    Withdrawn(Cause),
    /// It hangs in the kernel, unreachable: the reply may still come.
    Stuck { cause: Cause, killed: bool, reply: oneshot::Receiver<Reply> },
}

/// Waits for a start, with the attempts that are worth repeating.
pub(super) async fn started(
    shared: &Arc<Shared>,
    request: &Request,
    deadline: Option<Instant>,
    cancel: Option<&CancelToken>,
    mut launched: Launch,
) -> Started {
    let mut pauses = RETRY_PAUSES.into_iter();
    loop {
        let first = wait_for_reply(shared, deadline, cancel, launched).await;
        let (reply, ending) = match first {
            Waited::Reply(reply, ending) => (reply, ending),
            Waited::Withdrawn(cause) => return Started::Withdrawn(cause),
            Waited::Stuck { cause, killed, reply } => {
                return Started::Stuck { cause, killed, reply };
            }
        };
        let Reply { result, plan, taken, spawn } = *reply;
        match result {
            Ok(spawned) => return Started::Yes { spawned, taken, spawn, ending },
            Err(failure) => {
                if let Some(cause) = ending {
                    return Started::Withdrawn(cause);
                }
                match pauses.next().filter(|_| is_temporary(failure)) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => {
                        let message = explain(request, failure);
                        let reason = reason(failure);
                        return Started::Failed { message, reason, taken, spawn };
                    }
                }
                launched = launch(shared, request, plan);
            }
        }
    }
}

fn is_temporary(failure: SpawnFailure) -> bool {
    matches!(
        failure,
        SpawnFailure::Child(Step::Execute, Errno::ETXTBSY) | SpawnFailure::Clone(Errno::EAGAIN)
    )
}

enum Waited {
    Reply(Box<Reply>, Option<Cause>),
    Withdrawn(Cause),
    Stuck { cause: Cause, killed: bool, reply: oneshot::Receiver<Reply> },
}

async fn wait_for_reply(
    shared: &Arc<Shared>,
    deadline: Option<Instant>,
    cancel: Option<&CancelToken>,
    launched: Launch,
) -> Waited {
    let Launch { ticket, mut reply } = launched;
    let suspicious = tokio::time::sleep(SUSPICIOUS);
    tokio::pin!(suspicious);
    let mut relieved = false;
    let cause = loop {
        tokio::select! {
            biased;
            answer = &mut reply => return replied(answer, None),
            () = sleep_until(deadline) => break Cause::Timeout,
            () = cancelled(cancel) => break Cause::Cancelled,
            () = &mut suspicious, if !relieved => {
                relieved = true;
                if ticket.is_queued() {
                    shared.spawners.relieve();
                }
            }
        }
    };
    kill_start(&ticket, reply, cause).await
}

/// Withdraws a start, or kills what there is of it.
async fn kill_start(ticket: &Ticket, mut reply: oneshot::Receiver<Reply>, cause: Cause) -> Waited {
    let give_up = Instant::now() + KILL_PATIENCE;
    let mut killed = false;
    loop {
        match ticket.withdraw() {
            Withdrawal::NotStarted => return Waited::Withdrawn(cause),
            Withdrawal::Starting(sent) => killed |= sent,
            Withdrawal::Finished => return replied(reply.await, killed.then_some(cause)),
        }
        tokio::select! {
            biased;
            answer = &mut reply => return replied(answer, killed.then_some(cause)),
            () = tokio::time::sleep(KILL_PAUSE) => {}
        }
        if Instant::now() >= give_up {
            return Waited::Stuck { cause, killed, reply };
        }
    }
}

fn replied(answer: Result<Reply, oneshot::error::RecvError>, ending: Option<Cause>) -> Waited {
    match answer {
        Ok(reply) => Waited::Reply(Box::new(reply), ending),
        // Spawners answer whatever they take; one that panicked is as good as never started.
        Err(_) => Waited::Withdrawn(ending.unwrap_or(Cause::Cancelled)),
    }
}

/// Completes at `deadline`; never without one.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
