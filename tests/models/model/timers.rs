//! Timers that are set while the runtime looks through them, and while it falls asleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shuttle::future::block_on;
use shuttle::thread;
use tokio::sync::Semaphore;

use crate::reactor::{Poll, Timers};

const THREADS: usize = 3;
const TIMERS: usize = 3;
const FAR: Duration = Duration::from_secs(3600);

/// What is polled once, and then is over.
struct Once {
    done: Arc<Semaphore>,
    polls: AtomicUsize,
}

impl Poll for Once {
    fn is_over(&self) -> bool {
        self.polls.load(Ordering::SeqCst) > 0
    }

    fn poll(self: Arc<Self>) {
        assert_eq!(self.polls.fetch_add(1, Ordering::SeqCst), 0, "polled twice");
        self.done.add_permits(1);
    }
}

/// Every timer that is due is done once, although the clock stands still: the runtime is woken for
/// it, whenever it is set, also beside timers that are due in an hour and in an order that is not
/// that of their times.
///
/// # Panics
/// When a timer is done twice; has no end when the runtime sleeps beside one that is due.
pub fn every_timer_is_done_once() {
    let timers = Arc::new(Timers::default());
    let serves = timers.clone();
    drop(shuttle::future::spawn(async move { serves.serve().await }));
    let done = Arc::new(Semaphore::new(0));
    let now = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (timers, done) = (timers.clone(), done.clone());
            thread::spawn(move || {
                timers.at(now + FAR, Box::new(|| panic!("an hour has not passed")));
                for timer in 0..TIMERS {
                    // Each later or earlier than those of the other threads.
                    let at = now - Duration::from_millis(((number + timer) % TIMERS) as u64);
                    let polls = AtomicUsize::new(0);
                    let once = Once { done: done.clone(), polls };
                    if timer == 0 {
                        timers.poll(at, Arc::new(once));
                    } else {
                        timers.at(at, Box::new(move || Arc::new(once).poll()));
                    }
                    thread::yield_now();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    let all = u32::try_from(THREADS * TIMERS).expect("few");
    drop(block_on(done.acquire_many(all)).expect("it is not closed"));
    assert_eq!(done.available_permits(), THREADS * TIMERS, "one was done twice");
}
