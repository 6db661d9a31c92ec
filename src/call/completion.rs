//! Handing answers to the host on the threads of the runner's reactor. Before any instance was
//! created there are none, and it is done on the calling thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use crate::reactor::Reactor;
use crate::run::{Lifetime, Runner};

use super::{Answer, Completion};

static REACTOR: OnceLock<Arc<Reactor>> = OnceLock::new();

/// To be called when an instance is created.
pub fn start(runner: &Runner) {
    REACTOR.get_or_init(|| runner.reactor().clone());
}

/// Calls `completion` with `answer` on a reactor thread: at once, if this is one. No lock may be
/// held.
pub fn complete(completion: Completion, answer: Answer) {
    match REACTOR.get() {
        Some(reactor) if !Reactor::is_current() => {
            reactor.run(Box::new(move || hand_over(completion, answer)));
        }
        _ => hand_over(completion, answer),
    }
}

/// A completion that must not be used any more when the end of its instance has begun.
struct WhileAlive {
    lifetime: Arc<Lifetime>,
    done: Option<Completion>,
}

/// `done`, unless the end of the instance has begun: then it is kept for ever, with the host's
/// future, which stays pending. To drop it would resolve the future, or let go of continuations
/// whose destructors need what the host may have taken down.
pub(super) fn while_alive(lifetime: Arc<Lifetime>, done: Completion) -> Completion {
    let mut held = WhileAlive { lifetime, done: Some(done) };
    Box::new(move |answer| held.finish(|done| done(answer)))
}

impl WhileAlive {
    fn finish(&mut self, how: impl FnOnce(Completion)) {
        let Some(done) = self.done.take() else { return };
        match self.lifetime.speak() {
            Some(_speaking) => how(done),
            None => std::mem::forget(done),
        }
    }
}

impl Drop for WhileAlive {
    fn drop(&mut self) {
        self.finish(drop);
    }
}

fn hand_over(completion: Completion, answer: Answer) {
    // A panic in the host's adapter is counted, and must not reach what goes on after it.
    if catch_unwind(AssertUnwindSafe(|| completion(answer))).is_err() {
        crate::metrics::panic_caught();
        tracing::error!("a panic was caught while an answer was handed to Mesos");
    }
}
