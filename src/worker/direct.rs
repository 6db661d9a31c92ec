//! A request without a detour over the runtime's thread, for callers that block anyway.
//!
//! A synchronous hook holds the agent's actor, and two more thread switches would double the time
//! of a worker's answer. So the calling thread takes an idle worker out of the pool, talks over
//! copies of its pipes' descriptors, and gives the worker back. The worker's task keeps out of the
//! way meanwhile (it does not read stdout of such pools while the worker is idle), and does all
//! that is not the usual case: ending a lost worker and answering its call.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parking_lot::Mutex;

use crate::process::Attached;
use crate::sys;

use super::protocol::{Reply, read_answer, request, shown};
use super::talk::{CLOSING, Loss, check_size, complete};

/// Read at a time.
const CHUNK: usize = 16 * 1024;
/// Milliseconds between two looks whether a worker that is silent still lives.
const LOOK_AT_PIDFD: u16 = 50;
/// A larger request's buffer is not kept.
const MOST_KEPT: usize = 64 * 1024;

/// Copies of the descriptors of one worker.
pub(super) struct Direct {
    stdin: OwnedFd,
    stdout: OwnedFd,
    pidfd: OwnedFd,
    pub(super) pid: i32,
    ids: Arc<AtomicU64>,
    max_output: usize,
    /// What was written and what is read, kept for the next exchange. There is one at a time.
    buffers: Mutex<Buffers>,
}

#[derive(Default)]
struct Buffers {
    line: Vec<u8>,
    chunk: Vec<u8>,
}

/// The time of an exchange.
#[derive(Clone, Copy)]
pub(super) struct Time<'a> {
    pub(super) now: Instant,
    pub(super) deadline: Option<Instant>,
    /// The deadline as the worker is told it.
    pub(super) until: Option<&'a str>,
}

/// Why there is no answer.
pub(super) struct Failure {
    pub(super) loss: Loss,
    /// Whether the worker cannot have seen the request.
    pub(super) unsent: bool,
}

impl Direct {
    /// `None` when there are no descriptors left, or no pidfd: then requests take the detour.
    pub(super) fn new(
        attached: &Attached,
        ids: Arc<AtomicU64>,
        max_output: usize,
    ) -> Option<Direct> {
        let [stdin, stdout, pidfd] = attached.descriptors()?;
        let buffers = Mutex::new(Buffers { line: Vec::new(), chunk: vec![0; CHUNK] });
        Some(Direct { stdin, stdout, pidfd, pid: attached.pid(), ids, max_output, buffers })
    }

    /// Sends a request and waits for its answer. Blocks until then, the deadline, or the worker's
    /// end.
    pub(super) fn exchange(
        &self,
        event: &str,
        time: Time<'_>,
        input: &[u8],
    ) -> Result<Reply, Failure> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let mut buffers = self.buffers.lock();
        let Buffers { line, chunk } = &mut *buffers;
        request(line, id, event, time.until, input);
        let mut written = 0;
        let answer = self.converse(line, chunk, &mut written, time);
        if line.capacity() > MOST_KEPT {
            *line = Vec::new();
        }
        let reply = answer
            .and_then(|line| read_answer(&line, id).map_err(Loss::Protocol))
            .and_then(|reply| check_size(reply, self.max_output));
        reply.map_err(|loss| Failure { loss, unsent: written == 0 })
    }

    fn converse(
        &self,
        line: &[u8],
        chunk: &mut [u8],
        written: &mut usize,
        time: Time<'_>,
    ) -> Result<Vec<u8>, Loss> {
        let mut now = Some(time.now);
        match nix::unistd::read(&self.stdout, chunk) {
            Ok(0) => return Err(self.closed("stdout")),
            Ok(count) => {
                let said = shown(&chunk[..count]);
                return Err(Loss::Protocol(format!(
                    "said {said} without having been asked; did it print to stdout?"
                )));
            }
            Err(_) => {}
        }
        let mut heard = Vec::new();
        loop {
            self.write(line, written)?;
            let ended = self.wait(*written < line.len(), now.take(), time.deadline)?;
            loop {
                match nix::unistd::read(&self.stdout, chunk) {
                    Ok(0) => return Err(self.closed("stdout")),
                    Ok(count) => {
                        let from = heard.len();
                        heard.extend_from_slice(&chunk[..count]);
                        let all_written = *written == line.len();
                        if let Some(line) =
                            complete(&mut heard, from, all_written, self.max_output)?
                        {
                            return Ok(line);
                        }
                    }
                    Err(Errno::EINTR) => {}
                    Err(Errno::EAGAIN) => break,
                    Err(errno) => {
                        return Err(Loss::Protocol(format!("cannot be read from: {errno}")));
                    }
                }
            }
            if ended {
                return Err(Loss::Ended);
            }
        }
    }

    fn write(&self, line: &[u8], written: &mut usize) -> Result<(), Loss> {
        while *written < line.len() {
            match sys::write_without_sigpipe(self.stdin.as_fd(), &line[*written..]) {
                Ok(count) => *written += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(_) => return Err(self.closed("stdin")),
            }
        }
        Ok(())
    }

    /// Waits until something can be done; whether the worker has ended.
    ///
    /// Its pidfd is looked at only now and then: an end mostly closes stdout too, and is noticed
    /// by that, and each descriptor more to wait for costs time in every call.
    ///
    /// `now` is passed on where it is known already: in a call of some 10 µs, a clock counts.
    fn wait(
        &self,
        writes: bool,
        mut now: Option<Instant>,
        deadline: Option<Instant>,
    ) -> Result<bool, Loss> {
        loop {
            let mut timeout = LOOK_AT_PIDFD;
            if let Some(deadline) = deadline {
                let now = now.take().unwrap_or_else(Instant::now);
                let left = deadline.saturating_duration_since(now);
                if left.is_zero() {
                    return Err(Loss::Timeout);
                }
                // Rounded up, so that it does not turn in circles in the last millisecond.
                let milliseconds = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
                timeout = timeout.min(milliseconds);
            }
            let mut fds = [
                PollFd::new(self.stdout.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.stdin.as_fd(), PollFlags::POLLOUT),
            ];
            let count = if writes { 2 } else { 1 };
            match poll(&mut fds[..count], timeout) {
                Ok(1..) => return Ok(false),
                Ok(_) if self.has_ended() => return Ok(true),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Loss::Protocol(format!("cannot be waited for: {errno}"))),
            }
        }
    }

    fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..))
    }

    /// What a closed pipe means: mostly that it is about to end.
    fn closed(&self, name: &str) -> Loss {
        let until = Instant::now() + CLOSING;
        loop {
            let left: Duration = until.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::ZERO);
            match poll(&mut [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(1..) => return Loss::Ended,
                Err(Errno::EINTR) if !left.is_zero() => {}
                _ => return Loss::Protocol(format!("closed its {name}")),
            }
        }
    }
}
