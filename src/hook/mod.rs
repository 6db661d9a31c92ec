//! A hook instance.

use crate::call::{Answer, Completion, InputValue};
use crate::config::ConfigError;
use crate::event::Event;

/// One instance of the hook module.
#[derive(Debug)]
pub struct Hook {}

impl Hook {
    /// Creates an instance from the module's parameters, in their order.
    ///
    /// # Errors
    /// When a parameter cannot be used.
    pub fn create(_parameters: &[(String, String)]) -> Result<Hook, ConfigError> {
        Ok(Hook {})
    }

    /// Whether a command is configured for `event`: if not, the adapter need not serialise
    /// anything and answers [`Answer::Nothing`].
    pub fn handles(&self, _event: Event) -> bool {
        false
    }

    /// Runs a synchronous hook; blocks until the answer is known, at most until the deadline and
    /// the grace period have passed.
    pub fn call(&self, _event: Event, _inputs: &[InputValue<'_>]) -> Answer {
        Answer::Nothing
    }

    /// Runs an asynchronous hook (the Docker one).
    pub fn call_async(&self, _event: Event, _inputs: &[InputValue<'_>], done: Completion) {
        done(Answer::Nothing);
    }
}
