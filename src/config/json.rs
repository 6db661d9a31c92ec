//! JSON text as Mesos's parser takes it, with the places at which things stand.
//!
//! The rules are those of the parser inside Mesos (picojson 1.3.0 with stout's changes), which
//! differ from JSON's: leading zeros and `5.` are numbers, bytes that are no UTF-8 pass, nesting
//! ends at 200.

/// How deep lists and objects may lie in one another.
const MAX_DEPTH: usize = 200;

/// Bytes of a text: the first, and the one behind the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte, from 0.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

/// A string and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The string. Bytes that are no UTF-8 are U+FFFD.
    pub text: String,
    /// The line on which it begins, from 1.
    pub line: u32,
    /// Its bytes, with the quotes.
    pub span: Span,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The line on which it begins, from 1.
    pub line: u32,
    /// Its bytes.
    pub span: Span,
    /// What stands there.
    pub value: Json,
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, as it is written.
    Number(String),
    /// A string. Bytes that are no UTF-8 are U+FFFD.
    String(String),
    /// A list.
    Array(Vec<Node>),
    /// An object's keys and values in their order; a key may occur more than once.
    Object(Vec<(Text, Node)>),
}

impl Json {
    /// What it is, for error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

/// Text that is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: u32,
    /// The byte in it, from 1.
    pub column: u32,
    /// The byte in the whole text, from 0; its length where the text ends too early.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
}

/// Reads a text that is one value and white space.
///
/// # Errors
/// The first place that cannot be read.
pub fn parse(text: &[u8]) -> Result<Node, SyntaxError> {
    let mut reader = Reader { text, at: 0, line: 1, line_start: 0 };
    let node = reader.value(0)?;
    // These two are white space for the host as well, but only here.
    while let Some(b'\x0b' | b'\x0c' | b' ' | b'\t' | b'\r' | b'\n') = reader.peek() {
        reader.step();
    }
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.error("more text after the end of the value")),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn error(&self, what: &str) -> SyntaxError {
        let column = u32::try_from(self.at - self.line_start + 1).unwrap_or(u32::MAX);
        SyntaxError { line: self.line, column, at: self.at, what: what.to_owned() }
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.step();
        }
    }

    /// Goes behind a byte of white space.
    fn step(&mut self) {
        let ends_line = self.peek() == Some(b'\n');
        self.at += 1;
        if ends_line {
            self.line += 1;
            self.line_start = self.at;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        self.blanks();
        let (line, start) = (self.line, self.at);
        let value = match self.peek() {
            None => return Err(self.error("a value is missing")),
            Some(b'{' | b'[') if depth == MAX_DEPTH => {
                return Err(self.error("nested more than 200 deep"));
            }
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Json::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Json::Number(self.number()?),
            Some(_) => self.word()?,
        };
        Ok(Node { line, span: Span { start, end: self.at }, value })
    }

    fn word(&mut self) -> Result<Json, SyntaxError> {
        let words = [("null", Json::Null), ("true", Json::Bool), ("false", Json::Bool)];
        for (word, value) in words {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error(match self.peek() {
            Some(b'\'') => "strings need double quotes",
            Some(b'/' | b'#') => "JSON has no comments",
            Some(b'}' | b']') => "a value is missing (a comma too many?)",
            _ => "no JSON value begins like this",
        }))
    }

    fn number(&mut self) -> Result<String, SyntaxError> {
        let rest = &self.text[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let text = String::from_utf8_lossy(&rest[..length]).into_owned();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => {}
            Ok(_) => return Err(self.error("this number is too large")),
            Err(_) => return Err(self.error("this is no number")),
        }
        self.at += length;
        Ok(text)
    }

    fn array(&mut self, depth: usize) -> Result<Json, SyntaxError> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.error("',' or ']' is missing"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, SyntaxError> {
        self.at += 1;
        let mut entries = Vec::new();
        if self.take(b'}') {
            return Ok(Json::Object(entries));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.error(match self.peek() {
                    Some(b'}') => "a key is missing (a comma too many?)",
                    Some(b'/' | b'#') => "JSON has no comments",
                    _ => "a key in double quotes is missing",
                }));
            }
            let (line, start) = (self.line, self.at);
            let text = self.string()?;
            let key = Text { text, line, span: Span { start, end: self.at } };
            if !self.take(b':') {
                return Err(self.error("':' is missing"));
            }
            entries.push((key, self.value(depth + 1)?));
            if self.take(b'}') {
                return Ok(Json::Object(entries));
            }
            if !self.take(b',') {
                return Err(self.error("',' or '}' is missing"));
            }
        }
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                None => return Err(self.error("the string has no end")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(String::from_utf8_lossy(&bytes).into_owned());
                }
                Some(b'\\') => self.escape(&mut bytes)?,
                Some(0..=0x1f) => {
                    return Err(self.error("a control character or line end within a string"));
                }
                Some(byte) => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let code = self.text.get(self.at + 1).copied();
        let plain = match code {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode(bytes),
            _ => return Err(self.error("no such escape (a backslash itself is \\\\)")),
        };
        bytes.push(plain);
        self.at += 2;
        Ok(())
    }

    fn unicode(&mut self, bytes: &mut Vec<u8>) -> Result<(), SyntaxError> {
        let malformed =
            "no such character: \\u needs four hexadecimal digits, pairs for surrogates";
        let unit = |reader: &mut Self| {
            let rest = reader.text.get(reader.at..reader.at + 6)?;
            let digits = std::str::from_utf8(rest.strip_prefix(b"\\u")?).ok()?;
            let valid = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let unit = u16::from_str_radix(digits, 16).ok().filter(|_| valid)?;
            reader.at += 6;
            Some(unit)
        };
        let first = unit(self).ok_or_else(|| self.error(malformed))?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            units.push(unit(self).ok_or_else(|| self.error(malformed))?);
        }
        let text = String::from_utf16(&units).map_err(|_| self.error(malformed))?;
        bytes.extend(text.bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mesos_takes_is_taken() {
        for text in [
            "{}",
            " [ 01 , 5., -1e3 ] ",
            "\"\\u00e4\\ud83d\\ude00\"",
            "{\"a\":1,\"a\":2}",
            "null\r\n",
            "null \x0b\x0c\n",
        ] {
            parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        let node = parse(b"{\"a\":\n[1,\n\"\xff\"]}").expect("no UTF-8 is no obstacle");
        let Json::Object(entries) = node.value else { panic!("an object") };
        let Json::Array(items) = &entries[0].1.value else { panic!("a list") };
        assert_eq!((entries[0].1.line, items[1].line), (2, 3));
        assert_eq!(items[1].value, Json::String("\u{fffd}".to_owned()));
        let deep = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(parse(&deep(200)).is_ok() && parse(&deep(201)).is_err());
    }

    #[test]
    fn what_mesos_refuses_is_refused_with_its_place() {
        for (text, place, what) in [
            ("", (1, 1), "missing"),
            ("{\n \"a\": 1,\n}", (3, 1), "comma too many"),
            ("[1,]", (1, 4), "comma too many"),
            ("{'a':1}", (1, 2), "double quotes"),
            ("['a']", (1, 2), "double quotes"),
            ("[1 2]", (1, 4), "',' or ']'"),
            ("{\"a\" 1}", (1, 6), "':'"),
            ("{} x", (1, 4), "after the end"),
            ("[.5]", (1, 2), "begins like this"),
            ("[1e]", (1, 2), "no number"),
            ("[1e999]", (1, 2), "too large"),
            ("[\x0b1]", (1, 2), "begins like this"),
            ("[\"a\nb\"]", (1, 4), "control character"),
            ("[\"\\x\"]", (1, 3), "escape"),
            ("[\"\\ud800\"]", (1, 9), "surrogates"),
            ("// x\n{}", (1, 1), "comments"),
            ("\u{feff}{}", (1, 1), "begins like this"),
            ("[\"a", (1, 4), "no end"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert_eq!((error.line, error.column), place, "{text}: {error}");
            assert!(error.what.contains(what), "{text}: {error}");
        }
    }
}
