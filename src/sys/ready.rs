//! Processes that stand ready: forked from an interpreter ahead of the run that they are for, as
//! children of this process (`CLONE_PARENT`), so that they are waited for and ended as those are
//! that [`spawn`](super::spawn()) starts.

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::setpgid;

use super::channel::{receive_message, send_message};
use super::forked::{Forked, LONGEST, fields};
use super::pidfd::{WaitTarget, wait};
use super::plan::{Plan, Source, Spawned};
use super::process_id::Pid;
use super::spawn::{Start, now};

/// A process that waits for the run that it is for.
#[derive(Debug)]
pub(crate) struct ReadyProcess {
    spawned: Spawned,
    channel: Arc<OwnedFd>,
}

impl ReadyProcess {
    /// The process that was made for our end of a channel, at which its maker has said so; `None`
    /// when it could not be made.
    pub(crate) fn made(channel: Arc<OwnedFd>) -> Option<ReadyProcess> {
        let mut buffer = [0; LONGEST];
        let length = receive_message(channel.as_fd(), &mut buffer).ok()?;
        let ["made", pid] = fields(buffer.get(..length)?) else { return None };
        let pid = Pid::parse(pid)?;
        // A number that is not a child's must never be signalled.
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        wait(WaitTarget::of(pid, None), flags).ok()?;
        let own = nix::unistd::Pid::from_raw(pid.as_raw());
        // Not by itself: one of which nobody has heard is to be in its maker's group, where it is
        // found. It may have ended.
        let _ = setpgid(own, own);
        Some(ReadyProcess { spawned: Spawned::by_number(pid), channel })
    }

    /// The process, which has no run and ends when this is dropped: it must be reaped.
    pub(crate) fn without_run(self) -> Spawned {
        self.spawned
    }

    /// Whether it waits still. One that does not has ended, or was told to.
    pub(crate) fn is_waiting(&self) -> bool {
        loop {
            // It says itself that it was made, too, in case that its maker cannot any more.
            match receive_message(self.channel.as_fd(), &mut [0; LONGEST]) {
                Ok(1..) => {}
                result => return result == Err(Errno::EAGAIN),
            }
        }
    }

    /// Gives it a run. Of the environment those entries are passed on that `is_its_own` names: the
    /// others it has.
    ///
    /// # Errors
    /// Both, when it has ended.
    pub(crate) fn start(
        self,
        plan: Plan,
        is_its_own: impl Fn(&[u8]) -> bool,
    ) -> Result<(Spawned, Start), Box<(ReadyProcess, Plan)>> {
        let begun = now();
        let (message, descriptors) = message(&plan, is_its_own);
        if send_message(self.channel.as_fd(), &message, &descriptors).is_err() {
            return Err(Box::new((self, plan)));
        }
        let ReadyProcess { spawned, channel } = self;
        Ok((spawned, Start::forked(Forked::new(channel, plan, begun))))
    }
}

/// What a process must know of its run, and the descriptors that go with it.
fn message(plan: &Plan, is_its_own: impl Fn(&[u8]) -> bool) -> (Vec<u8>, Vec<RawFd>) {
    let (mut message, mut descriptors) = (Vec::new(), Vec::new());
    for (number, source) in (0..).zip(&plan.stdio) {
        match source {
            Source::Open(path, flags) => put_path(&mut message, path.to_bytes(), *flags),
            Source::Stdout => message.extend_from_slice(b"stdout"),
            Source::Descriptor(fd) => {
                message.extend_from_slice(b"descriptor");
                descriptors.push(fd.as_raw_fd());
            }
            Source::Inherited if is_open(number) => {
                message.extend_from_slice(b"descriptor");
                descriptors.push(number);
            }
            Source::Inherited => put_path(&mut message, b"/dev/null", libc::O_RDWR),
        }
        message.push(0);
    }
    let count = plan.arguments.strings().count();
    message.extend_from_slice(count.to_string().as_bytes());
    let own = plan.environment.strings().filter(|entry| is_its_own(entry.to_bytes()));
    for field in plan.arguments.strings().chain(own) {
        message.push(0);
        message.extend_from_slice(field.to_bytes());
    }
    (message, descriptors)
}

fn put_path(message: &mut Vec<u8>, path: &[u8], flags: c_int) {
    message.extend_from_slice(flags.to_string().as_bytes());
    message.push(b' ');
    message.extend_from_slice(path);
}

/// Whether the host has this standard descriptor open.
#[expect(unsafe_code, reason = "a number of the host's, whose descriptor is nobody's here")]
fn is_open(number: RawFd) -> bool {
    // SAFETY: the borrow ends with the call, which only asks.
    fcntl(unsafe { BorrowedFd::borrow_raw(number) }, FcntlArg::F_GETFD).is_ok()
}
