//! Looking at places that may hang, without a thread that could hang there.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::runtime::Handle;

use crate::sys::{self, Errand, Plan, Source, Start};

use super::child::Child;

/// The errands of one place (a command's file, a directory): so many may be under way.
#[derive(Clone, Debug)]
pub(crate) struct Errands(Arc<State>);

#[derive(Debug)]
struct State {
    most: usize,
    under_way: AtomicUsize,
    left_behind: AtomicUsize,
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoResult {
    /// No child could be created.
    #[error("no process could be created to look at it: {0}")]
    NoChild(Errno),
    /// The file system did not answer in time; the child is left behind until it does.
    #[error("its file system does not answer")]
    Unanswered,
    /// As many as may be are under way or left behind.
    #[error("its file system does not answer: too many wait for it already")]
    Busy,
}

/// How long the removal of a tree may take before it is called hanging.
const REMOVAL: Duration = Duration::from_secs(600);

/// `rm -rf -- PATH`, without a word.
fn removal(path: &CString) -> Result<Plan, sys::HasNul> {
    let mut plan = Plan::default();
    for candidate in [b"/bin/rm".as_slice(), b"/usr/bin/rm"] {
        plan.candidates.push(&[candidate])?;
    }
    for argument in [b"rm".as_slice(), b"-rf", b"--", path.as_bytes()] {
        plan.arguments.push(&[argument])?;
    }
    let null = |flags| Source::Open(CString::from(c"/dev/null"), flags);
    plan.stdio = [null(libc::O_RDONLY), null(libc::O_WRONLY), Source::Stdout];
    Ok(plan)
}

/// One that is under way.
struct Place(Arc<State>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Errands {
    /// At most `most` at a time, those that hang included.
    pub(crate) fn new(most: usize) -> Errands {
        let (under_way, left_behind) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Errands(Arc::new(State { most, under_way, left_behind }))
    }
    /// Whether an errand that was given up still hangs: the place does not answer. It is the first
    /// to know when that is over.
    pub(crate) fn hangs(&self) -> bool {
        self.0.left_behind.load(Ordering::SeqCst) > 0
    }

    /// Makes the calls of `errand` in a child and returns it with their results. On the runtime.
    ///
    /// # Errors
    /// When there is no answer within `patience`.
    pub(crate) async fn run(&self, errand: Errand, patience: Duration) -> Result<Errand, NoResult> {
        let until = Instant::now() + patience;
        let place = self.take().ok_or(NoResult::Busy)?;
        let plan = Plan { errand, ..Plan::default() };
        let (spawned, start) = match sys::spawn(plan) {
            Ok(started) => started,
            Err(refusal) => return Err(NoResult::NoChild(refusal.errno)),
        };
        let mut child = Child::new(spawned).listen();
        if tokio::time::timeout_at(until.into(), child.ended()).await.is_err() {
            self.leave_behind(child, start, place);
            return Err(NoResult::Unanswered);
        }
        child.reap();
        match start.failure() {
            Some(sys::SpawnFailure::Child(_, errno) | sys::SpawnFailure::Clone(errno)) => {
                Err(NoResult::NoChild(errno))
            }
            None => match start.into_plan() {
                Some(plan) => Ok(plan.errand),
                None => Err(NoResult::NoChild(Errno::ECHILD)),
            },
        }
    }

    /// Removes a tree by `rm`, which nobody waits for. It is started at once, so that a process that
    /// is about to end may call this; `handle` is the runtime's, which reaps it.
    pub(crate) fn remove_tree(&self, path: &CString, handle: &Handle) {
        let Some(place) = self.take() else { return };
        let Ok(plan) = removal(path) else { return };
        let Ok((spawned, start)) = sys::spawn(plan) else { return };
        let errands = self.clone();
        handle.spawn(async move {
            let mut child = Child::new(spawned).listen();
            if tokio::time::timeout(REMOVAL, child.ended()).await.is_err() {
                return errands.leave_behind(child, start, place);
            }
            child.reap();
            drop((start, place));
        });
    }

    fn take(&self) -> Option<Place> {
        let more = |count: usize| (count < self.0.most).then_some(count + 1);
        let taken = self.0.under_way.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        taken.is_ok().then(|| Place(self.0.clone()))
    }

    /// Nobody waits for it any more but the task that reaps it.
    fn leave_behind(&self, mut child: Child, start: Start, place: Place) {
        let state = self.0.clone();
        state.left_behind.fetch_add(1, Ordering::SeqCst);
        child.signal(libc::SIGKILL);
        tokio::spawn(async move {
            child.ended().await;
            child.reap();
            drop(start);
            state.left_behind.fetch_sub(1, Ordering::SeqCst);
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Runner;
    use nix::fcntl::OFlag;
    use std::os::unix::ffi::OsStrExt;

    const LONG: Duration = Duration::from_secs(60);

    fn run(errands: &Errands, errand: Errand) -> Errand {
        let runner = Runner::global().expect("a runner");
        runner.handle().block_on(errands.run(errand, LONG)).expect("a result")
    }

    #[test]
    fn a_child_writes_reads_looks_and_removes() {
        let directory = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| {
            CString::new(directory.path().join(name).as_os_str().as_bytes()).expect("no NUL")
        };
        let errands = Errands::new(1);
        let mut errand = Errand::default();
        let created = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let file = errand.open(&at("new"), created, 0o600);
        let written = errand.write(file, b"text".as_slice().into());
        errand.close(file);
        errand.rename(&at("new"), &at("kept"));
        errand.remove(&at("new"));
        errand.undo();
        let seen = errand.look(&at("kept"), false);
        let missing = errand.look(&at("missing"), true);
        let errand = run(&errands, errand);
        assert_eq!((errand.failure(), errand.result(written)), (None, Ok(4)));
        assert_eq!(errand.stat(seen).map(|stat| stat.st_size), Ok(4));
        assert_eq!(errand.stat(missing).err(), Some(Errno::ENOENT));
        let mut errand = Errand::default();
        let file = errand.open(&at("kept"), OFlag::O_RDONLY, 0);
        let read = errand.read(file, 100);
        let errand = run(&errands, errand);
        assert_eq!(errand.bytes(read), b"text");
        assert!(!errands.hangs());
    }

    #[test]
    fn after_a_failure_only_what_undoes_is_done() {
        let directory = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| {
            CString::new(directory.path().join(name).as_os_str().as_bytes()).expect("no NUL")
        };
        std::fs::write(directory.path().join("new"), "x").expect("written");
        let mut errand = Errand::default();
        errand.rename(&at("no"), &at("such"));
        let later = errand.make_directory(&at("directory"), 0o700);
        let undone = errand.remove(&at("new"));
        errand.undo();
        let errand = run(&Errands::new(1), errand);
        assert_eq!(errand.failure(), Some(Errno::ENOENT));
        assert_eq!(errand.result(later), Err(Errno::ECANCELED));
        assert_eq!(errand.result(undone), Ok(0));
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 0);
    }

    #[test]
    fn one_that_hangs_is_left_behind_and_bounds_the_others() {
        let directory = tempfile::tempdir().expect("tempdir");
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let name = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        let errands = Errands::new(1);
        let runner = Runner::global().expect("a runner");
        let hang = || {
            let mut errand = Errand::default();
            // Nobody writes, so this waits.
            errand.open(&name, OFlag::O_RDONLY, 0);
            runner.handle().block_on(errands.run(errand, Duration::from_millis(20)))
        };
        assert_eq!(hang().err(), Some(NoResult::Unanswered));
        // A FIFO's opener can be killed, other than one in a dead file system.
        let begun = Instant::now();
        while errands.hangs() {
            assert!(begun.elapsed() < LONG, "the child was not ended");
            std::thread::sleep(Duration::from_millis(1));
        }
        let place = errands.take();
        assert_eq!(hang().err(), Some(NoResult::Busy));
        drop(place);
        assert_eq!(hang().err(), Some(NoResult::Unanswered));
    }
}
