//! The first moments of a run, without the runtime.
//!
//! Most commands end within a few milliseconds. Until then a run needs nobody who looks after its
//! deadline, so three threads do: the caller's makes the files, a spawner's starts the program,
//! and the one that the kernel wakes at its end (a completer, or the caller, if it waits anyway)
//! ends the run. What takes longer, or does not go as usual, is handed over to `supervise` on the
//! runtime, at whatever stage it is.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use super::child::Child;
use super::completers::Watch;
use super::run::{Ready, Run};
use super::spawner::{Job, Reply, Ticket};
use super::start::{Files, Launch, is_hook, reply_by};
use super::supervise::{Cleaning, Prepared, Supervision, supervise, watch_over};

/// How long a run may take without the runtime.
const QUICK: Duration = Duration::from_millis(10);

/// Who waits for the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nobody of ours: a completer is woken.
    Completer,
    /// The calling thread, by [`Quick::see_through`].
    Caller,
}

/// A run in its first moments. Whoever takes the run out of its stage goes on with it.
pub(super) struct Quick {
    ticket: Arc<Ticket>,
    deadline: Option<Instant>,
    /// When it is handed over.
    until: Instant,
    waiting: Waiting,
    stage: Mutex<Stage>,
    started: Condvar,
}

enum Stage {
    /// Queued to the spawners, or with one of them.
    Starting(Run, Files),
    /// The runtime waits for the spawner's reply.
    HandedOver(oneshot::Sender<Reply>),
    /// The leader runs; a completer waits for its end, if the caller does not.
    Running(Run, Supervision, Option<Watch>),
    /// It has ended, or somebody else has it.
    Over,
}

impl Quick {
    /// Queues a prepared run to the spawners.
    pub(super) fn start(ready: Ready, waiting: Waiting) -> Arc<Quick> {
        let Ready { run, files, plan, deadline } = ready;
        let quick = Instant::now() + QUICK;
        let until = deadline.map_or(quick, |deadline| deadline.min(quick));
        let (shared, ticket) = (run.shared.clone(), Ticket::new());
        let is_hook = is_hook(&run.request.spec);
        let stage = Mutex::new(Stage::Starting(run, files));
        let started = Condvar::new();
        let quick = Quick { ticket: ticket.clone(), deadline, until, waiting, stage, started };
        let quick = Arc::new(quick);
        let own = quick.clone();
        let reply = Box::new(move |reply| own.started(reply));
        shared.spawners.push(Job { plan, ticket, reply, is_hook });
        if waiting == Waiting::Completer {
            shared.alarms.set(until, quick.clone());
        }
        quick
    }

    /// Whether nothing is left to be handed over.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Over | Stage::HandedOver(_))
    }

    /// The spawner's reply, on its thread.
    fn started(self: Arc<Self>, reply: Reply) {
        let mut stage = self.stage.lock();
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Starting(run, files) => match leader(reply) {
                Ok((child, taken, spawn)) => {
                    let timings = run.timings(taken, spawn);
                    let supervision = Supervision::new(&run, files, child, None, timings);
                    self.running(stage, run, supervision);
                }
                Err(reply) => {
                    drop(stage);
                    let (sender, receiver) = oneshot::channel();
                    reply_by(sender, *reply);
                    self.supervise(run, files, receiver);
                    self.started.notify_one();
                }
            },
            Stage::HandedOver(sender) => {
                drop(stage);
                reply_by(sender, reply);
            }
            // There is one reply.
            other => *stage = other,
        }
    }

    fn running(
        self: &Arc<Self>,
        mut stage: MutexGuard<'_, Stage>,
        run: Run,
        supervision: Supervision,
    ) {
        if self.waiting == Waiting::Caller {
            *stage = Stage::Running(run, supervision, None);
            drop(stage);
            self.started.notify_one();
            return;
        }
        let own = self.clone();
        // It may be called at once, and waits for the stage then.
        let watch = supervision.pidfd().map(|pidfd| {
            run.shared.completers.watch(pidfd.as_fd(), Box::new(move || own.ended()))
        });
        match watch {
            Some(Ok(watch)) => *stage = Stage::Running(run, supervision, Some(watch)),
            // The kernel has no room left for it.
            _ => go_on_behind(run, supervision, self.deadline),
        }
    }

    /// The leader has ended; on a completer.
    fn ended(&self) {
        let taken = std::mem::replace(&mut *self.stage.lock(), Stage::Over);
        if let Stage::Running(run, supervision, _) = taken {
            self.finish(run, supervision, Cleaning::Here);
        }
    }

    fn finish(&self, run: Run, mut supervision: Supervision, cleaning: Cleaning) {
        match supervision.exit() {
            Some(exit) => supervision.finish(run, exit, cleaning),
            // Nothing to collect yet although the pidfd said so.
            None => go_on_behind(run, supervision, self.deadline),
        }
    }

    /// Waits for the end of the run on the calling thread, and hands over what takes too long.
    pub(super) fn see_through(&self) {
        let mut stage = self.stage.lock();
        while matches!(*stage, Stage::Starting(..)) {
            if self.started.wait_until(&mut stage, self.until).timed_out() {
                break;
            }
        }
        if matches!(*stage, Stage::Starting(..)) {
            drop(stage);
            return self.hand_over();
        }
        let taken = std::mem::replace(&mut *stage, Stage::Over);
        drop(stage);
        if let Stage::Running(run, supervision, _) = taken {
            if supervision.pidfd().is_some_and(|pidfd| is_readable(pidfd.as_fd(), self.until)) {
                self.finish(run, supervision, Cleaning::Behind);
            } else {
                go_on_behind(run, supervision, self.deadline);
            }
        }
    }

    /// Gives the run to the runtime, unless it is over.
    pub(super) fn hand_over(&self) {
        let mut stage = self.stage.lock();
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Starting(run, files) => {
                let (sender, receiver) = oneshot::channel();
                *stage = Stage::HandedOver(sender);
                drop(stage);
                self.supervise(run, files, receiver);
            }
            Stage::Running(run, supervision, watch) => {
                drop(stage);
                if let (Some(watch), Some(pidfd)) = (watch, supervision.pidfd()) {
                    // Its job, if it is about to be done, finds nothing any more.
                    run.shared.completers.unwatch(pidfd.as_fd(), &watch);
                }
                go_on_behind(run, supervision, self.deadline);
            }
            other => *stage = other,
        }
    }

    fn supervise(&self, run: Run, files: Files, reply: oneshot::Receiver<Reply>) {
        let launched = Launch { ticket: self.ticket.clone(), reply };
        let prepared = Prepared { files, launched, deadline: self.deadline };
        let runtime = run.shared.runtime.clone();
        runtime.spawn(supervise(run, prepared));
    }
}

/// Goes on with a running leader on the runtime.
fn go_on_behind(run: Run, supervision: Supervision, deadline: Option<Instant>) {
    let runtime = run.shared.runtime.clone();
    runtime.spawn(watch_over(run, supervision, deadline));
}

/// The leader, if there is one with a pidfd; when it was taken, and how long the start took.
fn leader(reply: Reply) -> Result<(Child, Instant, Duration), Box<Reply>> {
    let Reply { result, plan, taken, spawn } = reply;
    match result.map(Child::plain) {
        Ok(Ok(child)) => Ok((child, taken, spawn)),
        Ok(Err(spawned)) => Err(Box::new(Reply { result: Ok(spawned), plan, taken, spawn })),
        Err(failure) => Err(Box::new(Reply { result: Err(failure), plan, taken, spawn })),
    }
}

/// Whether `fd` becomes readable before `until`.
fn is_readable(fd: impl AsFd, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(TimeSpec::from_duration(left)), None) {
            Ok(1..) => return true,
            Err(Errno::EINTR) if !left.is_zero() => {}
            _ => return false,
        }
    }
}
