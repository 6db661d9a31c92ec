//! What would let a thread of the agent hang stays out of the parts that run while it lives.
//!
//! A path of an operator may be on a file system that does not answer any more. Whoever follows it
//! then hangs, holds up what waits for that thread, and keeps the agent from ending. So the parts
//! of the engine that run after loading use no file system function, but where this list says why.

use std::path::Path;

/// Parts of the engine that run while the agent lives.
const PARTS: [&str; 11] = [
    "cache",
    "call",
    "containment",
    "hook",
    "isolator",
    "reactor",
    "reload",
    "run",
    "staging",
    "sys",
    "worker",
];

/// What follows a path, or waits for as long as a file system likes.
const BLOCKING: [&str; 23] = [
    "std::fs",
    "fs::File",
    "File::open",
    "File::create",
    "File::options",
    "OpenOptions",
    "DirBuilder",
    "read_dir",
    "read_to_string(",
    "symlink_metadata",
    ".metadata()",
    ".exists()",
    ".is_file()",
    ".canonicalize()",
    "remove_dir(",
    "remove_dir_all(",
    "remove_file",
    "fs::rename",
    "fs::read",
    "fs::write",
    "statfs(",
    "openat(",
    "spawn_blocking",
];

/// Files that do, and why nobody is held up by it.
const ALLOWED: [(&str, &str); 27] = [
    ("src/staging/place.rs", "at load, and in directories of ours"),
    ("src/staging/root.rs", "at load, and in directories of ours"),
    ("src/sys/own_directory.rs", "at load, and where somebody has removed a directory of ours"),
    ("src/staging/files.rs", "files of a call, in a directory of ours that is in memory"),
    (
        "src/staging/capture.rs",
        "our own descriptors; a file without a name where there are no memfds",
    ),
    ("src/staging/directory.rs", "files of a call, in a directory of ours that is in memory"),
    ("src/staging/measure.rs", "files of a call, in a directory of ours that is in memory"),
    ("src/staging/output.rs", "files of a call, in a directory of ours that is in memory"),
    ("src/staging/reach.rs", "at load"),
    ("src/staging/reserved.rs", "our own descriptors"),
    ("src/staging/sealed.rs", "our own descriptors"),
    (
        "src/isolator/store.rs",
        "at load, and where the state directory is in memory; else by_child.rs",
    ),
    ("src/isolator/store/by_child.rs", "at load: what the state directory is on"),
    (
        "src/isolator/store/lost.rs",
        "in a recovery: where the state directory is in memory, else on a thread for what takes long",
    ),
    ("src/isolator/store/directory.rs", "at load, and where the state directory is in memory"),
    ("src/isolator/store/owner.rs", "our own command line in /proc"),
    ("src/staging/running.rs", "a file of ours in memory; those of dead agents at load"),
    ("src/containment/mounts.rs", "/proc/self/mountinfo, at load"),
    ("src/containment/cgroup.rs", "files of cgroups, which the kernel makes itself"),
    ("src/containment/tree.rs", "directories of cgroups, which the kernel makes itself"),
    ("src/containment/limits.rs", "files of cgroups, which the kernel makes itself"),
    ("src/containment/leftover.rs", "directories of cgroups, at load"),
    (
        "src/reload/source.rs",
        "our own command line in /proc, at load; files of an operator on mcmd-reload, which nothing \
         waits for",
    ),
    ("src/sys/features.rs", "our own descriptors in /proc, at load"),
    ("src/sys/dispositions.rs", "our own status in /proc"),
    (
        "src/sys/posix_spawn.rs",
        "our own descriptors in /proc; a start of this kind, which an operator chooses, waits for \
         the command's file system anyhow",
    ),
    ("src/sys/procfs.rs", "files of /proc that the kernel makes without waiting for anybody"),
];

#[test]
fn nothing_that_runs_while_the_agent_lives_follows_paths() {
    let root = &test_support::repository("");
    let mut wrong = Vec::new();
    let mut needed = vec![false; ALLOWED.len()];
    for part in PARTS {
        for file in sources(&root.join("src").join(part)) {
            let name = file.strip_prefix(root).expect("below it").display().to_string();
            let text = std::fs::read_to_string(&file).expect("readable");
            let found = blocking_lines(&text);
            match ALLOWED.iter().position(|(allowed, _)| *allowed == name) {
                Some(index) => needed[index] |= !found.is_empty(),
                None => wrong.extend(found.iter().map(|line| format!("{name}:{line}"))),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these may hang with a file system of an operator's; let a child look (`reactor::FsHelpers`), \
         or say in tests/blocking.rs why nobody is held up:\n{}",
        wrong.join("\n")
    );
    let stale: Vec<_> =
        ALLOWED.iter().zip(needed).filter(|(_, needed)| !needed).map(|(it, _)| it.0).collect();
    assert!(stale.is_empty(), "these need not be allowed any more: {stale:?}");
}

#[test]
fn what_blocks_is_found_and_tests_and_comments_are_left_alone() {
    let text = "//! std::fs::read\nfn a() {\n    let x = std::fs::read(p); // why\n}\n\
                #[cfg(test)]\nmod tests {\n    fn b() { std::fs::read(p); }\n}\n";
    assert_eq!(blocking_lines(text), ["3: let x = std::fs::read(p); // why"]);
}

/// Number and text of the lines before the tests that hold something of [`BLOCKING`].
fn blocking_lines(text: &str) -> Vec<String> {
    let code = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    let is_code = |line: &str| !line.trim_start().starts_with("//");
    code.filter(|(_, line)| is_code(line) && BLOCKING.iter().any(|name| line.contains(name)))
        .map(|(index, line)| format!("{}: {}", index + 1, line.trim()))
        .collect()
}

/// The Rust files below a directory, without those that hold nothing but tests.
fn sources(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a part of the engine").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}
