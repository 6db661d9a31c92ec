//! A run that was given to a process that stood ready, and what that says of its start.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use parking_lot::Mutex;

use super::channel::receive_message;
use super::plan::{Plan, SpawnFailure};
use super::step::Step;

/// What a process says is short, in bytes.
pub(super) const LONGEST: usize = 64;

/// The fields of a message; none if it is no text.
pub(super) fn fields<'a, const COUNT: usize>(message: &'a [u8]) -> [&'a str; COUNT]
where
    [&'a str; COUNT]: Default,
{
    let mut fields: [&str; COUNT] = Default::default();
    let text = std::str::from_utf8(message).unwrap_or_default();
    for (field, found) in fields.iter_mut().zip(text.split('\0')) {
        *field = found;
    }
    fields
}

/// A run that was given to a process.
#[derive(Debug)]
pub(super) struct Forked {
    channel: Arc<OwnedFd>,
    pub(super) plan: Plan,
    begun: Duration,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    failure: Option<SpawnFailure>,
    executes: Option<Duration>,
    plainly: bool,
    over: bool,
}

impl Forked {
    pub(super) fn new(channel: Arc<OwnedFd>, plan: Plan, begun: Duration) -> Forked {
        Forked { channel, plan, begun, said: Mutex::default() }
    }

    /// Whether it has said how its start went, or has ended.
    pub(super) fn is_over(&self) -> bool {
        let mut said = self.said.lock();
        let mut buffer = [0; LONGEST];
        while !said.over {
            match receive_message(self.channel.as_fd(), &mut buffer) {
                Err(Errno::EAGAIN) => return false,
                Ok(0) | Err(_) => said.over = true,
                Ok(length) => said.note(&buffer[..length]),
            }
        }
        true
    }

    pub(super) fn child_has_ended(&self) {
        // What it has said before is there.
        if !self.is_over() {
            self.said.lock().over = true;
        }
    }

    /// Why the script has not begun; known when the start is over. One that was killed before has
    /// run nothing of it.
    pub(super) fn failure(&self) -> Option<SpawnFailure> {
        let said = self.said.lock();
        let has_ended = said.over && said.executes.is_none();
        let ended = has_ended.then_some(SpawnFailure::Child(Step::Execute, Errno::ESRCH));
        said.failure.or(ended)
    }

    /// Whether it has executed the script anew instead.
    pub(super) fn ran_plainly(&self) -> bool {
        self.said.lock().plainly
    }

    pub(super) fn duration(&self) -> Duration {
        self.said.lock().executes.unwrap_or(self.begun).saturating_sub(self.begun)
    }
}

impl Said {
    fn note(&mut self, message: &[u8]) {
        let [what, first, second] = fields(message);
        match what {
            // Of itself, after its maker.
            "made" => {}
            "failed" => {
                let step = first.parse().ok().and_then(Step::from_raw).unwrap_or(Step::Execute);
                let errno = second.parse().map_or(Errno::EINVAL, Errno::from_raw);
                self.failure = Some(SpawnFailure::Child(step, errno));
                self.over = true;
            }
            _ => {
                self.executes = first.parse().ok().map(Duration::from_nanos);
                self.plainly = what == "plain";
                // After a plain start only its failure can follow, or the end of the channel.
                self.over = !self.plainly;
            }
        }
    }
}
