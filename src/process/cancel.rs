//! Withdrawing runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Cancels: for good, and more than once is harmless. Does not wait for the runs to end.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        self.shared.changed.notify_waiters();
    }

    /// Whether it is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// Completes when it is cancelled. Cancel safe.
    pub async fn cancelled(&self) {
        let changed = self.shared.changed.notified();
        tokio::pin!(changed);
        // Registered before the flag is read, so that no cancellation falls in between.
        changed.as_mut().enable();
        if !self.is_cancelled() {
            changed.await;
        }
    }
}

/// Completes when `token` is cancelled; never without a token.
pub(crate) async fn cancelled(token: Option<&CancelToken>) {
    match token {
        Some(token) => token.cancelled().await,
        None => std::future::pending().await,
    }
}
