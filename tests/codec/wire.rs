//! Wire format by hand.

fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 128 {
        out.push((value % 128) as u8 + 128);
        value /= 128;
    }
    out.push(value as u8);
}

/// A varint field.
pub(crate) fn varint(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    number(u64::from(field) * 8, &mut out);
    number(value, &mut out);
    out
}

/// A fixed-width field of four or eight bytes.
pub(crate) fn fixed(field: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    number(u64::from(field) * 8 + if value.len() == 8 { 1 } else { 5 }, &mut out);
    out.extend_from_slice(value);
    out
}

/// A length-delimited field.
pub(crate) fn bytes(field: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    number(u64::from(field) * 8 + 2, &mut out);
    number(value.len() as u64, &mut out);
    out.extend_from_slice(value);
    out
}

/// A message in which the message field `field` holds one another `depth` times.
pub(crate) fn nested(field: u32, depth: usize) -> Vec<u8> {
    // From the inside out, reversed: each level's head goes behind what it encloses.
    let mut reversed: Vec<u8> = Vec::new();
    for _ in 0..depth {
        let mut head = Vec::new();
        number(u64::from(field) * 8 + 2, &mut head);
        number(reversed.len() as u64, &mut head);
        reversed.extend(head.iter().rev());
    }
    reversed.reverse();
    reversed
}
