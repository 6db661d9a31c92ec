//! Calls that wait for their turn, first come, first served.
//!
//! There is no timer per entry. The queue's owner has it scanned at the nearest deadline, and
//! every 50 ms while an entry can be cancelled ([`scan_at`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cancel::CancelToken;
use super::timers::Timers;

/// How late a withdrawal may be noticed.
const WITHDRAWN: Duration = Duration::from_millis(50);

/// Something that waits in a queue, but not for ever.
pub(crate) trait Expires {
    /// Until when it may wait.
    fn deadline(&self) -> Option<Instant>;
    /// What withdraws it.
    fn cancel(&self) -> Option<&CancelToken>;

    /// Why it must not wait any longer.
    fn expired(&self, now: Instant) -> Option<Expired> {
        if self.cancel().is_some_and(CancelToken::is_cancelled) {
            return Some(Expired::Cancelled);
        }
        self.deadline().is_some_and(|deadline| deadline <= now).then_some(Expired::Deadline)
    }
}

/// Why something waits no longer without having had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// Its deadline has passed.
    Deadline,
    /// It was withdrawn.
    Cancelled,
}

/// What owns a queue, with the lock around it.
pub(crate) trait QueueOwner: Send + Sync + 'static {
    /// What waits.
    type Entry: Expires;

    /// Calls `scan` with the queue, under its lock.
    fn with_queue<R>(&self, scan: impl FnOnce(&mut Queue<Self::Entry>) -> R) -> R;

    /// Answers an entry that must not wait any longer. Called without the lock.
    fn give_up(&self, entry: Self::Entry, expired: Expired);
}

/// Schedules a scan of the owner's queue at `at`, and again as long as entries wait that can
/// expire. To be called with what [`Queue::push`] returns.
pub(crate) fn scan_at<O: QueueOwner>(owner: &Arc<O>, timers: &Arc<Timers>, at: Option<Instant>) {
    let Some(at) = at else { return };
    let (owner, own_timers) = (Arc::downgrade(owner), timers.clone());
    let scan = move || {
        // Nothing waits in a queue whose owner is gone.
        let Some(owner) = owner.upgrade() else { return };
        let (out, next) = owner.with_queue(|queue| queue.take_expired(Instant::now()));
        scan_at(&owner, &own_timers, next);
        for (entry, expired) in out {
            owner.give_up(entry, expired);
        }
    };
    timers.at(at, Box::new(scan));
}

/// What waits.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: VecDeque<T>,
    /// When it is scanned next, if that is scheduled.
    scan: Option<Instant>,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { waiting: VecDeque::new(), scan: None }
    }
}

impl<T: Expires> Queue<T> {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds an entry at the end. Returns when the owner must [scan](Queue::take_expired) the queue,
    /// unless a scan that comes early enough is scheduled already.
    #[must_use]
    pub(crate) fn push(&mut self, one: T) -> Option<Instant> {
        let scan = scan_time(&one, Instant::now());
        self.waiting.push_back(one);
        let sooner = scan.filter(|scan| self.scan.is_none_or(|planned| *scan < planned));
        self.scan = sooner.or(self.scan);
        sooner
    }

    /// Looks at the one that has waited longest.
    pub(crate) fn first(&self) -> Option<&T> {
        self.waiting.front()
    }

    /// The one that has waited longest.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// Those that wait, in their order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.waiting.iter_mut()
    }

    /// All.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.waiting.drain(..).collect()
    }

    /// Takes out all that must not wait any longer, and returns when to scan next. A scan that
    /// comes too soon does no harm.
    pub(crate) fn take_expired(&mut self, now: Instant) -> (Vec<(T, Expired)>, Option<Instant>) {
        let mut out = Vec::new();
        let mut scan: Option<Instant> = None;
        for _ in 0..self.waiting.len() {
            let Some(one) = self.waiting.pop_front() else { break };
            if let Some(expired) = one.expired(now) {
                out.push((one, expired));
                continue;
            }
            scan = [scan, scan_time(&one, now)].into_iter().flatten().min();
            self.waiting.push_back(one);
        }
        self.scan = scan;
        (out, scan)
    }
}

fn scan_time<T: Expires>(one: &T, now: Instant) -> Option<Instant> {
    let withdrawn = one.cancel().map(|_| now + WITHDRAWN);
    [one.deadline(), withdrawn].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(u32, Option<Instant>, Option<CancelToken>);

    impl Expires for One {
        fn deadline(&self) -> Option<Instant> {
            self.1
        }

        fn cancel(&self) -> Option<&CancelToken> {
            self.2.as_ref()
        }
    }

    fn numbers(out: Vec<(One, Expired)>) -> Vec<(u32, Expired)> {
        out.into_iter().map(|(one, expired)| (one.0, expired)).collect()
    }

    #[test]
    fn what_waits_too_long_leaves_and_the_others_keep_their_order() {
        let now = Instant::now();
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        let mut queue = Queue::default();
        assert_eq!(queue.push(One(1, at(30), None)), at(30), "the first deadline");
        assert_eq!(queue.push(One(2, at(10), None)), at(10), "a nearer one");
        assert_eq!(queue.push(One(3, at(20), None)), None, "an earlier scan is scheduled");
        assert_eq!(queue.push(One(4, None, None)), None);
        let (out, next) = queue.take_expired(now + Duration::from_secs(5));
        assert_eq!((numbers(out), next), (vec![], at(10)), "too soon");
        let (out, next) = queue.take_expired(now + Duration::from_secs(10));
        assert_eq!((numbers(out), next), (vec![(2, Expired::Deadline)], at(20)));
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.pop().map(|one| one.0), Some(1));
        assert_eq!(queue.drain().iter().map(|one| one.0).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(queue.take_expired(now).1, None, "nothing is left to scan");
        assert!(queue.push(One(5, at(30), None)).is_some(), "so it is scheduled anew");
    }

    #[test]
    fn what_may_be_withdrawn_is_scanned_soon() {
        let token = CancelToken::new();
        let mut queue = Queue::default();
        let far = Some(Instant::now() + Duration::from_secs(60));
        let look = queue.push(One(1, far, Some(token.clone()))).expect("a time");
        assert!(look < Instant::now() + WITHDRAWN);
        assert_eq!(queue.push(One(2, None, None)), None);
        let (out, next) = queue.take_expired(look);
        assert_eq!((out.len(), next), (0, Some(look + WITHDRAWN)));
        token.cancel();
        let (out, next) = queue.take_expired(look);
        assert_eq!((numbers(out), next), (vec![(1, Expired::Cancelled)], None));
        assert_eq!(queue.len(), 1);
    }
}
