//! Calls that wait for their turn, first come, first served.
//!
//! Nobody watches over each of them: whoever keeps a queue looks at all of them at once, at the
//! nearest deadline, and a few times a second while some of them could be withdrawn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::CancelToken;

/// How late a withdrawal may be noticed.
const WITHDRAWN: Duration = Duration::from_millis(50);

/// Something that waits in a queue, but not for ever.
pub(crate) trait Expires {
    /// Until when.
    fn deadline(&self) -> Option<Instant>;
    /// Who may withdraw it.
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

/// What waits.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    waiting: VecDeque<T>,
    /// When its keeper looks at it next, if that was arranged.
    look: Option<Instant>,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { waiting: VecDeque::new(), look: None }
    }
}

impl<T: Expires> Queue<T> {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds one at the end. When there is a time, the keeper must [look](Queue::take_expired) then.
    #[must_use]
    pub(crate) fn push(&mut self, one: T) -> Option<Instant> {
        let look = time_to_look(&one, Instant::now());
        self.waiting.push_back(one);
        let sooner = look.filter(|look| self.look.is_none_or(|planned| *look < planned));
        self.look = sooner.or(self.look);
        sooner
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

    /// Takes out all that must not wait any longer, and tells when to look next. A look that comes
    /// too soon does no harm.
    pub(crate) fn take_expired(&mut self, now: Instant) -> (Vec<(T, Expired)>, Option<Instant>) {
        let mut out = Vec::new();
        let mut look: Option<Instant> = None;
        for _ in 0..self.waiting.len() {
            let Some(one) = self.waiting.pop_front() else { break };
            if let Some(expired) = one.expired(now) {
                out.push((one, expired));
                continue;
            }
            look = [look, time_to_look(&one, now)].into_iter().flatten().min();
            self.waiting.push_back(one);
        }
        self.look = look;
        (out, look)
    }
}

fn time_to_look<T: Expires>(one: &T, now: Instant) -> Option<Instant> {
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
        assert_eq!(queue.push(One(3, at(20), None)), None, "it is looked before that");
        assert_eq!(queue.push(One(4, None, None)), None);
        let (out, next) = queue.take_expired(now + Duration::from_secs(5));
        assert_eq!((numbers(out), next), (vec![], at(10)), "too soon");
        let (out, next) = queue.take_expired(now + Duration::from_secs(10));
        assert_eq!((numbers(out), next), (vec![(2, Expired::Deadline)], at(20)));
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.pop().map(|one| one.0), Some(1));
        assert_eq!(queue.drain().iter().map(|one| one.0).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(queue.take_expired(now).1, None, "nothing is left to look at");
        assert!(queue.push(One(5, at(30), None)).is_some(), "and so it is arranged anew");
    }

    #[test]
    fn what_may_be_withdrawn_is_looked_at_soon() {
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
