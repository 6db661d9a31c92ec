//! Captured stdout and stderr: an anonymous file that the supervisor keeps small.
//!
//! A file, not a pipe: its end is not waited for, so a background child that holds it open delays
//! nothing. Its memory is freed whenever it has grown, so a command that writes for ever costs
//! little.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt, fchown};
use std::sync::Arc;

use memfd::{Memfd, MemfdOptions};
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SealFlag, fallocate, fcntl};

use crate::sys::{self, Source, User};

use super::sealed::{descriptor_path, plain};

/// How much of the end is kept.
pub(crate) const TAIL_BYTES: usize = 4096;
/// Growth at which memory is freed.
const CUT_BYTES: u64 = 64 * 1024;

/// The file that takes the stdout and stderr of one run.
#[derive(Debug)]
pub(crate) struct Capture {
    file: Arc<OwnedFd>,
    /// How the child opens it, when not by inheriting the descriptor.
    path: Option<CString>,
    sealable: bool,
    /// Where the hole at the beginning ends.
    freed: u64,
}

impl Capture {
    /// Makes the file, for a command of `user` if that is not ours.
    pub(crate) fn new(user: Option<&User>) -> io::Result<Capture> {
        let (fd, sealable) = if sys::features().memfd {
            let options = MemfdOptions::default().allow_sealing(true);
            let memfd: Memfd = options.create("mesos-command-stdio").map_err(plain)?;
            (OwnedFd::from(memfd.into_file()), true)
        } else {
            let file = unlinked_file()?;
            if let Some(user) = user {
                // So that it can open /dev/stderr; every user may open a memfd of its own.
                fchown(&file, Some(user.uid), Some(user.gid))?;
            }
            (OwnedFd::from(file), false)
        };
        let fd = sys::above_stdio(fd)?;
        let path = if sealable && sys::memfd_paths() {
            Some(descriptor_path(&fd)?)
        } else {
            // The child gets this very open file description, so its flags count.
            fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
            None
        };
        Ok(Capture { file: Arc::new(fd), path, sealable, freed: 0 })
    }

    /// The child's stdout.
    pub(crate) fn source(&self) -> Source {
        match &self.path {
            Some(path) => Source::Open(path.clone(), libc::O_WRONLY | libc::O_APPEND),
            None => Source::Descriptor(self.file.clone()),
        }
    }

    /// Frees the memory of all but the end if it has grown too large. True when it has.
    ///
    /// A hole is made: unlike cutting the file, that loses nothing that is written meanwhile.
    pub(crate) fn trim(&mut self) -> bool {
        let Ok(size) = self.size() else { return false };
        // A command that opens its stderr anew, as a shell does for `>/dev/stderr`, starts over.
        self.freed = self.freed.min(size);
        if size - self.freed <= CUT_BYTES {
            return false;
        }
        let end = size - TAIL_BYTES as u64;
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        // From the start each time: what is a hole already costs nothing, and a writer with its
        // own offset may have filled it again.
        let punched =
            i64::try_from(end).is_ok_and(|end| fallocate(&*self.file, flags, 0, end).is_ok());
        if !punched {
            // A file system without holes. Better to lose text than to keep all of it.
            let _ = nix::unistd::ftruncate(&*self.file, 0);
        }
        self.freed = end;
        true
    }

    /// The last few KiB that were written.
    pub(crate) fn tail(&self) -> Vec<u8> {
        let size = self.size().unwrap_or(0);
        let wanted = usize::try_from(size).unwrap_or(usize::MAX).min(TAIL_BYTES);
        let mut end = vec![0; wanted];
        if wanted > 0 {
            let file = self.file.try_clone().map(File::from);
            let read = file.and_then(|file| file.read_at(&mut end, size - wanted as u64));
            end.truncate(read.unwrap_or(0));
        }
        end
    }

    /// Closes the file when the run's process group is empty. A process that left the group may
    /// still hold it, and would fill memory that is visible nowhere: so the file is sealed.
    pub(crate) fn close(self) {
        if self.sealable {
            let _ = nix::unistd::ftruncate(&*self.file, 0);
            let seals = SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
            let _ = fcntl(&*self.file, FcntlArg::F_ADD_SEALS(seals));
        }
    }

    /// Whether certainly no process can write to the file any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        // A child that inherited the descriptor itself cannot be distinguished from us.
        let Some(path) = self.path.as_ref().and_then(|path| path.to_str().ok()) else {
            return false;
        };
        File::open(path).is_ok_and(sys::has_no_writer)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(u64::try_from(nix::sys::stat::fstat(&*self.file)?.st_size).unwrap_or(0))
    }
}

/// A file without a name, for kernels without memfds.
fn unlinked_file() -> io::Result<File> {
    let directory = std::env::temp_dir();
    let unnamed = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .mode(0o600)
        .open(&directory);
    if unnamed.is_ok() {
        return unnamed;
    }
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!(
        "mesos-command-stdio.{}.{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let path = directory.join(name);
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn writer(capture: &Capture) -> File {
        match &capture.path {
            Some(path) => {
                std::fs::OpenOptions::new().append(true).open(path.to_str().unwrap()).unwrap()
            }
            None => File::from(capture.file.try_clone().unwrap()),
        }
    }

    #[test]
    fn it_stays_small_and_keeps_the_end() {
        let mut capture = Capture::new(None).unwrap();
        let mut out = writer(&capture);
        for _ in 0..100 {
            out.write_all(&[b'x'; 10_000]).unwrap();
            capture.trim();
            let blocks = nix::sys::stat::fstat(&*capture.file).unwrap().st_blocks;
            assert!(blocks * 512 <= 2 * i64::try_from(CUT_BYTES).unwrap());
        }
        out.write_all(b"the end").unwrap();
        let tail = capture.tail();
        assert_eq!(tail.len(), TAIL_BYTES);
        assert!(tail.ends_with(b"xxxthe end"));
    }

    #[test]
    fn a_short_text_is_kept_whole() {
        let mut capture = Capture::new(None).unwrap();
        writer(&capture).write_all(b"hello").unwrap();
        assert!(!capture.trim());
        assert_eq!(capture.tail(), b"hello");
    }

    #[test]
    fn after_closing_an_escaped_writer_cannot_fill_memory() {
        let capture = Capture::new(None).unwrap();
        if !capture.sealable {
            return test_support::skip("a closed capture", "memfds cannot be sealed");
        }
        let mut out = writer(&capture);
        assert!(!capture.is_abandoned());
        capture.close();
        assert!(out.write_all(b"x").is_err());
    }

    #[test]
    fn it_is_known_when_no_other_process_has_it_open() {
        let capture = Capture::new(None).unwrap();
        if capture.path.is_none() {
            return test_support::skip("an abandoned capture", "memfds cannot be opened by path");
        }
        let own = writer(&capture);
        assert!(!capture.is_abandoned());
        drop(own);
        assert!(capture.is_abandoned());
    }
}
