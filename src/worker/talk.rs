//! One worker's pipes: a line out, a line back, with all that can go wrong between.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::unix::pipe;

use crate::reactor::{CancelToken, cancelled, sleep_until};
use crate::run::PipedChild;

use super::loss::{Broken, Loss, check_size, complete};
use super::protocol::{ENVELOPE, GREETING, Reply, read_answer, read_ready, request, shown};

/// Read at a time.
const CHUNK: usize = 16 * 1024;
/// Buffers larger than this are given back after the request that needed them.
const KEPT: usize = 64 * 1024;
/// How much of the end of stderr is kept.
const TAIL: usize = 4096;
/// Read from stderr before anything else gets its turn.
const STDERR_CHUNKS: usize = 16;
/// How long a worker may live on after it closed a pipe and still count as having ended.
pub(super) const CLOSING: Duration = Duration::from_millis(100);

/// When an exchange ends without an answer.
pub(super) struct Limits<'a> {
    pub(super) deadline: Option<Instant>,
    /// The pool's end.
    pub(super) stop: &'a CancelToken,
    /// The caller's.
    pub(super) cancel: Option<&'a CancelToken>,
    /// How long the worker may go on after the pool's end, and after the caller's when there is
    /// no deadline.
    pub(super) grace: Duration,
}

/// What an idle worker did.
#[derive(Debug)]
pub(super) enum Stir {
    /// It wrote to stderr.
    Stderr,
    /// It is lost.
    Loss(Loss),
}

/// A worker's process and pipes.
pub(super) struct Talk {
    pub(super) attached: PipedChild,
    /// Read from stdout and not used yet.
    heard: Vec<u8>,
    /// The line to write, and how much of it is written.
    line: Vec<u8>,
    written: usize,
    /// The end of what it wrote to stderr since it was taken last.
    stderr: Vec<u8>,
    pub(super) ids: Arc<AtomicU64>,
    pub(super) max_output: usize,
    chunk: Box<[u8; CHUNK]>,
}

impl Talk {
    pub(super) fn new(attached: PipedChild, max_output_bytes: u64) -> Talk {
        Talk {
            attached,
            heard: Vec::new(),
            line: Vec::new(),
            written: 0,
            stderr: Vec::new(),
            ids: Arc::default(),
            max_output: usize::try_from(max_output_bytes).unwrap_or(usize::MAX - ENVELOPE),
            chunk: Box::new([0; CHUNK]),
        }
    }

    /// Greets the worker and waits until it is ready.
    pub(super) async fn handshake(&mut self, limits: Limits<'_>) -> Result<(), Loss> {
        self.line.clear();
        self.line.extend_from_slice(GREETING);
        self.written = 0;
        let line = self.converse(limits, || {}).await?;
        read_ready(&line).map_err(Loss::Protocol)
    }

    /// Takes up a request, which [`answer`](Talk::answer) then sends; gives its number.
    pub(super) fn begin(&mut self, event: &str, deadline: Option<&str>, input: &[u8]) -> u64 {
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        request(&mut self.line, id, event, deadline, input);
        self.written = 0;
        id
    }

    /// Takes up a request that somebody else has sent, who has `heard` the beginning of the answer.
    pub(super) fn take_up(&mut self, heard: Vec<u8>) {
        self.heard = heard;
        // Written, whatever it was.
        self.line.clear();
        self.line.push(b'\n');
        self.written = self.line.len();
    }

    /// Sends what is left of the request `id` and waits for its answer. `cancelled` is called when
    /// the caller withdraws it; its answer is waited for all the same, because the worker is busy
    /// with it until then.
    pub(super) async fn answer(
        &mut self,
        id: u64,
        limits: Limits<'_>,
        cancelled: impl FnMut(),
    ) -> Result<Reply, Loss> {
        let line = self.converse(limits, cancelled).await?;
        let reply = read_answer(&line, id).map_err(Loss::Protocol)?;
        check_size(reply, self.max_output)
    }

    /// Writes what is left of the line and reads one back.
    async fn converse(
        &mut self,
        limits: Limits<'_>,
        mut on_cancel: impl FnMut(),
    ) -> Result<Vec<u8>, Loss> {
        let Limits { mut deadline, stop, mut cancel, grace } = limits;
        let (mut stop_seen, mut stop_ends) = (false, false);
        loop {
            self.write().await?;
            let writes = self.written < self.line.len();
            // An expression of its own, because its borrows must end before the branches begin.
            let turn = {
                let PipedChild { stdin, stdout, stderr, .. } = &self.attached;
                // In this order: an answer beats a deadline of the same moment, and no flood of
                // stderr keeps a deadline from being seen.
                tokio::select! {
                    biased;
                    () = readable(stdout.pipe()) => Turn::Hear,
                    () = self.attached.ended() => Turn::Ended,
                    () = sleep_until(deadline) => Turn::Deadline,
                    () = cancelled(cancel), if cancel.is_some() => Turn::Cancelled,
                    () = stop.cancelled(), if !stop_seen => Turn::Stop,
                    () = writable(stdin.as_ref()), if writes => Turn::Write,
                    () = readable(stderr.as_ref()) => Turn::Stderr,
                }
            };
            match turn {
                Turn::Hear => {
                    if let Some(line) = self.hear().await? {
                        return Ok(line);
                    }
                }
                Turn::Ended => {
                    // What it said last may still be in the pipe.
                    return match self.hear_last().await {
                        Ok(Some(line)) => Ok(line),
                        Ok(None) => Err(Loss::Ended),
                        Err(loss) => Err(loss),
                    };
                }
                Turn::Write => {}
                Turn::Stderr => self.hear_stderr(),
                Turn::Deadline if stop_ends => return Err(Loss::Stopped),
                Turn::Deadline => return Err(Loss::Timeout),
                Turn::Cancelled => {
                    cancel = None;
                    on_cancel();
                    deadline = deadline.or_else(|| Instant::now().checked_add(grace));
                }
                Turn::Stop => {
                    stop_seen = true;
                    let end = Instant::now() + grace;
                    if deadline.is_none_or(|deadline| end < deadline) {
                        stop_ends = true;
                        deadline = Some(end);
                    }
                }
            }
        }
    }

    /// Writes what the pipe takes.
    async fn write(&mut self) -> Result<(), Loss> {
        while self.written < self.line.len() {
            let Some(stdin) = &self.attached.stdin else { return Err(Loss::Ended) };
            match stdin.try_write(&self.line[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(self.closed("stdin").await),
            }
        }
        Ok(())
    }

    /// Reads what there is; gives the line when it is complete, and nothing follows it.
    async fn hear(&mut self) -> Result<Option<Vec<u8>>, Loss> {
        loop {
            let Some(stdout) = self.attached.stdout.pipe() else { return Err(unheard()) };
            match stdout.try_read(&mut self.chunk[..]) {
                Ok(count) => {
                    let line = self.heard(count).await?;
                    if line.is_some() || count < CHUNK {
                        return Ok(line);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(Loss::Protocol(format!("cannot be read from: {error}"))),
            }
        }
    }

    /// As [`hear`](Talk::hear), for the last time: also what the runtime has not been told of yet.
    async fn hear_last(&mut self) -> Result<Option<Vec<u8>>, Loss> {
        loop {
            let Some(stdout) = self.attached.stdout.pipe() else { return Err(unheard()) };
            match nix::unistd::read(stdout, &mut self.chunk[..]) {
                Ok(count) => {
                    let line = self.heard(count).await?;
                    if line.is_some() {
                        return Ok(line);
                    }
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return Ok(None),
            }
        }
    }

    /// Takes what was read into the chunk.
    async fn heard(&mut self, count: usize) -> Result<Option<Vec<u8>>, Loss> {
        if count == 0 {
            return Err(self.closed("stdout").await);
        }
        let from = self.heard.len();
        self.heard.extend_from_slice(&self.chunk[..count]);
        let all_written = self.written == self.line.len();
        let line = complete(&mut self.heard, from, all_written, self.max_output)?;
        if line.is_some() && self.line.capacity() > KEPT {
            self.line = Vec::new();
            self.written = 0;
        }
        Ok(line)
    }

    /// What a closed pipe means: mostly that it is about to end.
    async fn closed(&self, name: &str) -> Loss {
        match tokio::time::timeout(CLOSING, self.attached.ended()).await {
            Ok(()) => Loss::Ended,
            Err(_) => Loss::Protocol(format!("closed its {name}")),
        }
    }

    /// What stopped somebody else.
    pub(super) async fn loss(&self, broken: Broken) -> Loss {
        match broken {
            Broken::Closed(name) => self.closed(name).await,
            Broken::Lost(loss) => loss,
        }
    }

    /// Whether nothing of the last line was written: the worker cannot have seen it.
    pub(super) fn is_unsent(&self) -> bool {
        self.written == 0
    }

    /// Waits until an idle worker does something; it should not. While its ear is shut, stdout is
    /// somebody else's. Cancel safe.
    pub(super) async fn stirs(&mut self) -> Stir {
        loop {
            let PipedChild { stdout, stderr, .. } = &self.attached;
            let turn = tokio::select! {
                biased;
                () = readable(stdout.pipe()) => Turn::Hear,
                () = self.attached.ended() => Turn::Ended,
                () = readable(stderr.as_ref()) => Turn::Stderr,
            };
            match turn {
                Turn::Hear => {
                    if let Some(loss) = self.spoke_unasked().await {
                        return Stir::Loss(loss);
                    }
                }
                Turn::Stderr => {
                    self.hear_stderr();
                    return Stir::Stderr;
                }
                _ => return Stir::Loss(Loss::Ended),
            }
        }
    }

    /// Whether it said something, or closed its stdout, without having been asked.
    pub(super) async fn spoke_unasked(&mut self) -> Option<Loss> {
        let Some(stdout) = self.attached.stdout.pipe() else { return Some(unheard()) };
        match stdout.try_read(&mut self.chunk[..]) {
            Ok(0) => Some(self.closed("stdout").await),
            Ok(count) => {
                let said = shown(&self.chunk[..count]);
                Some(Loss::Protocol(format!(
                    "said {said} without having been asked; did it print to stdout?"
                )))
            }
            Err(_) => None,
        }
    }

    /// Reads what is in stderr, but not for ever.
    pub(super) fn hear_stderr(&mut self) {
        for _ in 0..STDERR_CHUNKS {
            let Some(stderr) = &self.attached.stderr else { return };
            match stderr.try_read(&mut self.chunk[..]) {
                Ok(0) => self.attached.stderr = None,
                Ok(count) => self.keep_stderr(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// As [`hear_stderr`](Talk::hear_stderr), for the last time: also what the runtime has not been
    /// told of yet, because stdout was looked at first.
    pub(super) fn hear_last_stderr(&mut self) {
        for _ in 0..STDERR_CHUNKS {
            let Some(stderr) = &self.attached.stderr else { return };
            match nix::unistd::read(stderr, &mut self.chunk[..]) {
                Ok(count @ 1..) => self.keep_stderr(count),
                Err(nix::errno::Errno::EINTR) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Keeps the end of what was read into the chunk.
    fn keep_stderr(&mut self, count: usize) {
        self.stderr.extend_from_slice(&self.chunk[..count]);
        let excess = self.stderr.len().saturating_sub(TAIL);
        self.stderr.drain(..excess);
    }

    /// The end of what it wrote to stderr since the last time.
    pub(super) fn take_stderr(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.stderr)
    }
}

/// The runtime has no place for the pipe any more.
fn unheard() -> Loss {
    Loss::Protocol("cannot be listened to: the runtime refused its pipe".to_owned())
}

/// What comes next in an exchange.
enum Turn {
    Hear,
    Ended,
    Write,
    Stderr,
    Deadline,
    Cancelled,
    Stop,
}

async fn readable(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // An error is seen by the read that follows.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

async fn writable(pipe: Option<&pipe::Sender>) {
    match pipe {
        Some(pipe) => drop(pipe.writable().await),
        None => std::future::pending().await,
    }
}
