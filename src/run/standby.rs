//! Processes that stand ready for the runs of one command, forked ahead of them from an interpreter
//! that is started already (`warm`).
//!
//! Each is a child of this process, has its own process group and cgroup, and waits for its run on
//! a channel. A run that takes one asks for the next. A process whose channel is closed ends by
//! itself, and all are reaped: also one that was killed together with its interpreter before either
//! could say that it was made.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::containment::{Slot, SlotPool};
use crate::reactor::{Child, Reactor};
use crate::sys::{self, Family, Pid, ReadyProcess, Spawned, process_stat};

use super::Lifetime;

/// The most processes that are being made at a time.
const MOST_ASKED: usize = 64;
/// After so many in succession that could not be made no run waits for another.
const MOST_FAILED: u32 = 3;
/// How long the end of an interpreter waits for news of processes that it was asked for, and for
/// those that nobody has heard of.
const SETTLING: Duration = Duration::from_secs(1);
/// Between two looks meanwhile.
const PAUSE: Duration = Duration::from_millis(1);

/// The processes that stand ready for one command.
pub struct Standby {
    reactor: Arc<Reactor>,
    runtime: Handle,
    lifetime: Arc<Lifetime>,
    cgroups: Option<Arc<SlotPool>>,
    /// How many are to stand ready.
    target: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Our end of the interpreter's channel, while one serves, and what it was asked for.
    interpreter: Option<(Arc<OwnedFd>, Arc<Asked>)>,
    ready: VecDeque<(ReadyProcess, Option<Slot>)>,
    /// How many are being made.
    asked: usize,
    /// How many the interpreter has made.
    made: u64,
    /// How many in succession could not be made.
    failed: u32,
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
}

/// What was asked of one interpreter.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Processes of which is not known yet what became of them.
    unheard: AtomicUsize,
    /// Processes that could not be made, or of which nobody could say that they were.
    failed: AtomicUsize,
}

impl std::fmt::Debug for Standby {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        let (ready, asked) = (state.ready.len(), state.asked);
        f.debug_struct("Standby").field("ready", &ready).field("asked", &asked).finish()
    }
}

impl Standby {
    /// Room for `target` processes; there are none before an interpreter [serves](Standby::open).
    /// `reactor` hears of them, and they are reaped by `runtime`.
    pub(crate) fn new(
        reactor: Arc<Reactor>,
        runtime: Handle,
        lifetime: &Arc<Lifetime>,
        cgroups: Option<Arc<SlotPool>>,
        target: usize,
    ) -> Arc<Standby> {
        let (lifetime, state) = (lifetime.clone(), Mutex::default());
        Arc::new(Standby { reactor, runtime, lifetime, cgroups, target, state })
    }

    /// An interpreter serves from now on, at the other end of `channel`. What an earlier one made
    /// is ended. When it has ended, what was asked of it is to be [settled](Standby::settle).
    pub(crate) fn open(self: &Arc<Self>, channel: Arc<OwnedFd>) -> Arc<Asked> {
        let asked: Arc<Asked> = Arc::default();
        {
            let mut state = self.state.lock();
            state.interpreter = Some((channel, asked.clone()));
            (state.made, state.failed) = (0, 0);
        }
        self.end_all();
        self.ask();
        asked
    }

    /// No interpreter serves any more. What it has made goes on standing ready.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.interpreter = None;
            std::mem::take(&mut state.waiting)
        };
        for wake in waiting {
            wake();
        }
    }

    /// Ends the processes that stand ready. The end of the instance waits for theirs.
    pub(crate) fn end_all(&self) {
        let ready = std::mem::take(&mut self.state.lock().ready);
        for (process, slot) in ready {
            self.end(process, slot);
        }
    }

    /// Reaps those that have ended instead of waiting, and has others made.
    pub(crate) fn tidy(self: &Arc<Self>) {
        let ended: Vec<_> = {
            let mut state = self.state.lock();
            let (waiting, ended) = std::mem::take(&mut state.ready)
                .into_iter()
                .partition(|(process, _)| process.is_waiting());
            state.ready = waiting;
            ended.into_iter().collect()
        };
        for (process, slot) in ended {
            self.end(process, slot);
        }
        self.ask();
    }

    /// How many processes stand ready.
    pub(crate) fn ready(&self) -> usize {
        self.state.lock().ready.len()
    }

    /// How many processes the interpreter has made.
    pub(crate) fn made(&self) -> u64 {
        self.state.lock().made
    }

    /// Kills and reaps a process that gets no run.
    pub(super) fn end(&self, process: ReadyProcess, slot: Option<Slot>) {
        self.reap(process.without_run(), slot);
    }

    /// Kills and reaps a process in a task. The end of the instance waits for it.
    fn reap(&self, process: Spawned, slot: Option<Slot>) {
        let unended = self.lifetime.unended();
        let child = Child::new(process);
        child.signal(libc::SIGKILL);
        self.runtime.spawn(async move {
            let mut child = child.listen();
            child.ended().await;
            child.reap();
            drop((slot, unended));
        });
    }

    /// Reaps the processes that the interpreter `maker` had made when it and they were killed
    /// before either could say so. The interpreter has ended and is not reaped, and all of its
    /// process group were killed: a process of which nobody has heard is there still.
    pub(crate) async fn settle(&self, maker: Pid, asked: &Asked) {
        let until = Instant::now() + SETTLING;
        while asked.unheard.load(Ordering::Acquire) > 0 && Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
        }
        if asked.failed.load(Ordering::Acquire) == 0 {
            return;
        }
        for pid in Family::new(maker, until).children(Pid::own()) {
            let is_its = || process_stat(pid)?.group.filter(|group| *group == maker.led_group());
            if pid != maker && is_its().is_some() {
                self.reap(Spawned::by_number(pid), None);
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        let state = self.state.lock();
        state.interpreter.is_some() && state.failed < MOST_FAILED
    }

    pub(super) fn pop(&self) -> Option<(ReadyProcess, Option<Slot>)> {
        self.state.lock().ready.pop_front()
    }

    /// Calls `wake` once when a process may stand ready, or none will.
    pub(super) fn wake(self: &Arc<Self>, wake: Box<dyn FnOnce() + Send>) {
        let mut state = self.state.lock();
        if state.interpreter.is_none() || !state.ready.is_empty() {
            drop(state);
            return self.reactor.run(wake);
        }
        state.waiting.push_back(wake);
        drop(state);
        self.ask();
    }

    /// Has as many processes made as are to stand ready, and one for each run that waits.
    pub(super) fn ask(self: &Arc<Self>) {
        loop {
            let (interpreter, asked) = {
                let mut state = self.state.lock();
                let wanted = self.target + state.waiting.len();
                let is_enough = state.ready.len() + state.asked >= wanted;
                let Some(interpreter) = &state.interpreter else { return };
                if is_enough || state.asked >= MOST_ASKED {
                    return;
                }
                let (interpreter, asked) = interpreter.clone();
                state.asked += 1;
                asked.unheard.fetch_add(1, Ordering::AcqRel);
                (interpreter, asked)
            };
            if let Err(error) = self.ask_for_one(&interpreter, &asked) {
                tracing::debug!(%error, "no process can be made ready");
                asked.unheard.fetch_sub(1, Ordering::AcqRel);
                let mut state = self.state.lock();
                state.asked -= 1;
                state.failed = state.failed.saturating_add(1);
                return;
            }
        }
    }

    fn ask_for_one(self: &Arc<Self>, interpreter: &OwnedFd, asked: &Arc<Asked>) -> io::Result<()> {
        let (slot, cgroups) = match &self.cgroups {
            Some(pool) => pool.lease().map(|(slot, cgroups)| (Some(slot), cgroups))?,
            None => (None, sys::Cgroups::default()),
        };
        let (ours, its) = sys::channel()?;
        let mut descriptors: Vec<RawFd> = vec![its.as_raw_fd()];
        let mut message = b"fork".to_vec();
        let mut joins: Vec<&[u8]> = cgroups.joined.iter().map(|path| path.to_bytes()).collect();
        match &cgroups.unified {
            Some(unified) if sys::creates_in_cgroups() => {
                descriptors.push(unified.directory.as_raw_fd());
            }
            Some(unified) => joins.push(unified.procs.to_bytes()),
            None => {}
        }
        for path in joins {
            message.push(0);
            message.extend_from_slice(path);
        }
        let (ours, own, asked) = (Arc::new(ours), self.clone(), asked.clone());
        let channel = ours.clone();
        // Before there is a process that nobody would hear of.
        let job = Box::new(move || own.heard(channel, slot, &asked));
        let watch = self.reactor.watch(ours.as_fd(), job).map_err(|_| Errno::ENOMEM)?;
        let sent = sys::send_message(interpreter.as_fd(), &message, &descriptors);
        if sent.is_err() {
            self.reactor.unwatch(ours.as_fd(), &watch);
        }
        Ok(sent?)
    }

    /// The interpreter has said what became of a process.
    fn heard(self: &Arc<Self>, channel: Arc<OwnedFd>, mut slot: Option<Slot>, asked: &Asked) {
        let made = ReadyProcess::made(channel);
        if made.is_none() {
            asked.failed.fetch_add(1, Ordering::AcqRel);
        }
        let wake = {
            let mut state = self.state.lock();
            state.asked -= 1;
            if let Some(process) = made {
                state.made += 1;
                state.failed = 0;
                state.ready.push_back((process, slot));
            } else {
                state.failed = state.failed.saturating_add(1);
                // Perhaps because of its cgroup.
                slot.iter_mut().for_each(Slot::spend);
            }
            // Now, so that whoever has settled ends it with all that stand ready.
            asked.unheard.fetch_sub(1, Ordering::AcqRel);
            state.waiting.pop_front()
        };
        if let Some(wake) = wake {
            wake();
        }
        if self.lifetime.stop().is_cancelled() {
            self.end_all();
        }
    }
}
