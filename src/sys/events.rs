//! Waiting for descriptors.

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};

/// Waits for one event, and gives its key. It is a function of its own because the models of the
/// reactor (`tests/models`) put another one in its place, which lets other tasks go on.
///
/// # Errors
/// `EINTR` when a signal of the host's comes first; others when `epoll` cannot be waited for.
pub(crate) fn next_event(epoll: &Epoll) -> Result<u64, Errno> {
    let mut events = [EpollEvent::empty()];
    match epoll.wait(&mut events, EpollTimeout::NONE)? {
        0 => Err(Errno::EINTR),
        _ => Ok(events[0].data()),
    }
}
