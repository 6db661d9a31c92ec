//! As much of PromQL's lexis as it takes to see which series and labels an expression uses.

use mesos_command::metrics::catalogue::{Kind, Label, Metric, find};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name, keyword, number or duration.
    Word(String),
    /// A quoted string, unescaped.
    Text(String),
    /// Any other character.
    Sign(char),
}

/// The tokens of an expression or of an exposition line.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if is_word(c) {
            let mut word = String::from(c);
            while let Some(c) = chars.next_if(|c| is_word(*c)) {
                word.push(c);
            }
            tokens.push(Token::Word(word));
        } else if c == '"' {
            let mut value = String::new();
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => match chars.next() {
                        Some('n') => value.push('\n'),
                        Some(c) => value.push(c),
                        None => panic!("unended string in {text}"),
                    },
                    c => value.push(c),
                }
            }
            tokens.push(Token::Text(value));
        } else if !c.is_whitespace() {
            tokens.push(Token::Sign(c));
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')
}

/// Labels that Prometheus itself adds, or that belong to histograms.
const FOREIGN_LABELS: [&str; 3] = ["instance", "job", "le"];

/// Asserts that `expression` uses only metrics of the catalogue (or `recorded` names), and that
/// each label in a matcher, `by`, `on` or `without` exists there, with values of its closed set.
/// Returns the metrics used.
pub(crate) fn check(expression: &str, recorded: &[String]) -> Vec<&'static Metric> {
    let tokens = tokens(expression);
    let mut used = Vec::new();
    let mut current: Option<&'static Metric> = None;
    let mut grouped = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        match &tokens[index] {
            Token::Word(word) if word.starts_with("mesos_command_") => {
                let metric = find(word).unwrap_or_else(|| panic!("{word} in {expression}"));
                assert!(
                    metric.kind != Kind::Gauge || !expression.contains(&format!("rate({word}"))
                );
                used.push(metric);
                current = Some(metric);
            }
            Token::Word(word) if word.contains(':') => {
                assert!(recorded.contains(word), "{word} is not recorded: {expression}");
                current = None;
            }
            Token::Word(word) if matches!(word.as_str(), "by" | "on" | "without" | "ignoring") => {
                let end = close(&tokens, index, ')');
                grouped.extend(tokens[index..end].iter().skip(1).filter_map(|token| match token {
                    Token::Word(label) => Some(label.clone()),
                    _ => None,
                }));
                index = end;
            }
            Token::Sign('{') => {
                let end = close(&tokens, index, '}');
                matchers(&tokens[index + 1..end], current, expression);
                index = end;
            }
            _ => {}
        }
        index += 1;
    }
    for label in grouped {
        let known = FOREIGN_LABELS.contains(&label.as_str())
            || all_labels().iter().any(|known| known.name() == label);
        assert!(known, "no metric has the label {label}: {expression}");
    }
    used
}

fn all_labels() -> Vec<Label> {
    mesos_command::metrics::catalogue::METRICS
        .iter()
        .flat_map(|m| m.labels.iter().copied())
        .collect()
}

fn close(tokens: &[Token], from: usize, sign: char) -> usize {
    let offset = tokens[from..].iter().position(|token| *token == Token::Sign(sign));
    from + offset.unwrap_or_else(|| panic!("no {sign} in {tokens:?}"))
}

/// Checks `key="value"` groups against the metric's labels.
fn matchers(tokens: &[Token], metric: Option<&Metric>, expression: &str) {
    for part in tokens.split(|token| *token == Token::Sign(',')) {
        let (Some(Token::Word(key)), Some(Token::Text(value))) = (part.first(), part.last()) else {
            panic!("unreadable matcher {part:?} in {expression}");
        };
        if FOREIGN_LABELS.contains(&key.as_str()) || value.contains('$') {
            // Still has to be a label of the metric, if it is not Prometheus's own.
            let known = metric.is_none_or(|m| m.labels.iter().any(|label| label.name() == key));
            assert!(FOREIGN_LABELS.contains(&key.as_str()) || known, "{key} in {expression}");
            continue;
        }
        let candidates = metric.map_or_else(all_labels, |metric| metric.labels.to_vec());
        let label = candidates.into_iter().find(|label| label.name() == key);
        let label = label.unwrap_or_else(|| panic!("{key} in {expression}"));
        let Some(values) = label.values() else { continue };
        for alternative in value.split('|') {
            let matched = match alternative.strip_suffix(".*").or(alternative.strip_suffix(".+")) {
                Some(prefix) => values.iter().any(|known| known.starts_with(prefix)),
                None => values.contains(&alternative),
            };
            assert!(matched, "no {key} is {alternative}: {expression}");
        }
    }
}

#[test]
fn the_check_refuses_what_does_not_exist() {
    let refuses = |expression: &str| {
        let expression = expression.to_owned();
        std::panic::catch_unwind(move || check(&expression, &["a:b".to_owned()])).is_err()
    };
    assert!(!refuses(
        "sum by (module) (rate(mesos_command_calls_total{outcome=~\"ok|exit\"}[5m]))"
    ));
    assert!(!refuses("a:b{event=~\"hook_.*\"} > 1"));
    assert!(refuses("mesos_command_call_total"));
    assert!(refuses("mesos_command_call_duration_seconds"));
    assert!(refuses("mesos_command_calls_total{outcom=\"ok\"}"));
    assert!(refuses("mesos_command_calls_total{outcome=\"fine\"}"));
    assert!(refuses("mesos_command_queued{event=\"$event\"}"));
    assert!(refuses("sum by (container) (mesos_command_queued)"));
    assert!(refuses("rate(mesos_command_queued[5m])"));
    assert!(refuses("a:c > 1"));
}
