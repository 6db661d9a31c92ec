//! Handing answers to the host, on the runner's completers and nowhere else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use crate::process::{Completers, Runner};

use super::{Answer, Completion};

static COMPLETERS: OnceLock<Arc<Completers>> = OnceLock::new();

/// To be called when an instance is created.
pub fn start(runner: &Runner) {
    COMPLETERS.get_or_init(|| runner.completers().clone());
}

/// Calls `completion` with `answer` on a completer: at once, if this is one. No lock may be held.
pub fn complete(completion: Completion, answer: Answer) {
    match COMPLETERS.get() {
        Some(completers) if !Completers::is_current() => {
            completers.run(Box::new(move || hand_over(completion, answer)));
        }
        _ => hand_over(completion, answer),
    }
}

fn hand_over(completion: Completion, answer: Answer) {
    // A panic in the host's adapter is counted, and must not reach what goes on after it.
    if catch_unwind(AssertUnwindSafe(|| completion(answer))).is_err() {
        crate::metrics::panic_caught();
        tracing::error!("a panic was caught while an answer was handed to Mesos");
    }
}
