//! A file that lines are added to, by a thread of its own.
//!
//! Whoever has a line never waits for the file: lines wait in a bounded queue, and those that find
//! no room are dropped, which their sender is told. The thread renders them, so that this costs no
//! call anything either. It looks at the path before it writes, a few times a second at the most:
//! when the file was moved or removed (logrotate, without `copytruncate` and without a signal), it
//! makes a new one. What cannot be written is lost, is counted as dropped, and is said once per
//! trouble; a file system that hangs holds up nothing but this thread.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::trouble::Trouble;
use crate::sys;

/// Lines that wait.
const QUEUE: usize = 8192;
/// Lines that are written together.
const TOGETHER: usize = 256;
/// How long lines are collected before they are written: a write for each would cost more than the
/// line.
const COLLECTING: Duration = Duration::from_millis(50);
/// Only the agent's user reads it: it names containers and tasks.
const MODE: u32 = 0o600;

/// Something that is a line of the file.
pub(crate) trait Line: Send + Sync {
    /// The line, without a line feed.
    fn render(&self) -> String;
    /// It was not written after all.
    fn lost(&self);
}

/// The file's queue.
#[derive(Debug)]
pub(crate) struct LineFile {
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<dyn Line>>,
    /// The thread writes what it has taken.
    writing: bool,
    /// Somebody waits for all to be written.
    hurry: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// All of this process: one for each path.
static ALL: Mutex<Vec<Arc<LineFile>>> = Mutex::new(Vec::new());

impl LineFile {
    /// The file at `path`, with its thread. Does not look at the path.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn at(path: &Path) -> io::Result<Arc<LineFile>> {
        let mut all = ALL.lock();
        if let Some(known) = all.iter().find(|known| known.path == path) {
            return Ok(known.clone());
        }
        let (state, changed) = (Mutex::default(), Condvar::new());
        let file = Arc::new(LineFile { path: path.to_owned(), state, changed });
        let own = file.clone();
        sys::start_thread("mcmd-call-log".to_owned(), None, move || own.serve())?;
        all.push(file.clone());
        Ok(file)
    }

    /// Adds a line, some time soon. A line for which there is no room is [lost](Line::lost). Does
    /// not block.
    pub(crate) fn add(&self, line: Arc<dyn Line>) {
        let mut state = self.state.lock();
        if state.waiting.len() >= QUEUE {
            drop(state);
            return line.lost();
        }
        state.waiting.push_back(line);
        let is_first = state.waiting.len() == 1;
        drop(state);
        if is_first {
            self.changed.notify_all();
        }
    }

    /// Waits until all that was added is written, or lost, until `until` at the latest.
    fn flush(&self, until: Instant) {
        let mut state = self.state.lock();
        state.hurry = true;
        self.changed.notify_all();
        while !state.waiting.is_empty() || state.writing {
            if self.changed.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.hurry = false;
    }

    fn serve(&self) {
        let mut writer = Writer { path: &self.path, file: None, trouble: Trouble::default() };
        loop {
            let taken = self.take();
            let lost = writer.write(&taken);
            taken[taken.len() - lost..].iter().for_each(|line| line.lost());
            let mut state = self.state.lock();
            state.writing = false;
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Waits for lines and takes them.
    fn take(&self) -> Vec<Arc<dyn Line>> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() {
            self.changed.wait(&mut state);
        }
        let until = Instant::now() + COLLECTING;
        while !state.hurry && state.waiting.len() < TOGETHER {
            if self.changed.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        let count = state.waiting.len().min(TOGETHER);
        state.writing = true;
        state.waiting.drain(..count).collect()
    }
}

/// Waits until all lines of all files are written, for `patience` at the most.
pub(crate) fn flush(patience: Duration) {
    let all = ALL.lock().clone();
    let until = Instant::now() + patience;
    all.iter().for_each(|file| file.flush(until));
}

/// The file as its thread has it.
struct Writer<'a> {
    path: &'a Path,
    file: Option<File>,
    trouble: Trouble,
}

impl Writer<'_> {
    /// Writes lines; how many of the last ones were lost.
    fn write(&mut self, lines: &[Arc<dyn Line>]) -> usize {
        let text: String = lines.iter().map(|line| line.render() + "\n").collect();
        match self.try_write(text.as_bytes()) {
            Ok(()) => {
                if self.trouble.is_over() {
                    tracing::info!(path = %self.path.display(), "the call log is written again");
                }
                0
            }
            Err((error, written)) => {
                if self.trouble.is_news(&error) {
                    let path = self.path.display();
                    tracing::warn!(%path, %error, "cannot write the call log: lines are lost");
                }
                self.file = None;
                let whole =
                    text.as_bytes()[..written].iter().filter(|byte| **byte == b'\n').count();
                lines.len() - whole
            }
        }
    }

    /// Writes to the file that is at the path now; the error with how much was written before.
    fn try_write(&mut self, text: &[u8]) -> Result<(), (io::Error, usize)> {
        let unwritten = |error| (error, 0);
        if self.file.as_ref().is_none_or(|file| !is_at(file, self.path)) {
            self.file = Some(open(self.path).map_err(unwritten)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut written = 0;
        while written < text.len() {
            match file.write(&text[written..]) {
                Ok(0) => return Err((io::ErrorKind::WriteZero.into(), written)),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((error, written)),
            }
        }
        Ok(())
    }
}

/// Whether the path still leads to the file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(own), Ok(found)) = (file.metadata(), std::fs::symlink_metadata(path)) else {
        return false;
    };
    (own.dev(), own.ino()) == (found.dev(), found.ino())
}

/// Opens the file to add to it, and makes it if it is not there. No link is followed, and nothing
/// but a regular file is written to.
fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).mode(MODE).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Number(usize, Arc<AtomicUsize>);

    impl Line for Number {
        fn render(&self) -> String {
            self.0.to_string()
        }

        fn lost(&self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    fn lines(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn no_line_is_lost_while_the_file_is_rotated_again_and_again() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("calls.log");
        let file = LineFile::at(&path).unwrap();
        assert!(Arc::ptr_eq(&file, &LineFile::at(&path).unwrap()), "one for each path");
        let lost = Arc::<AtomicUsize>::default();
        for number in 0..2000 {
            file.add(Arc::new(Number(number, lost.clone())));
            if number % 200 == 199 {
                file.flush(Instant::now() + PATIENCE);
                std::fs::rename(&path, path.with_extension(number.to_string())).unwrap();
            }
        }
        file.flush(Instant::now() + PATIENCE);
        let mut all: Vec<usize> = std::fs::read_dir(place.path())
            .unwrap()
            .flat_map(|entry| lines(&entry.unwrap().path()))
            .map(|line| line.parse().unwrap())
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..2000).collect::<Vec<_>>());
        assert_eq!(lost.load(Ordering::Relaxed), 0);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 10);
    }

    #[test]
    fn what_cannot_be_written_or_finds_no_room_is_lost_and_counted() {
        let place = tempfile::tempdir().unwrap();
        let (path, lost) = (place.path().join("later/calls.log"), Arc::<AtomicUsize>::default());
        let file = LineFile::at(&path).unwrap();
        file.add(Arc::new(Number(1, lost.clone())));
        file.flush(Instant::now() + PATIENCE);
        assert_eq!(lost.load(Ordering::Relaxed), 1, "there is no directory");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        file.add(Arc::new(Number(2, lost.clone())));
        file.flush(Instant::now() + PATIENCE);
        assert_eq!(lines(&path), ["2"]);
        // One that nobody serves: its queue fills.
        let full = LineFile { path, state: Mutex::default(), changed: Condvar::new() };
        for number in 0..QUEUE + 3 {
            full.add(Arc::new(Number(number, lost.clone())));
        }
        assert_eq!(lost.load(Ordering::Relaxed), 1 + 3);
    }

    #[test]
    fn links_and_fifos_are_not_written_to() {
        let place = tempfile::tempdir().unwrap();
        let (link, victim) = (place.path().join("link"), place.path().join("victim"));
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        open(&link).unwrap_err();
        assert!(!victim.exists());
        let fifo = place.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        open(&fifo).unwrap_err();
        let path = place.path().join("file");
        let mode = open(&path).unwrap().metadata().unwrap().mode();
        assert_eq!(mode & 0o777, MODE);
    }
}
