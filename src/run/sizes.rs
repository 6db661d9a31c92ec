//! How large the files of a run grow while it goes on.
//!
//! Everything that a command can grow is measured together: all that is in its directory, or its
//! output where that is a memfd. More than [`Request::most_bytes`] ends the run. Captured text and
//! the error file, of which only an end is ever read, are cut at each measurement instead. Between
//! two measurements all of it may be more, by what is written in [`LONGEST_PAUSE`].
//!
//! `RLIMIT_FSIZE` is not set: the kernel would apply it to every file that a command writes, its
//! own log files too, wherever they are, and end it by SIGXFSZ.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::reactor::Pool;
use crate::staging::{Measured, RunFiles};

use super::Request;
use super::files::Files;
use super::judge::{Cause, ERROR_BYTES};

/// Pauses between two measurements: short at first and while something grows. The longest bounds
/// what a command that was silent may write before it is seen.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How many files are measured on the thread that also serves the deadlines of other runs; more are
/// left to a thread of their own.
const QUICK_ENTRIES: usize = 128;

/// The sizes of one run.
#[derive(Debug)]
pub(super) struct Sizes {
    pause: Duration,
    /// What was found by the last measurement of everything.
    last: Option<u64>,
    in_directory: u64,
    /// Nothing was measured yet.
    is_first: bool,
    /// The measurement of a directory with many files on another thread; the sum when it is known.
    thorough: Option<Arc<Mutex<Option<u64>>>>,
}

impl Sizes {
    pub(super) fn new() -> Sizes {
        Sizes { pause: FIRST_PAUSE, last: None, in_directory: 0, is_first: true, thorough: None }
    }

    /// The pause before the next measurement.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// Keeps error file and captured text small and measures; returns what is too large.
    pub(super) fn measure(
        &mut self,
        files: &mut Files,
        request: &Request,
        pool: &Arc<Pool>,
    ) -> Option<Cause> {
        let trimmed = files.capture.as_mut().is_some_and(|capture| capture.trim());
        let output = files.io.output_size().unwrap_or(0);
        let enough = request.most_bytes();
        let elsewhere = files.io.anonymous_bytes();
        // Listing a directory costs more than all else here, and most commands that last 10 ms do
        // not last as long as the second measurement, which is early enough for LONGEST_PAUSE.
        let is_first = std::mem::replace(&mut self.is_first, false);
        let in_directory = if is_first {
            0
        } else {
            files.io.cut_error(ERROR_BYTES);
            self.in_directory(&files.io, enough, pool)
        };
        let total = elsewhere.saturating_add(in_directory);
        let now = total.max(output);
        let grows = trimmed || self.last.is_some_and(|last| now > last);
        self.last = (!is_first).then_some(now);
        self.pause = if grows { FIRST_PAUSE } else { (self.pause * 2).min(LONGEST_PAUSE) };
        if output > request.spec.max_output_bytes {
            return Some(Cause::TooLarge(output));
        }
        (total > enough).then_some(Cause::FilesTooLarge(total))
    }

    /// What the files in the directory take, as far as it is known by now.
    fn in_directory(&mut self, io: &RunFiles, enough: u64, pool: &Arc<Pool>) -> u64 {
        if let Some(on_disk) = io.on_disk() {
            return on_disk.measure(enough).all;
        }
        let Some(measurer) = io.measurer() else { return 0 };
        if let Some(thorough) = self.thorough.take() {
            let known = *thorough.lock();
            match known {
                Some(bytes) => self.in_directory = bytes,
                None => self.thorough = Some(thorough),
            }
            return self.in_directory;
        }
        match measurer.measure(enough, QUICK_ENTRIES) {
            Measured::Bytes(bytes) => self.in_directory = bytes,
            // Without a place there it is tried again at the next measurement.
            Measured::TooMany => {
                if let Ok(place) = pool.place() {
                    let thorough = Arc::new(Mutex::new(None));
                    let known = thorough.clone();
                    self.thorough = Some(thorough);
                    place.run(Box::new(move || {
                        let Measured::Bytes(bytes) = measurer.measure(enough, usize::MAX) else {
                            return;
                        };
                        *known.lock() = Some(bytes);
                    }));
                }
            }
        }
        self.in_directory
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Background, CommandLine, Stdio};
    use crate::run::CommandSpec;
    use crate::run::request::MARGIN;
    use crate::staging::{Input, IoMode};
    use crate::staging::{ReservedFds, Staging};
    use crate::sys::Identity;

    #[test]
    fn a_silent_command_is_measured_often_enough() {
        let parent = tempfile::tempdir().unwrap();
        let staging = Arc::new(Staging::open(Some(parent.path())).unwrap());
        let spec = CommandSpec {
            event: crate::event::Event::Usage,
            module: "sizes".into(),
            command: CommandLine::Path("/bin/true".into()),
            environment: Vec::new().into(),
            timeout: None,
            kill_grace: Duration::ZERO,
            max_output_bytes: 1000,
            io: IoMode::Files,
            stdio: Stdio::Null,
            background: Background::Kill,
            identity: Identity::default(),
            temp_dir: None,
            cgroups: None,
        };
        let request = Request::new(Arc::new(spec), Input::Text(b"{}".as_slice().into()));
        let io = RunFiles::create(
            &staging,
            &ReservedFds::default(),
            &request.input,
            IoMode::Files,
            None,
        )
        .unwrap();
        let output = std::path::PathBuf::from(io.output().to_str().unwrap());
        let mut files = Files { io, capture: None };
        let pool = Pool::new("test-pool", 1, 1);
        let mut sizes = Sizes::new();
        for _ in 0..100 {
            assert_eq!(sizes.measure(&mut files, &request, &pool), None);
            assert!(sizes.pause() <= Duration::from_millis(50), "{:?}", sizes.pause());
        }
        std::fs::write(&output, "x").unwrap();
        assert_eq!(sizes.measure(&mut files, &request, &pool), None);
        assert_eq!(sizes.pause(), FIRST_PAUSE, "and more often when it writes");
        std::fs::write(output.with_extension("tmp"), vec![1; MARGIN as usize + 10_000]).unwrap();
        let found = sizes.measure(&mut files, &request, &pool);
        assert!(matches!(found, Some(Cause::FilesTooLarge(size)) if size > MARGIN), "{found:?}");
        std::fs::remove_file(output.with_extension("tmp")).unwrap();
        assert_eq!(sizes.measure(&mut files, &request, &pool), None);
        for name in 0..1000 {
            std::fs::write(output.with_file_name(name.to_string()), "").unwrap();
        }
        // Many files are counted elsewhere, and take more than nothing.
        test_support::until("they are counted", || {
            assert_eq!(sizes.measure(&mut files, &request, &pool), None);
            sizes.in_directory > 1000 * 1000
        });
    }
}
