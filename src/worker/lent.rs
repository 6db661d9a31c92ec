//! A request of a caller that blocks anyway: it talks to the worker itself.
//!
//! A synchronous hook holds the agent's actor, and two more thread switches would double the time
//! of a worker's answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::OutcomeKind;
use crate::run::{ReplyOnce, Request, RunReport, unix_seconds};

use super::direct::{Direct, Time};
use super::job::{Job, Returned, blank, settled};
use super::loss::Failure;
use super::seat::Held;

/// A worker in the hands of a blocking caller.
pub(super) struct Lent {
    pub(super) held: Held,
    pub(super) direct: Arc<Direct>,
}

/// A request with which a lent worker was lost.
pub(super) struct Unfinished {
    held: Held,
    failure: Failure,
    pub(super) request: Request,
    queued: Duration,
}

impl Lent {
    /// Makes the call, on this thread.
    pub(super) fn converse(self, request: Request) -> Result<RunReport, Box<Unfinished>> {
        let now = Instant::now();
        let queued = now.saturating_duration_since(request.submitted);
        let input = match request.input.bytes() {
            Ok(input) => input,
            Err(message) => {
                let report = blank(OutcomeKind::SpawnError, &request, queued);
                return Ok(RunReport { message, ..report });
            }
        };
        let deadline = request.deadline(now);
        let until = deadline.and_then(|deadline| unix_seconds(deadline, now));
        request.started();
        let time = Time { now, deadline, until: until.as_deref() };
        match self.direct.exchange(request.spec.event.label(), time, &input) {
            Ok(reply) => {
                let report = settled(blank(OutcomeKind::Ok, &request, queued), reply);
                Ok(RunReport { pid: Some(self.direct.pid), ..report })
            }
            Err(failure) => {
                drop(input);
                Err(Box::new(Unfinished { held: self.held, failure, request, queued }))
            }
        }
    }
}

impl Unfinished {
    /// Leaves worker and request to the worker's task, which answers it.
    pub(super) fn leave(self, done: ReplyOnce) {
        let Unfinished { held, failure, request, queued } = self;
        held.leave(Returned::Lost(
            failure,
            Job { request, cancel: None, patience: None, done },
            queued,
        ));
    }
}
