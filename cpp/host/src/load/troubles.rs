//! Answers that are not what the command says, one line of JSON each, as they come.
//!
//! Whether an answer is excused, because somebody killed its command, is for the program to say
//! that does such things and reads these lines.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mesos_command::event::Event;
use serde_json::json;

use crate::clock;

/// Lines that are printed; the rest is counted.
const MOST: u64 = 50_000;

/// What an answer was instead of the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Empty, or without what the command said.
    Empty,
    /// Something that the command did not say.
    Wrong,
    /// A failed future.
    Failure,
    /// A discarded future, or one that says that nobody will complete it.
    Discarded,
    /// No answer.
    Unanswered,
}

/// The call that an answer belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// The symbol of its isolator, `hooks` for HookManager.
    pub(super) module: &'a str,
    pub(super) event: Event,
    /// Its container; its executor's name, for a hook.
    pub(super) container: &'a str,
    /// CLOCK_MONOTONIC.
    pub(super) begun: Duration,
}

/// Prints and counts.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    found: AtomicU64,
}

impl Trouble {
    fn word(self) -> &'static str {
        match self {
            Trouble::Empty => "empty",
            Trouble::Wrong => "wrong",
            Trouble::Failure => "failure",
            Trouble::Discarded => "discarded",
            Trouble::Unanswered => "unanswered",
        }
    }
}

impl Troubles {
    /// An answer that came now.
    pub(super) fn tell(&self, trouble: Trouble, call: Call<'_>, text: &str) {
        if self.found.fetch_add(1, Ordering::Relaxed) >= MOST {
            return;
        }
        println!(
            "{}",
            json!({
                "trouble": trouble.word(),
                "module": call.module,
                "event": call.event.label(),
                "container": call.container,
                "begun": call.begun.as_secs_f64(),
                "ended": clock::now().as_secs_f64(),
                "text": text,
            })
        );
    }

    /// How many there were, and how many of them were not printed.
    pub(super) fn counts(&self) -> (u64, u64) {
        let found = self.found.load(Ordering::Relaxed);
        (found, found.saturating_sub(MOST))
    }
}
