//! The wire reader: what it reads, and that no bytes make it panic or read past their end.

#[path = "../src/wire.rs"]
mod wire;

use proptest::prelude::*;
use wire::{Malformed, WireField, WireFields};

fn read(bytes: &[u8]) -> Vec<Result<WireField<'_>, Malformed>> {
    WireFields::new(bytes).collect()
}

#[test]
fn reads_each_kind_of_field() {
    let bytes = [
        0x0a, 0x02, b'k', b'v', // field 1, two bytes
        0x10, 0xac, 0x02, // field 2, varint 300
        0x19, 1, 2, 3, 4, 5, 6, 7, 8, // field 3, eight fixed bytes
        0x25, 1, 2, 3, 4, // field 4, four fixed bytes
    ];
    assert_eq!(
        read(&bytes),
        vec![
            Ok(WireField::Bytes(1, b"kv")),
            Ok(WireField::Varint(2, 300)),
            Ok(WireField::Other(3)),
            Ok(WireField::Other(4)),
        ]
    );
    assert!(read(&[]).is_empty());
}

#[test]
fn a_cut_message_ends_with_an_error() {
    for bytes in [
        &[0x0a_u8][..],      // a key without a length
        &[0x0a, 0x05, b'a'], // fewer bytes than announced
        &[0x10, 0x80],       // a varint that does not end
        &[0x19, 1, 2, 3],    // half a fixed number
        &[0x0f],             // no such wire type
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ] {
        assert_eq!(read(bytes).last(), Some(&Err(Malformed)), "{bytes:?}");
    }
}

#[test]
fn an_error_is_the_last_item() {
    let mut fields = WireFields::new(&[0x0f, 0x0f]);
    assert_eq!(fields.next(), Some(Err(Malformed)));
    assert_eq!(fields.next(), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let fields = read(&bytes);
        prop_assert!(fields.len() <= bytes.len());
        prop_assert!(fields.iter().rev().skip(1).all(Result::is_ok));
    }
}
