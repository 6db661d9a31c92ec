//! Starting a program that stays, by a task of the runtime.

use std::time::{Duration, Instant};

use crate::containment::Slot;
use crate::reactor::{CancelToken, Child, sleep_until};
use crate::sys::{self, Plan};

use super::Request;
use super::cgroup::Cgroup;
use super::plan::PlanError;
use super::services::Services;
use super::start_error::explain;
use super::supervise::retry_pause;
use super::tree::Tree;

/// Pause between two checks whether a program was executed.
const EXEC_PAUSE: Duration = Duration::from_millis(1);

/// Why a program that stays was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    #[error("no pipes can be made for it: {0}")]
    Pipes(#[from] std::io::Error),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("it was withdrawn while it was being started")]
    Withdrawn,
    #[error("it was not executed in time")]
    Late,
    /// It could not be executed, with the explanation.
    #[error("{0}")]
    Start(String),
}

/// A program that was executed.
pub(super) struct Executed {
    pub(super) child: Child,
    /// The cgroup that it runs in.
    pub(super) slot: Option<Slot>,
    /// How long its start took.
    pub(super) spawn: Duration,
}

/// Starts a program that stays, and waits until it is executed. On the runtime.
///
/// # Errors
/// When that cannot be done, or not until `deadline` or before `cancel` withdraws it.
pub(super) async fn execute(
    request: &Request,
    mut plan: Plan,
    deadline: Option<Instant>,
    cancel: &CancelToken,
    services: &Services,
) -> Result<Executed, AttachError> {
    let mut attempt = 0;
    let mut cgroup = Cgroup::default();
    loop {
        cgroup.enter(&request.spec, &mut plan).map_err(AttachError::Start)?;
        let failure = match sys::spawn(plan) {
            Err(refusal) => {
                plan = refusal.plan;
                refusal.failure
            }
            Ok((spawned, start)) => {
                let mut child = Child::new(spawned).listen();
                while !start.is_over() {
                    if let Err(error) = rest(EXEC_PAUSE, deadline, cancel).await {
                        reap_behind(child, start, cgroup.slot);
                        return Err(error);
                    }
                    if child.try_status().is_some() {
                        start.child_has_ended();
                    }
                }
                let Some(failure) = start.failure() else {
                    return Ok(Executed { child, slot: cgroup.slot, spawn: start.duration() });
                };
                child.ended().await;
                child.reap();
                plan = start.into_plan().unwrap_or_default();
                failure
            }
        };
        if cgroup.is_lost(failure, &mut plan) {
            continue;
        }
        match retry_pause(failure, attempt) {
            Some(pause) => rest(pause, deadline, cancel).await?,
            None => {
                let explanation = explain(request, failure, &services.explanations, deadline);
                return Err(AttachError::Start(explanation.await));
            }
        }
        attempt += 1;
    }
}

/// Waits for `pause`, unless the start is not wanted any more.
async fn rest(
    pause: Duration,
    deadline: Option<Instant>,
    cancel: &CancelToken,
) -> Result<(), AttachError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(AttachError::Withdrawn),
        () = sleep_until(deadline) => Err(AttachError::Late),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}

/// Kills a program that is not wanted any more, and reaps it in a task.
fn reap_behind(mut child: Child, start: sys::Start, mut slot: Option<Slot>) {
    tokio::spawn(async move {
        Tree::default().kill(&child);
        if let Some(slot) = &mut slot {
            slot.kill();
        }
        child.ended().await;
        Tree::default().reap_and_kill_rest(&mut child);
        start.child_has_ended();
    });
}
