//! The codec against the rules of the host's own conversion.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod builtin;
mod differences;
mod grammar;
mod inspect;
mod loading;
mod properties;
mod read_rules;
mod reference;
mod sample;
mod wire;
mod write_rules;

use std::sync::OnceLock;

use mesos_command::schema::{MessageType, Schema};

fn builtin_message(name: &str) -> MessageType {
    static BUILT_IN: OnceLock<Schema> = OnceLock::new();
    let schema = BUILT_IN.get_or_init(Schema::built_in);
    schema.message(name).unwrap_or_else(|| panic!("{name} is not built in"))
}

fn json_of(message: &MessageType, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    message.write_json(bytes, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
