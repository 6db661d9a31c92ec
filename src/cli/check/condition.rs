//! Mistakes in conditions, and where in the text of a file they stand.

use mesos_command::condition::{Fault, FaultKind, Span as Part};
use mesos_command::config::json::Span;

use super::codes;
use super::finding::{Finding, Place};

/// The finding about a condition that the agent refuses, which is the string at `place` of `text`.
pub(super) fn refused(fault: &Fault, place: &Place, text: &[u8]) -> Finding {
    let code = match fault.kind {
        FaultKind::Syntax => codes::CONDITION_SYNTAX,
        FaultKind::Field => codes::CONDITION_FIELD,
        FaultKind::Value => codes::CONDITION_VALUE,
    };
    let span = place.span.map(|whole| inside(text, whole, fault.span).unwrap_or(whole));
    let finding = Finding::error(code, fault.what.clone()).advice(fault.accepted.clone());
    finding.at(&Place { span, ..place.clone() })
}

/// The bytes of `part` of a string that stands, with quotes and escapes, at `whole` of `text`;
/// nothing where that cannot be said, because the string is no UTF-8.
fn inside(text: &[u8], whole: Span, part: Part) -> Option<Span> {
    let raw = text.get(whole.start + 1..whole.end.checked_sub(1)?)?;
    let (mut at, mut read) = (0, 0);
    let mut start = None;
    loop {
        if read == part.start {
            start.get_or_insert(at);
        }
        if read == part.end {
            let before = whole.start + 1;
            return Some(Span { start: before + start?, end: before + at });
        }
        let (raw_bytes, bytes) = step(raw.get(at..)?)?;
        (at, read) = (at + raw_bytes, read + bytes);
    }
}

/// How many bytes the next character or byte takes as it is written, and as it is read.
fn step(raw: &[u8]) -> Option<(usize, usize)> {
    match raw {
        [b'\\', b'u', ..] => {
            let unit = |at: usize| {
                let digits = std::str::from_utf8(raw.get(at..at + 4)?).ok()?;
                u16::from_str_radix(digits, 16).ok()
            };
            let first = unit(2)?;
            let is_pair = (0xd800..0xdc00).contains(&first);
            let second = if is_pair { Some(unit(8)?) } else { None };
            let units = [Some(first), second].into_iter().flatten();
            let character = char::decode_utf16(units).next()?.ok()?;
            Some((if is_pair { 12 } else { 6 }, character.len_utf8()))
        }
        [b'\\', _, ..] => Some((2, 1)),
        [_, ..] => Some((1, 1)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_string_is_found_behind_its_escapes() {
        // As it is written, what it reads as, and the part that is meant.
        for (raw, read, part) in [
            (r#""label.x = y""#, "label.x = y", "="),
            (r#""label.\"a b\" = y""#, "label.\"a b\" = y", "= y"),
            (r#""\u0061\u00fc \ud83d\ude00 == y""#, "aü 😀 == y", "== y"),
            (r#""ü = y""#, "ü = y", "="),
            (r#""a\/b\\c = y""#, "a/b\\c = y", "="),
        ] {
            let text = format!("[{raw}]");
            let at = read.find(part).expect("a part");
            let part_of = Part { start: at, end: at + part.len() };
            let whole = Span { start: 1, end: 1 + raw.len() };
            let found = inside(text.as_bytes(), whole, part_of).expect("it is there");
            assert_eq!(&text[found.start..found.end], part, "{raw}");
        }
        let whole = Span { start: 0, end: 4 };
        let end = inside(b"\"ab\"", whole, Part { start: 2, end: 2 });
        assert_eq!(end, Some(Span { start: 3, end: 3 }), "behind the last character");
        assert_eq!(inside(b"\"ab\"", whole, Part { start: 3, end: 4 }), None);
    }
}
