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

use crate::command::Limits;
use crate::sys::{self, Cgroups, Unified};

use super::cgroup::{self, Version};
use super::kept::{Kept, Until};
use super::level::Chosen;
use super::limits::{Controller, Limit};
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
    limits: Limits,
    prepared: Vec<Limit>,
    free: Mutex<Vec<Directory>>,
}

/// A cgroup that is there.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    procs: CString,
    /// `cgroup.procs` of those beside it, for limits.
    beside: Vec<CString>,
}

/// A limit that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoLimit {
    /// The end of its parameter's name.
    pub parameter: &'static str,
    /// Why not.
    pub reason: String,
}

/// The limits that the processes of a command met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exceeded {
    /// The kernel ended some of them for their memory.
    pub(crate) memory: bool,
    /// The kernel refused to make another.
    pub(crate) pids: bool,
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
    ///
    /// # Errors
    /// When a limit cannot be had.
    pub fn pool(
        &self,
        module: &str,
        event: &str,
        limits: Limits,
    ) -> Result<Option<Arc<SlotPool>>, NoLimit> {
        let refused = |controller: Controller, reason| NoLimit {
            parameter: match controller {
                Controller::Memory => "memory_max",
                Controller::Pids => "pids_max",
            },
            reason,
        };
        let Some(tree) = self.tree.clone() else {
            let given = [(Controller::Memory, limits.memory), (Controller::Pids, limits.pids)];
            let why = if self.reason.is_empty() { "" } else { ": " };
            return match given.into_iter().find(|(_, limit)| limit.is_some()) {
                None => Ok(None),
                Some((controller, _)) => Err(refused(
                    controller,
                    format!("it needs containment level 'cgroup'{why}{}", self.reason),
                )),
            };
        };
        let prepared = tree.limits(limits).map_err(|(controller, why)| refused(controller, why))?;
        // A name of the operator's may have bytes that the kernel does not take.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
        let name = format!("{}.{event}", module.chars().take(64).map(plain).collect::<String>());
        let module = module.to_owned();
        let free = Mutex::default();
        Ok(Some(Arc::new(SlotPool { tree, name, module, limits, prepared, free })))
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
        if let Some(directory) = used {
            let slot = self.slot(directory);
            // Somebody may have removed it.
            if let Ok(cgroups) = slot.directory.cgroups(self.tree.version) {
                return Ok((slot, cgroups));
            }
        }
        let path = self.tree.make(&self.name)?;
        let directory = self.limited(path.clone()).inspect_err(|_| self.tree.retire(path))?;
        let slot = self.slot(directory);
        let cgroups = slot.directory.cgroups(self.tree.version)?;
        Ok((slot, cgroups))
    }

    /// The limits of each command.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Cgroups for what makes the processes of these commands, without a limit of processes: where
    /// a process cannot be made in its own cgroup it is counted in that of its maker until it has
    /// entered its own.
    pub(crate) fn of_their_maker(&self) -> Arc<SlotPool> {
        let (tree, name, module) = (self.tree.clone(), self.name.clone(), self.module.clone());
        let limits = Limits { pids: None, ..self.limits };
        let is_kept = |limit: &&Limit| limit.controller() != Controller::Pids;
        let prepared = self.prepared.iter().filter(is_kept).cloned().collect();
        Arc::new(SlotPool { tree, name, module, limits, prepared, free: Mutex::default() })
    }

    /// Sets the limits for a new cgroup.
    fn limited(&self, path: PathBuf) -> io::Result<Directory> {
        let mut beside = Vec::new();
        for limit in &self.prepared {
            if let Some(place) = limit.set(&path)? {
                beside.push(cgroup::procs(&place)?);
            }
        }
        Ok(Directory { procs: cgroup::procs(&path)?, path, beside })
    }

    fn slot(self: &Arc<Self>, directory: Directory) -> Slot {
        Slot { pool: self.clone(), directory, state: State::Used }
    }
}

impl Drop for SlotPool {
    fn drop(&mut self) {
        for directory in std::mem::take(self.free.get_mut()) {
            self.tree.retire(directory.path);
        }
    }
}

impl Directory {
    fn cgroups(&self, version: Version) -> io::Result<Cgroups> {
        let procs = self.procs.clone();
        Ok(match version {
            Version::Two => {
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                let directory: OwnedFd = nix::fcntl::open(&self.path, flags, Mode::empty())?;
                let joined = self.beside.clone();
                Cgroups { unified: Some(Unified { directory, procs }), joined }
            }
            Version::One => {
                let joined = std::iter::once(procs).chain(self.beside.clone()).collect();
                Cgroups { unified: None, joined }
            }
        })
    }
}

impl Slot {
    /// Whether processes are in it; one that has ended and is not reaped does not count. True when
    /// that cannot be seen, for want of descriptors.
    pub(crate) fn is_populated(&mut self) -> bool {
        let found = cgroup::is_populated(&self.directory.path, self.pool.tree.version);
        self.state = match (self.state, &found) {
            (State::Spent, _) | (_, Err(_)) => State::Spent,
            (_, Ok(true)) => State::Used,
            (_, Ok(false)) => State::Clean,
        };
        // Somebody may have removed it, which is possible only while it is empty.
        found.unwrap_or_else(|error| error.kind() != io::ErrorKind::NotFound)
    }

    /// Ends all processes in it. They end soon afterwards; at version 1 those that begin meanwhile
    /// are ended by another call.
    pub(crate) fn kill(&mut self) {
        self.state = State::Spent;
        // Without a directory there is no process in it.
        let _ = cgroup::kill(&self.directory.path, self.pool.tree.version);
    }

    /// The limits that its processes met. It is not used again then, because the kernel does not
    /// begin to count anew.
    pub(crate) fn exceeded(&mut self) -> Exceeded {
        let mut exceeded = Exceeded::default();
        for limit in &self.pool.prepared {
            let met = limit.was_exceeded(&self.directory.path);
            match limit.controller() {
                Controller::Memory => exceeded.memory = met,
                Controller::Pids => exceeded.pids = met,
            }
        }
        if exceeded != Exceeded::default() {
            self.state = State::Spent;
        }
        exceeded
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
        let beside = std::mem::take(&mut self.directory.beside);
        match self.state {
            State::Kept => {}
            State::Clean => {
                let mut free = self.pool.free.lock();
                if free.len() < MOST_FREE {
                    free.push(Directory { path, procs, beside });
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
