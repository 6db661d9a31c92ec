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

use crate::process::Attached;
use crate::sys;

use super::protocol::{Reply, read_answer, request, shown};
use super::talk::{CLOSING, Loss, check_size, complete};

/// Read at a time.
const CHUNK: usize = 16 * 1024;

/// Copies of the descriptors of one worker.
pub(super) struct Direct {
    stdin: OwnedFd,
    stdout: OwnedFd,
    pidfd: OwnedFd,
    pub(super) pid: i32,
    ids: Arc<AtomicU64>,
    max_output: usize,
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
        Some(Direct { stdin, stdout, pidfd, pid: attached.pid(), ids, max_output })
    }

    /// Sends a request and waits for its answer. Blocks until then, the deadline, or the worker's
    /// end.
    pub(super) fn exchange(
        &self,
        event: &str,
        until: Option<&str>,
        input: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Reply, Failure> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let mut line = Vec::with_capacity(input.len() + 128);
        request(&mut line, id, event, until, input);
        let mut written = 0;
        let answer = self.converse(&line, &mut written, deadline);
        let reply = answer
            .and_then(|line| read_answer(&line, id).map_err(Loss::Protocol))
            .and_then(|reply| check_size(reply, self.max_output));
        reply.map_err(|loss| Failure { loss, unsent: written == 0 })
    }

    fn converse(
        &self,
        line: &[u8],
        written: &mut usize,
        deadline: Option<Instant>,
    ) -> Result<Vec<u8>, Loss> {
        let mut chunk = [0; CHUNK];
        match nix::unistd::read(&self.stdout, &mut chunk) {
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
            let ended = self.wait(*written < line.len(), deadline)?;
            loop {
                match nix::unistd::read(&self.stdout, &mut chunk) {
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
    fn wait(&self, writes: bool, deadline: Option<Instant>) -> Result<bool, Loss> {
        loop {
            let timeout = match deadline {
                None => PollTimeout::NONE,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Loss::Timeout);
                    }
                    // Rounded up, so that it does not turn in circles in the last millisecond.
                    let milliseconds = left.as_millis().saturating_add(1);
                    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
                }
            };
            let mut fds = [
                PollFd::new(self.stdout.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.stdin.as_fd(), PollFlags::POLLOUT),
            ];
            let count = if writes { 3 } else { 2 };
            match poll(&mut fds[..count], timeout) {
                Ok(1..) => return Ok(fds[1].any().unwrap_or(true)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Loss::Protocol(format!("cannot be waited for: {errno}"))),
            }
        }
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
