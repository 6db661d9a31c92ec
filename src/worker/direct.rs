//! The pipes of a worker, for threads other than the runtime's.
//!
//! A worker's answer takes some microseconds, and each switch to another thread takes about as
//! many. So whoever makes a call talks to an idle worker over copies of its pipes' descriptors, and
//! waits for the answer itself (`lent`) or lets another thread hear it (`line`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parking_lot::Mutex;

use crate::run::PipedChild;
use crate::sys::{self, Pid};

use super::loss::{Broken, Failure, Loss, check_size, complete};
use super::protocol::{Reply, read_answer, request, shown};
use super::talk::CLOSING;

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
    pub(super) pid: Pid,
    ids: Arc<AtomicU64>,
    max_output: usize,
    /// What was written and what is read, kept for the next exchange. There is one at a time.
    buffers: Mutex<Buffers>,
    /// A buffer for a line that nobody is writing now.
    spare: Mutex<Vec<u8>>,
    /// What its stdin holds.
    capacity: usize,
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

/// How much of a line was written.
pub(super) enum Sent {
    All,
    Part,
    Nothing,
}

impl Direct {
    /// `None` when there are no descriptors left, or no pidfd: then requests take the detour.
    pub(super) fn new(
        attached: &PipedChild,
        ids: Arc<AtomicU64>,
        max_output: usize,
    ) -> Option<Direct> {
        let [stdin, stdout, pidfd] = attached.descriptors()?;
        let buffers = Mutex::new(Buffers { line: Vec::new(), chunk: vec![0; CHUNK] });
        let capacity = fcntl(&stdin, FcntlArg::F_GETPIPE_SZ).ok()?;
        Some(Direct {
            stdin,
            stdout,
            pidfd,
            pid: attached.pid(),
            ids,
            max_output,
            buffers,
            spare: Mutex::default(),
            capacity: usize::try_from(capacity).unwrap_or_default().min(MOST_KEPT),
        })
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
            .map_err(|broken| match broken {
                Broken::Closed(name) => self.closed(name),
                Broken::Lost(loss) => loss,
            })
            .and_then(|line| self.reply(&line, id));
        reply.map_err(|loss| Failure { loss, unsent: written == 0 })
    }

    fn converse(
        &self,
        line: &[u8],
        chunk: &mut [u8],
        written: &mut usize,
        time: Time<'_>,
    ) -> Result<Vec<u8>, Broken> {
        let mut now = Some(time.now);
        self.demand_silence(chunk)?;
        let mut heard = Vec::new();
        loop {
            self.write(line, written)?;
            let all_written = *written == line.len();
            let ended = self.wait(!all_written, now.take(), time.deadline)?;
            if let Some(line) = self.hear_in(chunk, &mut heard, all_written)? {
                return Ok(line);
            }
            if ended {
                return Err(Loss::Ended.into());
            }
        }
    }

    /// A request line that the pipe of an idle worker holds, and its number; `None` when it is too
    /// long for that.
    pub(super) fn line(
        &self,
        event: &str,
        until: Option<&str>,
        input: &[u8],
    ) -> Option<(u64, Vec<u8>)> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let mut line = std::mem::take(&mut *self.spare.lock());
        request(&mut line, id, event, until, input);
        if line.len() <= self.capacity { Some((id, line)) } else { None }
    }

    /// Writes such a line. Does not block.
    pub(super) fn send(&self, line: Vec<u8>) -> Sent {
        let mut written = 0;
        // A closed pipe is met again by whoever goes on.
        let _ = self.write(&line, &mut written);
        let sent = match written {
            0 => Sent::Nothing,
            all if all == line.len() => Sent::All,
            _ => Sent::Part,
        };
        *self.spare.lock() = line;
        sent
    }

    /// Reads what there is of an answer; gives the line when it is complete. Does not block.
    pub(super) fn hear(&self, heard: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Broken> {
        self.hear_in(&mut self.buffers.lock().chunk, heard, true)
    }

    /// What a line says to the request `id`.
    pub(super) fn reply(&self, line: &[u8], id: u64) -> Result<Reply, Loss> {
        let reply = read_answer(line, id).map_err(Loss::Protocol)?;
        check_size(reply, self.max_output)
    }

    /// Its stdout, to wait for.
    pub(super) fn stdout(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }

    /// Fails when it said something without having been asked. Does not block.
    pub(super) fn check_silence(&self) -> Result<(), Broken> {
        self.demand_silence(&mut self.buffers.lock().chunk)
    }

    fn demand_silence(&self, chunk: &mut [u8]) -> Result<(), Broken> {
        match nix::unistd::read(&self.stdout, chunk) {
            Ok(0) => Err(Broken::Closed("stdout")),
            Ok(count) => {
                let said = shown(&chunk[..count]);
                let hint = "without having been asked; did it print to stdout?";
                Err(Loss::Protocol(format!("said {said} {hint}")).into())
            }
            Err(_) => Ok(()),
        }
    }

    fn hear_in(
        &self,
        chunk: &mut [u8],
        heard: &mut Vec<u8>,
        all_written: bool,
    ) -> Result<Option<Vec<u8>>, Broken> {
        loop {
            match nix::unistd::read(&self.stdout, chunk) {
                Ok(0) => return Err(Broken::Closed("stdout")),
                Ok(count) => {
                    let from = heard.len();
                    heard.extend_from_slice(&chunk[..count]);
                    let line = complete(heard, from, all_written, self.max_output)?;
                    if line.is_none() {
                        continue;
                    }
                    // What follows is told now or, if the chunk ends with the line, never.
                    if count == chunk.len()
                        && let Err(Broken::Lost(loss)) = self.demand_silence(chunk)
                    {
                        return Err(loss.into());
                    }
                    return Ok(line);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(errno) => {
                    return Err(Loss::Protocol(format!("cannot be read from: {errno}")).into());
                }
            }
        }
    }

    fn write(&self, line: &[u8], written: &mut usize) -> Result<(), Broken> {
        while *written < line.len() {
            match sys::write_without_sigpipe(self.stdin.as_fd(), &line[*written..]) {
                Ok(count) => *written += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(_) => return Err(Broken::Closed("stdin")),
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

    /// What a closed pipe means: mostly that it is about to end. Blocks for a moment.
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
