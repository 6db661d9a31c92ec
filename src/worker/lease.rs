//! The driver for a caller that blocks anyway: it moves the bytes of its exchange itself.
//!
//! A synchronous hook holds the agent's actor, and two more thread switches would double the time
//! of a worker's answer.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};

use crate::outcome::OutcomeKind;
use crate::run::{ReplyOnce, Request, RunReport};

use super::fault::Fault;
use super::pending::{Asked, Pending, TakenUp, answered, report, take_up};
use super::pipes;
use super::protocol::Reply;
use super::worker::{Left, Lent, Worker};

/// Milliseconds between two looks whether a worker that is silent still lives.
const LOOK: u16 = 50;

/// A worker in the hands of a caller that blocks; given back when dropped.
pub(super) struct Lease {
    worker: Arc<Worker>,
    lent: Lent,
    left: Left,
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
        let lent = worker.lend()?;
        Some(Lease { worker, lent, left: Left::Nothing })
    }

    /// Makes the call, on this thread. Blocks until the answer, the deadline or the worker's end.
    pub(super) fn call(mut self, request: Request) -> Result<RunReport, Box<Unfinished>> {
        if let Err(fault) = pipes::check_silence(&self.worker.stdout, &mut self.lent.chunk) {
            let (unseen, taken_up) = (true, TakenUp::default());
            return Err(Box::new(Unfinished { lease: self, fault, unseen, request, taken_up }));
        }
        let (now, buffer) = (Instant::now(), self.worker.take_buffer());
        let Lent { exchange, id, .. } = &mut self.lent;
        let taken_up = match take_up(&request, now, self.worker.pid, exchange, *id, buffer) {
            Ok(taken_up) => taken_up,
            Err(message) => {
                let queued = now.saturating_duration_since(request.submitted);
                let taken_up = TakenUp { queued, deadline: None };
                let report = report(OutcomeKind::SpawnError, &request, taken_up);
                return Ok(RunReport { message, ..report });
            }
        };
        match self.converse(now, &request, taken_up.deadline) {
            Ok(reply) => {
                let report = report(OutcomeKind::Ok, &request, taken_up);
                Ok(answered(self.worker.pid, report, reply))
            }
            Err(fault @ (Fault::Timeout | Fault::Killed)) if self.lent.exchange.takes_cancels() => {
                Ok(self.leave_late(&fault, request, taken_up))
            }
            Err(fault) => {
                let unseen = self.lent.exchange.is_unseen(self.lent.id);
                Err(Box::new(Unfinished { lease: self, fault, unseen, request, taken_up }))
            }
        }
    }

    /// Leaves a request to the worker that it has not answered in time. Its report.
    fn leave_late(mut self, fault: &Fault, request: Request, taken_up: TakenUp) -> RunReport {
        let pending = Pending { taken_up, ..Pending::new(request, None, ReplyOnce::given()) };
        let report = match fault {
            Fault::Timeout => pending.late(),
            _ => {
                let message = "the call was withdrawn".to_owned();
                RunReport { message, ..pending.report(OutcomeKind::Cancelled) }
            }
        };
        let stdio_tail = self.worker.stderr.take();
        let id = self.lent.id;
        self.left = Left::Late(Asked { id, pending, cancelled: false, unseen: false });
        RunReport { pid: Some(self.worker.pid), stdio_tail, ..report }
    }

    /// Moves the bytes of an exchange that begins `now`.
    fn converse(
        &mut self,
        now: Instant,
        request: &Request,
        deadline: Option<Instant>,
    ) -> Result<Reply, Fault> {
        let mut now = Some(now);
        loop {
            let Lent { stdin, exchange, .. } = &mut self.lent;
            if let Some(mut outgoing) = exchange.take_outgoing() {
                let written = pipes::write(stdin, &mut outgoing);
                let done = exchange.put_back(outgoing)?;
                if let Some(buffer) = done {
                    self.worker.keep_buffer(buffer);
                }
                written?;
            }
            let ended = self.wait(self.lent.exchange.writes(), now.take(), request, deadline)?;
            let (mut reply, Lent { chunk, exchange, .. }) = (None, &mut self.lent);
            pipes::receive(&self.worker.stdout, chunk, exchange, |_, said| reply = Some(said))?;
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
                PollFd::new(self.lent.stdin.as_fd(), PollFlags::POLLOUT),
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
        let Lent { chunk, exchange, .. } = &mut self.lent;
        let (chunk, exchange) = (std::mem::take(chunk), std::mem::take(exchange));
        self.worker.give_back(chunk, exchange, std::mem::take(&mut self.left));
    }
}

impl Unfinished {
    /// Leaves worker and request to the supervisor, which answers by `reply`.
    pub(super) fn leave(self, reply: ReplyOnce) {
        let Unfinished { mut lease, fault, unseen, request, taken_up } = self;
        let pending = Pending { taken_up, ..Pending::new(request, None, reply) };
        let asked = Asked { id: lease.lent.id, pending, cancelled: false, unseen };
        lease.left = Left::Lost(fault, asked);
    }
}
