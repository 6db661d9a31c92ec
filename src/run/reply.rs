//! The promise that every submission is answered exactly once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::outcome::OutcomeKind;

use super::{RunReport, Timings};

/// The caller's callback. Whatever becomes of its holder, it is called once.
pub(crate) struct ReplyOnce {
    callback: Option<Box<dyn FnOnce(RunReport) + Send>>,
}

impl ReplyOnce {
    pub(crate) fn new(callback: impl FnOnce(RunReport) + Send + 'static) -> ReplyOnce {
        ReplyOnce { callback: Some(Box::new(callback)) }
    }

    /// One that nobody waits for any more.
    pub(crate) fn given() -> ReplyOnce {
        ReplyOnce { callback: None }
    }

    /// Gives the answer; the second and later ones are dropped. A panic of the callback ends here.
    pub(crate) fn answer(&mut self, report: RunReport) {
        if let Some(callback) = self.callback.take()
            && catch_unwind(AssertUnwindSafe(|| callback(report))).is_err()
        {
            tracing::error!("a completion callback panicked");
        }
    }

    /// Takes the promise over, for an answer that is to be given later. What stays counts as
    /// answered.
    pub(crate) fn take(&mut self) -> ReplyOnce {
        ReplyOnce { callback: self.callback.take() }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.callback.is_none()
    }
}

impl Drop for ReplyOnce {
    fn drop(&mut self) {
        if !self.is_answered() {
            // Only a panic in the supervision gets here.
            let message = "internal error: the supervision of the command ended early";
            let kind = OutcomeKind::SpawnError;
            self.answer(RunReport::without_process(kind, message, Timings::default()));
        }
    }
}
