//! A program that stays, with pipes to its standard descriptors: a persistent worker.
//!
//! The runner starts it as it starts commands (own process group, nothing inherited but 0 to 2);
//! what is written to the pipes is the caller's business. Our ends of the pipes are close-on-exec
//! and copied only within this process, so the program sees the end of its input when this process
//! dies, however it does. The task that owns a [`PipedChild`] must end it with
//! [`PipedChild::end`]: dropped without, its process is killed, but stays a zombie.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::net::unix::pipe;

use crate::event::Event;
use crate::sys::{self, ExitStatus, Pid, Source};

use super::execute::{AttachError, execute};
use super::plan::worker_plan;
use super::tree::Tree;
use super::{CommandSpec, Quarantine, Request, Runner};
use crate::command::Stdio;
use crate::reactor::CancelToken;
use crate::reactor::{Child, Exit};
use crate::staging::Input;

/// How long a killed leader is waited for by its owner; afterwards a task of its own does.
const KILL_PATIENCE: Duration = Duration::from_secs(1);

/// A started program and our ends of its pipes.
pub(crate) struct PipedChild {
    child: Child,
    event: Event,
    ended: bool,
    /// Its stdin; `None` when it was closed to let the program end.
    pub(crate) stdin: Option<pipe::Sender>,
    /// Its stdout.
    pub(crate) stdout: Stdout,
    /// Its stderr, when it is captured and not closed.
    pub(crate) stderr: Option<pipe::Receiver>,
    /// How long the start took.
    pub(crate) spawn: Duration,
}

/// Our end of a program's stdout.
pub(crate) enum Stdout {
    /// The runtime polls it.
    Polled(pipe::Receiver),
    /// The runtime does not poll it, so that answers which another thread reads do not wake it.
    Raw(OwnedFd),
    /// Lost, because the runtime refused it.
    Lost,
}

impl Stdout {
    /// The pipe, if the runtime polls it.
    pub(crate) fn pipe(&self) -> Option<&pipe::Receiver> {
        match self {
            Stdout::Polled(pipe) => Some(pipe),
            Stdout::Raw(_) | Stdout::Lost => None,
        }
    }

    /// Lets the runtime poll it, or not. To be called on the runtime.
    pub(crate) fn set_polled(&mut self, polled: bool) {
        *self = match (std::mem::replace(self, Stdout::Lost), polled) {
            (Stdout::Polled(pipe), false) => {
                pipe.into_nonblocking_fd().map_or(Stdout::Lost, Stdout::Raw)
            }
            (Stdout::Raw(fd), true) => {
                pipe::Receiver::from_owned_fd(fd).map_or(Stdout::Lost, Stdout::Polled)
            }
            (same, _) => same,
        };
    }

    fn copy(&self) -> Option<OwnedFd> {
        let fd = match self {
            Stdout::Polled(pipe) => pipe.as_fd(),
            Stdout::Raw(fd) => fd.as_fd(),
            Stdout::Lost => return None,
        };
        fd.try_clone_to_owned().ok()
    }
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

/// Both ends of a pipe, close-on-exec; the program's is not one of the standard numbers.
fn pipe_ends() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((sys::above_stdio(reader)?, sys::above_stdio(writer)?))
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
    ) -> Result<PipedChild, AttachError> {
        let (its_stdin, stdin) = pipe_ends()?;
        let (stdout, its_stdout) = pipe_ends()?;
        let stdin = pipe::Sender::from_owned_fd(stdin)?;
        let stdout = pipe::Receiver::from_owned_fd(stdout)?;
        let (its_stderr, stderr) = match spec.stdio {
            Stdio::Inherit => (Source::Inherited, None),
            Stdio::Null => (Source::Open(CString::from(c"/dev/null"), libc::O_RDWR), None),
            Stdio::Capture => {
                let (stderr, its_stderr) = pipe_ends()?;
                let stderr = pipe::Receiver::from_owned_fd(stderr)?;
                (Source::Descriptor(Arc::new(its_stderr)), Some(stderr))
            }
        };
        let its = |fd| Source::Descriptor(Arc::new(fd));
        // The plan owns the program's ends and is dropped once the program was executed.
        let plan = worker_plan(spec, [its(its_stdin), its(its_stdout), its_stderr])?;
        let request = Request::new(spec.clone(), Input::Text(Arc::from([])));
        let deadline = Instant::now().checked_add(timeout);
        let (child, spawn) = execute(&request, plan, deadline, cancel, &self.services).await?;
        let (stdin, stdout) = (Some(stdin), Stdout::Polled(stdout));
        Ok(PipedChild { child, event: spec.event, ended: false, stdin, stdout, stderr, spawn })
    }
}

impl PipedChild {
    /// Copies of the descriptors of stdin, stdout and the pidfd; `None` when there are none.
    pub(crate) fn descriptors(&self) -> Option<[OwnedFd; 3]> {
        let copy = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().ok();
        Some([
            copy(self.stdin.as_ref()?.as_fd())?,
            self.stdout.copy()?,
            copy(self.child.pidfd()?.as_fd())?,
        ])
    }

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
    /// ended by itself within `grace` after its input was closed. The flag is true when it had to
    /// be killed. One that outlives that is counted in `quarantine`.
    pub(crate) async fn end(
        mut self,
        grace: Duration,
        quarantine: Option<&Arc<Quarantine>>,
    ) -> (End, bool) {
        if !grace.is_zero() {
            self.stdin = None;
            self.stdout.set_polled(true);
            // Read to the end meanwhile, so that it is not stopped by a full pipe.
            let _ = tokio::time::timeout(grace, drain_until_ended(&self)).await;
        }
        let mut tree = Tree::default();
        let mut killed = false;
        let mut exit = self.child.try_status();
        if exit.is_none() {
            tree.kill(&self.child);
            killed = true;
            let _ = tokio::time::timeout(KILL_PATIENCE, self.child.ended()).await;
            exit = self.child.try_status();
        }
        self.ended = true;
        let Some(exit) = exit else {
            let member = quarantine.map(|it| it.enter(self.event, None, self.child.pid()));
            tokio::spawn(async move {
                self.child.ended().await;
                self.child.reap();
                drop(member);
            });
            return (End::Unkillable, killed);
        };
        tree.kill_rest(&self.child);
        self.child.reap();
        let end = match exit {
            Exit::Status(status) => End::Status(status),
            Exit::Lost => End::Lost,
        };
        (end, killed)
    }
}

/// Reads and forgets what it writes until it has ended.
async fn drain_until_ended(attached: &PipedChild) {
    let mut buffer = [0; 4096];
    let mut errors = [0; 4096];
    let mut open = [attached.stdout.pipe().is_some(), attached.stderr.is_some()];
    loop {
        tokio::select! {
            () = attached.ended() => return,
            more = drain(attached.stdout.pipe(), &mut buffer), if open[0] => open[0] = more,
            more = drain(attached.stderr.as_ref(), &mut errors), if open[1] => open[1] = more,
        }
    }
}

async fn drain(pipe: Option<&pipe::Receiver>, buffer: &mut [u8]) -> bool {
    match pipe {
        Some(pipe) => pipe.readable().await.is_ok() && !matches!(pipe.try_read(buffer), Ok(0)),
        None => false,
    }
}

impl Drop for PipedChild {
    fn drop(&mut self) {
        if !self.ended {
            // Only a panic of its owner gets here.
            Tree::default().kill(&self.child);
        }
    }
}
