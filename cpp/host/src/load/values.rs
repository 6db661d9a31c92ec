//! Numbers that answers have: which of them came together, how often and when.
//!
//! Whoever changes something while calls are made (`tests/mesos/reload_load.py`) reads from it
//! what was answered since when.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::schema::Schema;

/// What usage answers with.
const STATISTICS: &str = "mesos.ResourceStatistics";

/// The numbers of one answer, in the order of the fields; `None`: the field is not set.
type Numbers = Vec<Option<u64>>;

/// Looks at these fields of each answer.
pub(super) struct Values<'a> {
    schema: &'a Schema,
    fields: &'a [String],
    seen: Mutex<BTreeMap<Numbers, Seen>>,
}

/// The answers that had the same numbers. Times are those of CLOCK_MONOTONIC.
#[derive(Debug, PartialEq)]
struct Seen {
    answers: u64,
    /// When the first of them came.
    first: Duration,
    /// When the last call was begun that got one.
    last_begun: Duration,
}

impl<'a> Values<'a> {
    pub(super) fn new(schema: &'a Schema, fields: &'a [String]) -> Values<'a> {
        Values { schema, fields, seen: Mutex::default() }
    }

    /// Looks at an answer that came at `at` to a call that was begun at `begun`. One with numbers
    /// that no other had is told at once, by a line of JSON.
    pub(super) fn look(
        &self,
        statistics: &[u8],
        begun: Duration,
        at: Duration,
    ) -> anyhow::Result<()> {
        let number = |field: &String| self.schema.number(STATISTICS, statistics, field);
        let numbers: Numbers = self.fields.iter().map(number).collect::<Result<_, _>>()?;
        if let Some(line) = self.count(numbers, begun, at) {
            println!("{line}");
        }
        Ok(())
    }

    /// Counts an answer; what is to be told of it.
    fn count(&self, numbers: Numbers, begun: Duration, at: Duration) -> Option<Value> {
        // A thread that panicked has left whole numbers behind.
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = all.get_mut(&numbers) {
            seen.answers += 1;
            seen.first = seen.first.min(at);
            seen.last_begun = seen.last_begun.max(begun);
            return None;
        }
        let line = json!({"numbers": numbers, "at": at.as_secs_f64()});
        all.insert(numbers, Seen { answers: 1, first: at, last_begun: begun });
        Some(line)
    }

    /// All of them.
    pub(super) fn json(&self) -> Value {
        let all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(numbers, seen)| {
                json!({
                    "numbers": numbers,
                    "answers": seen.answers,
                    "first": seen.first.as_secs_f64(),
                    "last_begun": seen.last_begun.as_secs_f64(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_with_other_numbers_is_told_and_all_are_counted() {
        let schema = Schema::from_files(&[]).unwrap();
        let values = Values::new(&schema, &[]);
        let at = Duration::from_secs;
        let line = values.count(vec![Some(1), None], at(10), at(12)).unwrap();
        assert_eq!(line, json!({"numbers": [1, null], "at": 12.0}));
        // Answers are looked at by more than one thread, not in the order in which they came.
        assert_eq!(values.count(vec![Some(1), None], at(9), at(11)), None);
        assert_eq!(values.count(vec![Some(1), None], at(14), at(15)), None);
        assert!(values.count(vec![Some(1), Some(2)], at(13), at(16)).is_some());
        let expected = json!([
            {"numbers": [1, null], "answers": 3, "first": 11.0, "last_begun": 14.0},
            {"numbers": [1, 2], "answers": 1, "first": 16.0, "last_begun": 13.0},
        ]);
        assert_eq!(values.json(), expected);
    }
}
