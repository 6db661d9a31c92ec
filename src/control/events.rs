//! Finished calls as they finish, for those who follow them over the control socket.
//!
//! A call is told to nobody while nobody follows: then it costs one load. A follower has a queue of
//! its own; what does not fit because the follower reads too slowly is dropped, and the stream says
//! how much that was.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Interval;

use crate::exporter::{Body, Source};
use crate::metrics;

/// Followers at a time.
const FOLLOWERS: usize = 8;
/// Finished calls that wait for one follower.
const QUEUE: usize = 1024;
/// Lines that are sent together.
const TOGETHER: usize = 64;
/// Pause between two lines of a stream in which nothing happens. It shows both sides that the other
/// one is there: that a client is gone is noticed when something is written to it.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// A call that has finished.
pub(crate) trait Told: Send + Sync {
    /// The value of a key that can be filtered by.
    fn key(&self, key: &str) -> Option<&str>;
    /// All of it.
    fn json(&self) -> Value;
}

/// What can be filtered by: the keys of a request.
pub(super) const KEYS: [&str; 4] = ["module", "event", "outcome", "container"];

/// What a follower wants: for each key one value, or any.
pub(super) type Filter = Vec<(&'static str, String)>;

static FOLLOWED: AtomicUsize = AtomicUsize::new(0);
static ALL: Mutex<Vec<Weak<Follower>>> = Mutex::new(Vec::new());

struct Follower {
    filter: Filter,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<dyn Told>>,
    /// How many found no room since the stream last said so.
    dropped: u64,
    waker: Option<Waker>,
}

/// Whether anybody follows.
pub(crate) fn are_followed() -> bool {
    FOLLOWED.load(Ordering::Relaxed) > 0
}

/// Tells the followers of a call. Does not wait for them.
pub(crate) fn tell(told: &Arc<dyn Told>) {
    let all = ALL.lock().clone();
    for follower in all.iter().filter_map(Weak::upgrade) {
        let is_wanted = |(key, value): &(&str, String)| told.key(key) == Some(value.as_str());
        if follower.filter.iter().all(is_wanted) {
            follower.push(told.clone());
        }
    }
}

impl Follower {
    fn push(&self, told: Arc<dyn Told>) {
        let mut queue = self.queue.lock();
        if queue.waiting.len() < QUEUE {
            queue.waiting.push_back(told);
        } else {
            queue.dropped += 1;
            metrics::stream_line_dropped();
        }
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The lines that wait, and what was dropped; nothing when there are none.
    fn lines(&self, waker: &Waker) -> String {
        let mut queue = self.queue.lock();
        let dropped = std::mem::take(&mut queue.dropped);
        let count = queue.waiting.len().min(TOGETHER);
        let taken: Vec<_> = queue.waiting.drain(..count).collect();
        if dropped == 0 && taken.is_empty() {
            queue.waker = Some(waker.clone());
        }
        drop(queue);
        let mut lines: String = taken.iter().map(|told| format!("{}\n", told.json())).collect();
        if dropped > 0 {
            // Behind those that had found room before.
            lines += &format!("{}\n", json!({"dropped": dropped}));
        }
        lines
    }
}

/// The stream of one follower.
struct Stream {
    follower: Arc<Follower>,
    heartbeat: Interval,
    began: bool,
}

/// A body with what matches `filter` from now on; `None` when there are followers enough.
pub(super) fn follow(filter: Filter, hello: &Value) -> Option<Body> {
    let mut all = ALL.lock();
    all.retain(|other| other.strong_count() > 0);
    if all.len() >= FOLLOWERS {
        return None;
    }
    let follower = Arc::new(Follower { filter, queue: Mutex::default() });
    all.push(Arc::downgrade(&follower));
    FOLLOWED.fetch_add(1, Ordering::Relaxed);
    drop(all);
    let heartbeat = tokio::time::interval(HEARTBEAT);
    let stream = Stream { follower, heartbeat, began: false };
    Some(Body::endless(Box::new(Greeted { hello: Some(format!("{hello}\n")), stream })))
}

/// A stream with a first line.
struct Greeted {
    hello: Option<String>,
    stream: Stream,
}

impl Source for Greeted {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.hello.take() {
            Some(hello) => Poll::Ready(Some(hello.into())),
            None => self.stream.poll_next(context),
        }
    }
}

impl Source for Stream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let lines = self.follower.lines(context.waker());
        if !lines.is_empty() {
            self.heartbeat.reset();
            return Poll::Ready(Some(lines.into()));
        }
        while Pin::new(&mut self.heartbeat).poll_tick(context).is_ready() {
            // The first tick is at once.
            if std::mem::replace(&mut self.began, true) {
                let line = format!("{}\n", json!({"heartbeat": true}));
                return Poll::Ready(Some(line.into()));
            }
        }
        Poll::Pending
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        FOLLOWED.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Call(u64);

    impl Told for Call {
        fn key(&self, key: &str) -> Option<&str> {
            (key == "module").then_some(if self.0.is_multiple_of(2) { "even" } else { "odd" })
        }

        fn json(&self) -> Value {
            json!(self.0)
        }
    }

    fn follower(filter: Filter) -> Follower {
        Follower { filter, queue: Mutex::default() }
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_counted_once() {
        let counted = || metrics::render().contains("stream_lines_dropped_total 5\n");
        assert!(!counted());
        let follower = follower(Vec::new());
        let calls = QUEUE as u64 + 5;
        (0..calls).for_each(|number| follower.push(Arc::new(Call(number))));
        let mut lines = Vec::new();
        loop {
            let some = follower.lines(Waker::noop());
            if some.is_empty() {
                break;
            }
            lines.extend(some.lines().map(str::to_owned).collect::<Vec<_>>());
        }
        let (numbers, dropped): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| line.parse::<u64>().is_ok());
        assert_eq!(numbers.len(), QUEUE);
        assert_eq!(dropped, ["{\"dropped\":5}"]);
        assert!(counted(), "no other test drops any");
        follower.push(Arc::new(Call(7)));
        assert_eq!(follower.lines(Waker::noop()), "7\n");
    }
}
