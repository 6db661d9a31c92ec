//! Which level an instance gets.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::tree::Tree;
use crate::command::Containment;
use crate::sys::{START_METHOD_VARIABLE, children_are_programs};

/// How far commands are contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// By process group, pidfds and parents.
    Group,
    /// By a cgroup for each command.
    Cgroup,
}

impl Level {
    /// Its name, as in the configuration.
    pub fn label(self) -> &'static str {
        match self {
            Level::Group => "group",
            Level::Cgroup => "cgroup",
        }
    }
}

/// The level that can be had, with the reason when it is not the highest.
#[derive(Debug)]
pub struct Chosen {
    /// The cgroups, at level [`Level::Cgroup`].
    pub(super) tree: Option<Arc<Tree>>,
    /// Why there are none; empty when they are not wanted.
    pub reason: String,
}

impl Chosen {
    /// The level.
    pub fn level(&self) -> Level {
        if self.tree.is_some() { Level::Cgroup } else { Level::Group }
    }
}

/// The trees of this process, by `cgroup_root`.
static TREES: Mutex<Vec<(Box<Path>, Arc<Tree>)>> = Mutex::new(Vec::new());

/// Chooses the level of an instance whose cgroups are made below `root`, a path relative to where
/// the cgroup file system is mounted. Blocks for up to a second, while what dead agents left
/// running is ended.
///
/// # Errors
/// When cgroups are demanded and cannot be had: why, in words for people.
pub fn choose(wanted: Containment, root: &Path) -> Result<Chosen, String> {
    if wanted == Containment::Group {
        return Ok(Chosen { tree: None, reason: String::new() });
    }
    match tree(root) {
        Ok(tree) => Ok(Chosen { tree: Some(tree), reason: String::new() }),
        Err(reason) if wanted == Containment::Auto => Ok(Chosen { tree: None, reason }),
        Err(reason) => Err(reason),
    }
}

fn tree(root: &Path) -> Result<Arc<Tree>, String> {
    if children_are_programs() {
        // One that is moved there later may have left children behind by then.
        return Err(format!(
            "commands are started by posix_spawn, as {START_METHOD_VARIABLE} says, and cannot begin \
             in a cgroup"
        ));
    }
    let mut trees = TREES.lock();
    if let Some((_, tree)) = trees.iter().find(|(path, _)| **path == *root) {
        return Ok(tree.clone());
    }
    let tree = Arc::new(Tree::open(root)?);
    trees.push((root.into(), tree.clone()));
    Ok(tree)
}

/// Ends all that runs in the cgroups of this process, also what was to be left running, and removes
/// them. Blocks until that is done, two seconds at most.
pub(crate) fn end_everything() {
    for (_, tree) in &*TREES.lock() {
        tree.end();
    }
}

/// Removes the empty directories of this process, for its orderly end.
pub(crate) fn remove_directories() {
    for (_, tree) in &*TREES.lock() {
        tree.remove();
    }
}
