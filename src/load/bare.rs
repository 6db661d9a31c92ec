//! The least that a run can cost: the same command with the same arguments, started and waited for
//! by nothing but `posix_spawn` and `waitid`.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::SigSet;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

/// Tells the directories of one process apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A command that is started bare, with real files in a directory of its own.
#[derive(Debug)]
pub struct Bare {
    directory: PathBuf,
    argv: [CString; 4],
    environment: Vec<CString>,
}

impl Bare {
    /// For `command`, whose input is `input`. Its files are in a new directory in `parent`, or in
    /// memory if possible.
    ///
    /// # Errors
    /// When the directory or its files cannot be made, or the path has a NUL byte.
    pub fn new(command: &Path, input: &[u8], parent: Option<&Path>) -> std::io::Result<Bare> {
        // In memory, where the product's own files are too.
        let memory = Path::new("/dev/shm");
        let parent = parent.or_else(|| memory.is_dir().then_some(memory));
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = parent.join(format!("mesos-command-bare.{}.{number}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
        let file = |name: &str| CString::new(directory.join(name).as_os_str().as_bytes());
        let argv = [
            CString::new(command.as_os_str().as_bytes())?,
            file("input")?,
            file("output")?,
            file("error")?,
        ];
        for name in ["input", "output", "error"] {
            std::fs::write(directory.join(name), input)?;
        }
        let environment = std::env::vars_os().filter_map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            CString::new(entry.as_bytes()).ok()
        });
        Ok(Bare { argv, environment: environment.collect(), directory })
    }

    /// Starts it, waits for its end and returns the time that took.
    ///
    /// # Errors
    /// When it cannot be started, or does not end well.
    pub fn run(&self) -> std::io::Result<Duration> {
        let start = Instant::now();
        let actions = PosixSpawnFileActions::init()?;
        let mut attributes = PosixSpawnAttr::init()?;
        // As the product's commands: this program may have blocked what is to end them.
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
        let pid =
            posix_spawnp(&self.argv[0], &actions, &attributes, &self.argv, &self.environment)?;
        match waitid(Id::Pid(pid), WaitPidFlag::WEXITED)? {
            WaitStatus::Exited(_, 0) => Ok(start.elapsed()),
            other => Err(std::io::Error::other(format!("the command ended as {other:?}"))),
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // What is left in a temporary directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_run_and_its_failure_is_told() {
        let bare = Bare::new(Path::new("true"), b"{}", None).expect("files");
        assert!(bare.run().expect("it ends well") > Duration::ZERO);
        let directory = bare.directory.clone();
        assert!(directory.join("output").exists());
        drop(bare);
        assert!(!directory.exists());
        assert!(Bare::new(Path::new("false"), b"{}", None).expect("files").run().is_err());
    }
}
