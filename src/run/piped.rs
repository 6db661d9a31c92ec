//! A program that stays, with pipes to its standard descriptors: a persistent worker.
//!
//! The runner starts it as it starts commands (own process group, nothing inherited but 0 to 2);
//! what is written to the pipes is the caller's business. Our ends of the pipes are close-on-exec
//! and copied only within this process, so the program sees the end of its input when this process
//! dies, however it does. The task that owns a [`PipedChild`] must end it with
//! [`PipedChild::end`]: dropped without, its process is killed, but stays a zombie.

use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::fs::fchown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use tokio::net::unix::pipe;

use crate::sys::{self, ExitStatus, Pid, Source, User};

use super::execute::{AttachError, Executed, execute};
use super::judge::LimitMet;
use super::plan::{interpreter_plan, worker_plan};
use super::tree::Tree;
use super::{CommandSpec, Quarantine, Request, Runner};
use crate::command::Stdio;
use crate::containment::Slot;
use crate::reactor::CancelToken;
use crate::reactor::{Child, Exit};
use crate::staging::Input;

/// How long a killed leader is waited for by its owner; afterwards a task of its own does.
const KILL_PATIENCE: Duration = Duration::from_secs(1);

/// Pause between two looks whether the rest of its cgroup has ended.
const NEXT_LOOK: Duration = Duration::from_millis(1);

/// A started program.
pub(crate) struct PipedChild {
    child: Child,
    /// The cgroup that it runs in.
    slot: Option<Slot>,
    spec: Arc<CommandSpec>,
    ended: bool,
    /// How long the start took.
    pub(crate) spawn: Duration,
}

/// Our ends of a program's pipes, none of which blocks.
pub(crate) struct PipeEnds {
    /// Its stdin. Closed, it lets the program end.
    pub(crate) stdin: OwnedFd,
    /// Its stdout.
    pub(crate) stdout: OwnedFd,
    /// Its stderr, when it is captured.
    pub(crate) stderr: Option<pipe::Receiver>,
}

/// What is known of such a program when it has been ended.
#[derive(Debug)]
pub(crate) struct PipedEnd {
    /// How it ended.
    pub(crate) end: End,
    /// It had to be killed.
    pub(crate) killed: bool,
    /// A limit that it or one of its processes had met, whenever that was.
    pub(crate) met: Option<LimitMet>,
}

/// How such a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With this status.
    Status(ExitStatus),
    /// Other code in the process collected the status.
    Lost,
    /// It outlived SIGKILL; it is still waited for, elsewhere.
    Unkillable,
}

/// Both ends of a pipe, close-on-exec; the program's is not one of the standard numbers. A `user`
/// of its own may open it anew, as `/dev/stderr`.
fn pipe_ends(user: Option<&User>) -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    if let Some(user) = user {
        fchown(&reader, Some(user.uid), Some(user.gid))?;
    }
    Ok((sys::above_stdio(reader)?, sys::above_stdio(writer)?))
}

/// Our end of a pipe, which must not block. The program's end is not changed by that.
fn nonblocking(fd: OwnedFd) -> std::io::Result<OwnedFd> {
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(fd)
}

impl Runner {
    /// Starts the command of `spec` as a persistent worker. To be called on the runtime.
    ///
    /// # Errors
    /// When it cannot be started, or not within `timeout`, or `cancel` withdraws it.
    pub(crate) async fn attach(
        &self,
        spec: &Arc<CommandSpec>,
        timeout: Duration,
        cancel: &CancelToken,
    ) -> Result<(PipedChild, PipeEnds), AttachError> {
        let user = spec.identity.user.as_ref();
        let (its_stdin, stdin) = pipe_ends(user)?;
        let (stdout, its_stdout) = pipe_ends(user)?;
        let (stdin, stdout) = (nonblocking(stdin)?, nonblocking(stdout)?);
        let (its_stderr, stderr) = match spec.stdio {
            Stdio::Inherit => (Source::Inherited, None),
            Stdio::Null => (Source::Open(CString::from(c"/dev/null"), libc::O_RDWR), None),
            Stdio::Capture => {
                let (stderr, its_stderr) = pipe_ends(user)?;
                let stderr = pipe::Receiver::from_owned_fd(stderr)?;
                (Source::Descriptor(Arc::new(its_stderr)), Some(stderr))
            }
        };
        let its = |fd| Source::Descriptor(Arc::new(fd));
        // The plan owns the program's ends and is dropped once the program was executed.
        let plan = worker_plan(spec, [its(its_stdin), its(its_stdout), its_stderr])?;
        let request = Request::new(spec.clone(), Input::Text(Arc::from([])));
        let deadline = Instant::now().checked_add(timeout);
        let Executed { child, slot, spawn } =
            execute(&request, plan, deadline, cancel, &self.services).await?;
        let child = PipedChild { child, slot, spec: spec.clone(), ended: false, spawn };
        Ok((child, PipeEnds { stdin, stdout, stderr }))
    }
}

/// Our ends of what an interpreter has that processes are forked from.
pub(crate) struct InterpreterEnds {
    /// The channel that is its stdin.
    pub(crate) channel: OwnedFd,
    /// Its stderr, until it has started.
    pub(crate) stderr: pipe::Receiver,
}

impl Runner {
    /// Starts the program `arguments` beside the command of `spec`, with its rights and its
    /// environment, and a channel as its stdin. To be called on the runtime.
    ///
    /// # Errors
    /// As for [`attach`](Runner::attach).
    pub(crate) async fn attach_interpreter(
        &self,
        spec: &Arc<CommandSpec>,
        arguments: &[OsString],
        timeout: Duration,
        cancel: &CancelToken,
    ) -> Result<(PipedChild, InterpreterEnds), AttachError> {
        let spec = &interpreter_spec(spec);
        let (channel, its_channel) = sys::channel().map_err(std::io::Error::from)?;
        let (stderr, its_stderr) = pipe_ends(spec.identity.user.as_ref())?;
        let stderr = pipe::Receiver::from_owned_fd(stderr)?;
        let its = |fd| Source::Descriptor(Arc::new(fd));
        let nothing = Source::Open(CString::from(c"/dev/null"), libc::O_RDWR);
        let plan = interpreter_plan(spec, arguments, [its(its_channel), nothing, its(its_stderr)])?;
        let request = Request::new(spec.clone(), Input::Text(Arc::from([])));
        let deadline = Instant::now().checked_add(timeout);
        let Executed { child, slot, spawn } =
            execute(&request, plan, deadline, cancel, &self.services).await?;
        let child = PipedChild { child, slot, spec: spec.clone(), ended: false, spawn };
        Ok((child, InterpreterEnds { channel, stderr }))
    }
}

/// The command as its interpreter is started for it.
fn interpreter_spec(spec: &CommandSpec) -> Arc<CommandSpec> {
    let cgroups = spec.cgroups.as_ref().map(|pool| pool.of_their_maker());
    Arc::new(CommandSpec { cgroups, ..spec.clone() })
}

impl PipedChild {
    /// The leader's number.
    pub(crate) fn pid(&self) -> Pid {
        self.child.pid()
    }

    /// Completes when the leader has ended, by its pidfd: a child of its may hold the pipes open.
    /// Cancel safe.
    pub(crate) async fn ended(&self) {
        self.child.ended().await;
    }

    /// Ends it with all processes that belong to it, and reaps it: at once, or when it has not
    /// ended by itself within `grace`, for which its input must be closed. Meanwhile `drain`, which
    /// does not end, keeps it from being stopped by a full pipe. When all of its process group were
    /// killed `settled` is awaited: before it is reaped, so that the group's number is its own. One
    /// that outlives being killed is counted in `quarantine`.
    pub(crate) async fn end(
        mut self,
        grace: Duration,
        drain: impl Future<Output = ()>,
        settled: impl Future<Output = ()>,
        quarantine: Option<&Arc<Quarantine>>,
    ) -> PipedEnd {
        if !grace.is_zero() {
            tokio::select! {
                () = self.child.ended() => {}
                () = tokio::time::sleep(grace) => {}
                () = drain => {}
            }
        }
        let mut tree = Tree::default();
        let mut killed = false;
        let mut exit = self.child.try_status();
        if exit.is_none() {
            tree.kill(&self.child);
            if let Some(slot) = &mut self.slot {
                slot.kill();
            }
            killed = true;
            let _ = tokio::time::timeout(KILL_PATIENCE, self.child.ended()).await;
            exit = self.child.try_status();
        }
        self.ended = true;
        let Some(exit) = exit else {
            let member = quarantine.map(|it| it.enter(self.spec.event, None, self.child.pid()));
            tokio::spawn(async move {
                self.child.ended().await;
                self.child.reap();
                drop(member);
            });
            return PipedEnd { end: End::Unkillable, killed, met: None };
        };
        tree.kill_rest(&self.child);
        settled.await;
        self.child.reap();
        self.end_rest().await;
        let end = match exit {
            Exit::Status(status) => End::Status(status),
            Exit::Lost => End::Lost,
        };
        let exceeded = self.slot.as_mut().map(Slot::exceeded).unwrap_or_default();
        PipedEnd { end, killed, met: LimitMet::of(&self.spec, exceeded) }
    }
}

impl PipedChild {
    /// Ends what it left in its cgroup.
    async fn end_rest(&mut self) {
        let Some(slot) = &mut self.slot else { return };
        let until = Instant::now() + KILL_PATIENCE;
        while slot.is_populated() && Instant::now() < until {
            slot.kill();
            tokio::time::sleep(NEXT_LOOK).await;
        }
    }
}

impl Drop for PipedChild {
    fn drop(&mut self) {
        if !self.ended {
            // Only a panic of its owner gets here.
            Tree::default().kill(&self.child);
            if let Some(slot) = &mut self.slot {
                slot.kill();
            }
        }
    }
}
