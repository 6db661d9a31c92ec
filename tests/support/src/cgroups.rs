//! Tests at each version of cgroups that the machine has, each in a process of its own.

use std::path::Path;

use crate::{is_allowed, own_process_by, skip, until};

/// Tells a process of its own the version: `1` or `2`.
pub const CGROUP_VERSION: &str = "TEST_CGROUP_VERSION";
/// Tells it the directory, below each mount, in which it is to make its cgroups.
pub const CGROUP_ROOT: &str = "TEST_CGROUP_ROOT";

/// Starts a program in a mount namespace without cgroup version 2.
const WITHOUT_TWO: [&str; 5] =
    ["unshare", "--mount", "sh", "-c", "umount --all --types cgroup2 && exec \"$0\" \"$@\""];

/// Runs the ignored test `name` of this test binary in a process of its own at each version, for
/// `test`, and demands that it leaves no process in a cgroup. What the machine has not is skipped.
///
/// # Panics
///
/// As [`own_process_by`], and when something is left.
#[track_caller]
pub fn each_cgroup_version(test: &str, name: &str) {
    if !nix::unistd::geteuid().is_root() {
        return skip(test, "cgroups need root");
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("/proc");
    let mut played = 0;
    for (version, mounted, wrapper) in
        [("2", " cgroup2 ", &[][..]), ("1", "freezer", &WITHOUT_TWO[..])]
    {
        if !mounts.contains(mounted) {
            skip(test, &format!("cgroup version {version} is not mounted here"));
            continue;
        }
        // Tests of one process run beside each other.
        let root = format!("mesos-command-test-{}-{name}", std::process::id()).replace("::", "-");
        let variables = [(CGROUP_VERSION, version), (CGROUP_ROOT, root.as_str())];
        let _ = own_process_by(wrapper, name, &variables);
        remove_cgroups(&root);
        played += 1;
    }
    assert!(played > 0 || is_allowed(false));
}

/// Removes a root of cgroups, wherever it is; a process in one of them is a finding.
fn remove_cgroups(root: &str) {
    for line in std::fs::read_to_string("/proc/self/mounts").expect("/proc").lines() {
        let words: Vec<_> = line.split(' ').collect();
        let path = Path::new(words[1]).join(root);
        if words[2].starts_with("cgroup") && path.exists() {
            until("no process is left", || remove(&path));
        }
    }
}

/// Removes a cgroup and those below it; false when one of them has a process. A host that ends
/// leaves those that are empty.
fn remove(path: &Path) -> bool {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let is_directory = |one: &std::fs::DirEntry| one.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_directory).all(|one| remove(&one.path())) && std::fs::remove_dir(path).is_ok()
}
