//! The threads on which runs end and answers are handed to the host.
//!
//! Completing a future of the host runs the host's continuations, and with them other modules'
//! methods, on the completing thread. That must not be the runtime's thread (on which the
//! deadlines of all runs depend), and it must be a thread that never ends and holds no lock.
//!
//! The same threads wait for descriptors, pidfds first of all: the thread that the kernel wakes
//! when a command has ended goes all the way to the host's continuation. Each switch to another
//! thread that is saved there saves the time in which an idle processor wakes up, some 40 µs on a
//! virtual machine.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use parking_lot::Mutex;

use crate::sys;

/// The key of the eventfd that is written when something was queued.
const QUEUED: u64 = 0;

/// Something to do on a thread of a reactor.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    static IS_COMPLETER: Cell<bool> = const { Cell::new(false) };
}

/// The threads, what is queued for them, and the descriptors that they wait for.
pub(crate) struct Reactor {
    state: Mutex<State>,
    epoll: Epoll,
    queued: EventFd,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// What is done when a descriptor becomes readable.
    watched: HashMap<u64, Watched>,
    /// Never used twice, so that a late event finds nothing instead of another job.
    last_key: u64,
    /// Threads that wait in the kernel, or come back from there.
    idle: usize,
    /// The eventfd was written, and no thread has returned from the kernel for that yet. Two writes
    /// before a thread has returned would be one event, so the second would wake no thread.
    waking: bool,
}

/// What is done when a descriptor becomes readable.
enum Watched {
    Once(Job),
    Always(Arc<dyn Fn() + Send + Sync>),
}

/// What a descriptor is waited for to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interest {
    /// Something can be read from it, or its other end was closed.
    Readable,
    /// Something can be written to it, or its other end was closed.
    Writable,
}

/// A descriptor that is waited for.
#[derive(Debug)]
pub(crate) struct Watch(u64);

impl State {
    /// Whether one more thread is to be woken for what is queued. Then the caller must do so.
    fn calls_another(&mut self) -> bool {
        let calls = !self.jobs.is_empty() && self.idle > 0 && !self.waking;
        self.waking |= calls;
        calls
    }

    /// The job of the descriptor with this key.
    fn woken(&mut self, key: u64) -> Option<Watched> {
        if let Watched::Always(job) = self.watched.get(&key)? {
            return Some(Watched::Always(job.clone()));
        }
        self.watched.remove(&key)
    }
}

impl Reactor {
    /// Starts so many threads, named `name` and a number.
    pub(crate) fn start(name: &str, threads: usize) -> io::Result<Arc<Reactor>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let queued = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        // Edge triggered: each write wakes one thread, and the count need not be read.
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        epoll.add(&queued, EpollEvent::new(flags, QUEUED))?;
        let reactor = Arc::new(Reactor { state: Mutex::default(), epoll, queued });
        for index in 0..threads {
            let own = reactor.clone();
            let serve = move || {
                IS_COMPLETER.set(true);
                own.serve();
            };
            let stack_bytes = Some(sys::HOST_CODE_STACK_BYTES);
            sys::start_thread(format!("{name}-{index}"), stack_bytes, serve)?;
        }
        Ok(reactor)
    }

    /// Whether the calling thread is one of them, so that a job can just be done.
    pub(crate) fn is_current() -> bool {
        IS_COMPLETER.get()
    }

    /// Does `job` on one of the threads. Does not block.
    pub(crate) fn run(&self, job: Job) {
        let calls = {
            let mut state = self.state.lock();
            state.jobs.push_back(job);
            state.calls_another()
        };
        self.call_another(calls);
    }

    fn call_another(&self, calls: bool) {
        if calls {
            // It cannot fail: the count would have to reach 2^64.
            let _ = self.queued.write(1);
        }
    }

    /// Does `job` on one of the threads, once, when `fd` is readable, which may be at once.
    ///
    /// # Errors
    /// The job, when the kernel has no room for it or `fd` cannot be polled.
    pub(crate) fn watch(&self, fd: BorrowedFd<'_>, job: Job) -> Result<Watch, Job> {
        let mut state = self.state.lock();
        match self.add(&mut state, fd, EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT) {
            Ok(key) => {
                state.watched.insert(key, Watched::Once(job));
                Ok(Watch(key))
            }
            Err(_) => Err(job),
        }
    }

    /// Does `job` on one of the threads each time when `fd` becomes ready, until it is
    /// [unwatched](Reactor::unwatch); perhaps on several threads at once. Edge-triggered: one that
    /// is ready from the beginning is reported once, and what `job` leaves to be read or written
    /// does not trigger it again.
    ///
    /// # Errors
    /// When the kernel has no room for it, or `fd` cannot be polled.
    pub(crate) fn listen(
        &self,
        fd: BorrowedFd<'_>,
        interest: Interest,
        job: Arc<dyn Fn() + Send + Sync>,
    ) -> io::Result<Watch> {
        let interest = match interest {
            Interest::Readable => EpollFlags::EPOLLIN,
            Interest::Writable => EpollFlags::EPOLLOUT,
        };
        let mut state = self.state.lock();
        let key = self.add(&mut state, fd, interest | EpollFlags::EPOLLET)?;
        state.watched.insert(key, Watched::Always(job));
        Ok(Watch(key))
    }

    /// The key of `fd`, which the kernel reports from now on. A thread that gets the event looks
    /// for the job when it has the state's lock.
    fn add(&self, state: &mut State, fd: BorrowedFd<'_>, flags: EpollFlags) -> Result<u64, Errno> {
        state.last_key += 1;
        let key = state.last_key;
        self.epoll.add(fd, EpollEvent::new(flags, key))?;
        Ok(key)
    }

    /// No longer waits for `fd`; false when its job is being done or was.
    pub(crate) fn unwatch(&self, fd: BorrowedFd<'_>, watch: &Watch) -> bool {
        let found = self.state.lock().watched.remove(&watch.0);
        // Also when the job is gone, so that the descriptor can be watched again.
        let _ = self.epoll.delete(fd);
        found.is_some()
    }

    fn serve(&self) {
        loop {
            let (job, calls) = {
                let mut state = self.state.lock();
                let job = state.jobs.pop_front();
                state.idle += usize::from(job.is_none());
                (job, state.calls_another())
            };
            // The next job must not wait for this one. A single job costs no wake-up here.
            self.call_another(calls);
            let job = job.map(Watched::Once).or_else(|| self.wait());
            let done = catch_unwind(AssertUnwindSafe(|| match job {
                Some(Watched::Once(job)) => job(),
                Some(Watched::Always(job)) => job(),
                None => {}
            }));
            if done.is_err() {
                tracing::error!("a panic was caught while a command was being ended");
            }
        }
    }

    /// Waits for one event: a thread that took more would keep them while it is busy with the
    /// first.
    fn wait(&self) -> Option<Watched> {
        let event = sys::next_event(&self.epoll);
        let mut state = self.state.lock();
        state.idle -= 1;
        match event {
            Ok(QUEUED) => {
                state.waking = false;
                None
            }
            Ok(key) => state.woken(key),
            Err(Errno::EINTR) => None,
            Err(errno) => {
                drop(state);
                tracing::error!(%errno, "waiting for commands failed");
                // Not a busy loop, should it happen for ever.
                std::thread::sleep(std::time::Duration::from_millis(10));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::sync::mpsc;
    use std::time::Duration;

    const SOON: Duration = test_support::PATIENCE;

    #[test]
    fn a_job_is_done_although_another_is_slow_and_one_panics() {
        let reactor = Reactor::start("test", 2).unwrap();
        let (sender, receiver) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        reactor.run(Box::new(move || {
            let _ = held.recv();
        }));
        reactor.run(Box::new(|| panic!("a job")));
        for number in 0..100 {
            let sender = sender.clone();
            reactor.run(Box::new(move || {
                assert!(Reactor::is_current());
                sender.send(number).unwrap();
            }));
        }
        for number in 0..100 {
            assert_eq!(receiver.recv_timeout(SOON), Ok(number));
        }
        drop(release);
        assert!(!Reactor::is_current());
    }

    /// Waits until both threads of a pair are idle.
    fn both_idle(reactor: &Reactor) {
        test_support::until("two idle threads", || {
            let state = reactor.state.lock();
            state.idle == 2 && !state.waking
        });
    }

    #[test]
    fn two_jobs_do_not_wait_for_each_other() {
        let reactor = Reactor::start("test", 2).unwrap();
        for round in 0..2000 {
            both_idle(&reactor);
            let (sender, receiver) = mpsc::channel();
            // Each ends only while the other is being done.
            let meeting = Arc::new(std::sync::Barrier::new(2));
            for _ in 0..2 {
                let (sender, meeting) = (sender.clone(), meeting.clone());
                reactor.run(Box::new(move || {
                    meeting.wait();
                    sender.send(()).unwrap();
                }));
            }
            for _ in 0..2 {
                assert!(receiver.recv_timeout(SOON).is_ok(), "round {round}");
            }
        }
    }

    #[test]
    fn a_job_and_two_descriptors_do_not_wait_for_each_other() {
        let reactor = Reactor::start("test", 2).unwrap();
        for round in 0..500 {
            both_idle(&reactor);
            let (sender, receiver) = mpsc::channel();
            let meeting = Arc::new(std::sync::Barrier::new(2));
            let job = || {
                let (sender, meeting) = (sender.clone(), meeting.clone());
                Box::new(move || {
                    meeting.wait();
                    sender.send(()).unwrap();
                })
            };
            let (reader, writer) = nix::unistd::pipe().unwrap();
            // By turns a job first, and a descriptor first; and two descriptors.
            let jobs = round % 3;
            if jobs == 1 {
                reactor.run(job());
            }
            let watched = [reader.try_clone().unwrap(), reader];
            for fd in &watched[..if jobs == 0 { 2 } else { 1 }] {
                reactor.watch(fd.as_fd(), job()).ok().unwrap();
            }
            nix::unistd::write(&writer, b"x").unwrap();
            if jobs == 2 {
                reactor.run(job());
            }
            for _ in 0..2 {
                assert!(receiver.recv_timeout(SOON).is_ok(), "round {round}");
            }
        }
    }

    #[test]
    fn code_of_the_host_has_as_much_stack_as_on_its_own_threads() {
        let reactor = Reactor::start("test", 1).unwrap();
        let (sender, receiver) = mpsc::channel();
        reactor.run(Box::new(move || {
            let mut deep = [0u8; 6 << 20];
            std::hint::black_box(&mut deep)[5] = 1;
            sender.send(deep.iter().map(|byte| u32::from(*byte)).sum::<u32>()).unwrap();
        }));
        assert_eq!(receiver.recv_timeout(SOON), Ok(1));
    }

    #[test]
    fn a_readable_descriptor_is_reported_once() {
        let reactor = Reactor::start("test", 2).unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let (sender, receiver) = mpsc::channel();
        let first = sender.clone();
        let watch =
            reactor.watch(reader.as_fd(), Box::new(move || first.send(1).unwrap())).ok().unwrap();
        let early = receiver.recv_timeout(Duration::from_millis(20));
        assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(receiver.recv_timeout(SOON), Ok(1));
        assert!(!reactor.unwatch(reader.as_fd(), &watch), "its job was done already");
        // It is still readable, and can be watched again.
        let watch =
            reactor.watch(reader.as_fd(), Box::new(move || sender.send(2).unwrap())).ok().unwrap();
        assert_eq!(receiver.recv_timeout(SOON), Ok(2));
        assert!(!reactor.unwatch(reader.as_fd(), &watch));
    }

    #[test]
    fn what_is_not_watched_any_more_is_not_reported() {
        let reactor = Reactor::start("test", 2).unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let (sender, receiver) = mpsc::channel();
        let watch =
            reactor.watch(reader.as_fd(), Box::new(move || sender.send(()).unwrap())).ok().unwrap();
        assert!(reactor.unwatch(reader.as_fd(), &watch));
        nix::unistd::write(&writer, b"x").unwrap();
        // The job was dropped, and its sender with it.
        test_support::dropped_unanswered(&receiver);
    }

    #[test]
    fn room_in_a_full_pipe_is_reported_each_time() {
        let reactor = Reactor::start("test", 1).unwrap();
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        let fill = || while nix::unistd::write(&writer, &[0; 4096]).is_ok() {};
        let (sender, receiver) = mpsc::channel();
        fill();
        let job = Arc::new(move || sender.send(()).unwrap());
        let watch = reactor.listen(writer.as_fd(), Interest::Writable, job).unwrap();
        for _ in 0..3 {
            let early = receiver.recv_timeout(Duration::from_millis(20));
            assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout), "it is full");
            while nix::unistd::read(&reader, &mut [0; 4096]).is_ok() {}
            assert_eq!(receiver.recv_timeout(SOON), Ok(()));
            fill();
        }
        assert!(reactor.unwatch(writer.as_fd(), &watch));
        test_support::dropped_unanswered(&receiver);
    }
}
