//! What dead processes have left in their cgroups.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::cgroup::{self, Version};
use super::kept::Kept;
use crate::sys::lock_directory;

/// How long the start of an instance waits for processes that were killed.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Ends the commands of processes that are dead, other than `own`, and returns the cgroups of what
/// they were to leave running.
pub(super) fn end(version: Version, parent: &Path, own: &Path) -> Vec<(PathBuf, Kept)> {
    let mut kept = Vec::new();
    for directory in cgroup::below(parent).filter(|path| path != own) {
        // Held meanwhile, so that two that start together do not disturb each other.
        let Ok(_lock) = lock_directory(&directory) else { continue };
        let mut ended = 0;
        let mut killed = Vec::new();
        for slot in cgroup::below(&directory) {
            if let Some(note) = Kept::of(&slot) {
                // If its processes have ended, so has it.
                if cgroup::remove(&slot).is_err() {
                    kept.push((slot, note));
                }
                continue;
            }
            let members = cgroup::members(&slot).len();
            if members > 0 {
                ended += members;
                if let Err(error) = cgroup::kill(&slot, version) {
                    tracing::warn!(path = %slot.display(), %error, "cannot end what a dead agent's command left");
                }
            }
            killed.push(slot);
        }
        if ended > 0 {
            tracing::info!(
                path = %directory.display(),
                "ended {ended} processes of commands that a dead agent left running"
            );
        }
        remove_all(version, killed);
        // It stays while something in it is kept.
        let _ = std::fs::remove_dir(&directory);
    }
    kept
}

/// Removes cgroups whose processes were killed.
fn remove_all(version: Version, mut killed: Vec<PathBuf>) {
    let until = Instant::now() + PATIENCE;
    loop {
        killed.retain(|slot| cgroup::remove(slot).is_err());
        if killed.is_empty() {
            return;
        }
        if Instant::now() >= until {
            let count = killed.len();
            tracing::warn!(
                "{count} cgroups of a dead agent cannot be removed: their processes hang in the kernel"
            );
            return;
        }
        if version == Version::One {
            // Processes may have begun to exist after the list of them was made.
            for slot in &killed {
                let _ = cgroup::kill(slot, version);
            }
        }
        std::thread::sleep(PAUSE);
    }
}
