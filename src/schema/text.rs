//! JSON text of single values, in the spelling of the host's own writer.
//!
//! The rules are those that scripts written for the original modules were fed: integral doubles
//! end in `.0`, infinities are quoted, NaN is bare (and so no JSON), control characters are
//! escaped with upper-case hexadecimal digits, and bytes from 0x80 pass through unchecked.

use std::io::Write;

/// What follows the backslash for each byte that needs one; 0 for the others, 1 for `\u00XX`.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = 1;
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// A quoted string.
pub fn string(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(*byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        if escape == 1 {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        } else {
            out.extend_from_slice(&[b'\\', escape]);
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// An unsigned integer.
pub(super) fn unsigned(mut value: u64, out: &mut Vec<u8>) {
    // 20 digits hold the greatest value.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A signed integer.
pub(super) fn signed(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(value.unsigned_abs(), out);
}

/// A double: shortest digits that read back as the same number.
pub fn double(value: f64, out: &mut Vec<u8>) {
    let size = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        let text: &[u8] = if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" };
        out.extend_from_slice(text);
    } else if size < 1e15 && value == value.trunc() {
        if value.is_sign_negative() {
            out.push(b'-');
        }
        unsigned(size as u64, out);
        out.extend_from_slice(b".0");
    } else {
        let written = if (1e-6..1e21).contains(&size) {
            let point = if value == value.trunc() { ".0" } else { "" };
            write!(out, "{value}{point}")
        } else {
            write!(out, "{value:e}")
        };
        // A vector takes all that is written to it.
        debug_assert!(written.is_ok());
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A quoted base64 text with padding.
pub(super) fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3) * 4 + 2);
    out.push(b'"');
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]);
            } else {
                out.push(b'=');
            }
        }
    }
    out.push(b'"');
}

/// Decodes base64 as leniently as the host: white space is skipped, the first `=` ends the text,
/// padding may be absent and an odd last character is dropped. Returns the first byte outside the
/// alphabet as the error.
pub(super) fn decode_base64(text: &[u8]) -> Result<Vec<u8>, u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits = 0u32;
    let mut held = 0;
    for byte in text.iter().copied() {
        let value = match byte {
            b'=' => break,
            b' ' | b'\t'..=b'\r' => continue,
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(byte),
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64) -> String {
        let mut out = Vec::new();
        double(value, &mut out);
        String::from_utf8(out).expect("a number is ASCII")
    }

    #[test]
    fn doubles_have_the_hosts_spelling() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-5.0, "-5.0"),
            (0.1, "0.1"),
            (f64::from(0.1f32), "0.10000000149011612"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (9.99e-7, "9.99e-7"),
            (-1e-7, "-1e-7"),
            (1e15, "1000000000000000.0"),
            (123_456_789.25, "123456789.25"),
            (1e20, "100000000000000000000.0"),
            (1e21, "1e21"),
            (1.25e300, "1.25e300"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(shown(value), text);
        }
    }

    #[test]
    fn strings_are_escaped_and_otherwise_untouched() {
        let mut out = Vec::new();
        string(b"a\"\\/\x08\t\n\x0c\r\x00\x1f\x7f\xff\xc3\xa9", &mut out);
        assert_eq!(out, b"\"a\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001F\x7f\xff\xc3\xa9\"");
    }

    #[test]
    fn base64_goes_out_padded_and_comes_in_leniently() {
        for (bytes, text) in [
            (&b""[..], "\"\""),
            (b"a", "\"YQ==\""),
            (b"ab", "\"YWI=\""),
            (b"abc", "\"YWJj\""),
            (b"\xff\xfe\xfd\xfc", "\"//79/A==\""),
        ] {
            let mut out = Vec::new();
            base64(bytes, &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(decode_base64(&out[1..out.len() - 1]).as_deref(), Ok(bytes));
        }
        assert_eq!(decode_base64(b"YWI").as_deref(), Ok(&b"ab"[..]));
        assert_eq!(decode_base64(b"YW\nI =").as_deref(), Ok(&b"ab"[..]));
        assert_eq!(decode_base64(b"YWJjY").as_deref(), Ok(&b"abc"[..]));
        assert_eq!(decode_base64(b"YW-_"), Err(b'-'));
    }
}
