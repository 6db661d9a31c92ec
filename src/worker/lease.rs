//! The driver for a caller that blocks anyway: it moves the bytes of its exchange itself.
//!
//! A synchronous hook holds the agent's actor, and two more thread switches would double the time
//! of a worker's answer.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use crate::outcome::OutcomeKind;
use crate::run::{ReplyOnce, Request, RunReport};

use super::exchange::Exchange;
use super::fault::Fault;
use super::pending::{Pending, TakenUp, answered, report, take_up};
use super::pipes;
use super::protocol::Reply;
use super::worker::{Lost, Worker};

/// Milliseconds between two looks whether a worker that is silent still lives.
const LOOK: u16 = 50;

/// A worker in the hands of a caller that blocks; given back when dropped.
pub(super) struct Lease {
    worker: Arc<Worker>,
    stdin: Arc<OwnedFd>,
    chunk: Vec<u8>,
    /// Of the exchange.
    id: u64,
    lost: Option<Lost>,
}

/// A request with which a leased worker was lost.
pub(super) struct Unfinished {
    lease: Lease,
    fault: Fault,
    unseen: bool,
    pub(super) request: Request,
    taken_up: TakenUp,
}

impl Lease {
    /// A lease of a worker, if that is idle.
    pub(super) fn of(worker: Arc<Worker>) -> Option<Lease> {
        let (stdin, chunk, id) = worker.lend()?;
        Some(Lease { worker, stdin, chunk, id, lost: None })
    }

    /// Makes the call, on this thread. Blocks until the answer, the deadline or the worker's end.
    pub(super) fn call(mut self, request: Request) -> Result<RunReport, Box<Unfinished>> {
        if let Err(fault) = pipes::check_silence(&self.worker.stdout, &mut self.chunk) {
            let (unseen, taken_up) = (true, TakenUp::default());
            return Err(Box::new(Unfinished { lease: self, fault, unseen, request, taken_up }));
        }
        let (now, buffer) = (Instant::now(), self.worker.take_buffer());
        let begun =
            take_up(&request, now, self.worker.pid, self.id, buffer, self.worker.max_output);
        let (mut exchange, taken_up) = match begun {
            Ok(begun) => begun,
            Err(message) => {
                let queued = now.saturating_duration_since(request.submitted);
                let taken_up = TakenUp { queued, deadline: None };
                let report = report(OutcomeKind::SpawnError, &request, taken_up);
                return Ok(RunReport { message, ..report });
            }
        };
        match self.converse(&mut exchange, now, &request, taken_up.deadline) {
            Ok(reply) => {
                let report = report(OutcomeKind::Ok, &request, taken_up);
                Ok(answered(self.worker.pid, report, reply))
            }
            Err(fault) => {
                let unseen = exchange.is_unseen();
                Err(Box::new(Unfinished { lease: self, fault, unseen, request, taken_up }))
            }
        }
    }

    /// Moves the bytes of an exchange that begins `now`.
    fn converse(
        &mut self,
        exchange: &mut Exchange,
        now: Instant,
        request: &Request,
        deadline: Option<Instant>,
    ) -> Result<Reply, Fault> {
        let mut now = Some(now);
        loop {
            if let Some(mut outgoing) = exchange.take_outgoing() {
                let written = pipes::write(&self.stdin, &mut outgoing);
                if outgoing.rest().is_empty() {
                    self.worker.keep_buffer(outgoing.line);
                } else {
                    exchange.put_back(outgoing);
                }
                written?;
            }
            let ended = self.wait(exchange.writes(), now.take(), request, deadline)?;
            let reply = pipes::receive(&self.worker.stdout, &mut self.chunk, exchange)?;
            if let Some(reply) = reply {
                return Ok(reply);
            }
            if ended {
                return Err(Fault::Ended);
            }
        }
    }

    /// Waits until something can be read, or written; whether the worker has ended.
    ///
    /// That is looked at only now and then: an end mostly closes stdout too, and is noticed by
    /// that, and each descriptor more to wait for costs time in every call.
    ///
    /// `now` is passed on where it is known already: in a call of some 10 µs, a clock counts.
    fn wait(
        &self,
        writes: bool,
        mut now: Option<Instant>,
        request: &Request,
        deadline: Option<Instant>,
    ) -> Result<bool, Fault> {
        loop {
            let mut timeout = LOOK;
            if let Some(deadline) = deadline {
                let now = now.take().unwrap_or_else(Instant::now);
                let left = deadline.saturating_duration_since(now);
                if left.is_zero() {
                    return Err(Fault::Timeout);
                }
                // Rounded up, so that it does not turn in circles in the last millisecond.
                let milliseconds = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
                timeout = timeout.min(milliseconds);
            }
            let mut fds = [
                PollFd::new(self.worker.stdout.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.stdin.as_fd(), PollFlags::POLLOUT),
            ];
            let count = if writes { 2 } else { 1 };
            match poll(&mut fds[..count], timeout) {
                Ok(1..) => return Ok(false),
                Ok(_) if self.worker.has_ended() => return Ok(true),
                Ok(_) if request.is_killed() => return Err(Fault::Killed),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(Fault::Protocol(format!("cannot be waited for: {errno}")));
                }
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.worker.give_back(std::mem::take(&mut self.chunk), self.lost.take());
    }
}

impl Unfinished {
    /// Leaves worker and request to the supervisor, which answers by `reply`.
    pub(super) fn leave(self, reply: ReplyOnce) {
        let Unfinished { mut lease, fault, unseen, request, taken_up } = self;
        let pending = Some(Pending { taken_up, ..Pending::new(request, None, reply) });
        lease.lost = Some(Lost { fault, pending, unseen });
    }
}
