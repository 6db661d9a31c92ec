//! The files of calls where the directory for them is not in memory: on a disk, or on a network.
//!
//! It may stop answering while the agent runs. So nothing there is touched by a thread of ours:
//! children make, measure, read and remove the files ([`FsHelpers`]), and are left behind if they
//! hang. That costs a call some children; where it matters, the directory is on a tmpfs.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::reactor::FsHelpers;
use crate::sys::{FsHelper, HelperStep, User};

use super::measure::{BLOCK_BYTES, ENTRY_BYTES};
use super::output::{OutputProblem, kind_name, of_another};
use super::root::Root;

/// FsHelpers of one directory at a time, those that hang included.
const MOST: usize = 64;
/// How long measuring and removing may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of a call's directory one child lists, in bytes: some thousand names.
const LIST_BYTES: usize = 256 * 1024;
/// What is made for a call.
const FILES: [&str; 3] = ["input", "output", "error"];

/// The children that work in such a directory.
#[derive(Clone, Debug)]
pub(super) struct OnDisk {
    pub(super) helpers: FsHelpers,
    handle: Handle,
}

impl OnDisk {
    pub(super) fn new(handle: Handle) -> OnDisk {
        OnDisk { helpers: FsHelpers::new(MOST), handle }
    }

    /// Has a tree removed, without waiting for it.
    pub(super) fn remove_behind(&self, path: &Path) {
        let Ok(path) = c_path(path) else { return };
        self.helpers.remove_tree(&path, &self.handle);
    }
}

/// The files of one call there.
#[derive(Debug)]
pub(crate) struct DistantCall {
    by: OnDisk,
    root: PathBuf,
    root_mode: u32,
    directory: PathBuf,
    /// The user whose command it is for, if that is not ours.
    user: Option<User>,
    /// The input, if it is to be a file.
    input: Option<Arc<[u8]>>,
    fix_modes: bool,
    fetched: OnceLock<Fetched>,
    seen: Mutex<Seen>,
    /// A child is measuring.
    measuring: AtomicBool,
}

/// What a command left, read by a child.
#[derive(Debug)]
struct Fetched {
    output: Result<Vec<u8>, OutputProblem>,
    error: Vec<u8>,
}

/// A file that a child reads.
struct FileRead {
    /// Its look at the opened file, where it matters whose it is.
    owner: Option<HelperStep>,
    bytes: HelperStep,
}

/// Sizes, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Of the output.
    pub(crate) output: u64,
    /// Of all files together.
    pub(crate) all: u64,
}

/// The files of a call could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the command's files in '{}': {error}", .root.display())]
pub(crate) struct MakeError {
    root: PathBuf,
    error: io::Error,
}

impl DistantCall {
    pub(super) fn new(
        by: &OnDisk,
        root: &Root,
        name: &str,
        input: Option<Arc<[u8]>>,
        user: Option<&User>,
    ) -> Arc<DistantCall> {
        Arc::new(DistantCall {
            by: by.clone(),
            root: root.path().to_owned(),
            root_mode: root.mode(),
            directory: root.path().join(name),
            user: user.cloned(),
            input,
            fix_modes: root.fix_modes(),
            fetched: OnceLock::new(),
            seen: Mutex::default(),
            measuring: AtomicBool::new(false),
        })
    }

    pub(super) fn path(&self, leaf: &str) -> io::Result<CString> {
        c_path(&self.directory.join(leaf))
    }

    /// Makes the directory with its files in it. On the runtime.
    ///
    /// # Errors
    /// When that is not possible, or not within `patience`.
    pub(crate) async fn make(&self, patience: Duration) -> Result<(), MakeError> {
        let refuse = |error: io::Error| MakeError { root: self.root.clone(), error };
        if self.by.helpers.hangs() {
            return Err(refuse(io::Error::other("its file system does not answer")));
        }
        let mut made = self.try_to_make(false, patience).await.map_err(refuse)?;
        if made == Some(Errno::ENOENT) {
            // The process's directory was removed.
            made = self.try_to_make(true, patience).await.map_err(refuse)?;
        }
        made.map_or(Ok(()), |errno| Err(refuse(errno.into())))
    }

    async fn try_to_make(&self, anew: bool, patience: Duration) -> io::Result<Option<Errno>> {
        let mut helper = FsHelper::default();
        if anew {
            helper.make_directory(&c_path(&self.root)?, self.root_mode);
        }
        let directory = c_path(&self.directory)?;
        helper.make_directory(&directory, 0o700);
        if self.fix_modes {
            helper.set_mode(&directory, 0o700);
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        for leaf in FILES {
            if leaf == "input" && self.input.is_none() {
                continue;
            }
            let path = self.path(leaf)?;
            let file = helper.open(&path, flags, 0o600);
            if self.fix_modes {
                helper.set_mode(&path, 0o600);
            }
            if leaf == "input"
                && let Some(bytes) = &self.input
            {
                helper.write(file, bytes.clone());
                helper.close(file);
            }
            if let Some(user) = &self.user {
                helper.set_owner(&path, user);
            }
        }
        if let Some(user) = &self.user {
            // Last, so that until then only we can do anything in it.
            helper.set_owner(&directory, user);
        }
        let helper = self.by.helpers.run(helper, patience).await.map_err(io::Error::other)?;
        Ok(helper.failure())
    }

    /// Reads what the command left, an output of at most `limit` bytes; afterwards the results are
    /// there for `judge`. On the runtime.
    pub(crate) async fn fetch(&self, limit: u64, error_limit: u64, patience: Duration) {
        let silent = |error: io::Error| Fetched {
            output: Err(OutputProblem::NotAFile(format!("the output cannot be read: {error}"))),
            error: Vec::new(),
        };
        let fetched = if self.by.helpers.hangs() {
            Err(io::Error::other("its file system does not answer"))
        } else {
            self.try_to_fetch(limit, error_limit, patience).await
        };
        let _ = self.fetched.set(fetched.unwrap_or_else(silent));
    }

    async fn try_to_fetch(
        &self,
        limit: u64,
        error_limit: u64,
        patience: Duration,
    ) -> io::Result<Fetched> {
        let (output, error) = (self.path("output")?, self.path("error")?);
        let mut helper = FsHelper::default();
        let looks = [helper.look(&output, false), helper.look(&error, false)];
        let looked = self.by.helpers.run(helper, patience).await.map_err(io::Error::other)?;
        let [output_is, error_is] = looks.map(|look| looked.stat(look));
        let readable = |stat: &libc::stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG;
        let size = |stat: &libc::stat| u64::try_from(stat.st_size).unwrap_or(0);
        let mut helper = FsHelper::default();
        let wanted = output_is.as_ref().is_ok_and(|it| readable(it) && size(it) <= limit);
        let most = output_is.as_ref().map_or(0, |it| size(it).saturating_add(1));
        let most = most.min(limit.saturating_add(1));
        let output_read = wanted.then(|| self.read(&mut helper, &output, most));
        let error_read = error_is.is_ok_and(|it| readable(&it));
        let error_read = error_read.then(|| self.read(&mut helper, &error, error_limit));
        let done = self.by.helpers.run(helper, patience).await.map_err(io::Error::other)?;
        let output = match (output_is, output_read) {
            (Err(errno), _) => {
                Err(OutputProblem::NotAFile(format!("the output file cannot be read: {errno}")))
            }
            (Ok(_), Some(read)) => match (self.foreign(&done, &read), done.result(read.bytes)) {
                (Some(problem), _) => Err(OutputProblem::NotAFile(problem)),
                (None, Ok(count)) if count as u64 > limit => {
                    Err(OutputProblem::TooLarge(count as u64))
                }
                (None, Ok(_)) => Ok(done.bytes(read.bytes).to_vec()),
                (None, Err(errno)) => {
                    Err(OutputProblem::NotAFile(format!("the output file cannot be read: {errno}")))
                }
            },
            (Ok(stat), None) if readable(&stat) => Err(OutputProblem::TooLarge(size(&stat))),
            (Ok(stat), None) => {
                let kind = kind_name(stat.st_mode);
                Err(OutputProblem::NotAFile(format!("the output is {kind}, not a regular file")))
            }
        };
        let error_read = error_read.filter(|read| self.foreign(&done, read).is_none());
        let error = error_read.map(|read| done.bytes(read.bytes).to_vec()).unwrap_or_default();
        Ok(Fetched { output, error })
    }

    /// Has a file read. No link is followed, a FIFO does not block, and nothing but a regular file
    /// is opened.
    fn read(&self, helper: &mut FsHelper, path: &CString, most: u64) -> FileRead {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = helper.open(path, flags, 0);
        helper.tried();
        let owner = self.user.as_ref().map(|_| {
            let look = helper.look_at(file);
            helper.tried();
            look
        });
        let bytes = helper.read(file, usize::try_from(most).unwrap_or(usize::MAX));
        helper.tried();
        FileRead { owner, bytes }
    }

    /// What is wrong with a file that was read, if it is not the command's user's.
    fn foreign(&self, done: &FsHelper, read: &FileRead) -> Option<String> {
        let stat = done.stat(read.owner?).ok()?;
        of_another(stat.st_uid, self.user.as_ref().map(|user| user.uid))
    }

    /// The output, after [`fetch`](DistantCall::fetch).
    pub(super) fn output(&self) -> Result<Vec<u8>, OutputProblem> {
        match self.fetched.get().map(|fetched| &fetched.output) {
            Some(Ok(bytes)) => Ok(bytes.clone()),
            Some(Err(problem)) => Err(problem.clone()),
            None => Err(OutputProblem::NotAFile("the output was not read".to_owned())),
        }
    }

    /// The beginning of the error file, after [`fetch`](DistantCall::fetch).
    pub(super) fn error(&self) -> Vec<u8> {
        self.fetched.get().map(|fetched| fetched.error.clone()).unwrap_or_default()
    }

    /// The size of the output, as far as it is known.
    pub(super) fn output_size(&self) -> u64 {
        match self.fetched.get().map(|fetched| &fetched.output) {
            Some(Ok(bytes)) => bytes.len() as u64,
            Some(Err(OutputProblem::TooLarge(size))) => *size,
            _ => self.seen.lock().output,
        }
    }

    /// What was seen when it was measured last; has it measured again, for the next time.
    pub(crate) fn measure(self: &Arc<Self>, enough: u64) -> Seen {
        if !self.measuring.swap(true, Ordering::SeqCst) {
            let own = self.clone();
            self.by.handle.spawn(async move {
                if let Ok(seen) = own.look(enough).await {
                    *own.seen.lock() = seen;
                }
                own.measuring.store(false, Ordering::SeqCst);
            });
        }
        *self.seen.lock()
    }

    /// Files in directories below count as entries.
    async fn look(&self, enough: u64) -> io::Result<Seen> {
        let mut helper = FsHelper::default();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let directory = helper.open(&c_path(&self.directory)?, flags, 0);
        let list = helper.list(directory, LIST_BYTES);
        let listed = self.by.helpers.run(helper, PATIENCE).await.map_err(io::Error::other)?;
        let mut helper = FsHelper::default();
        let mut looks = Vec::new();
        for name in names(listed.bytes(list)) {
            let path = self.directory.join(std::ffi::OsStr::from_bytes(name));
            looks.push((name == b"output", helper.look(&c_path(&path)?, false)));
        }
        let looked = self.by.helpers.run(helper, PATIENCE).await.map_err(io::Error::other)?;
        let mut seen = Seen::default();
        for (is_output, look) in looks {
            let Ok(stat) = looked.stat(look) else { continue };
            if is_output && stat.st_mode & libc::S_IFMT == libc::S_IFREG {
                seen.output = u64::try_from(stat.st_size).unwrap_or(0);
            }
            let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
            seen.all = seen.all.saturating_add(ENTRY_BYTES + blocks * BLOCK_BYTES);
            if seen.all > enough {
                break;
            }
        }
        Ok(seen)
    }
}

impl Drop for DistantCall {
    /// Has it removed. What does not answer, or cannot be removed, is left for the next start.
    fn drop(&mut self) {
        let (by, directory) = (self.by.clone(), self.directory.clone());
        self.by.handle.spawn(async move {
            let Ok(path) = c_path(&directory) else { return };
            let mut helper = FsHelper::default();
            for leaf in FILES {
                let Ok(file) = c_path(&directory.join(leaf)) else { return };
                helper.remove(&file);
            }
            let removed = helper.remove_directory(&path);
            let removed = match by.helpers.run(helper, PATIENCE).await {
                Ok(helper) => helper.result(removed),
                Err(_) => return,
            };
            if !matches!(removed, Ok(_) | Err(Errno::ENOENT)) {
                by.helpers.remove_tree(&path, &by.handle);
            }
        });
    }
}

/// The names in the records of `getdents64`.
fn names(mut records: &[u8]) -> impl Iterator<Item = &[u8]> {
    /// Offsets in `struct linux_dirent64`.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    std::iter::from_fn(move || {
        let length = records.get(LENGTH..LENGTH + 2)?;
        let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
        let name = records.get(NAME..length)?;
        records = &records[length..];
        Some(name.split(|byte| *byte == 0).next().unwrap_or_default())
    })
    .filter(|name| *name != b"." && *name != b"..")
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL.into())
}
