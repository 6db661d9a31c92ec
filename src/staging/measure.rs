//! How much a call takes of the memory in which its files are.
//!
//! Whatever a command puts into its directory lies on the host's tmpfs, with the files of systemd
//! and of Mesos itself. So everything there is measured together, not only the output.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, FallocateFlags, OFlag, fallocate, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

use super::root::Root;

/// What the kernel keeps for a file without content, roughly.
pub(super) const ENTRY_BYTES: u64 = 1024;
/// Directories below the call's that are looked into: what is deeper counts as entries.
const DEEPEST: usize = 16;
/// Blocks of `st_blocks`.
pub(super) const BLOCK_BYTES: u64 = 512;

/// Measures the files of one call.
#[derive(Clone, Debug)]
pub(crate) struct Measurer {
    pub(super) root: Arc<Root>,
    pub(super) name: String,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    /// So many bytes, of all that is there, or more than asked for.
    Bytes(u64),
    /// There are more files than were to be measured.
    TooMany,
}

/// A measurement that is going on.
struct Measurement {
    bytes: u64,
    enough: u64,
    entries_left: usize,
}

impl Measurer {
    /// Measures no more than `most_entries` files, and stops where the sum is more than `enough`.
    /// Blocks for as long as the kernel takes for so many.
    pub(crate) fn measure(&self, enough: u64, most_entries: usize) -> Measured {
        let mut sum = Measurement { bytes: 0, enough, entries_left: most_entries };
        // Gone, or no directory any more: then there is nothing of ours to measure.
        let name = CString::new(self.name.as_str()).unwrap_or_default();
        if let Ok(directory) = open_directory(&*self.root, &name) {
            sum.add_directory(directory, 0);
        }
        match sum.entries_left {
            0 => Measured::TooMany,
            _ => Measured::Bytes(sum.bytes),
        }
    }
}

impl Measurement {
    fn is_over(&self) -> bool {
        self.bytes > self.enough || self.entries_left == 0
    }

    fn add_directory(&mut self, directory: OwnedFd, depth: usize) {
        let Ok(mut directory) = Dir::from_fd(directory) else { return };
        let own = |name: &CStr| name == c"." || name == c"..";
        let names = directory.iter().flatten().map(|entry| entry.file_name().to_owned());
        let names: Vec<CString> = names.filter(|name| !own(name)).take(self.entries_left).collect();
        for name in names {
            if self.is_over() {
                return;
            }
            self.entries_left -= 1;
            self.add(&directory, &name, depth);
        }
    }

    fn add(&mut self, directory: &Dir, name: &CStr, depth: usize) {
        // Gone meanwhile, if there is nothing to be seen.
        let Ok(stat) = fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) else { return };
        // What is cut while it grows does not add up.
        let is_cut = depth == 0 && name == c"error" && kind(&stat) == SFlag::S_IFREG;
        self.bytes += ENTRY_BYTES + if is_cut { 0 } else { taken(&stat) };
        if kind(&stat) == SFlag::S_IFDIR
            && depth < DEEPEST
            && let Ok(below) = open_directory(directory, name)
        {
            self.add_directory(below, depth + 1);
        }
    }
}

/// The memory that a file's content takes: a hole takes none.
pub(super) fn taken(stat: &FileStat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(BLOCK_BYTES)
}

/// The kind of a file.
pub(super) fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn open_directory(at: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(at, name, flags, Mode::empty())
}

/// Frees the memory of all but the first `kept` bytes of a file that only its beginning is read of,
/// if it takes more than `most`. A hole is made: a process that writes to the file goes on where it
/// is.
pub(super) fn cut(file: impl AsFd, kept: u64, most: u64) {
    let Ok(stat) = fstat(&file) else { return };
    if taken(&stat) <= most {
        return;
    }
    let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    if let Ok(kept) = i64::try_from(kept) {
        // A file system without holes lets it grow until the call is ended for it.
        let _ = fallocate(file, flags, kept, (stat.st_size - kept).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staging::{Input, IoMode};
    use crate::staging::{ReservedFds, RunFiles, Staging};

    const ALL: u64 = u64::MAX;

    #[test]
    fn everything_in_a_calls_directory_counts_and_holes_do_not() {
        let parent = tempfile::tempdir().unwrap();
        let staging = Arc::new(Staging::open(Some(parent.path())).unwrap());
        let input = Input::Text(b"x".as_slice().into());
        let io = RunFiles::create(&staging, &ReservedFds::default(), &input, IoMode::Files, None)
            .unwrap();
        let measurer = io.measurer().unwrap();
        let bytes = |measured| match measured {
            Measured::Bytes(bytes) => bytes,
            Measured::TooMany => panic!("too many"),
        };
        let before = bytes(measurer.measure(ALL, 100));
        assert!(before >= 3 * ENTRY_BYTES, "{before}");
        let path = std::path::PathBuf::from(io.output().to_str().unwrap());
        let directory = path.parent().unwrap();
        std::fs::create_dir_all(directory.join("a/b")).unwrap();
        std::fs::write(directory.join("a/b/deep"), vec![1; 1 << 20]).unwrap();
        std::fs::write(directory.join("beside"), vec![1; 1 << 20]).unwrap();
        std::fs::write(directory.join("error"), vec![1; 1 << 20]).unwrap();
        std::fs::File::create(directory.join("hole")).unwrap().set_len(1 << 40).unwrap();
        std::os::unix::fs::symlink("/", directory.join("link")).unwrap();
        let grown = bytes(measurer.measure(ALL, 100)) - before;
        assert!((2 << 20..3 << 20).contains(&grown), "{grown}");
        assert_eq!(measurer.measure(ALL, 5), Measured::TooMany);
        assert!(bytes(measurer.measure(1 << 20, 100)) > 1 << 20, "enough was seen");
        drop(io);
        assert_eq!(measurer.measure(ALL, 100), Measured::Bytes(0));
    }
}
