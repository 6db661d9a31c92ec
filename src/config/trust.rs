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

mod look;

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::command::CommandLine;
use look::Look;

/// Interpreters that are scripts themselves (the kernel's limit is 4).
const MOST_INTERPRETERS: usize = 5;

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
        look.found()
    }

    /// All that is not trusted on the way to `path`, and `path` itself as far as it exists.
    pub fn path(&self, path: &Path) -> Vec<Distrust> {
        let mut look = Look::new(self, None);
        look.path(path);
        look.found()
    }
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
