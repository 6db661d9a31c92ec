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

use super::measure::Measurer;
use super::place::Staging;
use super::root::{Root, c_path, give_in, remove_call, remove_tree, set_mode};
use crate::sys::{self, User};

/// The mode of a file of ours.
const OWN_FILE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// The directory of an ended run in which the command left something.
#[derive(Debug)]
pub(crate) struct Leftover {
    root: Arc<Root>,
    name: String,
}

impl Leftover {
    /// Removes it with all that is in it, which may take long.
    pub(crate) fn remove(&self) {
        remove_tree(&self.path());
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.path().join(&self.name)
    }
}

/// A private directory, removed with its contents when dropped.
#[derive(Debug)]
pub(super) struct CallDirectory {
    pub(super) root: Arc<Root>,
    /// Empty when it is removed, or the caller removes it.
    name: String,
    has_input: bool,
    /// The user whose command it is for, if that is not ours.
    pub(super) owner: Option<u32>,
}

impl CallDirectory {
    /// Makes the directory with its files in it: scripts may expect them to exist.
    pub(super) fn create(
        staging: &Arc<Staging>,
        input: Option<&[u8]>,
        user: Option<&User>,
    ) -> io::Result<CallDirectory> {
        let (root, name) = staging.reserve();
        match CallDirectory::create_in(root.clone(), name, input, user) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                staging.restore(&root)?;
                let (root, name) = staging.reserve();
                CallDirectory::create_in(root, name, input, user)
            }
            result => result,
        }
    }

    fn create_in(
        root: Arc<Root>,
        name: String,
        input: Option<&[u8]>,
        user: Option<&User>,
    ) -> io::Result<CallDirectory> {
        nix::sys::stat::mkdirat(&*root, name.as_str(), Mode::S_IRWXU)?;
        let owner = user.map(|user| user.uid);
        let directory = CallDirectory { root, name, has_input: input.is_some(), owner };
        if directory.root.fix_modes() {
            set_mode(&directory.root, &directory.name, 0o700)?;
        }
        if let Some(bytes) = input {
            directory.write_file("input", bytes, user)?;
        }
        directory.make_file("output", user)?;
        directory.make_file("error", user)?;
        if let Some(user) = user {
            // Last, so that until then only we can do anything in it.
            give_in(&directory.root, &directory.name, user)?;
        }
        Ok(directory)
    }

    /// Makes a file that the command is to fill, or only look at, without opening it.
    fn make_file(&self, leaf: &str, user: Option<&User>) -> Result<(), Errno> {
        let name = self.file(leaf);
        match sys::make_file(&*self.root, &name, OWN_FILE) {
            // A filter of system calls may know it for devices alone.
            Err(Errno::EPERM | Errno::ENOSYS) => drop(self.open_new(&name)?),
            result => result?,
        }
        self.own(&name, user)
    }

    fn write_file(&self, leaf: &str, bytes: &[u8], user: Option<&User>) -> io::Result<()> {
        let name = self.file(leaf);
        let mut file = self.open_new(&name)?;
        self.own(&name, user)?;
        file.write_all(bytes)
    }

    fn open_new(&self, name: &str) -> Result<File, Errno> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        nix::fcntl::openat(self.root.as_fd(), name, flags, OWN_FILE).map(File::from)
    }

    /// Sets what the kernel has not set for a new file.
    fn own(&self, name: &str, user: Option<&User>) -> Result<(), Errno> {
        if self.root.fix_modes() {
            set_mode(&self.root, name, 0o600)?;
        }
        user.map_or(Ok(()), |user| give_in(&self.root, name, user))
    }

    pub(super) fn file(&self, leaf: &str) -> String {
        format!("{}/{leaf}", self.name)
    }

    pub(super) fn path(&self, leaf: &str) -> io::Result<CString> {
        c_path(&self.root.path().join(&self.name).join(leaf))
    }
}

impl CallDirectory {
    /// Removes it with the files that were made in it; false when there is more in it.
    pub(super) fn remove(&self) -> bool {
        let files = ["input", "output", "error"];
        remove_call(&self.root, &self.name, &files[usize::from(!self.has_input)..])
    }
}

impl CallDirectory {
    /// Measures what is in it.
    pub(super) fn measurer(&self) -> Measurer {
        Measurer { root: self.root.clone(), name: self.name.clone() }
    }

    /// Removes it, or gives what the command left in it to the caller, since that may take long.
    pub(super) fn finish(mut self) -> Option<Leftover> {
        let is_removed = self.remove();
        let (root, name) = (self.root.clone(), std::mem::take(&mut self.name));
        (!is_removed).then_some(Leftover { root, name })
    }
}

impl Drop for CallDirectory {
    fn drop(&mut self) {
        // A run that ends as runs do has left nothing to this.
        if !self.name.is_empty() && !self.remove() {
            remove_tree(&self.root.path().join(&self.name));
        }
    }
}
