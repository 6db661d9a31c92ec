//! A run that may be given to a process that stands ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::containment::Slot;
use crate::outcome::WarmStart;
use crate::sys::{Plan, Spawned, Start};

use super::plan::is_own_variable;
use super::standby::Standby;

/// How long a run waits for a process that is being made before its command is started instead.
const PATIENCE: Duration = Duration::from_millis(250);
/// Between two looks of a run that nobody has woken.
const PAUSE: Duration = Duration::from_millis(2);

/// What a run that may be given to a process that stands ready knows of that.
pub(super) struct Awaited {
    /// `None`: its command is started.
    standby: Option<Arc<Standby>>,
    /// Until when it waits, if it does.
    until: Option<Instant>,
    is_to_be_woken: bool,
    how: Option<WarmStart>,
}

/// What came of it.
pub(super) enum Taken {
    /// A process has it, in this cgroup.
    Started(Spawned, Start, Option<Slot>),
    /// None stands ready yet; to be looked for again at this time, or when woken.
    Later(Plan, Instant),
    /// The command is to be started.
    None(Plan),
}

impl Awaited {
    pub(super) fn new(standby: Option<Arc<Standby>>) -> Awaited {
        Awaited { standby, until: None, is_to_be_woken: false, how: None }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.until.is_some()
    }

    /// How the process of the run began, in warm mode.
    pub(super) fn how_it_began(&self, ran_plainly: bool) -> Option<WarmStart> {
        match self.how {
            Some(WarmStart::Warm) if ran_plainly => Some(WarmStart::Changed),
            how => how,
        }
    }

    /// Whether a process that stood ready has it, or had.
    pub(super) fn began_warm(&self) -> bool {
        self.how == Some(WarmStart::Warm)
    }

    /// What is to wake it, once for each wait.
    pub(super) fn asks_to_be_woken(&mut self) -> Option<Arc<Standby>> {
        if !self.is_waiting() || std::mem::replace(&mut self.is_to_be_woken, true) {
            return None;
        }
        self.standby.clone()
    }

    /// It was woken.
    pub(super) fn was_woken(&mut self) {
        self.is_to_be_woken = false;
    }

    /// Gives the run to a process that stands ready, if there is one or will be soon.
    pub(super) fn take(&mut self, mut plan: Plan, now: Instant) -> Taken {
        let Some(standby) = self.standby.clone() else {
            // An attempt after one that failed.
            self.how = self.how.map(|_| WarmStart::Plain);
            return Taken::None(plan);
        };
        while let Some((process, slot)) = standby.pop() {
            match process.start(plan, is_own_variable) {
                Ok((spawned, start)) => {
                    standby.ask();
                    (self.standby, self.until, self.how) = (None, None, Some(WarmStart::Warm));
                    return Taken::Started(spawned, start, slot);
                }
                Err(refused) => {
                    let (process, same) = *refused;
                    standby.end(process, slot);
                    plan = same;
                }
            }
        }
        let until = *self.until.get_or_insert(now + PATIENCE);
        if standby.is_open() && now < until {
            standby.ask();
            return Taken::Later(plan, now + PAUSE);
        }
        (self.standby, self.until, self.how) = (None, None, Some(WarmStart::Plain));
        Taken::None(plan)
    }
}
