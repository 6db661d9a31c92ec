//! Rewrites JSON text that the host's parser accepts and serde_json refuses.
//!
//! Two things differ: numbers with leading zeros or without digits on one side of the point, and
//! strings with bytes that are no UTF-8. Numbers are rewritten in place. A stray byte becomes a
//! marker character followed by its two hexadecimal digits, which [`unmark`] turns back after
//! parsing; the marker itself, U+10FFFF (a noncharacter), is escaped likewise wherever the text
//! has it. Anything else is copied, so a text that is wrong otherwise stays wrong in the same
//! place. Line breaks are kept, so lines keep their numbers.

use std::borrow::Cow;

use super::number;

const MARKER: &[u8; 4] = b"\xf4\x8f\xbf\xbf";
/// What follows the marker where the text has the marker itself.
const ITSELF: &[u8; 2] = b"--";

/// A rewritten text.
pub(super) struct Normalised {
    pub(super) text: Vec<u8>,
    /// Whether strings must go through [`unmark`].
    pub(super) marked: bool,
    /// Offsets in `text` and in the original just after each rewrite.
    rewrites: Vec<(usize, usize)>,
}

impl Normalised {
    /// The offset in the original of an offset in the rewritten text; inside a rewritten piece it
    /// is only near.
    pub(super) fn original_offset(&self, offset: usize) -> usize {
        let after = self.rewrites.partition_point(|rewrite| rewrite.0 <= offset);
        match after.checked_sub(1).map(|last| self.rewrites[last]) {
            Some((here, original)) => original + (offset - here),
            None => offset,
        }
    }

    fn rewrite(&mut self, piece: &[&[u8]], original_end: usize) {
        for part in piece {
            self.text.extend_from_slice(part);
        }
        self.rewrites.push((self.text.len(), original_end));
    }
}

/// Rewrites the text.
pub(super) fn normalise(text: &[u8]) -> Normalised {
    let mut out = Normalised {
        text: Vec::with_capacity(text.len() + text.len() / 8),
        marked: false,
        rewrites: Vec::new(),
    };
    let mut at = 0;
    while at < text.len() {
        at = match text[at] {
            b'"' => string(text, at, &mut out),
            b'-' | b'0'..=b'9' => number(text, at, &mut out),
            byte => {
                out.text.push(byte);
                at + 1
            }
        };
    }
    out
}

fn number(text: &[u8], at: usize, out: &mut Normalised) -> usize {
    let length = text[at..].iter().take_while(|byte| number::is_part(**byte)).count();
    let end = at + length;
    let token = &text[at..end];
    match number::canonical(token) {
        Some(strict) if strict != token => out.rewrite(&[&strict], end),
        _ => out.text.extend_from_slice(token),
    }
    end
}

/// Copies the string that starts at `at` and returns where it ends.
fn string(text: &[u8], at: usize, out: &mut Normalised) -> usize {
    out.text.push(b'"');
    let mut at = at + 1;
    while at < text.len() {
        let byte = text[at];
        if byte == b'"' {
            out.text.push(byte);
            return at + 1;
        }
        if byte == b'\\' {
            at = escape(text, at, out);
        } else if byte < 0x80 {
            out.text.push(byte);
            at += 1;
        } else {
            at = beyond_ascii(text, at, out);
        }
    }
    at
}

fn escape(text: &[u8], at: usize, out: &mut Normalised) -> usize {
    let pair = text.get(at..at + 12).unwrap_or_default();
    if pair.eq_ignore_ascii_case(b"\\udbff\\udfff") && pair[1] == b'u' && pair[7] == b'u' {
        out.marked = true;
        out.rewrite(&[MARKER, ITSELF], at + 12);
        return at + 12;
    }
    out.text.push(b'\\');
    // A byte beyond ASCII after the backslash is no escape; it is left to the caller's next turn.
    match text.get(at + 1) {
        Some(byte) if byte.is_ascii() => {
            out.text.push(*byte);
            at + 2
        }
        _ => at + 1,
    }
}

fn beyond_ascii(text: &[u8], at: usize, out: &mut Normalised) -> usize {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let longest = &text[at..text.len().min(at + 4)];
    let valid = match std::str::from_utf8(longest) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&longest[..error.valid_up_to()]).unwrap_or_default(),
    };
    let length = valid.chars().next().map_or(0, char::len_utf8);
    if length == 0 {
        out.marked = true;
        let byte = text[at];
        let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        out.rewrite(&[MARKER, &digits], at + 1);
        return at + 1;
    }
    let end = at + length;
    if text[at..end] == *MARKER {
        out.marked = true;
        out.rewrite(&[MARKER, ITSELF], end);
    } else {
        out.text.extend_from_slice(&text[at..end]);
    }
    end
}

/// Puts the bytes of the original back into a string that was read from a marked text.
pub(super) fn unmark(text: &[u8]) -> Cow<'_, [u8]> {
    let marker = |rest: &[u8]| rest.windows(MARKER.len()).position(|window| window == MARKER);
    let Some(first) = marker(text) else { return Cow::Borrowed(text) };
    let mut out = text[..first].to_vec();
    let mut rest = &text[first..];
    while let Some(after) = rest.strip_prefix(MARKER) {
        let (code, after) = after.split_at(after.len().min(2));
        let byte = std::str::from_utf8(code).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(MARKER),
        }
        let next = marker(after).unwrap_or(after.len());
        out.extend_from_slice(&after[..next]);
        rest = &after[next..];
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_strict_and_the_rest_is_kept() {
        let out = normalise(b"{\"a\":01,\"b 02\":[5.,-.5,\"03\"], \"c\":1e}");
        assert_eq!(
            String::from_utf8_lossy(&out.text),
            "{\"a\":1,\"b 02\":[5.0,-0.5,\"03\"], \"c\":1e}"
        );
        assert!(!out.marked);
        assert_eq!(out.original_offset(3), 3);
        assert_eq!(out.original_offset(6), 7);
    }

    #[test]
    fn stray_bytes_survive_the_marking() {
        let text = b"\"a\xff\xed\xa0\x80\xf4\x8f\xbf\xbf\xc3\xa9\\uDBFF\\udfff\\n\"";
        let out = normalise(text);
        assert!(out.marked);
        let read: String = serde_json::from_slice(&out.text).expect("the normalised text is JSON");
        assert_eq!(
            &*unmark(read.as_bytes()),
            b"a\xff\xed\xa0\x80\xf4\x8f\xbf\xbf\xc3\xa9\xf4\x8f\xbf\xbf\n"
        );
    }

    #[test]
    fn a_stray_byte_is_no_escape() {
        let out = normalise(b"\"\\\xff\"");
        assert!(serde_json::from_slice::<String>(&out.text).is_err());
    }
}
