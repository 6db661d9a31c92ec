//! What the engine's files use of `sys`.

use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};

#[path = "../../src/sys/process_id.rs"]
#[expect(dead_code, reason = "a part of it is enough here")]
mod process_id;

pub(crate) use mesos_command::sys::Identity;
pub(crate) use process_id::Pid;

pub(crate) const HOST_CODE_STACK_BYTES: usize = 0;

/// No play looks at the size of a worker.
pub(crate) fn resident_bytes(_pid: Pid) -> Option<u64> {
    None
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    Exited(i32),
    Signaled(i32),
}

/// A task for which no play waits, as no agent waits for these threads.
pub(crate) fn start_thread(
    _name: String,
    _stack_bytes: Option<usize>,
    serve: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    drop(shuttle::future::spawn(async { serve() }));
    Ok(())
}

/// Looks at the real instance until it has an event; meanwhile other tasks have their turns.
pub(crate) fn next_event(epoll: &Epoll) -> nix::Result<u64> {
    let mut events = [EpollEvent::empty()];
    while epoll.wait(&mut events, EpollTimeout::ZERO)? == 0 {
        shuttle::thread::yield_now();
    }
    Ok(events[0].data())
}

/// The test process ignores SIGPIPE.
pub(crate) fn write_without_sigpipe(fd: BorrowedFd<'_>, bytes: &[u8]) -> nix::Result<usize> {
    nix::unistd::write(fd, bytes)
}
