//! Takes a JSON object apart without judging its values.
//!
//! Where one text holds many answers (a batch's output) or an answer in an envelope (a worker's
//! line), one bad value must cost only itself, and must be read by the same rules as if it stood
//! alone. So the values' texts are cut out here as they are, whatever is in them, and what is wrong
//! between them is noted and stepped over.
//!
//! Values are told apart by brackets and strings alone. A closing bracket closes everything down to
//! its opening one, so that a value that forgets one does not swallow its neighbours.

use std::borrow::Cow;

use super::{
    error::ReadError,
    json::position,
    normalise::{normalise, unmark},
    number::Number,
};

/// The members of a JSON object.
#[derive(Debug, Default)]
pub struct Members<'a> {
    /// Key and text of the value, in the order of the text. A key may come several times: the last
    /// one counts.
    pub members: Vec<(Cow<'a, [u8]>, &'a [u8])>,
    /// The first thing that is wrong with the object itself. What could be read stands in `members`
    /// all the same.
    pub damage: Option<ReadError>,
}

/// Takes the object `text` apart.
pub fn members(text: &[u8]) -> Members<'_> {
    let mut split = Split { text, at: 0, damage: None, members: Vec::new() };
    split.object();
    let damage = split.damage.map(|(at, reason)| {
        let (line, column, near) = position(text, at);
        ReadError::Malformed { reason: reason.to_owned(), line, column, near }
    });
    Members { members: split.members, damage }
}

/// The text of a JSON string; `None` when it is none.
pub fn string(text: &[u8]) -> Option<Vec<u8>> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let normalised = normalise(text);
    let read: String = serde_json::from_slice(&normalised.text).ok()?;
    Some(if normalised.marked { unmark(read.as_bytes()).into_owned() } else { read.into_bytes() })
}

/// The whole number that a JSON number is, however it is written (`7`, `7.0`, `7e0`).
pub fn whole_number(text: &[u8]) -> Option<u64> {
    /// The greatest double below which every whole number has one of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match Number::from_text(text).ok()? {
        Number::Int(value) => u64::try_from(value).ok(),
        Number::Large(value) => Some(value),
        Number::Float(value) if value.fract() == 0.0 && (0.0..EXACT).contains(&value) => {
            Some(value as u64)
        }
        Number::Float(_) => None,
    }
}

/// White space of JSON.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

struct Split<'a> {
    text: &'a [u8],
    at: usize,
    damage: Option<(usize, &'static str)>,
    members: Vec<(Cow<'a, [u8]>, &'a [u8])>,
}

impl<'a> Split<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn damaged(&mut self, what: &'static str) {
        self.damage.get_or_insert((self.at, what));
    }

    fn object(&mut self) {
        self.skip_blanks();
        if self.peek() != Some(b'{') {
            return self.damaged("expected an object");
        }
        self.at += 1;
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            return self.end();
        }
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'"') => self.member(),
                Some(b'}') => {
                    self.damaged("expected a member after the comma");
                    return self.end();
                }
                None => return self.damaged("expected `}` at the end"),
                Some(_) => {
                    self.damaged("expected a key in double quotes");
                    self.skip_to_comma();
                }
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.end(),
                Some(b'"') => self.damaged("expected `,`"),
                _ => {}
            }
        }
    }

    fn end(&mut self) {
        self.at += 1;
        // These two count as white space after a value.
        while self.peek().is_some_and(|byte| is_blank(byte) || matches!(byte, 0x0b | 0x0c)) {
            self.at += 1;
        }
        if self.at < self.text.len() {
            self.damaged("trailing characters");
        }
    }

    fn member(&mut self) {
        let start = self.at;
        self.skip_string();
        let quoted = &self.text[start..self.at];
        self.skip_blanks();
        if self.peek() != Some(b':') {
            self.damaged("expected `:`");
            return self.skip_to_comma();
        }
        self.at += 1;
        self.skip_blanks();
        let start = self.at;
        self.skip_value();
        let mut end = self.at;
        self.skip_blanks();
        if !matches!(self.peek(), None | Some(b',' | b'}' | b'"')) {
            // It is part of the value, which it makes a bad one.
            self.skip_to_comma();
            end = self.at;
        }
        if start == end {
            return self.damaged("expected value");
        }
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        let key = match string(quoted) {
            Some(key) if inner.contains(&b'\\') => Cow::Owned(key),
            _ => Cow::Borrowed(inner),
        };
        self.members.push((key, &self.text[start..end]));
    }

    /// Goes behind the string that starts here.
    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(found) = memchr::memchr2(b'"', b'\\', &self.text[self.at..]) {
            self.at += found;
            if self.text[self.at] == b'"' {
                self.at += 1;
                return;
            }
            self.at = (self.at + 2).min(self.text.len());
        }
        self.at = self.text.len();
    }

    /// Goes behind the value that starts here: nowhere, when there is none.
    fn skip_value(&mut self) {
        match self.peek() {
            Some(b'"') => self.skip_string(),
            Some(b'{' | b'[') => self.skip_nested(),
            _ => {
                let ends = |byte: &u8| is_blank(*byte) || b",}\"".contains(byte);
                let rest = &self.text[self.at..];
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
    }

    fn skip_nested(&mut self) {
        let mut open: Vec<u8> = Vec::new();
        // How many braces are among them: looking for one that is not there would take long.
        let mut braces = 0;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_string();
                    continue;
                }
                b'{' | b'[' => {
                    braces += usize::from(byte == b'{');
                    open.push(byte);
                }
                b'}' if braces > 0 => close(&mut open, &mut braces, b'{'),
                b']' if braces < open.len() => close(&mut open, &mut braces, b'['),
                _ => {}
            }
            self.at += 1;
            if open.is_empty() {
                return;
            }
        }
    }

    /// Goes to the comma or bracket that ends what is here.
    fn skip_to_comma(&mut self) {
        while !matches!(self.peek(), None | Some(b',' | b'}')) {
            match self.peek() {
                Some(b'"' | b'{' | b'[') => self.skip_value(),
                _ => self.at += 1,
            }
        }
    }
}

/// Closes everything down to the last `opening`, which there is.
fn close(open: &mut Vec<u8>, braces: &mut usize, opening: u8) {
    while let Some(bracket) = open.pop() {
        *braces -= usize::from(bracket == b'{');
        if bracket == opening {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `key=value` for each member, and what is wrong.
    fn split(text: &str) -> (String, String) {
        let split = members(text.as_bytes());
        let member = |(key, value): &(Cow<'_, [u8]>, &[u8])| {
            format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
        };
        let shown: Vec<String> = split.members.iter().map(member).collect();
        (shown.join(" "), split.damage.map(|damage| damage.to_string()).unwrap_or_default())
    }

    #[test]
    fn a_sound_object_comes_apart() {
        for (text, expected) in [
            ("{}", ""),
            (
                " {\"a\" : 1 , \"b\":[{\"c\":\"}\\\"]\"},{}]} \x0b\n",
                "a=1 b=[{\"c\":\"}\\\"]\"},{}]",
            ),
            ("{\"\\u0061\":null,\"a\":\"x\"}", "a=null a=\"x\""),
        ] {
            assert_eq!(split(text), (expected.to_owned(), String::new()), "{text}");
        }
    }

    #[test]
    fn a_bad_value_is_only_itself() {
        for (text, expected) in [
            ("{\"a\":NaN,\"b\":1}", "a=NaN b=1"),
            ("{\"a\":{\"x\":00.25},\"b\":0xff}", "a={\"x\":00.25} b=0xff"),
            ("{\"a\":1 2,\"b\":1}", "a=1 2 b=1"),
            ("{\"a\":{\"x\":[1},\"b\":{\"x\":]}}", "a={\"x\":[1} b={\"x\":]}"),
        ] {
            assert_eq!(split(text), (expected.to_owned(), String::new()), "{text}");
        }
    }

    #[test]
    fn what_can_be_read_of_a_damaged_object_is_kept() {
        for (text, expected, damage) in [
            ("", "", "expected an object at line 1 column 1"),
            ("[1]", "", "expected an object at line 1 column 1, near \"[1]\""),
            (
                "{\"a\":{},\"b\":{\"c\"",
                "a={} b={\"c\"",
                "expected `}` at the end at line 1 column 17",
            ),
            ("{\"a\":{}\n\"b\":{}}", "a={} b={}", "expected `,` at line 2 column 1"),
            ("{\"a\":{},b:{\"x\":{}},\"c\":1}", "a={} c=1", "expected a key in double quotes"),
            ("{\"a\":,\"b\":1}", "b=1", "expected value"),
            ("{\"a\",\"b\":1}", "b=1", "expected `:`"),
            ("{\"a\":1,}", "a=1", "expected a member after the comma"),
            ("{\"a\":1}{\"b\":1}", "a=1", "trailing characters"),
            ("{\"a", "", "expected `:`"),
        ] {
            let (members, found) = split(text);
            assert_eq!(members, expected, "{text}");
            assert!(found.starts_with(&format!("Malformed JSON. {damage}")), "{text}: {found}");
        }
    }

    /// Takes minutes if each closing bracket is looked up among all open ones.
    #[test]
    fn a_deep_nest_takes_no_longer_than_a_flat_text() {
        for (opening, closing) in [("[", "}"), ("{", "]"), ("[{", "]]")] {
            let text = format!("{{\"a\":{}{}", opening.repeat(1 << 20), closing.repeat(1 << 20));
            assert_eq!(members(text.as_bytes()).members.len(), 1);
        }
    }

    #[test]
    fn a_number_is_what_it_means() {
        for text in ["7", "7.0", "7e0", "70e-1", "007", "7."] {
            assert_eq!(whole_number(text.as_bytes()), Some(7), "{text}");
        }
        assert_eq!(whole_number(b"18446744073709551615"), Some(u64::MAX));
        for text in ["7.5", "-7", "\"7\"", "NaN", "0x7", "", "1e300", "null"] {
            assert_eq!(whole_number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn strings_are_read_with_their_stray_bytes() {
        assert_eq!(string(b"\"a\\n\xff\\u00e9\""), Some(b"a\n\xff\xc3\xa9".to_vec()));
        for text in [&b"\"a"[..], b"a", b"\"\\x\"", b"7", b"\"a\"b"] {
            assert_eq!(string(text), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_to_an_end(text in "[{}\\[\\]\",:a\\\\ 1\n]{0,40}") {
            let _ = members(text.as_bytes());
        }

        #[test]
        fn every_object_comes_apart_as_it_was_put_together(
            object in prop::collection::btree_map(".{0,8}", "[0-9]{1,5}|\".{0,8}\"", 0..6)
        ) {
            let object: serde_json::Map<String, serde_json::Value> =
                object.into_iter().map(|(key, value)| (key, serde_json::json!([value]))).collect();
            let text = serde_json::to_string(&object).expect("JSON");
            let split = members(text.as_bytes());
            prop_assert!(split.damage.is_none());
            let read: serde_json::Map<String, serde_json::Value> = split
                .members
                .iter()
                .map(|(key, value)| {
                    let key = String::from_utf8(key.to_vec()).expect("UTF-8");
                    (key, serde_json::from_slice(value).expect("JSON"))
                })
                .collect();
            prop_assert_eq!(read, object);
        }
    }
}
