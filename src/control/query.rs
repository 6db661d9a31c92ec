//! What stands behind the `?` of a request.

/// The parameters of a request, decoded.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `key=value&key=value`. `known` are the keys that the path has.
    ///
    /// # Errors
    /// What is wrong: a key that the path does not have, a code that is none, a key given twice.
    pub(super) fn parse(text: Option<&str>, known: &[&str]) -> Result<Query, String> {
        let mut query = Query::default();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key)?, decode(value)?);
            if !known.contains(&key.as_str()) {
                let accepted = if known.is_empty() { "none" } else { &known.join(", ") };
                return Err(format!("unknown parameter '{key}'; accepted: {accepted}"));
            }
            if query.get(&key).is_some() {
                return Err(format!("parameter '{key}' is given twice"));
            }
            query.0.push((key, value));
        }
        Ok(query)
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// `true` or `false`; `None` when it is not given.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, String> {
        match self.get(key) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(format!("'{key}' is '{other}'; accepted are true and false")),
        }
    }

    /// A number from 1 to `most`, or `unset`.
    pub(super) fn count(&self, key: &str, unset: usize, most: usize) -> Result<usize, String> {
        let Some(text) = self.get(key) else { return Ok(unset) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| format!("'{key}' is '{text}'; accepted are numbers from 1 to {most}"))
    }
}

/// `%20` and `+` decoded.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let code =
                    digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                code.ok_or_else(|| format!("'{text}' has a % without two digits behind it"))?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("'{text}' is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_only_known_ones_accepted() {
        let query = Query::parse(Some("a=x%2Fy+z&b=true&c=7&&d"), &["a", "b", "c", "d"]).unwrap();
        assert_eq!(query.get("a"), Some("x/y z"));
        assert_eq!(query.get("d"), Some(""));
        assert_eq!((query.flag("b"), query.flag("e")), (Ok(Some(true)), Ok(None)));
        assert_eq!((query.count("c", 1, 9), query.count("e", 5, 9)), (Ok(7), Ok(5)));
        query.flag("c").unwrap_err();
        query.count("c", 1, 6).unwrap_err();
        for bad in ["x=1", "a=%2", "a=%zz", "a=%ff", "a=1&a=2"] {
            Query::parse(Some(bad), &["a"]).expect_err(bad);
        }
        assert!(Query::parse(None, &[]).unwrap().get("a").is_none());
    }
}
