//! Who else can decide what runs as the agent's user.
//!
//! A command is what its path leads to, so whoever may write the file, or replace any directory or
//! link on the way to it, runs as the agent. Looked at is every step from `/` on, links and what
//! they lead to included: each has to belong to root or to the agent's user, and nobody else may
//! write to it. The same goes for the interpreter of the first line, and for a bare name for the
//! directories of `PATH` up to the one that has it.
//!
//! Once, at load, is enough. What has passed can be changed by root and the agent's user alone,
//! who need no command of ours to do as they like; an agent that looked again before each start
//! would follow operators' paths for as long as it lives, and a path on a dead file system would
//! hold it. What root changes later, `mesos-command check` finds.
//!
//! Access control lists are seen too: what they allow at most stands in the group's bits.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use crate::command::{CommandLine, lookup};

/// Links that are followed on one path (the kernel's limit, path_resolution(7)).
const MOST_LINKS: usize = 40;
/// Interpreters that are scripts themselves (the kernel's limit is 4).
const MOST_INTERPRETERS: usize = 5;
/// As much as the kernel reads of a first line.
const FIRST_LINE: u64 = 256;

/// A step on a path with which somebody else can decide what is found there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distrust {
    /// The file, directory or link.
    pub path: PathBuf,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Who, and how.
    pub why: Why,
}

/// Why a step is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It belongs to this user.
    Owner(u32),
    /// It has these permission bits.
    Writable(u32),
    /// It is no absolute path, so it depends on where the agent was started.
    Relative,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.why {
            Why::Owner(uid) => write!(
                f,
                "'{path}' belongs to user {uid}, who is neither root nor the agent's user"
            ),
            Why::Writable(mode) => {
                write!(f, "'{path}' can be written by others than its owner (mode {mode:04o})")
            }
            Why::Relative => write!(f, "'{path}' is no absolute path"),
        }
    }
}

/// The rules, and what they found.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Who may own what is on the way.
    users: [u32; 2],
    /// Whether the sticky bit makes a directory that all may write to a good one. Only its owner
    /// can replace a file there, but when the file is gone (a restart of the machine, a cleaner of
    /// temporary files) the name is anybody's.
    sticky: bool,
    /// Whether directories of `PATH` that do not have the name matter.
    searched: bool,
    /// What is above this directory is not looked at: for tests, which run below `/tmp`.
    below: PathBuf,
}

impl Trust {
    /// What `strict_permissions=true` asks of commands and of the state directory.
    pub fn strict() -> Trust {
        let users = [0, nix::unistd::geteuid().as_raw()];
        Trust { users, sticky: false, searched: true, below: PathBuf::new() }
    }

    /// What is worth a warning.
    pub fn lenient() -> Trust {
        Trust { sticky: true, searched: false, ..Trust::strict() }
    }

    /// As these, where the sticky bit is enough: for names that are made new by ourselves.
    #[must_use]
    pub fn with_sticky(self) -> Trust {
        Trust { sticky: true, ..self }
    }

    /// All that is not trusted of what the command leads to; `search` is the `PATH` for a bare
    /// name. Of shell text the words that are absolute paths are looked at.
    pub fn command(&self, command: &CommandLine, search: Option<&str>) -> Vec<Distrust> {
        let mut look = Look::new(self, search);
        match command {
            CommandLine::Path(text) => look.program(text, MOST_INTERPRETERS),
            CommandLine::Shell(text) => {
                look.program(OsStr::new("/bin/sh"), MOST_INTERPRETERS);
                for word in text.as_bytes().split(|byte| b" \t\n;|&<>()\"'`$".contains(byte)) {
                    if word.first() == Some(&b'/') {
                        look.program(OsStr::from_bytes(word), MOST_INTERPRETERS);
                    }
                }
            }
        }
        look.found.into_iter().collect()
    }

    /// All that is not trusted on the way to `path`, and `path` itself as far as it exists.
    pub fn path(&self, path: &Path) -> Vec<Distrust> {
        let mut look = Look::new(self, None);
        look.path(path);
        look.found.into_iter().collect()
    }
}

struct Look<'a> {
    rules: &'a Trust,
    search: Option<&'a str>,
    found: BTreeSet<Distrust>,
}

impl<'a> Look<'a> {
    fn new(rules: &'a Trust, search: Option<&'a str>) -> Look<'a> {
        Look { rules, search, found: BTreeSet::new() }
    }

    /// What executing `name` leads to: the file, and its interpreters as far as `depth`.
    fn program(&mut self, name: &OsStr, depth: usize) {
        let Some(file) = self.resolve(name) else { return };
        self.path(&file);
        let Some(rest) = depth.checked_sub(1) else { return };
        let Some(line) = first_line(&file) else { return };
        let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|w| !w.is_empty());
        let Some(interpreter) = words.next() else { return };
        self.program(OsStr::from_bytes(interpreter), rest);
        if interpreter.ends_with(b"/env") {
            let is_program = |word: &&[u8]| !word.starts_with(b"-") && !word.contains(&b'=');
            if let Some(program) = words.find(is_program) {
                self.program(OsStr::from_bytes(program), rest);
            }
        }
    }

    /// The file that `name` means.
    fn resolve(&mut self, name: &OsStr) -> Option<PathBuf> {
        if name.as_bytes().contains(&b'/') {
            return Some(PathBuf::from(name));
        }
        for file in lookup(name, self.search.map(OsStr::new)).into_iter().map(PathBuf::from) {
            let found = file.is_file();
            if (found || self.rules.searched)
                && let Some(directory) = file.parent()
            {
                self.path(directory);
            }
            if found {
                return Some(file);
            }
        }
        None
    }

    /// Goes from `/` to `path`, as the kernel does.
    fn path(&mut self, path: &Path) {
        let start = if path.is_absolute() {
            PathBuf::from("/")
        } else {
            if self.rules.searched {
                let why = Why::Relative;
                let path = path.to_path_buf();
                self.found.insert(Distrust { path, is_directory: false, why });
            }
            let Ok(here) = std::env::current_dir() else { return };
            self.path(&here);
            here
        };
        self.step(Path::new("/"));
        let (mut now, mut links) = (start, 0);
        let mut rest: VecDeque<OsString> = parts(path).collect();
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                now.pop();
                continue;
            }
            let next = now.join(part);
            if !self.step(&next) {
                return;
            }
            match std::fs::read_link(&next) {
                Ok(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return;
                    }
                    if target.is_absolute() {
                        now = PathBuf::from("/");
                    }
                    for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(part);
                    }
                }
                Err(_) => now = next,
            }
        }
    }

    /// Looks at one step; whether there is something.
    fn step(&mut self, path: &Path) -> bool {
        let Ok(metadata) = std::fs::symlink_metadata(path) else { return false };
        if !path.starts_with(&self.rules.below) {
            return true;
        }
        let mode = metadata.mode() & 0o7777;
        let is_directory = metadata.is_dir();
        let mut note = |why| {
            self.found.insert(Distrust { path: path.to_path_buf(), is_directory, why });
        };
        if !self.rules.users.contains(&metadata.uid()) {
            note(Why::Owner(metadata.uid()));
        }
        // All links have mode 0777, which means nothing.
        let forgiven =
            metadata.is_symlink() || is_directory && mode & 0o1000 != 0 && self.rules.sticky;
        if mode & 0o022 != 0 && !forgiven {
            note(Why::Writable(mode));
        }
        true
    }
}

/// The names of a path, without the root and `.`.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    })
}

/// What stands behind `#!` in the first line of a regular file.
fn first_line(file: &Path) -> Option<Vec<u8>> {
    let mut options = std::fs::OpenOptions::new();
    // A FIFO would not be opened before somebody writes.
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(file).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut head = Vec::new();
    file.take(FIRST_LINE).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(line.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory that is as good as `/`, and the strict rules below it.
    struct Place {
        root: tempfile::TempDir,
        rules: Trust,
    }

    impl Place {
        fn new() -> Place {
            let root = tempfile::tempdir().expect("tempdir");
            let real = root.path().canonicalize().expect("there");
            mode(&real, 0o755);
            Place { root, rules: Trust { below: real, ..Trust::strict() } }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().canonicalize().expect("there").join(name)
        }

        fn directory(&self, name: &str, bits: u32) -> PathBuf {
            let path = self.path(name);
            std::fs::create_dir(&path).expect("made");
            mode(&path, bits);
            path
        }

        fn file(&self, name: &str, content: &str) -> PathBuf {
            let path = self.path(name);
            std::fs::write(&path, content).expect("written");
            mode(&path, 0o755);
            path
        }

        /// What is found about a command, without the place's own path.
        fn found(&self, command: &str, search: &str) -> Vec<String> {
            let command = CommandLine::Path(command.into());
            self.told(&self.rules.command(&command, Some(search)))
        }

        fn told(&self, found: &[Distrust]) -> Vec<String> {
            let root = self.path("").display().to_string();
            found.iter().map(|one| one.to_string().replace(&root, "")).collect()
        }
    }

    fn mode(path: &Path, bits: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).expect("chmod");
    }

    fn writable(name: &str, mode: &str) -> String {
        format!("'{name}' can be written by others than its owner (mode {mode})")
    }

    #[test]
    fn every_step_on_the_way_counts() {
        let place = Place::new();
        place.directory("far", 0o755);
        place.directory("far/near", 0o755);
        let file = place.file("far/near/command", "#!/bin/sh\n");
        let found = || place.found(&file.display().to_string(), "");
        assert_eq!(found(), Vec::<String>::new());
        for (name, good, bad) in
            [("far/near/command", 0o755, 0o775), ("far/near", 0o755, 0o757), ("far", 0o755, 0o1777)]
        {
            mode(&place.path(name), bad);
            assert_eq!(found(), [writable(name, &format!("{bad:04o}"))]);
            mode(&place.path(name), good);
        }
        mode(&place.path("far"), 0o1777);
        let lenient = Trust { sticky: true, ..place.rules.clone() };
        assert_eq!(lenient.path(&file), [], "the sticky bit is enough for a warning less");
        mode(&file, 0o777);
        assert_eq!(lenient.path(&file).len(), 1);
    }

    #[test]
    fn owners_are_root_and_the_agents_user() {
        let place = Place::new();
        let file = place.file("command", "");
        // Whoever runs this test is taken for a stranger.
        let stranger = nix::unistd::geteuid().as_raw();
        let rules = Trust { users: [stranger + 1; 2], ..place.rules.clone() };
        let found = rules.path(&file);
        assert_eq!(found.len(), 2, "the directory and the file: {found:?}");
        assert!(found.iter().all(|one| one.why == Why::Owner(stranger)), "{found:?}");
        assert_eq!(place.rules.path(&file), []);
    }

    #[test]
    fn links_and_what_they_lead_to_count() {
        let place = Place::new();
        place.directory("open", 0o777);
        place.directory("good", 0o755);
        let file = place.file("good/command", "");
        // A link in a directory of others, to a good file.
        symlink(&file, place.path("open/link")).expect("linked");
        let open = place.path("open/link").display().to_string();
        assert_eq!(place.found(&open, ""), [writable("open", "0777")]);
        // A good link through a directory of others, forth and back.
        symlink("../open/../good/command", place.path("good/round")).expect("linked");
        let round = place.path("good/round").display().to_string();
        assert_eq!(place.found(&round, ""), [writable("open", "0777")]);
        // A ring ends.
        symlink("ring", place.path("good/ring")).expect("linked");
        assert_eq!(place.rules.path(&place.path("good/ring")), []);
    }

    #[test]
    fn interpreters_count() {
        let place = Place::new();
        place.directory("open", 0o777);
        let python = place.file("open/python3", "");
        let direct = place.file("direct", &format!("#! {} -I\n", python.display()));
        let found = place.found(&direct.display().to_string(), "");
        assert_eq!(found, [writable("open", "0777")]);
        let nested = place.file("nested", &format!("#!{}\n", direct.display()));
        let found = place.found(&nested.display().to_string(), "");
        assert_eq!(found, [writable("open", "0777")]);
        let by_env = place.file("by-env", "#!/usr/bin/env -S A=1 python3 -I\n");
        let search = place.path("open").display().to_string();
        let found = place.found(&by_env.display().to_string(), &search);
        assert_eq!(found, [writable("open", "0777")]);
        let itself = place.path("itself");
        let itself = place.file("itself", &format!("#!{}\n", itself.display()));
        assert_eq!(place.found(&itself.display().to_string(), ""), Vec::<String>::new());
    }

    #[test]
    fn directories_of_path_before_the_hit_count() {
        let place = Place::new();
        for (name, bits) in [("before", 0o777), ("hit", 0o755), ("after", 0o777)] {
            place.directory(name, bits);
        }
        place.file("hit/command", "");
        let search =
            ["before", "missing", "hit", "after"].map(|d| place.path(d).display().to_string());
        let search = search.join(":");
        assert_eq!(place.found("command", &search), [writable("before", "0777")]);
        let here = format!(":{search}");
        assert!(place.found("command", &here).iter().any(|one| one.contains("no absolute path")));
        let lenient = Trust { searched: false, ..place.rules.clone() };
        let command = CommandLine::Path("command".into());
        assert_eq!(lenient.command(&command, Some(&search)), []);
    }

    #[test]
    fn shell_text_is_looked_at_by_its_paths() {
        let place = Place::new();
        let file = place.file("watch", "");
        mode(&file, 0o777);
        let text = format!("cd / && \"{}\" --flag | cat", file.display());
        let found = place.rules.command(&CommandLine::Shell(text.into()), None);
        assert_eq!(place.told(&found), [writable("watch", "0777")]);
    }

    #[test]
    fn what_is_not_there_is_judged_by_where_it_would_be() {
        let place = Place::new();
        assert_eq!(place.rules.path(&place.path("later/command")), []);
        place.directory("open", 0o1777);
        let found = place.rules.path(&place.path("open/later/command"));
        assert_eq!(place.told(&found), [writable("open", "1777")]);
        assert_eq!(place.rules.clone().with_sticky().path(&place.path("open/later")), []);
    }
}
