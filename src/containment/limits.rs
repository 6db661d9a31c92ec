//! Limits that hold for all processes of a command together: memory, and how many there are.

use std::io;
use std::path::{Path, PathBuf};

use super::cgroup::{self, Version};
use super::mounts::Mounts;
use crate::command::Limits;

/// A controller of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Memory,
    Pids,
}

impl Controller {
    pub(super) const ALL: [Controller; 2] = [Controller::Memory, Controller::Pids];

    pub(super) fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Pids => "pids",
        }
    }

    /// Sets the limit of a cgroup.
    fn set(self, version: Version, directory: &Path, limit: u64) -> io::Result<()> {
        let text = limit.to_string();
        let set = |name: &str| cgroup::write(&directory.join(name), &text);
        // Swap is counted only by kernels that were started with it: what is not there cannot be
        // exceeded either.
        let set_if_there = |name: &str, text: &str| {
            let path = directory.join(name);
            if path.exists() { cgroup::write(&path, text) } else { Ok(()) }
        };
        match (self, version) {
            (Controller::Pids, _) => set("pids.max"),
            (Controller::Memory, Version::Two) => {
                set("memory.max")?;
                set_if_there("memory.swap.max", "0")?;
                // All of its processes go together: half a command is of no use.
                set_if_there("memory.oom.group", "1")
            }
            (Controller::Memory, Version::One) => {
                set("memory.limit_in_bytes")?;
                set_if_there("memory.memsw.limit_in_bytes", &text)
            }
        }
    }

    /// How often the limit was met in a cgroup: processes that the kernel ended, or that it did
    /// not make.
    fn exceeded(self, version: Version, directory: &Path) -> u64 {
        let (file, word) = match (self, version) {
            (Controller::Memory, Version::Two) => ("memory.events", "oom_kill"),
            (Controller::Memory, Version::One) => ("memory.oom_control", "oom_kill"),
            (Controller::Pids, _) => ("pids.events", "max"),
        };
        let text = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
        let count = |line: &str| line.strip_prefix(word)?.trim().parse().ok();
        text.lines().find_map(count).unwrap_or(0)
    }
}

/// A limit for the commands of one event, and where it is set.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    controller: Controller,
    limit: u64,
    version: Version,
    /// Where cgroups of version 1 are made for it, beside those in which commands are ended.
    beside: Option<PathBuf>,
}

impl Limit {
    /// The limits of `limits`, for cgroups below `own` at `version`, with the kernel prepared for
    /// them.
    ///
    /// # Errors
    /// The controller that cannot be had, and why.
    pub(super) fn prepare(
        limits: Limits,
        version: Version,
        mounts: &Mounts,
        root: &Path,
        own: &Path,
    ) -> Result<Vec<Limit>, (Controller, String)> {
        let wanted = [(Controller::Memory, limits.memory), (Controller::Pids, limits.pids)];
        let given = wanted.into_iter().filter_map(|(controller, it)| Some((controller, it?)));
        given
            .map(|(controller, limit)| {
                place(controller, version, mounts, root, own)
                    .map(|(version, beside)| Limit { controller, limit, version, beside })
                    .map_err(|reason| (controller, reason))
            })
            .collect()
    }

    pub(super) fn controller(&self) -> Controller {
        self.controller
    }

    /// Whether it takes a cgroup beside that of the command.
    pub(super) fn is_beside(&self) -> bool {
        self.beside.is_some()
    }

    /// The cgroup for this limit of the command whose cgroup is `directory`.
    fn directory(&self, directory: &Path) -> PathBuf {
        match (&self.beside, directory.file_name()) {
            (Some(beside), Some(leaf)) => beside.join(leaf),
            _ => directory.to_owned(),
        }
    }

    /// Sets the limit for `directory`; the cgroup that its commands must enter besides, if there is
    /// one.
    pub(super) fn set(&self, directory: &Path) -> io::Result<Option<PathBuf>> {
        let place = self.directory(directory);
        if self.beside.is_some() {
            match std::fs::create_dir_all(&place) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        self.controller.set(self.version, &place, self.limit)?;
        Ok(self.beside.is_some().then_some(place))
    }

    /// Whether the limit was met in the cgroup of a command.
    pub(super) fn was_exceeded(&self, directory: &Path) -> bool {
        self.controller.exceeded(self.version, &self.directory(directory)) > 0
    }
}

/// Where a controller can be had: in the cgroups themselves, or in a hierarchy of version 1.
fn place(
    controller: Controller,
    version: Version,
    mounts: &Mounts,
    root: &Path,
    own: &Path,
) -> Result<(Version, Option<PathBuf>), String> {
    let name = controller.name();
    if let (Version::Two, Some(mount)) = (version, &mounts.unified) {
        let offered = std::fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
        if offered.split_ascii_whitespace().any(|one| one == name) {
            return enable(name, mount, own).map(|()| (Version::Two, None)).map_err(|error| {
                format!("the controller '{name}' cannot be enabled for {}: {error}", own.display())
            });
        }
    }
    let Some(mount) = mounts.hierarchy(name) else {
        return Err(format!("there is no controller '{name}' of cgroups"));
    };
    let leaf = own.file_name().unwrap_or_default();
    let beside = mount.join(root).join(leaf);
    std::fs::create_dir_all(&beside).map_err(|error| format!("{}: {error}", beside.display()))?;
    Ok((Version::One, Some(beside)))
}

/// Enables a controller in every directory from the mount down to `own`, for what is below it.
fn enable(name: &str, mount: &Path, own: &Path) -> io::Result<()> {
    let below = own.ancestors().take_while(|path| *path != mount).collect::<Vec<_>>();
    for directory in std::iter::once(mount).chain(below.into_iter().rev()) {
        let path = directory.join("cgroup.subtree_control");
        let enabled = std::fs::read_to_string(&path)?;
        if !enabled.split_ascii_whitespace().any(|one| one == name) {
            cgroup::write(&path, &format!("+{name}"))?;
        }
    }
    Ok(())
}

/// Removes the cgroups of version 1 beside `directory`, a cgroup or the directory of a process
/// below `parent`.
pub(super) fn remove_of(mounts: &Mounts, root: &Path, parent: &Path, directory: &Path) {
    let Ok(relative) = directory.strip_prefix(parent) else { return };
    for place in places(mounts, root) {
        let _ = cgroup::remove(&place.join(relative));
    }
}

/// Removes the cgroups of version 1 that were beside those of processes that are gone from
/// `parent`.
pub(super) fn remove_beside(mounts: &Mounts, root: &Path, parent: &Path) {
    for place in places(mounts, root) {
        // At version 1 the freezer's own cgroups may be in the same hierarchy.
        for process in cgroup::below(&place).filter(|_| place != parent) {
            if process.strip_prefix(&place).is_ok_and(|name| !parent.join(name).exists()) {
                for one in cgroup::below(&process) {
                    let _ = cgroup::remove(&one);
                }
                let _ = cgroup::remove(&process);
            }
        }
    }
}

fn places(mounts: &Mounts, root: &Path) -> impl Iterator<Item = PathBuf> {
    let mounts = Controller::ALL.into_iter().filter_map(|it| mounts.hierarchy(it.name()));
    mounts.map(move |mount| mount.join(root))
}
