//! Where two JSON values differ.

use serde_json::Value;

/// Differences that are named; what is beyond is counted.
const MOST: usize = 20;

/// One line for each place at which `other` is not `one`: `labels[0].key: "a", not "b"`; the first
/// few.
pub(crate) fn between(one: &Value, other: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", one, other, &mut found);
    cut(found)
}

/// The same, but `other` may have more keys than `one`.
pub(crate) fn lacking(one: &Value, other: &Value) -> Vec<String> {
    let mut found = between_all(one, other);
    found.retain(|(_, kind)| *kind != Kind::More);
    cut(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A key that only the other one has.
    More,
    Other,
}

fn between_all(one: &Value, other: &Value) -> Vec<(String, Kind)> {
    let mut found = Vec::new();
    compare("", one, other, &mut found);
    found
}

fn cut(found: Vec<(String, Kind)>) -> Vec<String> {
    let all = found.len();
    let mut lines: Vec<String> = found.into_iter().take(MOST).map(|(line, _)| line).collect();
    if all > MOST {
        lines.push(format!("and {} more", all - MOST));
    }
    lines
}

fn compare(path: &str, one: &Value, other: &Value, found: &mut Vec<(String, Kind)>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let at = |key: &str| {
                if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
            };
            for (key, value) in one {
                match other.get(key) {
                    Some(theirs) => compare(&at(key), value, theirs, found),
                    None => found.push((format!("{}: missing, not {value}", at(key)), Kind::Other)),
                }
            }
            for (key, value) in other.iter().filter(|(key, _)| !one.contains_key(*key)) {
                found.push((format!("{}: {value}, not missing", at(key)), Kind::More));
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for (index, (value, theirs)) in one.iter().zip(other).enumerate() {
                compare(&format!("{path}[{index}]"), value, theirs, found);
            }
            if one.len() != other.len() {
                let text = format!("{path}: {} items, not {}", other.len(), one.len());
                found.push((text, Kind::Other));
            }
        }
        _ if is_equal(one, other) => {}
        _ => {
            let name = if path.is_empty() { "it" } else { path };
            found.push((format!("{name}: {other}, not {one}"), Kind::Other));
        }
    }
}

/// `1` and `1.0` are one number.
fn is_equal(one: &Value, other: &Value) -> bool {
    one == other || one.as_f64().is_some_and(|one| Some(one) == other.as_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named_by_their_paths() {
        let one = json!({"a": 1, "b": [{"c": "x"}, 2], "d": true});
        let other = json!({"a": 1.0, "b": [{"c": "y"}], "e": null});
        let expected = [
            "b[0].c: \"y\", not \"x\"",
            "b: 1 items, not 2",
            "d: missing, not true",
            "e: null, not missing",
        ];
        assert_eq!(between(&one, &other), expected);
        assert_eq!(lacking(&one, &other), expected[..3]);
        assert_eq!(between(&one, &one), [""; 0]);
        assert_eq!(between(&json!(1), &json!(null)), ["it: null, not 1"]);
        let many: Vec<u32> = (0..100).collect();
        let none: Vec<u32> = vec![0; 100];
        assert_eq!(between(&json!(many), &json!(none)).len(), MOST + 1);
    }
}
