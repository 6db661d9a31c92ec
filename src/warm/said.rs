//! What an interpreter says: its messages, and what it prints before it is up.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;

use crate::escape::{one_line, one_line_bytes};
use crate::sys::receive_message;

/// The longest message that it sends, in bytes.
const LONGEST: usize = 8192;
/// How much of what it prints explains that it did not start, in bytes.
const TAIL: usize = 2048;

/// The fields of the next message; `None` when there will be none.
pub(super) async fn hear(channel: &AsyncFd<Arc<OwnedFd>>) -> Option<Vec<String>> {
    let mut buffer = [0; LONGEST];
    loop {
        let mut readable = channel.readable().await.ok()?;
        match receive_message(channel.get_ref().as_fd(), &mut buffer) {
            Err(Errno::EAGAIN) => readable.clear_ready(),
            Ok(0) | Err(_) => return None,
            Ok(length) => {
                let fields = buffer[..length].split(|byte| *byte == 0);
                let text = |field: &[u8]| one_line(&String::from_utf8_lossy(field)).into_owned();
                return Some(fields.map(text).collect());
            }
        }
    }
}

/// What it printed, for a log line.
pub(super) fn printed(stderr: &pipe::Receiver) -> String {
    let mut tail = [0; TAIL];
    let length = stderr.try_read(&mut tail).unwrap_or(0);
    match tail[..length].trim_ascii() {
        b"" => String::new(),
        said => format!("; its stderr: {}", one_line_bytes(said)),
    }
}
