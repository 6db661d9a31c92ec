//! Following paths as the kernel does, and looking at each step.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use super::{Distrust, Trust, Why};
use crate::command::lookup;

/// Links that are followed on one path (the kernel's limit, path_resolution(7)).
const MOST_LINKS: usize = 40;
/// As much as the kernel reads of a first line.
const FIRST_LINE: u64 = 256;

/// Goes where a command or a path leads, and notes what is not trusted on the way.
pub(super) struct Look<'a> {
    rules: &'a Trust,
    search: Option<&'a str>,
    found: BTreeSet<Distrust>,
}

impl<'a> Look<'a> {
    pub(super) fn new(rules: &'a Trust, search: Option<&'a str>) -> Look<'a> {
        Look { rules, search, found: BTreeSet::new() }
    }

    /// What was found, in order.
    pub(super) fn found(self) -> Vec<Distrust> {
        self.found.into_iter().collect()
    }

    /// What executing `name` leads to: the file, and its interpreters as far as `depth`.
    pub(super) fn program(&mut self, name: &OsStr, depth: usize) {
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
    pub(super) fn path(&mut self, path: &Path) {
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
