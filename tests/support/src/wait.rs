//! Waiting for what must happen at some time.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a test waits for what must happen at some time. It is no promise of the product: it
/// only ends a test that would otherwise hang, and is far longer than a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(3);

/// Waits until `look` finds something.
///
/// # Panics
///
/// After [`PATIENCE`], naming `what`.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// After [`PATIENCE`], naming `what`.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits until the sender of an answer is dropped, and demands that it never sent one. A time-out
/// is no proof of that, so it fails.
///
/// # Panics
///
/// When an answer comes, or when the sender still lives after [`PATIENCE`].
#[track_caller]
pub fn dropped_unanswered<T>(receiver: &Receiver<T>) {
    match receiver.recv_timeout(PATIENCE) {
        Err(RecvTimeoutError::Disconnected) => {}
        Err(RecvTimeoutError::Timeout) => panic!("neither an answer nor the sender's end"),
        Ok(_) => panic!("an answer, although none was to come"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_dropped_sender_is_no_answer() {
        let (sender, receiver) = channel::<()>();
        drop(sender);
        dropped_unanswered(&receiver);
    }

    #[test]
    #[should_panic(expected = "although none was to come")]
    fn an_answer_is_noticed() {
        let (sender, receiver) = channel();
        sender.send(()).unwrap();
        dropped_unanswered(&receiver);
    }
}
