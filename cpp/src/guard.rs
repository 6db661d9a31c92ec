//! The outermost frame of every entry from C++: nothing unwinds past it.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A panic that was caught. Its message tells the operator where to look.
#[derive(Debug)]
pub(crate) struct Panicked {
    what: &'static str,
    text: String,
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "internal error while {}: {}", self.what, self.text)
    }
}

/// Runs `body`; a panic in it is logged, counted and returned.
///
/// State that a panic may have left half changed belongs to the engine, whose locks do not poison
/// and whose tables are changed by single insertions and removals; hence the assertion.
pub(crate) fn guard<T>(what: &'static str, body: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let panicked = Panicked { what, text: text_of(payload.as_ref()) };
        // A payload may panic again while it is dropped; what that leaves is leaked.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
        mesos_command::metrics::panic_caught();
        tracing::error!("{panicked}");
        panicked
    })
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}
