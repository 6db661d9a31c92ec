//! A Unix socket at a path.
//!
//! A file that is there already is replaced only when it is a socket without a listener. To
//! find that out and to act on it are two steps, so both are done under a lock on the directory:
//! two agents that start together never take each other's fresh socket for a dead one.
//!
//! Who may connect is decided by the directory and the host's umask; no mode is changed here,
//! because following the path a second time could meet another process's file.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use tokio::net::{UnixListener, UnixStream};

/// A listening socket and the file that leads to it.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl UnixSocket {
    /// Binds `path`, in the place of a dead socket if there is one.
    pub(super) async fn bind(path: &Path) -> io::Result<UnixSocket> {
        let _lock = lock_directory(path)?;
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_dead(path).await?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        Ok(UnixSocket { listener, path: path.to_owned() })
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    /// Whether nothing is at the path any more. Something else there is left alone: whoever put it
    /// there meant it.
    pub(super) fn is_removed(&self) -> bool {
        matches!(std::fs::symlink_metadata(&self.path),
            Err(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Takes the lock of the directory that `path` is in. It goes with the returned value.
fn lock_directory(path: &Path) -> io::Result<Flock<File>> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let directory = File::open(directory)?;
    Flock::lock(directory, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => io::Error::new(
            io::ErrorKind::WouldBlock,
            "another process holds the lock of the socket's directory",
        ),
        errno => errno.into(),
    })
}

/// Removes the socket at `path` if it is dead.
async fn remove_dead(path: &Path) -> io::Result<()> {
    let before = std::fs::symlink_metadata(path)?;
    if !before.file_type().is_socket() {
        return Err(in_use("a file that is no socket is at the path"));
    }
    // The connection does not block: a live socket with a full queue answers EAGAIN.
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(_) => return Err(in_use("another process listens on the socket")),
        Err(_) => return Err(in_use("another process may listen on the socket")),
    }
    let now = std::fs::symlink_metadata(path)?;
    if (before.dev(), before.ino()) != (now.dev(), now.ino()) {
        return Err(in_use("another process has just replaced the socket"));
    }
    std::fs::remove_file(path)
}

fn in_use(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, text)
}
