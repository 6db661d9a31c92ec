//! Foreign text in log lines and in what Mesos is told.
//!
//! What scripts, containers and tasks say ends up in an agent's log, in the status of tasks and on
//! operators' terminals. Printed as it is, it can end a line and forge the next one, hide what
//! stands before it, or give orders to the terminal. This is the one place that decides how such
//! bytes are shown: on one line, each character visible, in the escapes that C and Rust use.
//!
//! A backslash stays as it is, so text that has been through here once does not change any more:
//! what goes into a log line may be made visible where it is quoted and once more where the line
//! is written.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` on one line, with visible characters only.
///
/// Escaped are all control characters (C0 with tab and line feed, DEL, C1), U+2028 and U+2029,
/// and what is not seen but changes how text is seen: marks of writing direction, invisible and
/// tag characters.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(is_unseen) else { return Cow::Borrowed(text) };
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(&text[..first]);
    for character in text[first..].chars() {
        push(character, &mut shown);
    }
    Cow::Owned(shown)
}

/// As [`one_line`], for bytes that may be no UTF-8: those that are none are shown as `\xff`.
pub fn one_line_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&one_line(chunk.valid()));
        for byte in chunk.invalid() {
            push_byte(*byte, &mut shown);
        }
    }
    shown
}

fn push(character: char, shown: &mut String) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => push_byte(character as u8, shown),
        _ if is_unseen(character) => shown.extend(character.escape_unicode()),
        _ => shown.push(character),
    }
}

fn push_byte(byte: u8, shown: &mut String) {
    // Writing to a String cannot fail.
    let _written = write!(shown, "\\x{byte:02x}");
}

/// Whether a character is no visible one and no space, or may change how others are shown.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_not_be_seen_is_escaped() {
        for (text, shown) in [
            ("plain, größer, 漢字 🙂 \\x1b", "plain, größer, 漢字 🙂 \\x1b"),
            ("a\nb\r\n\tc", "a\\nb\\r\\n\\tc"),
            ("\x1b[2J\x1b]0;x\x07\x0b\x08\0\x7f", "\\x1b[2J\\x1b]0;x\\x07\\x0b\\x08\\x00\\x7f"),
            ("\u{85}\u{9b}31m", "\\u{85}\\u{9b}31m"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{202e}gnp.exe\u{2066}\u{200f}", "\\u{202e}gnp.exe\\u{2066}\\u{200f}"),
            ("\u{feff}\u{200b}\u{e0041}", "\\u{feff}\\u{200b}\\u{e0041}"),
        ] {
            assert_eq!(one_line(text), shown);
        }
        assert_eq!(one_line_bytes(b"a\xff\xc2\nb\xe2\x80"), "a\\xff\\xc2\\nb\\xe2\\x80");
    }

    proptest! {
        #[test]
        fn nothing_unseen_is_left_and_a_second_time_changes_nothing(bytes: Vec<u8>) {
            let shown = one_line_bytes(&bytes);
            prop_assert!(!shown.contains(is_unseen), "{shown:?}");
            prop_assert_eq!(one_line(&shown), shown.as_str());
        }

        #[test]
        fn texts_and_their_bytes_are_shown_alike(text: String) {
            prop_assert_eq!(one_line(&text), one_line_bytes(text.as_bytes()));
        }
    }
}
