//! The directory of this process among the cgroups.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use crate::command::Limits;
use crate::sys::OwnDirectory;

use super::cgroup::{self, Version};
use super::kept::{self, Kept};
use super::leftover;
use super::limits::{self, Controller, Limit};
use super::mounts::Mounts;

/// How long processes may take to end after KILL, and the pause between two looks.
const END_PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);
/// Of the directory of a process: everybody may see what is in a cgroup.
const MODE: u32 = 0o755;
/// How many kept cgroups are looked at when another one joins them.
const LOOKS: usize = 8;

/// The cgroups of this process below one directory.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) version: Version,
    /// `<cgroup_root>`.
    root: PathBuf,
    /// `<mount>/<cgroup_root>`.
    parent: PathBuf,
    mounts: Mounts,
    /// Some cgroups have others beside them, in hierarchies of version 1.
    has_beside: AtomicBool,
    own: RwLock<Arc<OwnDirectory>>,
    next: AtomicU64,
    /// Cgroups whose processes are being ended, or could not be ended yet.
    retired: Mutex<Vec<PathBuf>>,
    /// Cgroups whose processes may run on.
    kept: Mutex<VecDeque<(PathBuf, Kept)>>,
}

impl Tree {
    /// Makes the directory of this process, and ends what dead processes have left running.
    ///
    /// # Errors
    /// When there can be none: why, in words for people.
    pub(super) fn open(root: &Path) -> Result<Tree, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("the agent does not run as root".to_owned());
        }
        let mounts = Mounts::read()
            .map_err(|error| format!("/proc/self/mountinfo cannot be read: {error}"))?;
        let mut reasons = Vec::new();
        let candidates = [
            (Version::Two, mounts.unified.as_deref(), "cgroup v2"),
            (Version::One, mounts.hierarchy("freezer"), "the freezer of cgroup v1"),
        ];
        for (version, mount, name) in candidates {
            let Some(mount) = mount else {
                reasons.push(format!("{name} is not mounted"));
                continue;
            };
            match Tree::open_in(version, &mounts, mount, root) {
                Ok(tree) => return Ok(tree),
                Err(error) => reasons.push(format!("{name} at {}: {error}", mount.display())),
            }
        }
        Err(reasons.join("; "))
    }

    fn open_in(version: Version, mounts: &Mounts, mount: &Path, root: &Path) -> io::Result<Tree> {
        let parent = mount.join(root);
        std::fs::create_dir_all(&parent)?;
        // Who may move processes could end anybody's.
        let owner = std::fs::metadata(&parent)?;
        if owner.uid() != 0 || owner.mode() & 0o022 != 0 {
            let text = format!("others than root may write to {}", parent.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let own = OwnDirectory::make(&parent, "", MODE)?;
        let works = Tree::check(version, &own.path);
        if let Err(error) = works {
            let _ = std::fs::remove_dir(&own.path);
            return Err(error);
        }
        let kept = leftover::end(version, &parent, &own.path);
        limits::remove_beside(mounts, root, &parent);
        Ok(Tree {
            version,
            root: root.to_owned(),
            parent,
            mounts: mounts.clone(),
            has_beside: AtomicBool::new(false),
            own: RwLock::new(Arc::new(own)),
            next: AtomicU64::new(0),
            retired: Mutex::default(),
            kept: Mutex::new(kept.into()),
        })
    }

    /// Whether cgroups can do here what is asked of them.
    fn check(version: Version, directory: &Path) -> io::Result<()> {
        if version == Version::Two && !directory.join("cgroup.kill").exists() {
            let text = "there is no cgroup.kill (it came with Linux 5.14)";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        kept::can_be_put(directory).map_err(|error| {
            io::Error::new(error.kind(), format!("it keeps no extended attributes: {error}"))
        })
    }

    /// The limits of the commands of one event, with the kernel prepared for them.
    ///
    /// # Errors
    /// The controller that cannot be had, and why.
    pub(super) fn limits(&self, limits: Limits) -> Result<Vec<Limit>, (Controller, String)> {
        let own = self.own.read().path.clone();
        let found = Limit::prepare(limits, self.version, &self.mounts, &self.root, &own)?;
        self.has_beside.fetch_or(found.iter().any(Limit::is_beside), Ordering::Relaxed);
        Ok(found)
    }

    /// Makes a cgroup with a name that was never used before and begins with `name`.
    pub(super) fn make(&self, name: &str) -> io::Result<PathBuf> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let own = self.own.read().clone();
        let leaf = format!("{name}.{number}");
        match std::fs::create_dir(own.path.join(&leaf)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let restored = self.restore(&own)?;
                std::fs::create_dir(restored.path.join(&leaf))?;
                Ok(restored.path.join(leaf))
            }
            result => result.map(|()| own.path.join(leaf)),
        }
    }

    /// Makes the directory of this process anew after `lost` was removed by somebody.
    fn restore(&self, lost: &Arc<OwnDirectory>) -> io::Result<Arc<OwnDirectory>> {
        let mut current = self.own.write();
        if Arc::ptr_eq(&current, lost) {
            tracing::warn!(path = %lost.path.display(), "the cgroup of this process was removed; making it anew");
            std::fs::create_dir_all(&self.parent)?;
            *current = Arc::new(OwnDirectory::make(&self.parent, "", MODE)?);
        }
        Ok(current.clone())
    }

    /// Removes a cgroup that must not be used again, now or as soon as that is possible.
    pub(super) fn retire(&self, directory: PathBuf) {
        let mut retired = self.retired.lock();
        retired.push(directory);
        // What hangs in the kernel stays, and is tried again with the next one.
        retired.retain(|one| !self.is_gone(one));
    }

    /// Lets the processes of a cgroup run on.
    pub(super) fn keep(&self, directory: PathBuf, note: Kept) {
        let mut kept = self.kept.lock();
        kept.push_back((directory, note));
        // Those whose processes have ended meanwhile go: no command enters a kept cgroup again.
        for _ in 0..LOOKS.min(kept.len() - 1) {
            let Some(oldest) = kept.pop_front() else { return };
            if !self.is_removed(&oldest.0) {
                kept.push_back(oldest);
            }
        }
    }

    /// Removes a kept cgroup if nothing is in it any more. With the last one of a dead process goes
    /// the directory of that.
    fn is_removed(&self, kept: &Path) -> bool {
        let is_removed = self.is_gone(kept);
        let of = kept.parent().filter(|of| is_removed && **of != *self.own.read().path);
        if let Some(dead) = of {
            let _ = std::fs::remove_dir(dead);
        }
        is_removed
    }

    /// Removes a cgroup, with those beside it, if nothing is in it any more.
    fn is_gone(&self, directory: &Path) -> bool {
        let is_gone = cgroup::remove(directory).is_ok();
        if is_gone && self.has_beside.load(Ordering::Relaxed) {
            limits::remove_of(&self.mounts, &self.root, &self.parent, directory);
        }
        is_gone
    }

    /// Takes the cgroups out of those that are kept for which `is_meant` holds.
    pub(super) fn take_kept(&self, is_meant: impl Fn(&Kept) -> bool) -> Vec<PathBuf> {
        let mut kept = self.kept.lock();
        let (taken, left) =
            std::mem::take(&mut *kept).into_iter().partition(|(_, it)| is_meant(it));
        *kept = left;
        let taken: VecDeque<(PathBuf, Kept)> = taken;
        taken.into_iter().map(|(directory, _)| directory).collect()
    }

    /// Ends all that runs in the cgroups of this process, and removes them.
    pub(super) fn end(&self) {
        let own = self.own.read().path.clone();
        let until = Instant::now() + END_PATIENCE;
        loop {
            let left: Vec<_> = cgroup::below(&own).filter(|one| !self.is_gone(one)).collect();
            if left.is_empty() || Instant::now() >= until {
                return self.remove();
            }
            for one in left {
                let _ = cgroup::kill(&one, self.version);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Removes all directories of this process that are empty.
    pub(super) fn remove(&self) {
        self.kept.lock().retain(|(one, _)| !self.is_removed(one));
        let own = self.own.read();
        // Those in which something lives stay; the next process to start sees to them.
        for one in cgroup::below(&own.path) {
            self.is_gone(&one);
        }
        if std::fs::remove_dir(&own.path).is_ok() && self.has_beside.load(Ordering::Relaxed) {
            limits::remove_of(&self.mounts, &self.root, &self.parent, &own.path);
        }
    }
}
