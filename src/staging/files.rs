//! Input, output and error of one run.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use memfd::MemfdOptions;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::{Input, IoMode};
use crate::sys::{self, User};

use super::directory::{CallDirectory, Leftover};
use super::measure::{Measurer, cut, kind, taken};
use super::on_disk::DistantCall;
use super::output::{OutputProblem, head_in, of_another, read_file, read_head, read_in};
use super::place::Staging;
use super::reserved::{ReservedFds, RunMark};
use super::root::stat_in;
use super::sealed::{SealedInput, descriptor_path, plain};

/// What an error file may take before it is cut.
const MOST_ERROR_BYTES: u64 = 64 * 1024;

/// The three files of a run. Dropping it removes its directory.
#[derive(Debug)]
pub(crate) struct RunFiles {
    directory: Option<CallDirectory>,
    /// Instead of the directory, where that is not in memory.
    on_disk: Option<Arc<DistantCall>>,
    input: CString,
    /// What the command's stdin is opened from, if not from `input`.
    stdin: Option<CString>,
    /// Kept so that the number in the input's path stays what it is.
    sealed: Option<Arc<SealedInput>>,
    answers: Answers,
}

#[derive(Debug)]
enum Answers {
    /// In the directory.
    Files { output: CString, error: CString },
    /// Anonymous.
    Memfds { output: Anonymous, error: Anonymous },
}

#[derive(Debug)]
struct Anonymous {
    file: File,
    path: CString,
}

impl Anonymous {
    fn new(name: &str) -> io::Result<Anonymous> {
        let memfd = MemfdOptions::default().allow_sealing(true).create(name).map_err(plain)?;
        let file = File::from(sys::above_stdio(OwnedFd::from(memfd.into_file()))?);
        let path = descriptor_path(&file)?;
        Ok(Anonymous { file, path })
    }

    /// The whole content, whatever the position of our own description.
    fn reader(&self) -> io::Result<File> {
        File::open(self.path.to_str().map_err(io::Error::other)?)
    }
}

impl RunFiles {
    /// Makes input, output and error, in the way asked for if it can be had. For a command of a
    /// `user` of its own they are files of that user.
    pub(crate) fn create(
        staging: &Arc<Staging>,
        reserved: &ReservedFds,
        input: &Input,
        mode: IoMode,
        user: Option<&User>,
    ) -> io::Result<RunFiles> {
        // Our memfds are behind our descriptors, which are nobody else's business.
        let by_path = user.is_none() && sys::memfd_paths();
        let mode = if by_path { mode } else { IoMode::Files };
        let sealed = match (mode, input) {
            (IoMode::Files, _) | (IoMode::SharedStdin, Input::Text(_)) => None,
            (_, Input::Sealed(sealed)) => sealed.path().map(|_| sealed.clone()),
            (_, Input::Text(text)) => Some(Arc::new(SealedInput::new(text)?)),
        };
        if mode == IoMode::Memfd
            && reserved.has_room()
            && let Some(sealed) = &sealed
            && let Some(path) = sealed.path()
        {
            let output = Anonymous::new("mesos-command-output")?;
            let error = Anonymous::new("mesos-command-error")?;
            return Ok(RunFiles {
                directory: None,
                on_disk: None,
                input: path.clone(),
                stdin: None,
                sealed: Some(sealed.clone()),
                answers: Answers::Memfds { output, error },
            });
        }
        RunFiles::in_directory(staging, input, sealed, mode == IoMode::MemfdInput, user)
    }

    /// `by_memfd`: the input's path is the memfd's.
    fn in_directory(
        staging: &Arc<Staging>,
        input: &Input,
        sealed: Option<Arc<SealedInput>>,
        by_memfd: bool,
        user: Option<&User>,
    ) -> io::Result<RunFiles> {
        let memfd = sealed.as_ref().and_then(|sealed| sealed.path().cloned());
        let (input_path, stdin) = if by_memfd { (memfd, None) } else { (None, memfd) };
        let copied;
        let bytes = match (&input_path, input) {
            (Some(_), _) => None,
            (None, Input::Text(text)) => Some(&**text),
            (None, Input::Sealed(sealed)) => match sealed.text() {
                Some(text) => Some(text),
                None => {
                    copied = sealed.to_bytes()?;
                    Some(&*copied)
                }
            },
        };
        if let Some(by) = staging.on_disk() {
            let (root, name) = staging.reserve();
            let bytes = bytes.map(Arc::from);
            let call = DistantCall::new(by, &root, &name, bytes, user);
            let (output, error) = (call.path("output")?, call.path("error")?);
            let input = input_path.map_or_else(|| call.path("input"), Ok)?;
            let answers = Answers::Files { output, error };
            let on_disk = Some(call);
            return Ok(RunFiles { directory: None, on_disk, input, stdin, sealed, answers });
        }
        let directory = CallDirectory::create(staging, bytes, user)?;
        let (output, error) = (directory.path("output")?, directory.path("error")?);
        let input = match input_path {
            Some(path) => path,
            None => directory.path("input")?,
        };
        let answers = Answers::Files { output, error };
        Ok(RunFiles { directory: Some(directory), on_disk: None, input, stdin, sealed, answers })
    }

    /// Path of the input.
    pub(crate) fn input(&self) -> &CStr {
        &self.input
    }

    /// The files that children make, measure and read, if that is so.
    pub(crate) fn on_disk(&self) -> Option<&Arc<DistantCall>> {
        self.on_disk.as_ref()
    }

    /// What stdin is opened from: its own open file description of the same bytes.
    pub(crate) fn stdin(&self) -> &CStr {
        self.stdin.as_deref().unwrap_or(&self.input)
    }

    /// Path of the output.
    pub(crate) fn output(&self) -> &CStr {
        match &self.answers {
            Answers::Files { output, .. } => output,
            Answers::Memfds { output, .. } => &output.path,
        }
    }

    /// Path of the error file.
    pub(crate) fn error(&self) -> &CStr {
        match &self.answers {
            Answers::Files { error, .. } => error,
            Answers::Memfds { error, .. } => &error.path,
        }
    }

    /// Current size of the output, if it is a regular file.
    pub(crate) fn output_size(&self) -> Option<u64> {
        match (&self.answers, &self.directory) {
            (Answers::Memfds { output, .. }, _) => output.file.metadata().ok().map(|m| m.len()),
            (Answers::Files { .. }, Some(directory)) => {
                let stat = stat_in(&directory.root, &directory.file("output")).ok()?;
                (kind(&stat) == SFlag::S_IFREG).then(|| u64::try_from(stat.st_size).unwrap_or(0))
            }
            (Answers::Files { .. }, None) => self.on_disk.as_ref().map(|it| it.output_size()),
        }
    }

    /// Measures what is in the directory, if there is one.
    pub(crate) fn measurer(&self) -> Option<Measurer> {
        self.directory.as_ref().map(CallDirectory::measurer)
    }

    /// The memory that the output takes where it is in no directory, in bytes.
    pub(crate) fn anonymous_bytes(&self) -> u64 {
        let Answers::Memfds { output, .. } = &self.answers else { return 0 };
        fstat(&output.file).map_or(0, |stat| taken(&stat))
    }

    /// Keeps the error file small: only its beginning, of `kept` bytes, is ever read.
    pub(crate) fn cut_error(&self, kept: u64) {
        match (&self.answers, &self.directory) {
            (Answers::Memfds { error, .. }, _) => cut(&error.file, kept, MOST_ERROR_BYTES),
            (Answers::Files { .. }, Some(directory)) => {
                let name = directory.file("error");
                let large = stat_in(&directory.root, &name).is_ok_and(|stat| {
                    kind(&stat) == SFlag::S_IFREG && taken(&stat) > MOST_ERROR_BYTES
                });
                let flags =
                    OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
                let open = || openat(directory.root.as_fd(), name.as_str(), flags, Mode::empty());
                let is_its = |file| {
                    fstat(file).is_ok_and(|it| of_another(it.st_uid, directory.owner).is_none())
                };
                if large
                    && let Ok(file) = open()
                    && is_its(&file)
                {
                    cut(file, kept, MOST_ERROR_BYTES);
                }
            }
            (Answers::Files { .. }, None) => {}
        }
    }

    /// Reads an output of at most `limit` bytes, by the calling thread only if it has no more than
    /// `most_here`.
    pub(crate) fn read_output(&self, limit: u64, most_here: u64) -> Result<Vec<u8>, OutputProblem> {
        match (&self.answers, &self.directory) {
            (Answers::Memfds { output, .. }, _) => match output.reader() {
                Ok(file) => read_file(&file, None, limit, most_here),
                Err(error) => {
                    Err(OutputProblem::NotAFile(format!("the output cannot be opened: {error}")))
                }
            },
            (Answers::Files { .. }, Some(directory)) => {
                let name = directory.file("output");
                read_in(&directory.root, &name, directory.owner, limit, most_here)
            }
            (Answers::Files { .. }, None) => {
                let Some(on_disk) = &self.on_disk else { return Ok(Vec::new()) };
                match on_disk.output_size() {
                    size if size > most_here => Err(OutputProblem::NotHere(size)),
                    _ => on_disk.output(),
                }
            }
        }
    }

    /// Reads the beginning of the error file; empty when it is anything odd.
    pub(crate) fn read_error(&self, limit: u64) -> Vec<u8> {
        match (&self.answers, &self.directory) {
            (Answers::Memfds { error, .. }, _) => {
                error.reader().map(|file| read_head(&file, None, limit)).unwrap_or_default()
            }
            (Answers::Files { .. }, Some(directory)) => {
                head_in(&directory.root, &directory.file("error"), directory.owner, limit)
            }
            (Answers::Files { .. }, None) => {
                self.on_disk.as_ref().map(|it| it.error()).unwrap_or_default()
            }
        }
    }

    /// Whether the outputs are memfds, whose numbers outlive the run.
    pub(crate) fn has_memfd_outputs(&self) -> bool {
        matches!(self.answers, Answers::Memfds { .. })
    }

    /// Ends the run: the directory is removed, and the numbers of memfds stay reserved until no
    /// process is left that could open them, by `mark` (only a run with memfds needs one). What the
    /// command left in the directory is for the caller to remove, since that may take long.
    pub(crate) fn finish(
        mut self,
        reserved: &ReservedFds,
        mark: Option<RunMark>,
    ) -> Option<Leftover> {
        let empty = Answers::Files { output: CString::default(), error: CString::default() };
        if let Answers::Memfds { output, error } = std::mem::replace(&mut self.answers, empty)
            && let Some(mark) = mark
        {
            reserved.keep(mark, [output.file, error.file], self.sealed.take());
        }
        self.directory.take()?.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn staging() -> (tempfile::TempDir, Arc<Staging>) {
        let parent = tempfile::tempdir().unwrap();
        let staging = Arc::new(Staging::open(Some(parent.path())).unwrap());
        (parent, staging)
    }

    fn text(text: &str) -> Input {
        Input::Text(text.as_bytes().into())
    }

    #[test]
    fn the_files_exist_before_the_run_and_are_gone_with_everything_after() {
        let (_parent, staging) = staging();
        let reserved = ReservedFds::default();
        let io = RunFiles::create(&staging, &reserved, &text("{}"), IoMode::Files, None).unwrap();
        let input = std::path::PathBuf::from(io.input().to_str().unwrap());
        assert_eq!(std::fs::read(&input).unwrap(), b"{}");
        let directory = input.parent().unwrap();
        std::fs::create_dir_all(directory.join("left/over")).unwrap();
        std::os::unix::fs::symlink("/etc", directory.join("left/link")).unwrap();
        std::fs::write(io.output().to_str().unwrap(), "answer").unwrap();
        assert_eq!(io.output_size(), Some(6));
        assert_eq!(io.read_output(6, u64::MAX), Ok(b"answer".to_vec()));
        assert_eq!(io.read_output(5, u64::MAX), Err(OutputProblem::TooLarge(6)));
        drop(io);
        assert!(!directory.exists());
        assert!(std::path::Path::new("/etc/passwd").exists());
    }

    #[test]
    fn a_removed_process_directory_is_made_anew() {
        let (parent, staging) = staging();
        let reserved = ReservedFds::default();
        for entry in std::fs::read_dir(parent.path()).unwrap() {
            std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        let io = RunFiles::create(&staging, &reserved, &text("x"), IoMode::Files, None).unwrap();
        assert_eq!(std::fs::read(io.input().to_str().unwrap()).unwrap(), b"x");
    }

    #[test]
    fn odd_outputs_are_refused_by_name() {
        let (_parent, staging) = staging();
        let reserved = ReservedFds::default();
        let make =
            || RunFiles::create(&staging, &reserved, &text("x"), IoMode::Files, None).unwrap();
        let expect = |io: &RunFiles, word: &str| match io.read_output(100, u64::MAX) {
            Err(OutputProblem::NotAFile(message)) => assert!(message.contains(word), "{message}"),
            other => panic!("{other:?}"),
        };
        let io = make();
        let path = std::path::PathBuf::from(io.output().to_str().unwrap());
        std::fs::remove_file(&path).unwrap();
        expect(&io, "cannot be read");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        expect(&io, "symbolic link");
        let io = make();
        let path = std::path::PathBuf::from(io.output().to_str().unwrap());
        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        expect(&io, "FIFO");
        let error = std::path::PathBuf::from(io.error().to_str().unwrap());
        std::fs::remove_file(&error).unwrap();
        nix::unistd::mkfifo(&error, Mode::S_IRWXU).unwrap();
        assert_eq!(io.read_error(100), b"");
    }

    #[test]
    fn memfd_answers_are_read_whatever_was_done_to_the_offset() {
        let (_parent, staging) = staging();
        let reserved = ReservedFds::default();
        let io = RunFiles::create(&staging, &reserved, &text("in"), IoMode::Memfd, None).unwrap();
        if !io.has_memfd_outputs() {
            return test_support::skip("memfd answers", "memfds cannot be opened by path");
        }
        std::fs::write(io.output().to_str().unwrap(), "answer").unwrap();
        std::fs::write(io.error().to_str().unwrap(), "why").unwrap();
        assert_eq!(io.read_output(100, u64::MAX), Ok(b"answer".to_vec()));
        assert_eq!(io.read_error(2), b"wh");
        let mut first = [0; 2];
        assert_eq!(
            File::open(io.input().to_str().unwrap()).unwrap().read_at(&mut first, 0).unwrap(),
            2
        );
    }
}
