//! One line of the exposition.

use std::borrow::Cow;

/// A value with its name and labels.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    labels: Vec<(&'a str, Cow<'a, str>)>,
    pub(super) value: f64,
}

impl<'a> Sample<'a> {
    /// Reads a line; `None` for a comment, and for what is no sample.
    pub(super) fn read(line: &'a str) -> Option<Sample<'a>> {
        if line.starts_with('#') {
            return None;
        }
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            while !rest.starts_with('}') {
                let (label, value) = rest.split_once("=\"")?;
                let end = closing_quote(value)?;
                labels.push((label, unescaped(&value[..end])));
                rest = &value[end + 1..];
                rest = rest.strip_prefix(',').unwrap_or(rest);
            }
            rest = &rest[1..];
        }
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Sample { name, labels, value })
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| &**value)
    }
}

/// Where a quoted text ends, whose opening quote stands before it.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

/// `\\`, `\"` and `\n` as what they stand for.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some('n') => plain.push('\n'),
                other => plain.push(other.unwrap_or('\\')),
            },
            character => plain.push(character),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_labels_and_values_are_told_apart() {
        let sample = Sample::read("a_total{x=\"1\",y=\"p,}\\\"\\\\\\n\"} 2.5").unwrap();
        assert_eq!((sample.name, sample.value), ("a_total", 2.5));
        assert_eq!((sample.label("x"), sample.label("y")), (Some("1"), Some("p,}\"\\\n")));
        assert_eq!(sample.label("z"), None);
        assert_eq!(Sample::read("b 7").map(|it| (it.name, it.value)), Some(("b", 7.0)));
        for no in ["", "# HELP a b", "a", "a{", "a{x} 1", "a{x=\"1} 1", "a{x=\"1\"", "a b"] {
            assert_eq!(Sample::read(no), None, "{no}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC{0,60}") {
            let _ = Sample::read(&line);
        }
    }
}
