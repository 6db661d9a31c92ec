//! Jobs and descriptors of a reactor with two threads.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read, write};
use shuttle::future::block_on;
use shuttle::sync::Barrier;
use shuttle::thread;
use tokio::sync::Semaphore;

use crate::reactor::{Interest, Reactor};

/// Two jobs are done at the same time, each by a thread of its own, however they come: both queued,
/// or one by a descriptor. Each ends only beside the other.
///
/// # Panics
/// Has no end when a thread sleeps beside a job.
pub fn two_jobs_do_not_wait_for_each_other() {
    let reactor = Reactor::start("model", 2).expect("an epoll instance");
    let done = Arc::new(Semaphore::new(0));
    for with_descriptor in [false, true, false] {
        let meeting = Arc::new(Barrier::new(2));
        let job = || {
            let (meeting, done) = (meeting.clone(), done.clone());
            Box::new(move || {
                assert!(Reactor::is_current());
                meeting.wait();
                done.add_permits(1);
            })
        };
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let other = reactor.clone();
        let first = job();
        let thread = thread::spawn(move || other.run(first));
        if with_descriptor {
            assert!(reactor.watch(reader.as_fd(), job()).is_ok());
            write(&writer, b"x").expect("there is room");
        } else {
            reactor.run(job());
        }
        thread.join().expect("it does not panic");
        block_on(done.acquire_many(2)).expect("it is not closed").forget();
    }
    assert!(!Reactor::is_current());
}

/// A watched descriptor's job is done or taken back, never both and never neither; one that is
/// watched again meanwhile has nothing to do with the first.
///
/// # Panics
/// When a job is done that was taken back, or is done twice; has no end when one is forgotten.
pub fn a_watched_descriptor_is_reported_or_taken_back() {
    let reactor = Reactor::start("model", 2).expect("an epoll instance");
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let (done, seen) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let job = || {
        let (done, seen) = (done.clone(), seen.clone());
        Box::new(move || {
            seen.fetch_add(1, Ordering::SeqCst);
            done.add_permits(1);
        })
    };
    let watch = reactor.watch(reader.as_fd(), job()).ok().expect("it can be watched");
    let writes = thread::spawn(move || {
        write(&writer, b"x").expect("there is room");
        writer
    });
    let taken_back = reactor.unwatch(reader.as_fd(), &watch);
    let writer = writes.join().expect("it does not panic");
    let again = reactor.watch(reader.as_fd(), job()).ok().expect("it can be watched again");
    let expected = if taken_back { 1 } else { 2 };
    block_on(done.acquire_many(expected)).expect("it is not closed").forget();
    assert!(!reactor.unwatch(reader.as_fd(), &again), "its job was done");
    assert_eq!(seen.load(Ordering::SeqCst), expected as usize);
    drop(writer);
}

/// What is written while the job of a listener runs is reported once more: all is read.
///
/// # Panics
/// Has no end when a write is not reported.
pub fn a_listener_misses_nothing() {
    const BYTES: usize = 4;
    let reactor = Reactor::start("model", 2).expect("an epoll instance");
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).expect("a pipe");
    let (reader, done) = (Arc::new(reader), Arc::new(Semaphore::new(0)));
    let (reads, found) = (reader.clone(), done.clone());
    let job = move || {
        while read(&*reads, &mut [0]).is_ok() {
            found.add_permits(1);
            thread::yield_now();
        }
    };
    let watch = reactor.listen(reader.as_fd(), Interest::Readable, Arc::new(job));
    let watch = watch.expect("it can be watched");
    for _ in 0..BYTES {
        write(&writer, b"x").expect("there is room");
        thread::yield_now();
    }
    let all = u32::try_from(BYTES).expect("few");
    drop(block_on(done.acquire_many(all)).expect("it is not closed"));
    assert!(reactor.unwatch(reader.as_fd(), &watch));
}
