//! One call of one event: from the host's values to the answer for the host.

mod value;

pub use value::{Answer, Completion, InputValue};
