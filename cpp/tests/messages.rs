//! Parameters, and the refusal of lists that could harm the agent.

#[path = "../src/messages.rs"]
mod messages;
#[path = "../src/wire.rs"]
mod wire;

use mesos_command::call::Answer;
use mesos_command::event::Event;

/// A length-delimited field.
fn bytes_field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2, u8::try_from(content.len()).expect("short in tests")];
    field.extend_from_slice(content);
    field
}

fn parameter(key: &[u8], value: &[u8]) -> Vec<u8> {
    bytes_field(1, &[bytes_field(1, key), bytes_field(2, value)].concat())
}

/// A SlaveInfo with one attribute of this name and type.
fn slave_info(name: &[u8], kind: u8) -> Answer {
    let attribute = [bytes_field(1, name), vec![2 << 3, kind]].concat();
    Answer::Message(bytes_field(5, &attribute).into())
}

#[test]
fn parameters_keep_their_order_and_duplicates() {
    let bytes = [parameter(b"k", b"1"), parameter(b"a", b""), parameter(b"k", b"2")].concat();
    let read = messages::read_parameters(&bytes).expect("well formed");
    let expected = [("k", "1"), ("a", ""), ("k", "2")];
    assert_eq!(read, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(messages::read_parameters(&[]), Ok(Vec::new()));
}

#[test]
fn parameters_that_cannot_be_read_are_an_error() {
    let error = messages::read_parameters(&parameter(b"key", b"\xff")).expect_err("no UTF-8");
    assert!(error.contains("\"key\"") && error.contains("UTF-8"), "{error}");
    let mut cut = parameter(b"key", b"value");
    cut.pop();
    assert!(messages::read_parameters(&cut).is_err());
}

#[test]
fn an_attribute_of_type_set_is_refused_by_name() {
    let refused = messages::refuse_harmful(Event::SlaveAttributesDecorator, slave_info(b"rack", 2));
    let Answer::Failure(text) = refused else {
        panic!("not refused: {refused:?}");
    };
    assert!(text.contains("\"rack\"") && text.contains("SET"), "{text}");
}

#[test]
fn other_attributes_and_other_events_pass() {
    for kind in [0, 1, 3] {
        let answer = slave_info(b"rack", kind);
        let passed = messages::refuse_harmful(Event::SlaveAttributesDecorator, answer.clone());
        assert_eq!(passed, answer);
    }
    // The same bytes mean something else for another event.
    let answer = slave_info(b"rack", 2);
    assert_eq!(messages::refuse_harmful(Event::SlaveResourcesDecorator, answer.clone()), answer);
    let nothing = messages::refuse_harmful(Event::SlaveAttributesDecorator, Answer::Nothing);
    assert_eq!(nothing, Answer::Nothing);
}

#[test]
fn names_are_read_for_error_texts() {
    assert_eq!(messages::name(&bytes_field(1, b"cpus")), "cpus");
    assert_eq!(messages::name(b""), "");
    assert_eq!(messages::name(&bytes_field(1, b"\xff")), "\u{fffd}");
}
