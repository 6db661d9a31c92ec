//! One cgroup directory: what is in it, and ending that.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::sys::{self, Pid};

/// How long a hierarchy of version 1 may take to freeze what is to be ended: so long a thread that
/// keeps the deadlines of others waits.
const FREEZING: Duration = Duration::from_millis(5);

/// How the processes of a cgroup are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Version 2: the kernel ends them all at once (`cgroup.kill`, Linux 5.14).
    Two,
    /// Version 1: they are frozen, so that none can start others meanwhile, and killed one by one.
    One,
}

/// Names one of the files in a cgroup's directory.
pub(super) fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(name)
}

/// `cgroup.procs` of a directory as a C string.
pub(super) fn procs(directory: &Path) -> io::Result<CString> {
    let path = file(directory, "cgroup.procs");
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL.into())
}

/// Writes a value to a file of the kernel's, which must be there.
pub(super) fn write(path: &Path, value: &str) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.write_all(value.as_bytes())
}

/// Whether a process is in the cgroup or in one below it; one that has ended and is not reaped
/// does not count.
///
/// # Errors
/// When the directory is not there any more.
pub(super) fn is_populated(directory: &Path, version: Version) -> io::Result<bool> {
    match version {
        Version::Two if !says_populated(directory)? => Ok(false),
        // The kernel may still count one that was reaped a moment ago.
        Version::Two => Ok(!members(directory).is_empty()),
        Version::One => {
            let mut first = [0; 1];
            let path = file(directory, "cgroup.procs");
            if File::open(path)?.read(&mut first)? > 0 {
                return Ok(true);
            }
            // Only commands make directories there.
            let has_some_below = std::fs::metadata(directory)?.nlink() > 2;
            Ok(has_some_below && !members(directory).is_empty())
        }
    }
}

/// What `cgroup.events` of version 2 says, which counts those below too.
fn says_populated(directory: &Path) -> io::Result<bool> {
    let mut text = [0; 64];
    let length = File::open(file(directory, "cgroup.events"))?.read(&mut text)?;
    Ok(!text[..length].starts_with(b"populated 0"))
}

/// Ends all processes in the cgroup and below. They end soon after this has returned; processes of
/// version 1 that begin to exist meanwhile may be left, so this is to be called until the cgroup is
/// not populated.
pub(super) fn kill(directory: &Path, version: Version) -> io::Result<()> {
    match version {
        Version::Two => write(&file(directory, "cgroup.kill"), "1"),
        Version::One => {
            let state = file(directory, "freezer.state");
            write(&state, "FROZEN")?;
            let until = Instant::now() + FREEZING;
            while std::fs::read(&state)? != b"FROZEN\n" && Instant::now() < until {
                std::thread::yield_now();
            }
            for member in members(directory) {
                let _ = sys::kill(member, libc::SIGKILL);
            }
            write(&state, "THAWED")
        }
    }
}

/// The processes in the cgroup and below it.
pub(super) fn members(directory: &Path) -> Vec<Pid> {
    let mut found = Vec::new();
    visit(directory, &mut |one| {
        let text = std::fs::read_to_string(file(one, "cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(Pid::parse));
    });
    found
}

/// Removes the cgroup and those that commands made below it. It must be empty.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    let mut result = Ok(());
    // Most have none below.
    match std::fs::remove_dir(directory) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            visit(directory, &mut |one| result = std::fs::remove_dir(one));
        }
        other => result = other,
    }
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The directories in a directory.
pub(super) fn below(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

/// Calls `each` with all directories from `directory` on, those below before those above.
fn visit(directory: &Path, each: &mut dyn FnMut(&Path)) {
    for one in below(directory) {
        visit(&one, each);
    }
    each(directory);
}
