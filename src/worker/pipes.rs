//! Our ends of a worker's pipes: what can be read and written now, without waiting.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use parking_lot::Mutex;
use tokio::net::unix::pipe;

use crate::reactor::{Interest, Reactor, Watch};
use crate::sys;

use super::exchange::{Exchange, Outgoing, unasked};
use super::fault::Fault;
use super::protocol::Reply;

/// Read from stdout at a time, in bytes.
pub(super) const CHUNK: usize = 16 * 1024;
/// How much of the end of stderr is kept, and how much is read of it at a time, in bytes.
const TAIL: usize = 4096;
/// Read from stderr before anything else gets its turn, in chunks of [`TAIL`] bytes.
const STDERR_CHUNKS: usize = 64;

/// Writes what the pipe takes of a line. Does not block.
///
/// # Errors
/// When the worker has closed its stdin.
pub(super) fn write(stdin: &OwnedFd, outgoing: &mut Outgoing) -> Result<(), Fault> {
    while !outgoing.rest().is_empty() {
        match sys::write_without_sigpipe(stdin.as_fd(), outgoing.rest()) {
            Ok(count) => outgoing.written += count,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(_) => return Err(Fault::Closed("stdin")),
        }
    }
    Ok(())
}

/// Reads what there is of answers, by way of `chunk`; each that is complete goes to `take`. Does
/// not block.
///
/// # Errors
/// When what the worker said is no reply, or it has closed its stdout.
pub(super) fn receive(
    stdout: &OwnedFd,
    chunk: &mut [u8],
    exchange: &mut Exchange,
    mut take: impl FnMut(u64, Reply),
) -> Result<(), Fault> {
    loop {
        match nix::unistd::read(stdout, chunk) {
            Ok(0) => return Err(Fault::Closed("stdout")),
            Ok(count) => {
                let mut bytes = &chunk[..count];
                let last = loop {
                    match exchange.receive(&mut bytes)? {
                        None => break None,
                        Some(answer) if exchange.has_answered() => break Some(answer),
                        Some((id, reply)) => take(id, reply),
                    }
                };
                let Some((id, reply)) = last else { continue };
                // Where the chunk ends with the line, more may be in the pipe already; an end of
                // the pipe is met by the next exchange.
                if count == chunk.len()
                    && let Err(fault @ Fault::Protocol(_)) = check_silence(stdout, chunk)
                {
                    return Err(fault);
                }
                take(id, reply);
                return Ok(());
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(errno) => return Err(Fault::Protocol(format!("cannot be read from: {errno}"))),
        }
    }
}

/// Checks that a worker without a request has said nothing, by way of `chunk`. Does not block.
///
/// # Errors
/// When it has, or has closed its stdout.
pub(super) fn check_silence(stdout: &OwnedFd, chunk: &mut [u8]) -> Result<(), Fault> {
    match nix::unistd::read(stdout, chunk) {
        Ok(0) => Err(Fault::Closed("stdout")),
        Ok(count) => Err(unasked(&chunk[..count])),
        Err(_) => Ok(()),
    }
}

/// A descriptor that the reactor watches until this is dropped.
pub(super) struct Watched {
    fd: Arc<OwnedFd>,
    reactor: Arc<Reactor>,
    watch: Watch,
}

impl Watched {
    /// Has the reactor call `job` each time when `fd` becomes ready for `interest`.
    ///
    /// # Errors
    /// When the kernel has no room for it.
    pub(super) fn new(
        reactor: &Arc<Reactor>,
        fd: &Arc<OwnedFd>,
        interest: Interest,
        job: impl Fn() + Send + Sync + 'static,
    ) -> Result<Watched, Fault> {
        let watch = reactor
            .listen(fd.as_fd(), interest, Arc::new(job))
            .map_err(|error| Fault::Protocol(format!("cannot be listened to: {error}")))?;
        Ok(Watched { fd: fd.clone(), reactor: reactor.clone(), watch })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.reactor.unwatch(self.fd.as_fd(), &self.watch);
    }
}

/// A worker's stderr, of which the end is kept until it is taken.
pub(super) struct Stderr {
    /// `None` when it is not captured.
    pipe: Option<pipe::Receiver>,
    closed: AtomicBool,
    tail: Mutex<Vec<u8>>,
}

impl Stderr {
    pub(super) fn new(pipe: Option<pipe::Receiver>) -> Stderr {
        Stderr { pipe, closed: AtomicBool::new(false), tail: Mutex::default() }
    }

    /// Completes when there is something to [read](Stderr::read). Cancel safe.
    pub(super) async fn readable(&self) {
        match &self.pipe {
            // An error is seen by the read that follows.
            Some(pipe) if !self.closed.load(Ordering::Relaxed) => drop(pipe.readable().await),
            _ => std::future::pending().await,
        }
    }

    /// Reads what is there, but not for ever. For the runtime, which learns by it that nothing is
    /// left.
    pub(super) fn read(&self) {
        let Some(pipe) = &self.pipe else { return };
        self.keep(|chunk| match pipe.try_read(chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(Errno::EINTR),
            read => read.map_err(|_| Errno::EAGAIN),
        });
    }

    /// Takes the end of what it wrote since the last time, with what was not read yet. On any
    /// thread.
    pub(super) fn take(&self) -> Vec<u8> {
        if let Some(pipe) = &self.pipe {
            self.keep(|chunk| nix::unistd::read(pipe, chunk));
        }
        std::mem::take(&mut self.tail.lock())
    }

    /// Keeps the end of what `read` gives.
    fn keep(&self, read: impl Fn(&mut [u8]) -> nix::Result<usize>) {
        let mut chunk = [0; TAIL];
        for _ in 0..STDERR_CHUNKS {
            match read(&mut chunk) {
                Ok(0) => return self.closed.store(true, Ordering::Relaxed),
                Ok(count) => {
                    let mut tail = self.tail.lock();
                    tail.extend_from_slice(&chunk[..count]);
                    let excess = tail.len().saturating_sub(TAIL);
                    tail.drain(..excess);
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}
