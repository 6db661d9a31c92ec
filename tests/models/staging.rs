//! What the engine's files use of `staging`.

#[path = "../../src/staging/input.rs"]
mod input;

pub use input::{Input, IoMode};
pub(crate) use mesos_command::staging::SealedInput;
