//! A callback that sees each run of an instance after its end: the command line tool uses it.

use std::sync::{Arc, OnceLock};

use crate::event::Event;
use crate::run::RunReport;

use super::CallFailure;

/// One run that was concluded, or a call that failed before anything could be started.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Whose command it was. A run for many containers is [`Event::UsageBatch`]'s.
    pub event: Event,
    /// The configured text of the command.
    pub command: &'a str,
    /// What log lines name: the task or the container.
    pub subject: &'a str,
    /// How the run ended; `None` when nothing was started.
    pub report: Option<&'a RunReport>,
    /// What was made of it.
    pub result: &'a Result<Option<Vec<u8>>, CallFailure>,
}

/// Receives what is observed, on a thread of the runner, before the answer is handed over; it must
/// not block.
pub type Observer = Arc<dyn Fn(&Observed<'_>) + Send + Sync>;

/// The place for an observer: empty in an agent, where looking costs one load per run.
#[derive(Default)]
pub(super) struct Observing(OnceLock<Observer>);

impl Observing {
    pub(super) fn set(&self, observer: Observer) {
        // The first one stays: there is only ever one.
        let _ = self.0.set(observer);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    pub(super) fn notify(&self, observed: &Observed<'_>) {
        if let Some(observer) = self.0.get() {
            observer(observed);
        }
    }
}

impl std::fmt::Debug for Observing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observing")
    }
}
