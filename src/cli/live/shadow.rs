//! Shadow commands as people read them: how they compared, and in what they differ.

use serde_json::Value;

use crate::difference;

use super::words::{clock, list, short, text};

/// How a shadow can compare (`result` of `mesos_command_shadow_total`).
const RESULTS: [&str; 4] = ["same", "different", "failed", "dropped"];
/// Places at which two answers differ that are shown.
const MOST: usize = 5;
/// What is shown of two texts before the place where they part, in characters.
const BEFORE: usize = 20;

/// How many of its runs had this result; none of an agent that does not say so.
pub(super) fn count(shadow: &Value, result: &str) -> u64 {
    shadow["results"][result].as_u64().unwrap_or_default()
}

/// `98 same, 2 different, 0 failed, 0 dropped`.
pub(super) fn counts(shadow: &Value) -> String {
    RESULTS.map(|result| format!("{} {result}", count(shadow, result))).join(", ")
}

/// The newest difference: when and whose it was, and a line for each place; nothing without one.
pub(super) fn last_difference(shadow: &Value) -> Vec<String> {
    let Some(last) = list(shadow, "differences").first() else { return Vec::new() };
    let mut lines = vec![format!(
        "the last difference, {} of {}: {}",
        clock(&last["time"]),
        text(&last["subject"]),
        text(&last["result"]),
    )];
    let (command, own) = (&last["command"], &last["shadow"]);
    match places(command, own) {
        Some(places) => {
            lines.extend(places.iter().take(MOST).map(|line| format!("  {}", short(line))));
            if places.len() > MOST {
                lines.push("  and more".to_owned());
            }
        }
        None => {
            let (command, own) = parted(&text(command), &text(own));
            lines.push(format!("  the command: {}", short(&command)));
            lines.push(format!("  the shadow:  {}", short(&own)));
        }
    }
    lines
}

/// Where two answers differ, as paths; `None` where one is a failure, nothing, or cut off.
fn places(command: &Value, own: &Value) -> Option<Vec<String>> {
    let read = |value: &Value| serde_json::from_str::<Value>(value.as_str()?).ok();
    let places = difference::between(&read(command)?, &read(own)?);
    let shown = places.iter().map(|line| text(&Value::String(line.clone()))).collect();
    (!places.is_empty()).then_some(shown)
}

/// Both texts from shortly before the place where they part.
fn parted(one: &str, other: &str) -> (String, String) {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let skipped = same.saturating_sub(BEFORE);
    let rest = |text: &str| {
        let rest: String = text.chars().skip(skipped).collect();
        if skipped == 0 { rest } else { format!("…{rest}") }
    };
    (rest(one), rest(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shadow(command: &str, own: &str) -> Value {
        json!({"event": "isolator_usage", "command": "/opt/new",
               "results": {"same": 98, "different": 2, "failed": 0, "dropped": 1},
               "differences": [{"time": 0.0, "subject": "c1", "result": "different",
                                "command": command, "shadow": own}]})
    }

    #[test]
    fn places_are_named_where_both_answers_are_json() {
        let lines = last_difference(&shadow(r#"{"a":[{"b":"x"}],"c":1}"#, r#"{"a":[{"b":"y"}]}"#));
        assert_eq!(
            lines,
            [
                "the last difference, 1970-01-01T00:00:00Z of c1: different",
                "  a[0].b: \"y\", not \"x\"",
                "  c: missing, not 1",
            ]
        );
        let list = |from: u32| serde_json::to_string(&(from..from + 8).collect::<Vec<_>>());
        let many = last_difference(&shadow(&list(0).unwrap(), &list(9).unwrap()));
        assert_eq!(many.len(), 1 + MOST + 1, "{many:?}");
        assert_eq!(many[1 + MOST], "  and more");
    }

    #[test]
    fn of_other_answers_the_texts_are_shown_from_where_they_part() {
        let lines = last_difference(&shadow(r#"{"a":1}"#, "no\u{1b}[2J luck"));
        assert_eq!(lines[1..], ["  the command: {\"a\":1}", "  the shadow:  no\\x1b[2J luck"]);
        let long = "x".repeat(1000);
        let lines = last_difference(&shadow(&format!("{long}1…"), &format!("{long}2…")));
        let same = "x".repeat(BEFORE);
        assert_eq!(
            lines[1..],
            [format!("  the command: …{same}1…"), format!("  the shadow:  …{same}2…"),]
        );
        assert_eq!(last_difference(&json!({"differences": []})), [""; 0]);
    }

    #[test]
    fn results_are_counted_where_the_agent_says_them() {
        assert_eq!(counts(&shadow("", "")), "98 same, 2 different, 0 failed, 1 dropped");
        assert_eq!(counts(&json!({})), "0 same, 0 different, 0 failed, 0 dropped");
    }
}
