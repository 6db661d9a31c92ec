//! A Unix socket at a path.
//!
//! A file that is there already is replaced only when it is a socket without a listener. To
//! find that out and to act on it are two steps, so both are done under a lock on the directory:
//! two agents that start together never take each other's fresh socket for a dead one.
//!
//! Who may connect is decided by the directory and the host's umask, or by a mode that the socket
//! has before it is bound: no mode of a file is changed here, because following the path a second
//! time could meet another process's.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};

/// Connections that wait in the kernel, as far as it allows.
const BACKLOG: i32 = 1024;

/// A listening socket and the file that leads to it.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// A socket that listens already, before a runtime waits for its connections.
#[derive(Debug)]
pub(super) struct BoundSocket {
    listener: StdListener,
    path: PathBuf,
}

impl BoundSocket {
    /// Binds `path`, in the place of a dead socket if there is one. With a `mode`, the file has it
    /// from the beginning, less what the host's umask takes away. Does not wait for anybody but the
    /// file system.
    pub(super) fn bind(path: &Path, mode: Option<u32>) -> io::Result<BoundSocket> {
        let _lock = lock_directory(path)?;
        let address = SockAddr::unix(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        if let Some(mode) = mode {
            // What bind(2) makes has the mode of the socket (`unix_bind_bsd` in Linux,
            // net/unix/af_unix.c).
            fchmod(socket.as_fd(), Mode::from_bits_truncate(mode))?;
        }
        match socket.bind(&address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                remove_dead(path)?;
                socket.bind(&address)?;
            }
            bound => bound?,
        }
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(BoundSocket { listener: StdListener::from(socket), path: path.to_owned() })
    }

    /// Waits for connections from now on. In a runtime.
    pub(super) fn listen(self) -> io::Result<UnixSocket> {
        Ok(UnixSocket { listener: UnixListener::from_std(self.listener)?, path: self.path })
    }
}

impl UnixSocket {
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

/// Removes the socket at `path` if it is dead. The caller has the lock of its directory.
fn remove_dead(path: &Path) -> io::Result<()> {
    let before = std::fs::symlink_metadata(path)?;
    if !before.file_type().is_socket() {
        return Err(in_use("a file that is no socket is at the path"));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Does not wait: a live socket with a full queue answers EAGAIN.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(()) => return Err(in_use("another process listens on the socket")),
        Err(_) => return Err(in_use("another process may listen on the socket")),
    }
    let now = std::fs::symlink_metadata(path)?;
    if (before.dev(), before.ino()) != (now.dev(), now.ino()) {
        return Err(in_use("another process has just replaced the socket"));
    }
    std::fs::remove_file(path)
}

/// Removes the dead sockets of a directory that belongs to us alone, at most `most` of them.
pub(super) fn remove_dead_in(directory: &Path, most: usize) {
    let Ok(_lock) = lock_directory(&directory.join("x")) else { return };
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten().take(most) {
        // Those of the living, and what is no socket, are refused.
        let _ = remove_dead(&entry.path());
    }
}

fn in_use(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, text)
}
