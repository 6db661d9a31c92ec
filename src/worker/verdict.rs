//! What becomes of the requests that a worker was lost with.
//!
//! A request that the worker cannot have seen goes to another one. Of those that it has seen, the
//! one that it was lost by fails: no one else shall be lost by it. Where several were under way,
//! the others are innocent, or may be. Samples of those are taken once more, because they change
//! nothing: by a plain run, or alone by another worker, so that the guilty one among them fails
//! nobody a second time. What changes something (the launch path, hooks) is never done twice:
//! nobody knows how far the worker got with it, and Mesos cleans up after a failure.

use std::time::Instant;

use crate::event::Lane;

use super::fault::Fault;
use super::pending::{Asked, Pending};
use super::worker::Lost;

/// The requests of a worker that is lost, but those whose calls are answered.
pub(super) struct Verdict {
    /// For another worker, or a plain run; those that it has seen are repeated.
    pub(super) again: Vec<Pending>,
    pub(super) failed: Vec<Failed>,
}

/// A request that fails.
pub(super) struct Failed {
    pub(super) pending: Pending,
    /// Whether the worker was lost by another one.
    pub(super) innocent: bool,
}

impl Verdict {
    pub(super) fn of(lost: Lost, now: Instant) -> (Fault, Verdict) {
        let Lost { fault, guilty, asked } = lost;
        // Only what the worker did of itself may have nothing to do with what it has not seen.
        let is_unseen = |one: &Asked| {
            one.unseen && (fault.is_its_own() || guilty.is_some_and(|it| it != one.id))
        };
        let suspects = asked.iter().filter(|one| !is_unseen(one)).count();
        let mut verdict = Verdict { again: Vec::new(), failed: Vec::new() };
        for one in asked {
            let unseen = is_unseen(&one);
            let innocent = guilty.is_some_and(|it| it != one.id);
            let mut pending = one.pending;
            if pending.reply.is_answered() {
                continue;
            }
            let is_unclear = suspects > 1 || matches!(fault, Fault::Stray(_));
            let may_be_innocent = innocent || (guilty.is_none() && is_unclear);
            let is_late = pending.taken_up.deadline.is_some_and(|deadline| deadline <= now);
            let again = may_be_innocent && is_repeatable(&pending) && !is_late;
            if unseen {
                verdict.again.push(pending);
            } else if again && fault != Fault::Stopped {
                pending.repeated = true;
                verdict.again.push(pending);
            } else {
                verdict.failed.push(Failed { pending, innocent });
            }
        }
        (fault, verdict)
    }

    /// How many requests are asked for again although a worker has seen them.
    pub(super) fn repeated(&self) -> u64 {
        self.again.iter().filter(|pending| pending.repeated).count() as u64
    }
}

/// Whether a request may be asked for once more that a worker has seen.
fn is_repeatable(pending: &Pending) -> bool {
    let changes_nothing = match pending.request.spec.event.row().lane {
        Lane::Sampling | Lane::Status | Lane::Watch => true,
        Lane::Hook | Lane::Behind | Lane::Launch => false,
    };
    changes_nothing && !pending.repeated
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
