//! Threads for what takes long: a tree to remove, a large output to read and to parse.
//!
//! The runtime's thread keeps the deadlines of all runs and the reactor hands over answers, so
//! neither does such work. A pool has few threads, which end when nothing is left to do, and a
//! bounded queue, which refuses what it has no room for. Nothing waits for a pool's thread but its
//! own jobs. What may *hang* is not for a pool either: see [`FsHelpers`](super::FsHelpers).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::sys;

/// How long a thread waits for more before it ends.
const IDLE: Duration = Duration::from_millis(500);

type Job = Box<dyn FnOnce() + Send>;

/// So many threads, and so many jobs that may wait for them.
pub(crate) struct Pool {
    name: &'static str,
    most_threads: usize,
    most_waiting: usize,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Places in the queue that were promised.
    promised: usize,
    threads: usize,
    idle: usize,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The queue has no room.
    Full,
    /// The machine gives no thread (a limit, a system call filter): a job is better done where it
    /// is found than never.
    NoThread,
}

/// A place in a pool's queue.
pub(crate) struct Promised(Arc<Pool>);

impl Pool {
    /// A pool whose threads are named `name`; it has none yet.
    pub(crate) fn new(name: &'static str, most_threads: usize, most_waiting: usize) -> Arc<Pool> {
        let (state, more) = (Mutex::default(), Condvar::new());
        Arc::new(Pool { name, most_threads, most_waiting, state, more })
    }

    /// A place for a job.
    ///
    /// # Errors
    /// When the queue is full, or no thread can be started.
    pub(crate) fn place(self: &Arc<Pool>) -> Result<Promised, NoPlace> {
        let mut state = self.state.lock();
        if state.waiting.len() + state.promised >= self.most_waiting {
            return Err(NoPlace::Full);
        }
        // Those that were promised a place count as waiting for a thread, too.
        if state.idle <= state.waiting.len() + state.promised && state.threads < self.most_threads {
            state.threads += 1;
            drop(state);
            let started = self.clone().start_thread();
            state = self.state.lock();
            state.threads -= usize::from(!started);
            if state.threads == 0 {
                return Err(NoPlace::NoThread);
            }
        }
        state.promised += 1;
        Ok(Promised(self.clone()))
    }

    fn start_thread(self: Arc<Pool>) -> bool {
        let name = self.name;
        match sys::start_thread(name.to_owned(), None, move || self.serve()) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "cannot start a thread '{name}'");
                false
            }
        }
    }

    fn serve(&self) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                drop(state);
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("a panic was caught in a thread '{}'", self.name);
                }
                state = self.state.lock();
                continue;
            }
            state.idle += 1;
            let timed_out = self.more.wait_for(&mut state, IDLE).timed_out();
            state.idle -= 1;
            // A promised place needs a thread.
            if timed_out && state.waiting.is_empty() && state.promised == 0 {
                state.threads -= 1;
                return;
            }
        }
    }
}

impl Promised {
    /// Has `job` done on a thread of the pool. Does not block.
    pub(crate) fn run(self, job: Job) {
        let mut state = self.0.state.lock();
        state.waiting.push_back(job);
        drop(state);
        self.0.more.notify_one();
        // The promise is taken back by dropping it.
    }
}

impl Drop for Promised {
    fn drop(&mut self) {
        self.0.state.lock().promised -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SOON: Duration = Duration::from_secs(60);

    fn run(pool: &Arc<Pool>, job: impl FnOnce() + Send + 'static) -> bool {
        pool.place().map(|place| place.run(Box::new(job))).is_ok()
    }

    #[test]
    fn a_full_queue_is_said_and_threads_end() {
        let pool = Pool::new("test-pool", 1, 2);
        let (release, held) = mpsc::channel::<()>();
        let (sender, done) = mpsc::channel();
        let (begun, begins) = mpsc::channel();
        assert!(run(&pool, move || {
            begun.send(()).unwrap();
            let _ = held.recv();
        }));
        begins.recv_timeout(SOON).unwrap();
        assert!(run(&pool, || panic!("a job")));
        let place = pool.place().expect("one more waits");
        assert_eq!(pool.place().err(), Some(NoPlace::Full), "a promised place counts");
        let first = sender.clone();
        place.run(Box::new(move || first.send(1).unwrap()));
        assert!(!run(&pool, || ()), "two wait already");
        drop(release);
        assert_eq!(done.recv_timeout(SOON), Ok(1));
        test_support::until("its thread ends", || pool.state.lock().threads == 0);
        assert!(run(&pool, move || sender.send(2).unwrap()), "and another is started");
        assert_eq!(done.recv_timeout(SOON), Ok(2));
    }

    #[test]
    fn a_second_thread_goes_on_while_the_first_is_held_up() {
        let pool = Pool::new("test-pool", 2, 100);
        let (release, held) = mpsc::channel::<()>();
        let (sender, done) = mpsc::channel();
        assert!(run(&pool, move || {
            let _ = held.recv();
        }));
        for number in 0..50 {
            let sender = sender.clone();
            assert!(run(&pool, move || sender.send(number).unwrap()));
        }
        for number in 0..50 {
            assert_eq!(done.recv_timeout(SOON), Ok(number));
        }
        drop(release);
    }
}
