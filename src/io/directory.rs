//! The private directory of one call, where that is in memory.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::base::{Base, Staging, c_path, remove_call, remove_tree, set_mode};
use super::measure::Measurer;

/// The directory of an ended run in which the command left something.
#[derive(Debug)]
pub(crate) struct Leftover {
    base: Arc<Base>,
    name: String,
}

impl Leftover {
    /// Removes it with all that is in it, which may take long.
    pub(crate) fn remove(&self) {
        remove_tree(&self.path());
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.base.path().join(&self.name)
    }
}

/// A private directory, removed with its contents when dropped.
#[derive(Debug)]
pub(super) struct CallDirectory {
    pub(super) base: Arc<Base>,
    /// Empty when it is somebody else's to remove.
    name: String,
    has_input: bool,
}

impl CallDirectory {
    /// Makes the directory with its files in it: scripts may expect them to exist.
    pub(super) fn create(
        staging: &Arc<Staging>,
        input: Option<&[u8]>,
    ) -> io::Result<CallDirectory> {
        let (base, name) = staging.reserve();
        match CallDirectory::create_in(base.clone(), name, input) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                staging.restore(&base)?;
                let (base, name) = staging.reserve();
                CallDirectory::create_in(base, name, input)
            }
            result => result,
        }
    }

    fn create_in(base: Arc<Base>, name: String, input: Option<&[u8]>) -> io::Result<CallDirectory> {
        nix::sys::stat::mkdirat(&*base, name.as_str(), Mode::S_IRWXU)?;
        let directory = CallDirectory { base, name, has_input: input.is_some() };
        if directory.base.fix_modes() {
            set_mode(&directory.base, &directory.name, 0o700)?;
        }
        if let Some(bytes) = input {
            directory.create_file("input")?.write_all(bytes)?;
        }
        directory.create_file("output")?;
        directory.create_file("error")?;
        Ok(directory)
    }

    fn create_file(&self, leaf: &str) -> Result<File, Errno> {
        let name = self.file(leaf);
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let fd = nix::fcntl::openat(self.base.as_fd(), name.as_str(), flags, mode)?;
        if self.base.fix_modes() {
            set_mode(&self.base, &name, 0o600)?;
        }
        Ok(File::from(fd))
    }

    pub(super) fn file(&self, leaf: &str) -> String {
        format!("{}/{leaf}", self.name)
    }

    pub(super) fn path(&self, leaf: &str) -> io::Result<CString> {
        c_path(&self.base.path().join(&self.name).join(leaf))
    }
}

impl CallDirectory {
    /// Removes it with the files that were made in it; false when there is more in it.
    pub(super) fn remove(&self) -> bool {
        let files = ["input", "output", "error"];
        remove_call(&self.base, &self.name, &files[usize::from(!self.has_input)..])
    }
}

impl CallDirectory {
    /// Measures what is in it.
    pub(super) fn measurer(&self) -> Measurer {
        Measurer { base: self.base.clone(), name: self.name.clone() }
    }

    /// Removes it, or gives what the command left in it to the caller, since that may take long.
    pub(super) fn finish(mut self) -> Option<Leftover> {
        if self.remove() {
            return None;
        }
        let (base, name) = (self.base.clone(), std::mem::take(&mut self.name));
        Some(Leftover { base, name })
    }
}

impl Drop for CallDirectory {
    fn drop(&mut self) {
        // A run that ends as runs do has left nothing to this.
        if !self.name.is_empty() && !self.remove() {
            remove_tree(&self.base.path().join(&self.name));
        }
    }
}
