//! Workers that are replaced although they are well, after so many requests, at some age or size: a
//! program that loses a little memory with each request is no harm to a machine then, however long
//! the agent lives.
//!
//! The successor is started first, and takes the place over when it is ready: it gets a supervisor
//! of its own, which is the place's from then on. Until then the worker serves, whatever its
//! limit; if it is lost meanwhile, its supervisor leaves the place to the successor's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::run::Unended;
use crate::sys::resident_bytes;

use super::supervisor::keep_up;
use super::worker::{Pool, Worker};

/// Between two looks at a worker: how far it may go beyond a limit.
const LOOK: Duration = Duration::from_secs(1);

/// The replacement of one worker.
pub(super) struct Replacement<'a> {
    pool: &'a Arc<Pool>,
    worker: &'a Arc<Worker>,
    unended: &'a Arc<Unended>,
    up: Instant,
    /// When the worker is looked at next.
    look: Instant,
    /// Why it is replaced, and what says that its successor is ready.
    begun: Option<(String, oneshot::Receiver<()>)>,
}

impl<'a> Replacement<'a> {
    pub(super) fn new(
        pool: &'a Arc<Pool>,
        worker: &'a Arc<Worker>,
        unended: &'a Arc<Unended>,
    ) -> Replacement<'a> {
        let up = Instant::now();
        Replacement { pool, worker, unended, up, look: up + LOOK, begun: None }
    }

    /// Whether the place is a successor's, or will be.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Waits until the worker is due and its successor is ready; why it was due. Does not complete
    /// where there is none. Dropped, it goes on where it was when called again; not to be called
    /// again once it has completed.
    pub(super) async fn successor(&mut self) -> String {
        let recycling = self.pool.settings.recycling;
        while recycling.is_on() {
            if let Some((why, ready)) = &mut self.begun {
                if ready.await.is_ok() {
                    return std::mem::take(why);
                }
                // Its supervisor has ended with the pool.
                break;
            }
            tokio::time::sleep_until(self.look.into()).await;
            self.look = Instant::now() + LOOK;
            let memory = || resident_bytes(self.worker.pid);
            if let Some(why) = recycling.due(self.worker.requests(), self.up.elapsed(), memory) {
                let (sender, ready) = oneshot::channel();
                let kept = keep_up(self.unended.clone(), self.pool.clone(), Some(sender));
                self.pool.runner.handle().spawn(kept);
                self.begun = Some((why, ready));
            }
        }
        std::future::pending().await
    }
}
