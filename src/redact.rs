//! Inputs and outputs for people to read, without their secrets.
//!
//! `debug=true` writes every input and output into the agent's log, and containers' environments
//! are full of secrets. What is shown of a JSON text is decided by its structure, never by
//! patterns over the text: hidden are the values of environment variables of type SECRET, the data
//! of Mesos's `Secret` messages (what a reference names may be seen), and the values of all
//! environment variables, labels, parameters and keys with one of the configured names. A text
//! that is no JSON has no structure, so nothing of it is shown. What is free text (a command line,
//! a task's `data`) is shown as it is, unless its key is named.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::escape::{one_line, one_line_bytes};

/// Names whose values are hidden when `redact` is not set.
pub const DEFAULT_NAMES: &str =
    "*password*, *passwd*, *secret*, *token*, *credential*, *private_key*, *access_key*";
/// What stands in the place of a value.
const HIDDEN: &str = "\"[redacted]\"";
/// The same outside of JSON.
const SHOWN: &str = "[redacted]";
/// Deeper than any message of Mesos that is of use (100 levels).
const MAX_DEPTH: usize = 128;

/// What of a JSON text is hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// `None`: nothing is hidden.
    names: Option<Arc<[Name]>>,
}

/// A name in small letters; a `*` at its beginning or end stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    text: String,
    open_start: bool,
    open_end: bool,
}

impl Default for Redaction {
    fn default() -> Redaction {
        Redaction { names: Some(DEFAULT_NAMES.split(',').filter_map(Name::parse).collect()) }
    }
}

impl Redaction {
    /// Everything is shown.
    pub fn none() -> Redaction {
        Redaction { names: None }
    }

    /// Reads names separated by commas, or `none`.
    ///
    /// # Errors
    /// What is accepted.
    pub fn parse(text: &str) -> Result<Redaction, String> {
        if text.trim() == "none" {
            return Ok(Redaction::none());
        }
        let names: Option<Vec<Name>> = text.split(',').map(Name::parse).collect();
        names.map(|names| Redaction { names: Some(names.into()) }).ok_or_else(|| {
            "accepted are names separated by commas, each with a '*' at its beginning or end if \
             anything may stand there ('*password*,API_KEY'), or 'none'"
                .to_owned()
        })
    }

    /// A JSON text on one line, without its secrets.
    pub fn text(&self, json: &[u8]) -> String {
        if self.names.is_none() || json.trim_ascii().is_empty() {
            return one_line_bytes(json.trim_ascii());
        }
        // Bytes that are no UTF-8 are no JSON either, but the host's inputs may have them.
        match self.json(&String::from_utf8_lossy(json)) {
            Some(shown) => one_line(&shown).into_owned(),
            None => format!("({} bytes that are no JSON; redact=none shows them)", json.len()),
        }
    }

    /// The value of the parameter `key`, which is free text: nothing of it where the key is one of
    /// the names, else without the values of `NAME=VALUE` and `--name=value` in it.
    pub fn parameter(&self, key: &str, value: &str) -> String {
        let Some(names) = &self.names else { return value.to_owned() };
        let is_named = |name: &str| {
            let name = name.to_ascii_lowercase();
            names.iter().any(|hidden| hidden.fits(&name))
        };
        if is_named(key) {
            return SHOWN.to_owned();
        }
        let mut shown = String::with_capacity(value.len());
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('=') {
            let name = before.rsplit(|c: char| c.is_whitespace() || "'\"`(;&|".contains(c)).next();
            shown.push_str(before);
            shown.push('=');
            rest = after;
            if name.is_some_and(|name| is_named(name.trim_start_matches('-'))) {
                shown.push_str(SHOWN);
                let quote = after.chars().next().filter(|first| "'\"".contains(*first));
                let end = match quote {
                    Some(quote) => after[1..].find(quote).map(|end| end + 2),
                    None => after.find(|c: char| c.is_whitespace() || ";&|)".contains(c)),
                };
                rest = &after[end.unwrap_or(after.len())..];
            }
        }
        shown + rest
    }

    /// A JSON text without its secrets and the blanks between its values; `None` when it is no
    /// JSON.
    pub fn json(&self, json: &str) -> Option<String> {
        let Some(names) = &self.names else { return Some(json.to_owned()) };
        let mut out = String::with_capacity(json.len());
        Walk { names, out: &mut out }.value(json.trim_ascii(), 0)?;
        Some(out)
    }
}

impl Name {
    fn parse(text: &str) -> Option<Name> {
        let text = text.trim().to_ascii_lowercase();
        let (open_start, rest) = match text.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, text.as_str()),
        };
        let (open_end, rest) = match rest.strip_suffix('*') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let text = rest.to_owned();
        (!text.is_empty() && !text.contains('*')).then_some(Name { text, open_start, open_end })
    }

    fn fits(&self, name: &str) -> bool {
        match (self.open_start, self.open_end) {
            (false, false) => name == self.text,
            (false, true) => name.starts_with(&self.text),
            (true, false) => name.ends_with(&self.text),
            (true, true) => name.contains(&self.text),
        }
    }
}

/// The keys and values of an object, in their order.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

/// Goes through a JSON text and copies it, but for what is hidden.
struct Walk<'a> {
    names: &'a [Name],
    out: &'a mut String,
}

impl Walk<'_> {
    /// Copies a value; `None` when it is no JSON, or too deep.
    fn value(&mut self, raw: &str, depth: usize) -> Option<()> {
        if depth == MAX_DEPTH {
            return None;
        }
        match raw.as_bytes().first()? {
            b'{' => self.object(&entries(raw)?, depth),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.comma(index);
                    self.value(item.get(), depth + 1)?;
                }
                self.out.push(']');
                Some(())
            }
            _ => {
                let _: &RawValue = serde_json::from_str(raw).ok()?;
                self.out.push_str(raw);
                Some(())
            }
        }
    }

    fn object(&mut self, object: &Entries<'_>, depth: usize) -> Option<()> {
        // `name` of an environment variable, `key` of a label or parameter.
        let named = ["name", "key"].iter().filter_map(|key| object.string(key));
        let hides_value = named.into_iter().any(|name| self.is_named(&name))
            || object.string("type").is_some_and(|kind| kind == "SECRET");
        self.out.push('{');
        for (index, (key, value)) in object.0.iter().enumerate() {
            self.comma(index);
            self.out.push_str(&serde_json::to_string(key).ok()?);
            self.out.push(':');
            if key == "value" && hides_value {
                self.out.push_str(HIDDEN);
            } else if let Some(secret) = secret_of(key, value) {
                self.secret(&secret, depth + 1)?;
            } else if self.is_named(key) && !matches!(value.get(), "null" | "true" | "false") {
                self.out.push_str(HIDDEN);
            } else {
                self.value(value.get(), depth + 1)?;
            }
        }
        self.out.push('}');
        Some(())
    }

    /// A `mesos.Secret`: its value is hidden, its type and what its reference names are not.
    fn secret(&mut self, secret: &Entries<'_>, depth: usize) -> Option<()> {
        self.out.push('{');
        for (index, (key, value)) in secret.0.iter().enumerate() {
            self.comma(index);
            self.out.push_str(&serde_json::to_string(key).ok()?);
            self.out.push(':');
            if matches!(key.as_str(), "type" | "reference") {
                self.plain(value.get(), depth + 1)?;
            } else {
                self.out.push_str(HIDDEN);
            }
        }
        self.out.push('}');
        Some(())
    }

    /// A value of which nothing is hidden.
    fn plain(&mut self, raw: &str, depth: usize) -> Option<()> {
        Walk { names: &[], out: &mut *self.out }.value(raw, depth)
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }

    fn is_named(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.names.iter().any(|hidden| hidden.fits(&name))
    }
}

/// The entries of `value` if it is a `mesos.Secret`: `{"type":"VALUE","value":{"data":…}}`, or the
/// same with a reference. Told by its shape, because a fork may have secrets in fields of its own.
fn secret_of<'a>(key: &str, value: &'a RawValue) -> Option<Entries<'a>> {
    if !value.get().starts_with('{') {
        return None;
    }
    let secret = entries(value.get())?;
    let has = |name: &str| secret.0.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let is_one = match secret.string("type").as_deref() {
        Some("VALUE") => true,
        Some("REFERENCE") => has("reference").is_some(),
        _ => key == "secret" && (has("value").is_some() || has("reference").is_some()),
    };
    is_one.then_some(secret)
}

fn entries(raw: &str) -> Option<Entries<'_>> {
    struct Object;
    impl<'de> Visitor<'de> for Object {
        type Value = Entries<'de>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(Entries(entries))
        }
    }
    let mut reader = serde_json::Deserializer::from_str(raw);
    let entries = reader.deserialize_map(Object).ok()?;
    reader.end().ok()?;
    Some(entries)
}

impl Entries<'_> {
    /// The text of an entry that is a string.
    fn string(&self, key: &str) -> Option<String> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        serde_json::from_str(value.get()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(json: &str) -> String {
        Redaction::default().text(json.as_bytes())
    }

    #[test]
    fn secrets_of_mesos_are_hidden_wherever_they_are() {
        let hidden = r#"{"a":[{"name":"X","type":"SECRET","value":"s3cr3t"},{"name":"Y","secret":{"type":"VALUE","value":{"data":"czNjcjN0"}},"type":"SECRET"}]}"#;
        assert_eq!(
            shown(hidden),
            r#"{"a":[{"name":"X","type":"SECRET","value":"[redacted]"},{"name":"Y","secret":{"type":"VALUE","value":"[redacted]"},"type":"SECRET"}]}"#
        );
        // Of an image's registry, of a volume: a Secret under another name.
        let config = r#"{"docker":{"config":{"type":"VALUE","value":{"data":"czNjcjN0"}}}}"#;
        assert!(!shown(config).contains("czNjcjN0"), "{}", shown(config));
        let reference = r#"{"secret":{"reference":{"key":"k","name":"vault"},"type":"REFERENCE"}}"#;
        assert_eq!(shown(reference), reference, "a reference is no secret");
        let untyped = r#"{"secret":{"value":{"data":"czNjcjN0"}}}"#;
        assert!(!shown(untyped).contains("czNjcjN0"));
    }

    #[test]
    fn named_variables_labels_and_keys_are_hidden() {
        for text in [
            r#"{"variables":[{"name":"DB_PASSWORD","type":"VALUE","value":"s3cr3t"}]}"#,
            r#"{"labels":[{"key":"api-token","value":"s3cr3t"}]}"#,
            r#"{"env":{"MY_SECRET":"s3cr3t"}}"#,
            r#"{"credential":{"principal":"p","secret":"s3cr3t"}}"#,
            r#"{"password":["s3cr3t"],"x":{"passwd":7,"token":"s3cr3t"}}"#,
            r#"{"p\u0061ssword":"s3cr3t"}"#,
        ] {
            assert!(!shown(text).contains("s3cr3t"), "{}", shown(text));
            assert!(shown(text).contains("[redacted]"));
        }
        let plain = r#"{"count":1.50e3,"labels":[{"key":"team","value":"x"}],"name":"n","z":[null,true,"é"]}"#;
        assert_eq!(shown(plain), plain, "the rest is as it was");
        assert_eq!(shown(r#"{"token":true}"#), r#"{"token":true}"#);
    }

    #[test]
    fn names_are_configurable() {
        let text = r#"{"API_KEY":"a","api_key_id":"b","password":"c"}"#;
        let with = |names: &str| Redaction::parse(names).expect("accepted").text(text.as_bytes());
        assert_eq!(with("api_key"), r#"{"API_KEY":"[redacted]","api_key_id":"b","password":"c"}"#);
        assert_eq!(with(" API* , x").matches("redacted").count(), 2);
        assert_eq!(with("none"), text);
        for bad in ["", "a,,b", "*", "a*b", ","] {
            Redaction::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn what_is_no_json_is_not_shown() {
        for text in ["s3cr3t", "{\"password\":\"s3cr3t\"", "{\"a\":1} s3cr3t", "{\"a\":s3cr3t}"] {
            assert!(!shown(text).contains("s3cr3t"), "{}", shown(text));
            assert!(shown(text).contains(&format!("{} bytes", text.len())));
            assert!(Redaction::none().text(text.as_bytes()).contains("s3cr3t"));
        }
        assert_eq!(shown(" \n"), "");
        assert_eq!(shown("{\n \"a\": 1}\n"), "{\"a\":1}");
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(shown(&deep).contains("no JSON"));
        assert_eq!(Redaction::default().text(b"{\"a\":\"\xff\"}"), "{\"a\":\"\u{fffd}\"}");
    }

    #[test]
    fn parameters_are_shown_without_what_their_names_say_is_secret() {
        let redaction = Redaction::default();
        for (key, value, shown) in [
            ("api_token", "s3cr3t", "[redacted]"),
            ("x", "/usr/bin/a b=c", "/usr/bin/a b=c"),
            ("x", "DB_PASSWORD=s3cr3t exec /x y=1", "DB_PASSWORD=[redacted] exec /x y=1"),
            ("x", "a --token='s3 cr3t' z", "a --token=[redacted] z"),
            ("x", "(SECRET=s3cr3t)", "(SECRET=[redacted])"),
            ("x", "SECRET=\"s3cr3t", "SECRET=[redacted]"),
        ] {
            assert_eq!(redaction.parameter(key, value), shown);
            assert_eq!(Redaction::none().parameter(key, value), value);
        }
    }

    proptest! {
        #[test]
        fn no_parameter_makes_it_panic(key: String, value: String) {
            let _ = Redaction::default().parameter(&key, &format!("secret={value}"));
        }

        #[test]
        fn no_text_makes_it_panic(bytes: Vec<u8>) {
            let _ = Redaction::default().text(&bytes);
        }

        #[test]
        fn what_is_hidden_nowhere_is_what_it_was(keys: Vec<String>, value: String) {
            let redaction = Redaction::parse("\u{1}never").expect("a name");
            let mut object = serde_json::json!(value);
            for key in keys.iter().take(20) {
                object = serde_json::json!({ key.as_str(): [object] });
            }
            let text = redaction.text(object.to_string().as_bytes());
            prop_assume!(!keys.iter().any(|key| key == "secret"));
            // Characters that are escaped for the log differ; nothing else does.
            prop_assert_eq!(text, one_line(&object.to_string()).into_owned());
        }
    }
}
