//! Reading what a command wrote, whatever it put there.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag};

use super::root::{Root, stat_in};

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutputProblem {
    /// It is larger than allowed: this size was seen.
    TooLarge(u64),
    /// It has this size, which is more than may be read by the calling thread.
    NotHere(u64),
    /// It is not something that we read.
    NotAFile(String),
}

/// Flags for opening what a command may have replaced: no link is followed, a FIFO does not
/// block, a terminal does not become ours.
fn careful() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY
}

/// Reads a file of a call's directory of at most `limit` bytes, by the calling thread only if it
/// has no more than `most_here`.
pub(super) fn read_in(
    root: &Root,
    name: &str,
    owner: Option<u32>,
    limit: u64,
    most_here: u64,
) -> Result<Vec<u8>, OutputProblem> {
    // Its kind is checked before it is opened: opening a device has effects.
    let stat = stat_in(root, name).map_err(|errno| {
        OutputProblem::NotAFile(format!("the output file cannot be read: {errno}"))
    })?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        let kind = kind_name(stat.st_mode);
        return Err(OutputProblem::NotAFile(format!("the output is {kind}, not a regular file")));
    }
    if let Some(problem) = of_another(stat.st_uid, owner) {
        return Err(OutputProblem::NotAFile(problem));
    }
    match u64::try_from(stat.st_size).unwrap_or(0) {
        0 => return Ok(Vec::new()),
        size if size > most_here => return Err(OutputProblem::NotHere(size)),
        _ => {}
    }
    let fd = nix::fcntl::openat(root.as_fd(), name, careful(), Mode::empty()).map_err(|errno| {
        OutputProblem::NotAFile(format!("the output file cannot be opened: {errno}"))
    })?;
    read_file(&File::from(fd), owner, limit, u64::MAX)
}

/// What is wrong with a file of a call whose command has a user of its own, if it is not that
/// user's: a hard link to a file of somebody else, which the command may not read but we may.
pub(super) fn of_another(found: u32, owner: Option<u32>) -> Option<String> {
    let owner = owner.filter(|owner| *owner != found)?;
    Some(format!("the output belongs to user {found}, not to the command's user {owner}"))
}

/// Reads an open file that must be regular and no larger than `limit`; the rest as
/// [`read_in`].
pub(super) fn read_file(
    file: &File,
    owner: Option<u32>,
    limit: u64,
    most_here: u64,
) -> Result<Vec<u8>, OutputProblem> {
    let unreadable =
        |error: io::Error| OutputProblem::NotAFile(format!("the output cannot be read: {error}"));
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        let kind = kind_name(metadata.mode());
        return Err(OutputProblem::NotAFile(format!("the output is {kind}, not a regular file")));
    }
    if let Some(problem) = of_another(metadata.uid(), owner) {
        return Err(OutputProblem::NotAFile(problem));
    }
    if metadata.len() > most_here {
        return Err(OutputProblem::NotHere(metadata.len()));
    }
    if metadata.len() > limit {
        return Err(OutputProblem::TooLarge(metadata.len()));
    }
    // One byte more than allowed, because it may still be growing.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    match bytes.len() as u64 {
        size if size > limit => Err(OutputProblem::TooLarge(size)),
        _ => Ok(bytes),
    }
}

/// The first `limit` bytes of a file of a call's directory; empty when it is anything odd.
pub(super) fn head_in(root: &Root, name: &str, owner: Option<u32>, limit: u64) -> Vec<u8> {
    match stat_in(root, name) {
        Ok(stat)
            if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
                && stat.st_size > 0 =>
        {
            match nix::fcntl::openat(root.as_fd(), name, careful(), Mode::empty()) {
                Ok(fd) => read_head(&File::from(fd), owner, limit),
                Err(_) => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// The first `limit` bytes of a regular file; empty when it cannot be read.
pub(super) fn read_head(file: &File, owner: Option<u32>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let is_its = |found| of_another(found, owner).is_none();
    if file.metadata().is_ok_and(|metadata| metadata.is_file() && is_its(metadata.uid())) {
        // What was read before an error is worth having.
        let _ = file.take(limit).read_to_end(&mut bytes);
    }
    bytes
}

/// What kind of file a mode is of, in words.
pub(crate) fn kind_name(mode: u32) -> &'static str {
    match SFlag::from_bits_truncate(mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        SFlag::S_IFCHR | SFlag::S_IFBLK => "a device",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::staging::{Input, IoMode, ReservedFds, RunFiles, Staging};
    use crate::sys::User;

    /// A user could put a hard link to somebody else's file there, which it may not read.
    #[test]
    fn of_a_user_only_its_own_files_are_read_and_cut() {
        if !nix::unistd::geteuid().is_root() {
            return test_support::skip("files of another user", "only root may give them away");
        }
        let parent = tempfile::tempdir().unwrap();
        let staging = Arc::new(Staging::open(Some(parent.path())).unwrap());
        let user = User { name: "x".into(), uid: 1_700_000_000, gid: 1, groups: [1].into() };
        let input = Input::Text(b"{}".as_slice().into());
        let reserved = ReservedFds::default();
        let io = RunFiles::create(&staging, &reserved, &input, IoMode::Memfd, Some(&user)).unwrap();
        let [output, error] = [io.output(), io.error()].map(|path| path.to_str().unwrap());
        let large = vec![b'x'; 1 << 20];
        std::fs::write(output, "its own").unwrap();
        std::fs::write(error, &large).unwrap();
        assert_eq!(io.read_output(100, u64::MAX), Ok(b"its own".to_vec()));
        assert_eq!(io.read_error(2), b"xx");
        io.cut_error(4096);
        let taken = |path: &str| std::fs::metadata(path).unwrap().blocks() * 512;
        assert!(taken(error) < 1 << 19, "the counter-example");
        for path in [output, error] {
            let secret = parent.path().join("secret");
            std::fs::write(&secret, &large).unwrap();
            std::fs::remove_file(path).unwrap();
            std::fs::hard_link(&secret, path).unwrap();
        }
        let problem = "the output belongs to user 0, not to the command's user 1700000000";
        let refused = Err(OutputProblem::NotAFile(problem.to_owned()));
        assert_eq!(io.read_output(u64::MAX, u64::MAX), refused);
        assert_eq!(io.read_error(100), b"");
        io.cut_error(4096);
        assert_eq!(taken(error), 1 << 20, "it is as it was");
    }
}
