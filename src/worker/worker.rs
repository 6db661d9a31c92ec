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
use super::pending::{Asked, Pending};
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
    pub(super) state: Mutex<State>,
    /// The buffer of the line that was written last.
    spare: Mutex<Vec<u8>>,
}

pub(super) struct State {
    pub(super) phase: Phase,
    /// What is under way with it. A caller that blocks has it while it has the worker.
    pub(super) exchange: Exchange,
    /// The requests that it has and has not answered, the oldest first.
    pub(super) asked: Vec<Asked>,
    /// `None` when it was closed to let the worker end.
    pub(super) stdin: Option<Arc<OwnedFd>>,
    /// What is read goes through it.
    pub(super) chunk: Vec<u8>,
    pub(super) last_id: u64,
    /// It gets no further request.
    pub(super) retires: bool,
    /// Its process has ended.
    pub(super) ended: bool,
    /// The deadline of its requests is the pool's end.
    pub(super) stops: bool,
    /// Stdout, while the reactor watches it.
    pub(super) reading: Option<Watched>,
    /// Stdin, while a line does not fit into the pipe.
    pub(super) writing: Option<Watched>,
    /// When the runtime polls it, if that was arranged.
    pub(super) next_poll: Option<Instant>,
    /// When its oldest request is taken to be slow, and is looked after.
    pub(super) slow_from: Instant,
}

/// What a worker is doing.
pub(super) enum Phase {
    /// It is greeted, or has as many requests as it has.
    Serves,
    /// A caller that blocks has it.
    Leased,
    /// It cannot be used any more, which the supervisor has not seen yet.
    Lost(Lost),
    /// The supervisor ends it.
    Gone,
}

/// What a caller that blocks gets of a worker.
pub(super) struct Lent {
    pub(super) stdin: Arc<OwnedFd>,
    /// What is read goes through it.
    pub(super) chunk: Vec<u8>,
    pub(super) exchange: Exchange,
    /// The number of its request.
    pub(super) id: u64,
}

/// What a caller that blocks leaves to do when it gives a worker back.
#[derive(Default)]
pub(super) enum Left {
    #[default]
    Nothing,
    /// The worker cannot be used any more, and has this request.
    Lost(Fault, Asked),
    /// The call was answered at its deadline. The worker is to be sent a cancel.
    Late(Asked),
}

/// A worker that cannot be used any more, and the requests that it has then.
pub(super) struct Lost {
    pub(super) fault: Fault,
    /// By which of them it was lost, if that is known.
    pub(super) guilty: Option<u64>,
    pub(super) asked: Vec<Asked>,
}

impl State {
    /// Whether it has no request, is not lost, and nobody writes to it.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Serves) && self.exchange.is_idle()
    }

    /// Whether it gets one more request. One that is repeated is alone.
    pub(super) fn has_room(&self) -> bool {
        let is_open = !self.retires && matches!(self.phase, Phase::Serves);
        is_open && self.exchange.has_room() && !self.asked.iter().any(|one| one.pending.repeated)
    }
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
        let max_output = max_output.unwrap_or(usize::MAX - ENVELOPE);
        // Hooks that are waited for are asked by their callers, one after the other.
        let is_for_hooks = pool.settings.spec.event.row().lane == Lane::Hook;
        let most_at_once = if is_for_hooks { 1 } else { pool.settings.multiplex };
        let state = State {
            phase: Phase::Serves,
            exchange: Exchange::new(max_output, most_at_once),
            asked: Vec::new(),
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
            state: Mutex::new(state),
            spare: Mutex::default(),
        })
    }

    /// Greets it. Does not block; the supervisor is called when it has answered.
    pub(super) fn greet(self: &Arc<Worker>) {
        self.step(|state, todo| match self.listen(state) {
            Ok(()) => {
                state.exchange.greet();
                self.asked(state, None, todo);
            }
            Err(fault) => self.lose(state, fault, None),
        });
    }

    /// Lets it serve requests from now on.
    pub(super) fn serve(self: &Arc<Worker>) {
        self.step(|state, todo| {
            if matches!(state.phase, Phase::Serves) {
                self.go_on(state, todo);
            }
        });
    }

    /// How many requests at a time it asked for, if those are more than it may have.
    pub(super) fn excess(&self) -> Option<u64> {
        self.state.lock().exchange.excess()
    }

    /// Gives it a request; gives that back when it has no room for it. Does not block.
    #[expect(clippy::result_large_err, reason = "a box would be an allocation for each request")]
    pub(super) fn submit(self: &Arc<Worker>, pending: Pending) -> Result<(), Pending> {
        self.step(|state, todo| {
            if !state.has_room() || (pending.repeated && !state.is_idle()) {
                return Err(pending);
            }
            self.begin(state, Some(pending), todo);
            Ok(())
        })
    }

    /// Lends it to a caller that blocks, if it is idle.
    pub(super) fn lend(&self) -> Option<Lent> {
        let mut state = self.state.lock();
        if state.retires || !state.is_idle() {
            return None;
        }
        let stdin = state.stdin.clone()?;
        state.phase = Phase::Leased;
        state.last_id += 1;
        let (chunk, exchange) = (std::mem::take(&mut state.chunk), &mut state.exchange);
        Some(Lent { stdin, chunk, exchange: std::mem::take(exchange), id: state.last_id })
    }

    /// Takes it back from a caller that blocks, with a request that is not answered.
    pub(super) fn give_back(self: &Arc<Worker>, chunk: Vec<u8>, exchange: Exchange, left: Left) {
        self.step(|state, todo| {
            (state.chunk, state.exchange) = (chunk, exchange);
            state.phase = Phase::Serves;
            match left {
                Left::Lost(fault, asked) => {
                    let asked = vec![asked];
                    self.set_lost(state, Lost { fault, guilty: None, asked });
                }
                Left::Late(asked) => {
                    state.asked.push(asked);
                    match self.listen(state) {
                        Ok(()) if !state.ended => self.cancel(state, 0, Instant::now(), todo),
                        Ok(()) => self.lose(state, Fault::Ended, None),
                        Err(fault) => self.lose(state, fault, None),
                    }
                }
                Left::Nothing if state.ended => self.lose(state, Fault::Ended, None),
                Left::Nothing => self.go_on(state, todo),
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

    /// Whether it has no request, is not lost, and nobody writes to it.
    pub(super) fn is_idle(&self) -> bool {
        self.state.lock().is_idle()
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
            for one in &mut state.asked {
                let deadline = &mut one.pending.taken_up.deadline;
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
            if matches!(state.phase, Phase::Serves) {
                self.lose(state, Fault::Ended, None);
            }
        });
    }

    /// Loses it if it is busy, and has not just answered.
    pub(super) fn fail(self: &Arc<Worker>, fault: Fault) {
        self.step(|state, todo| {
            self.read_answers(state, todo);
            if matches!(state.phase, Phase::Serves) && !state.exchange.has_answered() {
                self.lose(state, fault, None);
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
