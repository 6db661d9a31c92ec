//! A reader of protobuf's wire format, for bytes of which no more than their encoding is known.
//!
//! [`fields`] is for looking into a message of the host: its container IDs, parameters and names.
//! `schema` reads whole messages by their descriptors and needs to know where each value lies; it
//! uses `field_at`.

/// How deep groups, which Mesos has none of, may lie in one another.
const MAX_GROUPS: usize = 100;

pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const BYTES: u8 = 2;
const GROUP_START: u8 = 3;
const GROUP_END: u8 = 4;
pub(crate) const FIXED32: u8 = 5;

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where reading stopped.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// A field of a message: its number and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// A varint.
    Varint(u32, u64),
    /// A string, bytes or nested message.
    Bytes(u32, &'a [u8]),
    /// A fixed-size number or a group.
    Other(u32),
}

/// The fields of a serialised message, in their order. An error is the last item.
pub fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Malformed>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at == message.len() {
            return None;
        }
        let field = field_at(message, at);
        at = field.map_or(message.len(), |field| field.end);
        Some(field.map(|field| match field.wire {
            VARINT => Field::Varint(field.number, field.value),
            BYTES => Field::Bytes(field.number, &message[field.at..field.end]),
            _ => Field::Other(field.number),
        }))
    })
}

/// The last field `number` with a length-delimited value in a serialised message; `None` also when
/// the message is malformed.
pub fn bytes_field(message: &[u8], number: u32) -> Option<&[u8]> {
    let mut found = None;
    for field in fields(message) {
        match field.ok()? {
            Field::Bytes(its, value) if its == number => found = Some(value),
            _ => {}
        }
    }
    found
}

/// One field as it lies on the wire.
#[derive(Clone, Copy)]
pub(crate) struct RawField {
    pub(crate) number: u32,
    pub(crate) wire: u8,
    /// Where its value starts.
    pub(crate) at: usize,
    /// The varint or the bits of a fixed value; the length of anything length-delimited.
    pub(crate) value: u64,
    /// Where the next field starts.
    pub(crate) end: usize,
}

const fn malformed(offset: usize, what: &'static str) -> Malformed {
    Malformed { offset, what }
}

/// Reads the field that starts at `at`. A group is one field with an empty value.
pub(crate) fn field_at(bytes: &[u8], at: usize) -> Result<RawField, Malformed> {
    let (number, wire, start) = tag(bytes, at)?;
    match wire {
        GROUP_START => {
            let end = skip_group(bytes, start, number)?;
            Ok(RawField { number, wire, at: start, value: 0, end })
        }
        GROUP_END => Err(malformed(at, "a group ends that did not start")),
        BYTES => {
            let (length, start) = varint(bytes, start)?;
            if length > (bytes.len() - start) as u64 {
                return Err(malformed(start, "a value is longer than what is left"));
            }
            Ok(RawField { number, wire, at: start, value: length, end: start + length as usize })
        }
        _ => {
            let (value, end) = scalar(bytes, start, wire)?;
            Ok(RawField { number, wire, at: start, value, end })
        }
    }
}

fn skip_group(bytes: &[u8], mut at: usize, number: u32) -> Result<usize, Malformed> {
    let mut open = vec![number];
    while let Some(innermost) = open.last().copied() {
        let (number, wire, start) = tag(bytes, at)?;
        match wire {
            GROUP_START if open.len() == MAX_GROUPS => {
                return Err(malformed(at, "groups lie too deep in one another"));
            }
            GROUP_START => {
                open.push(number);
                at = start;
            }
            GROUP_END if number != innermost => {
                return Err(malformed(at, "a group ends that is not the innermost"));
            }
            GROUP_END => {
                open.pop();
                at = start;
            }
            _ => at = field_at(bytes, at)?.end,
        }
    }
    Ok(at)
}

fn tag(bytes: &[u8], at: usize) -> Result<(u32, u8, usize), Malformed> {
    let (tag, end) = varint(bytes, at)?;
    let number = u32::try_from(tag).map_err(|_| malformed(at, "a tag is too large"))? >> 3;
    if number == 0 {
        return Err(malformed(at, "a field has the number 0"));
    }
    Ok((number, (tag & 7) as u8, end))
}

/// Reads one value that is no message, string or bytes; returns where the next one starts.
pub(crate) fn scalar(bytes: &[u8], at: usize, wire: u8) -> Result<(u64, usize), Malformed> {
    let fixed =
        |size: usize| bytes.get(at..at + size).ok_or(malformed(at, "a fixed value is cut short"));
    match wire {
        VARINT => varint(bytes, at),
        FIXED32 => {
            let mut value = [0; 4];
            value.copy_from_slice(fixed(4)?);
            Ok((u32::from_le_bytes(value).into(), at + 4))
        }
        FIXED64 => {
            let mut value = [0; 8];
            value.copy_from_slice(fixed(8)?);
            Ok((u64::from_le_bytes(value), at + 8))
        }
        _ => Err(malformed(at, "a wire type does not exist")),
    }
}

#[inline]
fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), Malformed> {
    let mut value = 0;
    for (place, byte) in bytes[at..].iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Ok((value, at + place + 1));
        }
    }
    let what = if bytes.len() - at < 10 { "a number is cut short" } else { "a number is too long" };
    Err(malformed(at, what))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<Result<Field<'_>, Malformed>> {
        fields(bytes).collect()
    }

    #[test]
    fn reads_each_kind_of_field() {
        let bytes = [
            0x0a, 0x02, b'k', b'v', // field 1, two bytes
            0x10, 0xac, 0x02, // field 2, varint 300
            0x19, 1, 2, 3, 4, 5, 6, 7, 8, // field 3, eight fixed bytes
            0x25, 1, 2, 3, 4, // field 4, four fixed bytes
            0x2b, 0x08, 1, 0x2c, // field 5, a group with a varint
        ];
        let expected = [
            Field::Bytes(1, b"kv"),
            Field::Varint(2, 300),
            Field::Other(3),
            Field::Other(4),
            Field::Other(5),
        ];
        assert_eq!(read(&bytes), expected.map(Ok));
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
            &[0x0b, 0x08, 1],    // a group that does not end
            &[0x0c],             // a group that did not start
            &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] {
            assert!(matches!(read(bytes).last(), Some(Err(_))), "{bytes:?}");
            assert_eq!(bytes_field(bytes, 1), None, "{bytes:?}");
        }
    }

    #[test]
    fn an_error_is_the_last_item() {
        let what = "a wire type does not exist";
        assert_eq!(read(&[0x0f, 0x0f]), [Err(Malformed { offset: 1, what })]);
    }

    #[test]
    fn the_last_field_of_a_number_counts() {
        let bytes = [0x0a, 1, b'a', 0x12, 1, b'b', 0x0a, 1, b'c'];
        assert_eq!(bytes_field(&bytes, 1), Some(&b"c"[..]));
        assert_eq!((bytes_field(&bytes, 2), bytes_field(&bytes, 3)), (Some(&b"b"[..]), None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let fields = read(&bytes);
            prop_assert!(fields.len() <= bytes.len());
            prop_assert!(fields.iter().rev().skip(1).all(Result::is_ok));
        }
    }
}
