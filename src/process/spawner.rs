//! The threads that start processes.
//!
//! Starting one blocks its thread until the kernel has executed the program, which a dead network
//! file system can make long; nothing else happens on these threads. One of them is reserved for
//! hooks. When starts are stuck, more threads are made, and end when they are idle.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use crate::sys::{self, Plan, Slot, SpawnFailure, Spawned, Stack};

/// Threads that are always there, besides the reserved one.
const GENERAL: usize = 2;
/// Most threads while starts are stuck.
const MOST: usize = 16;
/// How long a thread beyond the usual number stays without work.
const IDLE: Duration = Duration::from_secs(2);

/// One process to start.
pub(super) struct Job {
    pub(super) plan: Plan,
    pub(super) ticket: Arc<Ticket>,
    /// Called with what became of it, on the spawner's thread; not if it was withdrawn.
    pub(super) reply: Box<dyn FnOnce(Reply) + Send>,
    pub(super) is_hook: bool,
}

/// What became of a job.
pub(super) struct Reply {
    pub(super) result: Result<Spawned, SpawnFailure>,
    /// For another attempt.
    pub(super) plan: Plan,
    /// When a thread took it.
    pub(super) taken: Instant,
    /// How long the start took.
    pub(super) spawn: Duration,
}

/// What the supervisor of a run can do about its job meanwhile.
pub(super) struct Ticket {
    state: Mutex<State>,
    slot: Slot,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    Starting,
    Finished,
    Withdrawn,
}

/// The answer to a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withdrawal {
    /// It will not be started.
    NotStarted,
    /// It is being started; the flag says whether SIGKILL was sent to what there is of it.
    Starting(bool),
    /// The reply is there or about to come.
    Finished,
}

impl Ticket {
    pub(super) fn new() -> Arc<Ticket> {
        Arc::new(Ticket { state: Mutex::new(State::Queued), slot: Slot::new() })
    }

    pub(super) fn is_queued(&self) -> bool {
        *self.state.lock() == State::Queued
    }

    /// Keeps a queued job from being started, and kills one that is being started: nothing else
    /// reaches a process that hangs in execve.
    pub(super) fn withdraw(&self) -> Withdrawal {
        // The lock keeps the spawner from handing the pidfd on, and so from its being closed.
        let mut state = self.state.lock();
        match *state {
            State::Queued | State::Withdrawn => {
                *state = State::Withdrawn;
                Withdrawal::NotStarted
            }
            State::Starting => Withdrawal::Starting(self.slot.signal(libc::SIGKILL)),
            State::Finished => Withdrawal::Finished,
        }
    }
}

/// The threads and their queues.
pub(super) struct Pool {
    queues: Mutex<Queues>,
    /// For the general threads, which take hooks too.
    general_work: Condvar,
    /// For the reserved thread.
    hook_work: Condvar,
}

#[derive(Default)]
struct Queues {
    hooks: VecDeque<Job>,
    general: VecDeque<Job>,
    reserved_idle: bool,
    idle: usize,
    threads: usize,
}

impl Pool {
    /// Starts the threads.
    pub(super) fn start() -> io::Result<Arc<Pool>> {
        let pool = Arc::new(Pool {
            queues: Mutex::new(Queues::default()),
            general_work: Condvar::new(),
            hook_work: Condvar::new(),
        });
        for _ in 0..GENERAL {
            pool.start_general(false)?;
        }
        let reserved = pool.clone();
        start_thread("mcmd-spawn-0", move |stack| reserved.serve_hooks(stack))?;
        Ok(pool)
    }

    pub(super) fn push(&self, job: Job) {
        let mut queues = self.queues.lock();
        if job.is_hook {
            queues.hooks.push_back(job);
            // Taken back at once, so that the next hook does not count on the same thread.
            let reserved = std::mem::take(&mut queues.reserved_idle);
            drop(queues);
            if reserved {
                self.hook_work.notify_one()
            } else {
                self.general_work.notify_one()
            };
        } else {
            queues.general.push_back(job);
            drop(queues);
            self.general_work.notify_one();
        }
    }

    /// Makes another thread if nobody is free to take what waits. Called for jobs that have waited
    /// suspiciously long.
    pub(super) fn relieve(self: &Arc<Pool>) {
        let stuck = {
            let queues = self.queues.lock();
            let waits = !queues.general.is_empty() || !queues.hooks.is_empty();
            waits && queues.idle == 0 && queues.threads < MOST
        };
        if stuck && let Err(error) = self.start_general(true) {
            tracing::warn!(%error, "cannot start another spawner thread");
        }
    }

    fn start_general(self: &Arc<Pool>, extra: bool) -> io::Result<()> {
        let number = {
            let mut queues = self.queues.lock();
            queues.threads += 1;
            queues.threads
        };
        let pool = self.clone();
        let started =
            start_thread(&format!("mcmd-spawn-{number}"), move |stack| pool.serve(stack, extra));
        if started.is_err() {
            self.queues.lock().threads -= 1;
        }
        started
    }

    /// Takes work for ever; an extra thread until there is none for a while.
    fn serve(&self, mut stack: Stack, extra: bool) {
        loop {
            let mut queues = self.queues.lock();
            let job = loop {
                if let Some(job) = queues.hooks.pop_front() {
                    break job;
                }
                if let Some(job) = queues.general.pop_front() {
                    break job;
                }
                queues.idle += 1;
                let timed_out = if extra {
                    self.general_work.wait_for(&mut queues, IDLE).timed_out()
                } else {
                    self.general_work.wait(&mut queues);
                    false
                };
                queues.idle -= 1;
                let nothing = queues.hooks.is_empty() && queues.general.is_empty();
                if timed_out && nothing {
                    queues.threads -= 1;
                    return;
                }
            };
            drop(queues);
            execute(job, &mut stack);
        }
    }

    fn serve_hooks(&self, mut stack: Stack) {
        loop {
            let mut queues = self.queues.lock();
            let job = loop {
                if let Some(job) = queues.hooks.pop_front() {
                    break job;
                }
                queues.reserved_idle = true;
                self.hook_work.wait(&mut queues);
                queues.reserved_idle = false;
            };
            drop(queues);
            execute(job, &mut stack);
        }
    }
}

fn start_thread(name: &str, body: impl FnOnce(Stack) + Send + 'static) -> io::Result<()> {
    let stack = Stack::new()?;
    sys::with_signals_blocked(|| {
        std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(move || {
            sys::block_all_signals();
            body(stack);
        })
    })?;
    Ok(())
}

fn execute(job: Job, stack: &mut Stack) {
    let Job { plan, ticket, reply, .. } = job;
    {
        let mut state = ticket.state.lock();
        if *state == State::Withdrawn {
            return;
        }
        *state = State::Starting;
    }
    let taken = Instant::now();
    sys::let_sigchld_be_dropped();
    let result = sys::spawn(&plan, stack, &ticket.slot);
    let spawn = taken.elapsed();
    *ticket.state.lock() = State::Finished;
    reply(Reply { result, plan, taken, spawn });
}
