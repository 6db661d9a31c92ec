//! Starts that a thread of ours waits for, until the child has executed its program.
//!
//! A child that changes its user or its `oom_score_adj` would change something of the host too
//! while it shares the host's memory (`child_identity`). Neither happens, or neither lasts, when
//! the thread that starts it waits in the kernel until the execve (`CLONE_VFORK`): then the kernel
//! knows whose `oom_score_adj` is meant, and the thread knows when nobody of another user is in our
//! memory any more. But an execve can hang in a dead file system, so that thread is not the
//! caller's: it is one of a few that do nothing else, and the caller goes on as soon as there is a
//! process.
//!
//! The threads never end: the kernel tells a child of its parent's end by the thread
//! (`PR_SET_PDEATHSIG`). Until the execve they can run no handler, so that `setuid` and its likes
//! in the host, which interrupt every thread, wait for one that hangs.

#![expect(unsafe_code, reason = "clone and prctl have no safe interface")]

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::errno::Errno;
use parking_lot::Mutex;

use super::announced::Announced;
use super::child_plan::ChildPlan;
use super::clone::{Marks, Stack, clone_child};
use super::mask::{start_thread, with_all_blocked};
use super::process_id::Pid;

/// Starts that may hang in an execve at a time; with more of them, one more is refused as if there
/// were no process left.
const MOST: usize = 64;
/// What the names of the threads begin with.
const NAME: &str = "mcmd-start";

/// A child to start: the arguments of [`clone_child`].
#[derive(Debug)]
pub(super) struct Job {
    pub(super) plan: *mut ChildPlan,
    pub(super) shares_files: bool,
    /// A descriptor of the plan's.
    pub(super) cgroup: Option<RawFd>,
    pub(super) stack: *const Stack,
    pub(super) marks: *const Marks,
    pub(super) changes_user: bool,
    pub(super) announced: Arc<Announced>,
}

// SAFETY: what it points to lives until the child has left, by the promise made to `start`, and is
// not tied to a thread.
unsafe impl Send for Job {}

impl Job {
    fn perform(self) {
        let undumpable = self.changes_user.then(Undumpable::begin);
        // SAFETY: the descriptor is open while the plan lives, and used until the clone alone.
        let cgroup = self.cgroup.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        // SAFETY: all signals are blocked; the rest is promised to `start`. Once the child has left
        // its memory may be gone, and is not touched here any more.
        let result = with_all_blocked(|| unsafe {
            clone_child(self.plan, self.shares_files, cgroup, true, &*self.stack, &*self.marks)
        });
        drop(undumpable);
        self.announced.set(result);
    }
}

struct Starters {
    idle: Vec<Sender<Job>>,
    threads: usize,
}

static STARTERS: Mutex<Starters> = Mutex::new(Starters { idle: Vec::new(), threads: 0 });

/// Starts a child on one of the threads, and returns when it is there.
///
/// # Safety
/// As for [`clone_child`], but for the signals of the calling thread.
pub(super) unsafe fn start(job: Job) -> Result<Pid, Errno> {
    let announced = job.announced.clone();
    hand_over(job)?;
    announced.wait()
}

fn hand_over(job: Job) -> Result<(), Errno> {
    let mut starters = STARTERS.lock();
    let starter = match starters.idle.pop() {
        Some(starter) => starter,
        None if starters.threads < MOST => {
            let (starter, jobs) = channel();
            let again = starter.clone();
            let name = format!("{NAME}-{}", starters.threads);
            start_thread(name, None, move || serve(&again, &jobs)).map_err(|_| Errno::EAGAIN)?;
            starters.threads += 1;
            starter
        }
        None => return Err(Errno::EAGAIN),
    };
    // It cannot be gone: a thread keeps its own sender, and never ends.
    starter.send(job).map_err(|_| Errno::EAGAIN)
}

fn serve(own: &Sender<Job>, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        job.perform();
        STARTERS.lock().idle.push(own.clone());
    }
}

/// While one of these lives, a child may have made our memory undumpable; the last one makes it as
/// it was before the first. In between a core of the host is dumped as `fs.suid_dumpable` says.
struct Undumpable;

/// How many there are, and what was before them.
static UNDUMPABLE: Mutex<(usize, bool)> = Mutex::new((0, false));

impl Undumpable {
    fn begin() -> Undumpable {
        let mut undumpable = UNDUMPABLE.lock();
        if undumpable.0 == 0 {
            // SAFETY: without memory. 2 is another kind of undumpable.
            undumpable.1 = unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) } == 1;
        }
        undumpable.0 += 1;
        Undumpable
    }
}

impl Drop for Undumpable {
    fn drop(&mut self) {
        let mut undumpable = UNDUMPABLE.lock();
        undumpable.0 -= 1;
        if *undumpable == (0, true) {
            // SAFETY: without memory.
            let _ = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
        }
    }
}
