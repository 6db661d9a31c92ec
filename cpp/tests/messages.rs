//! Parameters, and names for error texts.

#[path = "../src/messages.rs"]
mod messages;

/// A length-delimited field.
fn bytes_field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2, u8::try_from(content.len()).expect("short in tests")];
    field.extend_from_slice(content);
    field
}

fn parameter(key: &[u8], value: &[u8]) -> Vec<u8> {
    bytes_field(1, &[bytes_field(1, key), bytes_field(2, value)].concat())
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
fn names_are_read_for_error_texts() {
    assert_eq!(messages::name(&bytes_field(1, b"cpus")), "cpus");
    assert_eq!(messages::name(b""), "");
    assert_eq!(messages::name(&bytes_field(1, b"\xff")), "\u{fffd}");
}
