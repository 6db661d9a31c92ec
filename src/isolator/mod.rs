//! An isolator instance.

use crate::call::{Answer, Completion, InputValue};
use crate::config::ConfigError;
use crate::event::Event;

/// One instance of the isolator module.
#[derive(Debug)]
pub struct Isolator {}

impl Isolator {
    /// Creates an instance from the module's parameters, in their order.
    ///
    /// # Errors
    /// When a parameter cannot be used.
    pub fn create(_parameters: &[(String, String)]) -> Result<Isolator, ConfigError> {
        Ok(Isolator {})
    }

    /// Answer of `supportsNesting`.
    pub fn supports_nesting(&self) -> bool {
        true
    }

    /// Answer of `supportsStandalone`.
    pub fn supports_standalone(&self) -> bool {
        false
    }

    /// Starts any isolator method. Never blocks.
    ///
    /// `inputs` are the row's, except that the engine itself adds `container_config` to all
    /// events but prepare: the adapter passes [`InputValue::Absent`] there.
    /// For watch, `done` may never be called (and is dropped when the container is cleaned up).
    pub fn call(&self, _event: Event, _inputs: &[InputValue<'_>], done: Completion) {
        done(Answer::Nothing);
    }
}
