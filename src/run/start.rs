//! From a submission that may start to a run that is driven: its files, and its supervision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::reactor::{Expired, Expires, Reactor, Timers};
use crate::sys::Plan;

use super::drive::drive;
use super::files::{Files, prepare};
use super::judge::Cause;
use super::lane::{Permit, Waiting};
use super::run::Run;
use super::supervise::Supervision;

/// How long the making of files that are not in memory is waited for without a deadline.
const MAKING: Duration = Duration::from_secs(30);

impl Run {
    /// Makes the files; `None` when that failed and was answered, or goes on elsewhere. On the
    /// calling thread, so that several of them share the work.
    pub(super) fn prepare(self) -> Option<Supervision> {
        if let Some(refusal) = self.request.refusal() {
            self.refuse(refusal);
            return None;
        }
        let now = Instant::now();
        let deadline = self.request.deadline(now);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.withdrawn(Cause::Timeout, "no time was left when it could start");
            return None;
        }
        if self.services.is_closed() {
            self.withdrawn(Cause::Cancelled, "the program is about to end");
            return None;
        }
        match prepare(&self.services, &self.request, deadline) {
            Ok((files, plan)) => {
                self.request.started();
                if files.io.on_disk().is_none() {
                    return Some(Supervision::new(self, files, plan, deadline));
                }
                let runtime = self.services.runtime.clone();
                runtime.spawn(start_on_disk(self, files, plan, deadline));
                None
            }
            Err(error) => {
                self.without_files(&error);
                None
            }
        }
    }
}

impl Waiting for Run {
    fn start(mut self: Box<Self>, permit: Permit) {
        self.permit = Some(permit);
        // It may have waited too long, or was withdrawn, since the last scan of the queue.
        if let Some(expired) = self.expired(Instant::now()) {
            return (*self).give_up(expired);
        }
        if let Some(supervision) = self.prepare() {
            drive(supervision);
        }
    }

    fn give_up(self: Box<Self>, expired: Expired) {
        (*self).give_up(expired);
    }

    fn reactor(&self) -> &Arc<Reactor> {
        &self.services.reactor
    }

    fn timers(&self) -> &Arc<Timers> {
        &self.services.timers
    }
}

/// Has the files of a run made where threads of ours do not go, and starts it.
async fn start_on_disk(run: Run, files: Files, plan: Plan, deadline: Option<Instant>) {
    let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
    let made = match files.io.on_disk() {
        Some(on_disk) => on_disk.make(left.unwrap_or(MAKING)).await,
        None => Ok(()),
    };
    let place = "its files were still being made";
    if run.is_withdrawn() {
        return run.withdrawn(Cause::Cancelled, place);
    }
    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        return run.withdrawn(Cause::Timeout, place);
    }
    match made {
        Ok(()) => drive(Supervision::new(run, files, plan, deadline)),
        Err(error) => run.without_files(&error.into()),
    }
}
