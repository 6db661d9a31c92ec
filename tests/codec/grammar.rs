//! A recogniser for what the host's JSON parser accepts, written from its rules alone, against
//! which the codec's choice is compared on random texts.

/// Whether the host parses the text.
pub(crate) fn accepts(text: &[u8]) -> bool {
    let mut input = Input { text, at: 0 };
    if !input.value(200) {
        return false;
    }
    text[input.at..].iter().all(|byte| b" \t\n\r\x0b\x0c".contains(byte))
}

struct Input<'a> {
    text: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| b" \t\n\r".contains(&byte)) {
            self.at += 1;
        }
    }

    fn expect(&mut self, text: &str) -> bool {
        let found = self.text[self.at..].starts_with(text.as_bytes());
        self.at += if found { text.len() } else { 0 };
        found
    }

    fn mark(&mut self, mark: &str) -> bool {
        self.blank();
        self.expect(mark)
    }

    fn value(&mut self, depth: usize) -> bool {
        self.blank();
        match self.peek() {
            Some(b'n') => self.expect("null"),
            Some(b't') => self.expect("true"),
            Some(b'f') => self.expect("false"),
            Some(b'"') => self.string(),
            Some(b'[') => depth > 0 && self.list("[", "]", |input| input.value(depth - 1)),
            Some(b'{') => {
                let member = |input: &mut Self| {
                    input.blank();
                    input.string() && input.mark(":") && input.value(depth - 1)
                };
                depth > 0 && self.list("{", "}", member)
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => false,
        }
    }

    fn list(&mut self, open: &str, close: &str, mut item: impl FnMut(&mut Self) -> bool) -> bool {
        self.expect(open);
        if self.mark(close) {
            return true;
        }
        loop {
            if !item(self) {
                return false;
            }
            if !self.mark(",") {
                return self.mark(close);
            }
        }
    }

    fn number(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let token = rest.iter().take_while(|byte| b"0123456789+-.eE".contains(byte)).count();
        self.at += token;
        let token = std::str::from_utf8(&rest[..token]).unwrap();
        // Rust's own parser takes the same decimal forms as C's, given this first character.
        token.parse::<f64>().is_ok_and(f64::is_finite)
    }

    fn string(&mut self) -> bool {
        if !self.expect("\"") {
            return false;
        }
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return true,
                0..=0x1f => return false,
                b'\\' => {
                    let escape = self.peek();
                    self.at += 1;
                    match escape {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                        Some(b'u') if self.code_point() => {}
                        _ => return false,
                    }
                }
                _ => {}
            }
        }
        false
    }

    fn quad(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
    }

    fn code_point(&mut self) -> bool {
        match self.quad() {
            Some(0xd800..=0xdbff) => {
                self.expect("\\u") && matches!(self.quad(), Some(0xdc00..=0xdfff))
            }
            Some(0xdc00..=0xdfff) | None => false,
            Some(_) => true,
        }
    }
}

#[test]
fn the_recogniser_knows_the_rules() {
    for good in
        ["{}", " [1, 05.,-.5e3] \x0b", "\"\\ud83d\\ude00\\/\"", "{\"a\":{},\"a\":[]}", "1e5"]
    {
        assert!(accepts(good.as_bytes()), "{good}");
    }
    for bad in ["", "[1,]", "+1", ".5", "1e", "1e999", "\"\\ud800\"", "{\"a\" 1}", "[] x", "nul"] {
        assert!(!accepts(bad.as_bytes()), "{bad}");
    }
    assert!(accepts(format!("{}{}", "[".repeat(200), "]".repeat(200)).as_bytes()));
    assert!(!accepts(format!("{}{}", "[".repeat(201), "]".repeat(201)).as_bytes()));
}
