//! Failed calls that are kept in files, so that they can be looked at and made again.
//!
//! They lie in `/run/mesos-command/failures/<hook or isolator>-<module_name>/`, one directory each,
//! which only our user may enter, and stay there when the process ends: the last ones of an agent
//! that died are often those that are wanted. The oldest one goes when there are too many.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::{DEFAULT_DIRECTORY, own_directory};

/// Where failed calls are kept, below [`DEFAULT_DIRECTORY`].
pub const FAILURES: &str = "failures";
/// Pause between two that are kept: a command that always fails must not keep a processor busy.
const PAUSE: Duration = Duration::from_millis(100);
/// What is unfinished after this long was left by a process that died.
const UNFINISHED: Duration = Duration::from_secs(60);
/// What is longer is not kept, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Where an instance keeps its failed calls.
#[derive(Debug)]
pub(crate) struct Keeper {
    directory: PathBuf,
    most: usize,
    /// One is being written.
    is_busy: AtomicBool,
    next: Mutex<Option<Instant>>,
    is_warned: AtomicBool,
}

impl Keeper {
    /// For the instance called `name`, which keeps `most`.
    pub(crate) fn new(name: &str, most: usize) -> Keeper {
        Keeper::below(Path::new(DEFAULT_DIRECTORY), name, most)
    }

    fn below(parent: &Path, name: &str, most: usize) -> Keeper {
        let (is_busy, is_warned) = (AtomicBool::new(false), AtomicBool::new(false));
        let directory = parent.join(FAILURES).join(name);
        Keeper { directory, most, is_busy, next: Mutex::default(), is_warned }
    }

    /// Whether one is to be kept now. If so, [`keep`](Keeper::keep) or [`skip`](Keeper::skip) has
    /// to follow.
    pub(crate) fn begin(&self) -> bool {
        let now = Instant::now();
        let mut next = self.next.lock();
        if next.is_some_and(|next| now < next) || self.is_busy.swap(true, Ordering::Acquire) {
            return false;
        }
        *next = Some(now + PAUSE);
        true
    }

    /// What was begun is not kept after all.
    pub(crate) fn skip(&self) {
        self.is_busy.store(false, Ordering::Release);
    }

    /// Keeps the call `id` with these files. Blocks for the file system; failing is a warning once.
    pub(crate) fn keep(&self, id: u64, files: &[(&str, Vec<u8>)]) {
        if let Err(error) = self.try_keep(id, files)
            && !self.is_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "failed calls cannot be kept in '{}': {error}",
                self.directory.display()
            );
        }
        self.skip();
    }

    fn try_keep(&self, id: u64, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
        let parents: Vec<&Path> = self.directory.ancestors().take(3).collect();
        for directory in parents.into_iter().rev() {
            own_directory(directory)?;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let name = format!("{since:013}-{}-{id}", std::process::id());
        let unfinished = self.directory.join(format!(".{name}"));
        DirBuilder::new().mode(0o700).create(&unfinished)?;
        let written = files.iter().filter(|(_, bytes)| bytes.len() <= MOST_BYTES).try_for_each(
            |(file, bytes)| {
                let mut options = std::fs::OpenOptions::new();
                let options = options.write(true).create_new(true).mode(0o600);
                io::Write::write_all(&mut options.open(unfinished.join(file))?, bytes)
            },
        );
        let done = written.and_then(|()| std::fs::rename(&unfinished, self.directory.join(name)));
        if done.is_err() {
            let _ = std::fs::remove_dir_all(&unfinished);
        }
        self.remove_old(since);
        done
    }

    /// Removes the oldest beyond what is kept, and what a process that died left half written.
    fn remove_old(&self, now_millis: u128) {
        let old = format!(".{:013}", now_millis.saturating_sub(UNFINISHED.as_millis()));
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        // The hidden ones are unfinished: another agent with such an instance may be writing one.
        let is_hidden = |name: &OsString| name.as_encoded_bytes().starts_with(b".");
        let (unfinished, whole): (Vec<_>, Vec<_>) = names.into_iter().partition(is_hidden);
        let too_many = whole.len().saturating_sub(self.most);
        let left = unfinished.iter().filter(|name| name.as_os_str() < OsStr::new(&old));
        for name in left.chain(whole.iter().take(too_many)) {
            let _ = std::fs::remove_dir_all(self.directory.join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_last_few_are_kept_for_us_alone() {
        let place = tempfile::tempdir().unwrap();
        let parent = place.path().join("p");
        let keeper = Keeper::below(&parent, "isolator-m", 3);
        for id in 0..5 {
            let large = vec![0; MOST_BYTES + 1];
            keeper.keep(id, &[("input.json", b"{}".to_vec()), ("output", large)]);
            std::fs::create_dir(keeper.directory.join(format!(".{id:013}-1-1"))).unwrap();
        }
        keeper.keep(5, &[("input.json", b"{}".to_vec())]);
        let mut names: Vec<String> = std::fs::read_dir(&keeper.directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names[2].ends_with(&format!("-{}-5", std::process::id())), "{names:?}");
        let kept = keeper.directory.join(&names[0]);
        assert!(!kept.join("output").exists(), "it is too long");
        for (path, mode) in
            [(&keeper.directory, 0o700), (&kept, 0o700), (&kept.join("input.json"), 0o600)]
        {
            assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, mode);
        }
    }

    #[test]
    fn a_command_that_always_fails_keeps_no_processor_busy() {
        let place = tempfile::tempdir().unwrap();
        let keeper = Keeper::below(place.path(), "hook-m", 3);
        assert!(keeper.begin());
        assert!(!keeper.begin(), "one at a time, and not at once");
    }
}
