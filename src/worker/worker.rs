//! One worker: what it is doing now, and who may move that on.
//!
//! A worker has one state, behind one lock. A caller that blocks takes the worker out of it
//! (`lease`); else whoever holds the lock moves it on (`drive`). The supervisor asks for what it
//! needs here: a greeting, no further request, an end.
//!
//! Locks are taken in this order: a worker's, the pool's.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use crate::event::Lane;
use crate::reactor::Reactor;
use crate::run::PipeEnds;
use crate::sys::Pid;

use super::exchange::Exchange;
use super::fault::Fault;
use super::pending::Pending;
use super::pipes::{CHUNK, Stderr, Watched};
use super::protocol::ENVELOPE;
use super::shared::Shared;

/// A larger line's buffer is not kept, in bytes.
const MOST_KEPT: usize = 64 * 1024;

/// What workers share with their pool.
pub(super) type Pool = Shared<Worker>;

/// One worker, from its start to its end.
pub(super) struct Worker {
    pub(super) pid: Pid,
    /// When it was started.
    pub(super) began: Instant,
    pub(super) stderr: Stderr,
    /// Calls the supervisor: the greeting was answered, the worker is lost, or one that retires has
    /// no request any more.
    pub(super) changed: Notify,
    pub(super) pool: Arc<Pool>,
    pub(super) reactor: Arc<Reactor>,
    pub(super) stdout: Arc<OwnedFd>,
    /// The longest output that is accepted, in bytes.
    pub(super) max_output: usize,
    pub(super) state: Mutex<State>,
    /// The buffer of the line that was written last.
    spare: Mutex<Vec<u8>>,
}

pub(super) struct State {
    pub(super) phase: Phase,
    /// `None` when it was closed to let the worker end.
    pub(super) stdin: Option<Arc<OwnedFd>>,
    /// What is read goes through it.
    pub(super) chunk: Vec<u8>,
    pub(super) last_id: u64,
    /// It gets no further request.
    pub(super) retires: bool,
    /// Its process has ended.
    pub(super) ended: bool,
    /// The deadline of its request is the pool's end.
    pub(super) stops: bool,
    /// Stdout, while the reactor watches it.
    pub(super) reading: Option<Watched>,
    /// Stdin, while a line does not fit into the pipe.
    pub(super) writing: Option<Watched>,
    /// When the runtime polls it, if that was arranged.
    pub(super) next_poll: Option<Instant>,
    /// When its request is taken to be slow, and is looked after.
    pub(super) slow_from: Instant,
}

/// What a worker is doing.
pub(super) enum Phase {
    /// It has no request. Only such a worker gets one.
    Idle,
    /// It has a request, or is greeted, which is nobody's request.
    Busy(Exchange, Option<Pending>),
    /// A caller that blocks has it.
    Leased,
    /// It cannot be used any more, which the supervisor has not seen yet.
    Lost(Lost),
    /// The supervisor ends it.
    Gone,
}

/// A worker that cannot be used any more, and the request that it has then.
pub(super) struct Lost {
    pub(super) fault: Fault,
    pub(super) pending: Option<Pending>,
    /// Whether it cannot have seen the request.
    pub(super) unseen: bool,
}

impl Worker {
    /// A worker that was started and not greeted.
    pub(super) fn new(
        pool: &Arc<Pool>,
        reactor: Arc<Reactor>,
        pid: Pid,
        pipes: PipeEnds,
    ) -> Arc<Worker> {
        let max_output = usize::try_from(pool.settings.spec.max_output_bytes);
        let state = State {
            phase: Phase::Idle,
            stdin: Some(Arc::new(pipes.stdin)),
            chunk: vec![0; CHUNK],
            last_id: 0,
            retires: false,
            ended: false,
            stops: false,
            reading: None,
            writing: None,
            next_poll: None,
            slow_from: Instant::now(),
        };
        Arc::new(Worker {
            pid,
            began: Instant::now(),
            stderr: Stderr::new(pipes.stderr),
            changed: Notify::new(),
            pool: pool.clone(),
            reactor,
            stdout: Arc::new(pipes.stdout),
            max_output: max_output.unwrap_or(usize::MAX - ENVELOPE),
            state: Mutex::new(state),
            spare: Mutex::default(),
        })
    }

    /// Greets it. Does not block; the supervisor is called when it has answered.
    pub(super) fn greet(self: &Arc<Worker>) {
        self.step(|state, todo| match self.listen(state) {
            Ok(()) => self.ask(state, Exchange::greeting(self.max_output), None, todo),
            Err(fault) => self.lose(state, fault),
        });
    }

    /// Lets it serve requests from now on.
    pub(super) fn serve(self: &Arc<Worker>) {
        self.step(|state, todo| {
            if matches!(state.phase, Phase::Idle) {
                self.go_on(state, todo);
            }
        });
    }

    /// Gives it a request; gives that back when it is not idle. Does not block.
    #[expect(clippy::result_large_err, reason = "a box would be an allocation for each request")]
    pub(super) fn submit(self: &Arc<Worker>, pending: Pending) -> Result<(), Pending> {
        self.step(|state, todo| {
            if state.retires || !matches!(state.phase, Phase::Idle) {
                return Err(pending);
            }
            self.begin(state, Some(pending), todo);
            Ok(())
        })
    }

    /// Lends it to a caller that blocks, if it is idle: its stdin, the buffer that is read through,
    /// and the number of the exchange.
    pub(super) fn lend(&self) -> Option<(Arc<OwnedFd>, Vec<u8>, u64)> {
        let mut state = self.state.lock();
        if state.retires || !matches!(state.phase, Phase::Idle) {
            return None;
        }
        let stdin = state.stdin.clone()?;
        state.phase = Phase::Leased;
        state.last_id += 1;
        Some((stdin, std::mem::take(&mut state.chunk), state.last_id))
    }

    /// Takes it back from a caller that blocks.
    pub(super) fn give_back(self: &Arc<Worker>, chunk: Vec<u8>, lost: Option<Lost>) {
        self.step(|state, todo| {
            state.chunk = chunk;
            state.phase = Phase::Idle;
            match lost {
                Some(lost) => self.set_lost(state, lost),
                None if state.ended => self.lose(state, Fault::Ended),
                None => self.go_on(state, todo),
            }
        });
    }

    /// A buffer for a line.
    pub(super) fn take_buffer(&self) -> Vec<u8> {
        std::mem::take(&mut *self.spare.lock())
    }

    /// Keeps the buffer of a line that was written.
    pub(super) fn keep_buffer(&self, line: Vec<u8>) {
        if line.capacity() <= MOST_KEPT {
            *self.spare.lock() = line;
        }
    }

    /// Whether only callers that block wait for its answers, as those of synchronous hooks do: to
    /// wake a thread by each answer would double the time of such a call.
    pub(super) fn is_for_hooks(&self) -> bool {
        self.pool.settings.spec.event.row().lane == Lane::Hook
    }

    /// Whether its process has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().ended
    }

    /// How many requests it has had.
    pub(super) fn requests(&self) -> u64 {
        self.state.lock().last_id
    }

    /// Whether it has no request and is not lost.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Idle)
    }

    /// For the supervisor: how it was lost, if it is.
    pub(super) fn take_lost(&self) -> Option<Lost> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut state.phase, Phase::Gone) {
            Phase::Lost(lost) => Some(lost),
            other => {
                state.phase = other;
                None
            }
        }
    }

    /// Gives it no further request. The supervisor is called when it has none any more.
    pub(super) fn retire(self: &Arc<Worker>) {
        self.state.lock().retires = true;
        self.pool.remove_idle(self);
    }

    /// The pool ends, and the worker within `grace`, unless a caller that blocks has it.
    pub(super) fn stop(self: &Arc<Worker>, grace: Duration) {
        self.retire();
        let end = Instant::now() + grace;
        self.step(|state, todo| {
            if let Phase::Busy(_, Some(pending)) = &mut state.phase {
                let deadline = &mut pending.taken_up.deadline;
                if deadline.is_none_or(|deadline| end < deadline) {
                    *deadline = Some(end);
                    state.stops = true;
                }
            }
            // Its caller may have withdrawn it with the pool.
            self.look_after(state, todo);
        });
    }

    /// Its process has ended. What it said last may still be in the pipe.
    pub(super) fn process_ended(self: &Arc<Worker>) {
        self.retire();
        self.state.lock().ended = true;
        self.fail(Fault::Ended);
        self.step(|state, _| {
            if matches!(state.phase, Phase::Idle) {
                self.lose(state, Fault::Ended);
            }
        });
    }

    /// Loses it if it is busy, and has not just answered.
    pub(super) fn fail(self: &Arc<Worker>, fault: Fault) {
        self.step(|state, todo| {
            self.read_answer(state, todo);
            if matches!(state.phase, Phase::Busy(..)) {
                self.lose(state, fault);
            }
        });
    }

    /// Closes its stdin, so that it ends. It has no request, and gets none.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Gone;
        (state.stdin, state.reading) = (None, None);
    }

    /// Reads and forgets what it writes, for ever, so that it is not kept from its end by a full
    /// pipe. On the runtime.
    pub(super) async fn drain(&self) {
        let stdout = self.stdout.try_clone().and_then(pipe::Receiver::from_owned_fd);
        let stdout = Stderr::new(stdout.ok());
        loop {
            tokio::select! {
                () = stdout.readable() => stdout.read(),
                () = self.stderr.readable() => self.stderr.read(),
            }
        }
    }
}
