//! Well-formed answers that must not reach Mesos: what is refused and mended on the way.
//!
//! The rules one by one are tested beside the table's checker; here it is that they apply to every
//! kind of call, and what is counted and logged.

use mesos_command::call::Answer;
use mesos_command::event::Event;
use mesos_command::schema::Schema;
use test_support::{collect_log, logged};

use crate::support::Bench;

const DISK: &str = r#"{"name":"disk","type":"SCALAR","scalar":{"value":1}}"#;

fn json(name: &str, answer: &Answer) -> String {
    let Answer::Message(bytes) = answer else { panic!("no message: {answer:?}") };
    let mut text = Vec::new();
    Schema::built_in().message(name).unwrap().write_json(bytes, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}
