//! The codec against the rules of the host's own conversion.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod builtin;

use mesos_command::schema::{MessageType, Schema};

pub(crate) fn message(name: &str) -> MessageType {
    Schema::built_in().message(name).unwrap_or_else(|| panic!("{name} is built in"))
}
