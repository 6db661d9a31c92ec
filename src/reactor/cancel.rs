//! Withdrawing runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::sync::Notify;

/// Withdraws the runs that were submitted with it: those that wait are not started, those that run
/// are ended like at their deadline. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    changed: Notify,
    /// Cancels this one too.
    parent: Option<CancelToken>,
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// A token that is cancelled when it or this one is.
    pub fn child(&self) -> CancelToken {
        let parent = Some(self.clone());
        CancelToken { shared: Arc::new(Shared { parent, ..Shared::default() }) }
    }

    /// Cancels: for good, and more than once is harmless. Does not wait for the runs to end.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        self.shared.changed.notify_waiters();
    }

    /// Whether it is cancelled.
    pub fn is_cancelled(&self) -> bool {
        let mut token = self;
        loop {
            if token.shared.cancelled.load(Ordering::SeqCst) {
                return true;
            }
            match &token.shared.parent {
                Some(parent) => token = parent,
                None => return false,
            }
        }
    }

    /// Completes when it is cancelled. Cancel safe.
    pub async fn cancelled(&self) {
        let mut waits = Vec::new();
        let mut token = Some(self);
        while let Some(one) = token {
            waits.push(Box::pin(one.cancelled_itself()));
            token = one.shared.parent.as_ref();
        }
        std::future::poll_fn(|context| {
            match waits.iter_mut().any(|wait| wait.as_mut().poll(context).is_ready()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    async fn cancelled_itself(&self) {
        let changed = self.shared.changed.notified();
        tokio::pin!(changed);
        // Registered before the flag is read, so that no cancellation falls in between.
        changed.as_mut().enable();
        if !self.shared.cancelled.load(Ordering::SeqCst) {
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_cancelled_with_its_parent_and_not_the_reverse() {
        let top = CancelToken::new();
        let (middle, other) = (top.child(), top.child());
        let bottom = middle.child();
        middle.cancel();
        let seen = || [&top, &middle, &other, &bottom].map(CancelToken::is_cancelled);
        assert_eq!(seen(), [false, true, false, true]);
        top.cancel();
        assert_eq!(seen(), [true; 4]);
    }

    #[tokio::test]
    async fn a_waiter_for_a_grandchild_is_woken_by_each_of_them() {
        for index in 0..3 {
            let top = CancelToken::new();
            let middle = top.child();
            let bottom = middle.child();
            let waiting = bottom.clone();
            let waiter = tokio::spawn(async move { waiting.cancelled().await });
            tokio::task::yield_now().await;
            assert!(!waiter.is_finished());
            [top, middle, bottom][index].cancel();
            waiter.await.expect("it waits for nothing else");
        }
    }
}
