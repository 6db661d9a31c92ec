//! Inspecting file systems that may hang, without a thread that could hang there.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::sys::{self, FsHelper, Plan, Source, Start};

use super::child::Child;

/// The helpers of one place (a command's file, a directory): so many may be under way, others wait
/// for their turn.
#[derive(Clone, Debug)]
pub(crate) struct FsHelpers(Arc<State>);

#[derive(Debug)]
struct State {
    places: Arc<Semaphore>,
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
    /// None of those that are under way or left behind made room in time.
    #[error("its file system does not answer: too many wait for it already")]
    Busy,
}

/// How long the removal of a tree may take before it is called hanging.
const REMOVAL: Duration = Duration::from_secs(600);

/// Of a thread that makes the calls of a helper, where no child can.
const THREAD_STACK_BYTES: usize = 64 << 10;

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

impl FsHelpers {
    /// At most `most` at a time, those that hang included.
    pub(crate) fn new(most: usize) -> FsHelpers {
        let places = Arc::new(Semaphore::new(most));
        FsHelpers(Arc::new(State { places, left_behind: AtomicUsize::new(0) }))
    }

    /// Whether a helper that was given up still hangs: the place does not answer. It is the first
    /// to know when that is over.
    pub(crate) fn hangs(&self) -> bool {
        self.0.left_behind.load(Ordering::SeqCst) > 0
    }

    /// Makes the calls of `helper` in a child (where children are [programs
    /// alone](sys::children_are_programs), on a thread) and returns it with their results. On the
    /// runtime.
    ///
    /// # Errors
    /// When there is no answer within `patience`, in which it may have to wait for its turn.
    pub(crate) async fn run(
        &self,
        helper: FsHelper,
        patience: Duration,
    ) -> Result<FsHelper, NoResult> {
        let until = Instant::now() + patience;
        let place = self.take(until).await.ok_or(NoResult::Busy)?;
        if sys::children_are_programs() {
            return self.run_on_thread(helper, until, place).await;
        }
        let plan = Plan { helper, ..Plan::default() };
        let (spawned, start) = match sys::spawn(plan) {
            Ok(started) => started,
            Err(refusal) => return Err(NoResult::NoChild(refusal.failure.errno())),
        };
        let mut child = Child::new(spawned).listen();
        if tokio::time::timeout_at(until.into(), child.ended()).await.is_err() {
            self.leave_behind(child, start, place);
            return Err(NoResult::Unanswered);
        }
        child.reap();
        match start.failure() {
            Some(failure) => Err(NoResult::NoChild(failure.errno())),
            None => match start.into_plan() {
                Some(plan) => Ok(plan.helper),
                None => Err(NoResult::NoChild(Errno::ECHILD)),
            },
        }
    }

    /// As [`run`](FsHelpers::run), by a thread that can be left behind, but not ended.
    async fn run_on_thread(
        &self,
        helper: FsHelper,
        until: Instant,
        place: OwnedSemaphorePermit,
    ) -> Result<FsHelper, NoResult> {
        let (sender, mut receiver) = oneshot::channel();
        let perform = move || {
            // The receiver is gone when it was left behind, or its caller withdrawn.
            let _ = sender.send(helper.perform_here());
        };
        let no_thread = |error: std::io::Error| {
            NoResult::NoChild(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EAGAIN)))
        };
        sys::start_thread("mcmd-fs".to_owned(), Some(THREAD_STACK_BYTES), perform)
            .map_err(no_thread)?;
        match tokio::time::timeout_at(until.into(), &mut receiver).await {
            Ok(Ok(performed)) => performed.map_err(NoResult::NoChild),
            Ok(Err(_)) => Err(NoResult::NoChild(Errno::ECANCELED)),
            Err(_) => {
                let state = self.0.clone();
                state.left_behind.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let _ = receiver.await;
                    state.left_behind.fetch_sub(1, Ordering::SeqCst);
                    drop(place);
                });
                Err(NoResult::Unanswered)
            }
        }
    }

    /// Removes a tree by `rm`, without waiting for it. It is started at once if there is room, so
    /// that a process that is about to end may call this; `handle` is the runtime's, which reaps
    /// it.
    pub(crate) fn remove_tree(&self, path: &CString, handle: &Handle) {
        // What waits for a dead place would only grow; the next start removes the tree.
        if self.hangs() {
            return;
        }
        let Ok(plan) = removal(path) else { return };
        if let Ok(place) = self.0.places.clone().try_acquire_owned() {
            return self.begin_removal(plan, place, handle);
        }
        let (helpers, own) = (self.clone(), handle.clone());
        handle.spawn(async move {
            if let Some(place) = helpers.take(Instant::now() + REMOVAL).await {
                helpers.begin_removal(plan, place, &own);
            }
        });
    }

    fn begin_removal(&self, plan: Plan, place: OwnedSemaphorePermit, handle: &Handle) {
        let Ok((spawned, start)) = sys::spawn(plan) else { return };
        let helpers = self.clone();
        handle.spawn(async move {
            let mut child = Child::new(spawned).listen();
            if tokio::time::timeout(REMOVAL, child.ended()).await.is_err() {
                return helpers.leave_behind(child, start, place);
            }
            child.reap();
            drop((start, place));
        });
    }

    /// A place among those under way, when it is free before `until`.
    async fn take(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        let place = self.0.places.clone().acquire_owned();
        tokio::time::timeout_at(until.into(), place).await.ok()?.ok()
    }

    /// From now on only a task waits for it, which reaps it.
    fn leave_behind(&self, mut child: Child, start: Start, place: OwnedSemaphorePermit) {
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
    use crate::run::Runner;
    use nix::fcntl::OFlag;
    use std::os::unix::ffi::OsStrExt;

    const LONG: Duration = Duration::from_secs(60);

    fn run(helpers: &FsHelpers, helper: FsHelper) -> FsHelper {
        let runner = Runner::global().expect("a runner");
        runner.handle().block_on(helpers.run(helper, LONG)).expect("a result")
    }

    #[test]
    fn a_child_writes_reads_looks_and_removes() {
        let directory = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| {
            CString::new(directory.path().join(name).as_os_str().as_bytes()).expect("no NUL")
        };
        let helpers = FsHelpers::new(1);
        let mut helper = FsHelper::default();
        let created = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let file = helper.open(&at("new"), created, 0o600);
        let written = helper.write(file, b"text".as_slice().into());
        helper.close(file);
        helper.rename(&at("new"), &at("kept"));
        helper.remove(&at("new"));
        helper.undo();
        let seen = helper.look(&at("kept"), false);
        let missing = helper.look(&at("missing"), true);
        let helper = run(&helpers, helper);
        assert_eq!((helper.failure(), helper.result(written)), (None, Ok(4)));
        assert_eq!(helper.stat(seen).map(|stat| stat.st_size), Ok(4));
        assert_eq!(helper.stat(missing).err(), Some(Errno::ENOENT));
        let mut helper = FsHelper::default();
        let file = helper.open(&at("kept"), OFlag::O_RDONLY, 0);
        let read = helper.read(file, 100);
        let helper = run(&helpers, helper);
        assert_eq!(helper.bytes(read), b"text");
        assert!(!helpers.hangs());
    }

    #[test]
    fn after_a_failure_only_what_undoes_is_done() {
        let directory = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| {
            CString::new(directory.path().join(name).as_os_str().as_bytes()).expect("no NUL")
        };
        std::fs::write(directory.path().join("new"), "x").expect("written");
        let mut helper = FsHelper::default();
        helper.rename(&at("no"), &at("such"));
        let later = helper.make_directory(&at("directory"), 0o700);
        let undone = helper.remove(&at("new"));
        helper.undo();
        let helper = run(&FsHelpers::new(1), helper);
        assert_eq!(helper.failure(), Some(Errno::ENOENT));
        assert_eq!(helper.result(later), Err(Errno::ECANCELED));
        assert_eq!(helper.result(undone), Ok(0));
        assert_eq!(std::fs::read_dir(directory.path()).expect("listed").count(), 0);
    }

    #[test]
    fn what_is_undone_is_what_was_done() {
        let directory = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| {
            CString::new(directory.path().join(name).as_os_str().as_bytes()).expect("no NUL")
        };
        std::fs::write(directory.path().join("theirs"), "x").expect("written");
        let create = |name: &str| {
            let mut helper = FsHelper::default();
            let created = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
            let file = helper.open(&at(name), created, 0o600);
            helper.rename(&at(name), &at("no/such/directory"));
            helper.remove(&at(name));
            helper.undo_of(file);
            run(&FsHelpers::new(1), helper).failure()
        };
        assert_eq!(create("theirs"), Some(Errno::EEXIST));
        assert_eq!(create("ours"), Some(Errno::ENOENT));
        let names = std::fs::read_dir(directory.path()).expect("listed");
        let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["theirs"]);
    }

    #[test]
    fn what_is_written_in_part_has_failed() {
        let directory = tempfile::tempdir().expect("tempdir");
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        let path = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        // More than a pipe takes.
        let bytes: Arc<[u8]> = vec![0; 1 << 20].into();
        let mut helper = FsHelper::default();
        let file = helper.open(&path, OFlag::O_RDWR | OFlag::O_NONBLOCK, 0);
        let written = helper.write(file, bytes.clone());
        let later = helper.close(file);
        let helper = run(&FsHelpers::new(1), helper);
        assert!(helper.result(written).is_ok_and(|count| (1..bytes.len()).contains(&count)));
        assert_eq!(helper.failure(), Some(Errno::ENOSPC));
        assert_eq!(helper.result(later), Err(Errno::ECANCELED), "the rest is left out");
    }

    #[test]
    fn a_thread_does_the_same_and_keeps_nothing_open() {
        let directory = tempfile::tempdir().expect("tempdir");
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let fifo_name = CString::new(fifo.as_os_str().as_bytes()).expect("no NUL");
        let kept = directory.path().join("kept");
        std::fs::write(&kept, "text").expect("written");
        let kept = CString::new(kept.as_os_str().as_bytes()).expect("no NUL");
        let (helpers, runner) = (FsHelpers::new(1), Runner::global().expect("a runner"));
        let run = |helper: FsHelper, patience| {
            runner.handle().block_on(async {
                let place = helpers.take(Instant::now()).await.expect("a place");
                helpers.run_on_thread(helper, Instant::now() + patience, place).await
            })
        };
        let mut helper = FsHelper::default();
        let files = [(); 2].map(|()| helper.open(&kept, OFlag::O_RDONLY, 0));
        let reads = files.map(|file| helper.read(file, 100));
        helper.close(files[0]);
        let helper = run(helper, LONG).expect("a result");
        assert!(reads.iter().all(|read| helper.bytes(*read) == b"text"));
        for file in files {
            let fd = helper.result(file).expect("opened");
            // Another test may have got the number meanwhile.
            let leads_to = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            assert!(!leads_to.starts_with(directory.path()), "{}", leads_to.display());
        }
        // One that hangs is left behind, and bounds the others until it goes on.
        let mut helper = FsHelper::default();
        helper.open(&fifo_name, OFlag::O_RDONLY, 0);
        assert_eq!(run(helper, Duration::from_millis(20)).err(), Some(NoResult::Unanswered));
        assert!(helpers.hangs());
        assert!(runner.handle().block_on(helpers.take(Instant::now())).is_none());
        drop(std::fs::OpenOptions::new().write(true).open(&fifo).expect("it has a reader"));
        test_support::until("it goes on", || !helpers.hangs());
        assert!(runner.handle().block_on(helpers.take(Instant::now() + LONG)).is_some());
    }

    #[test]
    fn more_than_may_be_under_way_wait_for_their_turn() {
        let directory = tempfile::tempdir().expect("tempdir");
        let path = CString::new(directory.path().as_os_str().as_bytes()).expect("no NUL");
        let (helpers, runner) = (FsHelpers::new(2), Runner::global().expect("a runner"));
        let looks: Vec<_> = (0..50)
            .map(|_| {
                let (helpers, mut helper) = (helpers.clone(), FsHelper::default());
                helper.look(&path, true);
                runner.handle().spawn(async move { helpers.run(helper, LONG).await.is_ok() })
            })
            .collect();
        for look in looks {
            assert!(runner.handle().block_on(look).expect("no panic"));
        }
    }

    #[test]
    fn one_that_hangs_is_left_behind_and_bounds_the_others() {
        let directory = tempfile::tempdir().expect("tempdir");
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let name = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        let helpers = FsHelpers::new(1);
        let runner = Runner::global().expect("a runner");
        let hang = || {
            let mut helper = FsHelper::default();
            // Without a writer, so this waits.
            helper.open(&name, OFlag::O_RDONLY, 0);
            runner.handle().block_on(helpers.run(helper, Duration::from_millis(20)))
        };
        assert_eq!(hang().err(), Some(NoResult::Unanswered));
        // A FIFO's opener can be killed, other than one in a dead file system.
        let begun = Instant::now();
        while helpers.hangs() {
            assert!(begun.elapsed() < LONG, "the child was not ended");
            std::thread::sleep(Duration::from_millis(1));
        }
        let place = runner.handle().block_on(helpers.take(Instant::now()));
        assert!(place.is_some());
        assert_eq!(hang().err(), Some(NoResult::Busy));
        drop(place);
        assert_eq!(hang().err(), Some(NoResult::Unanswered));
    }
}
