//! The cgroups of one event's commands, used again while they are clean.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use parking_lot::Mutex;

use crate::sys::{self, Cgroups, Unified};

use super::cgroup::{self, Version};
use super::kept::{Kept, Until};
use super::level::Chosen;
use super::tree::Tree;

/// Pause between two looks whether processes have ended, and how long they may take after KILL.
const PAUSE: Duration = Duration::from_millis(5);
const KILL_PATIENCE: Duration = Duration::from_secs(1);
/// Clean cgroups that are kept for later commands of one event.
const MOST_FREE: usize = 64;

/// The cgroups for the commands of one event of one module instance.
#[derive(Debug)]
pub struct SlotPool {
    tree: Arc<Tree>,
    /// The beginning of their names.
    name: String,
    module: String,
    free: Mutex<Vec<Directory>>,
}

/// A cgroup that is there.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    procs: CString,
}

/// A cgroup that is lent to one command. Dropped, it is used again if it is clean, else removed.
#[derive(Debug)]
pub(crate) struct Slot {
    pool: Arc<SlotPool>,
    directory: Directory,
    state: State,
}

/// What is known of a cgroup that is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Processes may be in it.
    Used,
    /// It is empty.
    Clean,
    /// It must not be used again: something was killed in it, or somebody has removed it.
    Spent,
    /// Its processes run on.
    Kept,
}

/// The processes that successful commands of one instance left, at level `cgroup`.
#[derive(Clone, Debug)]
pub struct Contained {
    tree: Arc<Tree>,
    module: String,
}

impl Chosen {
    /// Cgroups for the commands of `event` of the instance `module`; `None` at level `group`.
    pub fn pool(&self, module: &str, event: &str) -> Option<Arc<SlotPool>> {
        let tree = self.tree.clone()?;
        // A name of the operator's may have bytes that the kernel does not take.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
        let name = format!("{}.{event}", module.chars().take(64).map(plain).collect::<String>());
        let module = module.to_owned();
        Some(Arc::new(SlotPool { tree, name, module, free: Mutex::default() }))
    }

    /// What the instance `module` left running; `None` at level `group`.
    pub fn contained(&self, module: &str) -> Option<Contained> {
        Some(Contained { tree: self.tree.clone()?, module: module.to_owned() })
    }
}

impl SlotPool {
    /// A clean cgroup, and what a child needs to begin in it.
    ///
    /// # Errors
    /// When there is none and none can be made.
    pub(crate) fn lease(self: &Arc<Self>) -> io::Result<(Slot, Cgroups)> {
        let used = self.free.lock().pop();
        if let Some(directory) = used
            && let Ok(cgroups) = directory.cgroups(self.tree.version)
        {
            return Ok((self.slot(directory), cgroups));
        }
        // There was none, or somebody has removed it.
        let path = self.tree.make(&self.name)?;
        let directory = Directory { procs: cgroup::procs(&path)?, path };
        let cgroups = directory.cgroups(self.tree.version)?;
        Ok((self.slot(directory), cgroups))
    }

    fn slot(self: &Arc<Self>, directory: Directory) -> Slot {
        Slot { pool: self.clone(), directory, state: State::Used }
    }
}

impl Directory {
    fn cgroups(&self, version: Version) -> io::Result<Cgroups> {
        let procs = self.procs.clone();
        Ok(match version {
            Version::Two => {
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let directory: OwnedFd = nix::fcntl::open(&self.path, flags, Mode::empty())?;
                Cgroups { unified: Some(Unified { directory, procs }), joined: Vec::new() }
            }
            Version::One => Cgroups { unified: None, joined: vec![procs] },
        })
    }
}

impl Slot {
    /// Whether processes are in it; one that has ended and is not reaped does not count.
    pub(crate) fn is_populated(&mut self) -> bool {
        let found = cgroup::is_populated(&self.directory.path, self.pool.tree.version);
        // Somebody may have removed it, which is possible only while it is empty.
        self.state = match (self.state, &found) {
            (State::Spent, _) | (_, Err(_)) => State::Spent,
            (_, Ok(true)) => State::Used,
            (_, Ok(false)) => State::Clean,
        };
        found.unwrap_or(false)
    }

    /// Ends all processes in it. They end soon afterwards; at version 1 those that begin meanwhile
    /// are ended by another call.
    pub(crate) fn kill(&mut self) {
        self.state = State::Spent;
        // Without a directory there is no process in it.
        let _ = cgroup::kill(&self.directory.path, self.pool.tree.version);
    }

    /// Does not use it again: somebody has changed it.
    pub(crate) fn spend(&mut self) {
        self.state = State::Spent;
    }

    /// Lets its processes run on: as long as they like, or until `container` was cleaned up.
    pub(crate) fn keep(mut self, container: Option<&str>, until_cleanup: bool) {
        let until = if until_cleanup { Until::Cleanup } else { Until::TheirEnd };
        let container = container.unwrap_or_default().to_owned();
        let note = Kept { until, module: self.pool.module.clone(), container };
        let path = std::mem::take(&mut self.directory.path);
        if let Err(error) = note.put(&path) {
            tracing::warn!(
                path = %path.display(), %error,
                "cannot mark the cgroup of processes that are to be left running: they will be \
                 ended when the next agent starts"
            );
        }
        self.state = State::Kept;
        self.pool.tree.keep(path, note);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.state == State::Used {
            self.is_populated();
        }
        let path = std::mem::take(&mut self.directory.path);
        let procs = std::mem::take(&mut self.directory.procs);
        match self.state {
            State::Kept => {}
            State::Clean => {
                let mut free = self.pool.free.lock();
                if free.len() < MOST_FREE {
                    free.push(Directory { path, procs });
                } else {
                    drop(free);
                    self.pool.tree.retire(path);
                }
            }
            State::Used | State::Spent => self.pool.tree.retire(path),
        }
    }
}

impl Contained {
    /// Takes out what commands for `container` left running until its cleanup. Whoever has it ends
    /// it.
    pub(crate) fn of(&self, container: &str) -> Vec<Rest> {
        let is_meant = |note: &Kept| {
            note.until == Until::Cleanup
                && note.module == self.module
                && note.container == container
        };
        let rest = |path| Rest { tree: self.tree.clone(), path };
        self.tree.take_kept(is_meant).into_iter().map(rest).collect()
    }
}

/// Processes that are to be ended.
#[derive(Debug)]
pub(crate) struct Rest {
    tree: Arc<Tree>,
    path: PathBuf,
}

/// Ends what is left: TERM, and KILL after `grace`. Blocks until all has ended, at the longest for
/// the grace period and a second.
pub(crate) fn end_rest(rest: Vec<Rest>, grace: Duration) {
    if !grace.is_zero() {
        for member in rest.iter().flat_map(|one| cgroup::members(&one.path)) {
            let _ = sys::kill(member, libc::SIGTERM);
            // A stopped process would not handle it.
            let _ = sys::kill(member, libc::SIGCONT);
        }
    }
    let kill_at = Instant::now() + grace;
    for one in &rest {
        while one.is_populated() && Instant::now() < kill_at + KILL_PATIENCE {
            if Instant::now() >= kill_at {
                let _ = cgroup::kill(&one.path, one.tree.version);
            }
            std::thread::sleep(PAUSE);
        }
    }
    for Rest { tree, path } in rest {
        tree.retire(path);
    }
}

impl Rest {
    fn is_populated(&self) -> bool {
        cgroup::is_populated(&self.path, self.tree.version).unwrap_or(false)
    }
}
