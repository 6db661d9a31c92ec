//! Lanes: how many runs of an instance go on at a time, first come first served.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// A number of permits and a queue for them.
#[derive(Debug)]
pub struct LaneQueue {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue_limit: Option<usize>,
}

/// What a submission gets.
pub(super) enum Admission {
    /// It may start.
    Now(OwnedSemaphorePermit),
    /// It has a place in the queue.
    Later(Place),
    /// The queue is full.
    Full,
}

type Acquire = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// A place in the queue of a lane; given up when dropped.
pub(super) struct Place {
    lane: Arc<LaneQueue>,
    acquire: Acquire,
}

impl LaneQueue {
    /// A lane in which at most `parallel` runs (at least one) go on at a time, and at most
    /// `queue_limit` wait; `None`: any number.
    pub fn new(parallel: usize, queue_limit: Option<usize>) -> Arc<LaneQueue> {
        let parallel = parallel.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(LaneQueue {
            permits: Arc::new(Semaphore::new(parallel)),
            waiting: AtomicUsize::new(0),
            queue_limit,
        })
    }

    /// How many runs wait.
    pub fn queued(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn admit(self: &Arc<LaneQueue>) -> Admission {
        let mut acquire: Acquire = Box::pin(self.permits.clone().acquire_owned());
        // Polled here and now, so that the order of the queue is the order of submission.
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(Ok(permit)) = acquire.as_mut().poll(&mut context) {
            return Admission::Now(permit);
        }
        let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place { lane: self.clone(), acquire };
        match self.queue_limit {
            Some(limit) if ahead >= limit => Admission::Full,
            _ => Admission::Later(place),
        }
    }
}

impl Place {
    /// Waits for the permit; `None` if the lane was closed, which nobody does.
    pub(super) async fn permit(&mut self) -> Option<OwnedSemaphorePermit> {
        self.acquire.as_mut().await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_and_in_order() {
        let lane = LaneQueue::new(1, Some(2));
        let Admission::Now(first) = lane.admit() else { panic!("a free permit") };
        let Admission::Later(mut second) = lane.admit() else { panic!("room") };
        let Admission::Later(mut third) = lane.admit() else { panic!("room") };
        assert!(matches!(lane.admit(), Admission::Full));
        assert_eq!(lane.queued(), 2);
        drop(first);
        let mut context = Context::from_waker(Waker::noop());
        assert!(third.acquire.as_mut().poll(&mut context).is_pending());
        let Poll::Ready(Ok(permit)) = second.acquire.as_mut().poll(&mut context) else {
            panic!("it is the second's turn")
        };
        assert!(matches!(lane.admit(), Admission::Full), "its place is still taken");
        drop(second);
        assert!(matches!(lane.admit(), Admission::Later(_)));
        drop(permit);
        assert!(third.acquire.as_mut().poll(&mut context).is_ready());
    }
}
