//! The threads on which answers are handed to the host.
//!
//! Completing a future of the host runs the host's continuations, and with them other modules'
//! methods, on the completing thread. That must not be the runtime's thread (on which the
//! deadlines of all runs depend), and it must be a thread that never ends and holds no lock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crossbeam_channel::Sender;

use super::{Answer, Completion};

/// Two, so that a continuation that dawdles does not hold up every other answer.
const THREADS: usize = 2;

static QUEUE: OnceLock<Sender<(Completion, Answer)>> = OnceLock::new();

/// Starts the threads, once; called when the first instance is created.
///
/// # Errors
/// When the system allows no more threads.
pub fn start() -> std::io::Result<()> {
    if QUEUE.get().is_some() {
        return Ok(());
    }
    let (sender, receiver) = crossbeam_channel::unbounded::<(Completion, Answer)>();
    for index in 0..THREADS {
        let receiver = receiver.clone();
        std::thread::Builder::new().name(format!("mcmd-done-{index}")).spawn(move || {
            for (completion, answer) in receiver {
                hand_over(completion, answer);
            }
        })?;
    }
    // Losing a race here ends the loser's threads: its sender is dropped.
    let _ = QUEUE.set(sender);
    Ok(())
}

/// Calls `completion` with `answer` on a completion thread.
pub fn complete(completion: Completion, answer: Answer) {
    match QUEUE.get() {
        // The receivers live as long as the process, so sending cannot fail.
        Some(queue) => drop(queue.send((completion, answer))),
        None => hand_over(completion, answer),
    }
}

fn hand_over(completion: Completion, answer: Answer) {
    // A panic in the host's adapter must not end the thread that all later answers need.
    if catch_unwind(AssertUnwindSafe(|| completion(answer))).is_err() {
        crate::metrics::panic_caught();
        tracing::error!("a panic was caught while an answer was handed to Mesos");
    }
}
