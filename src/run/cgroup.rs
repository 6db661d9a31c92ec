//! The cgroup that a command is started in.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use crate::command::Limits;
use crate::containment::Slot;
use crate::sys::{Cgroups, Plan, SpawnFailure, Step};

use super::CommandSpec;

/// How many cgroups are tried for one command: somebody may remove one while it is being entered.
const MOST_TRIED: u32 = 3;

/// The cgroup of a command that is to be started.
#[derive(Default)]
pub(super) struct Cgroup {
    pub(super) slot: Option<Slot>,
    /// The command is started without one, because none can be had.
    pub(super) is_missing: bool,
    lost: u32,
}

impl Cgroup {
    /// Leases a cgroup for `plan`, if its command is to have one and has none yet. A command that
    /// gets none runs nevertheless, unless it has limits.
    ///
    /// # Errors
    /// When it has limits and gets no cgroup: why, in words for people.
    pub(super) fn enter(&mut self, spec: &CommandSpec, plan: &mut Plan) -> Result<(), String> {
        let Some(pool) = spec.cgroups.as_ref().filter(|_| self.slot.is_none()) else {
            return Ok(());
        };
        if self.is_missing {
            return Ok(());
        }
        let why = match pool.lease() {
            Ok((slot, cgroups)) if self.lost < MOST_TRIED => {
                plan.cgroups = cgroups;
                self.slot = Some(slot);
                return Ok(());
            }
            Ok(_) => "it is removed or changed again and again".to_owned(),
            Err(error) => error.to_string(),
        };
        if pool.limits() != Limits::default() {
            return Err(format!(
                "it was not started, because there is no cgroup for its limits: {why}"
            ));
        }
        self.go_without(&why);
        Ok(())
    }

    fn go_without(&mut self, why: &str) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        self.is_missing = true;
        let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!("a command runs without a cgroup ({count} by now): {why}");
        }
    }

    /// Whether a start failed because of its cgroup; then `plan` is one for another attempt.
    pub(super) fn is_lost(&mut self, failure: SpawnFailure, plan: &mut Plan) -> bool {
        let is_its = match failure {
            SpawnFailure::Child(step, _) => step == Step::Cgroup,
            // What clone3 answers for a directory that is no usable cgroup (any more).
            SpawnFailure::Clone(errno) => matches!(
                errno,
                Errno::ENODEV | Errno::ENOENT | Errno::EBUSY | Errno::EOPNOTSUPP | Errno::EACCES
            ),
        };
        let Some(slot) = self.slot.as_mut().filter(|_| is_its) else { return false };
        slot.spend();
        self.slot = None;
        self.lost += 1;
        plan.cgroups = Cgroups::default();
        true
    }
}
