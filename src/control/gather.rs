//! What several instances say, as one list.

use std::sync::Arc;

use serde_json::Value;

use super::{Entries, Instance, Wanted};

/// Failures that are told.
const FAILURES: usize = 64;

fn values(entries: Entries) -> Vec<Value> {
    entries.into_iter().map(|(_, value)| value).collect()
}

/// The oldest `most` requests that are not answered, and how many more there are.
pub(crate) fn calls(instances: &[Arc<dyn Instance>], most: usize) -> (Vec<Value>, usize) {
    let mut left_out = 0;
    let mut all = Entries::new();
    for instance in instances {
        let (some, more) = instance.calls(most);
        all.extend(some);
        left_out += more;
    }
    all.sort_by_key(|(number, _)| *number);
    left_out += all.len().saturating_sub(most);
    all.truncate(most);
    (values(all), left_out)
}

/// The last failures, the newest first.
pub(crate) fn failures(instances: &[Arc<dyn Instance>]) -> Vec<Value> {
    let mut all: Entries = instances.iter().flat_map(|one| one.failures()).collect();
    all.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    all.truncate(FAILURES);
    values(all)
}

/// Containers that are wanted, and how many more there are.
pub(crate) fn containers(instances: &[Arc<dyn Instance>], wanted: &Wanted) -> (Vec<Value>, usize) {
    let (mut all, mut left_out) = (Vec::new(), 0);
    for instance in instances {
        let wanted = Wanted { most: wanted.most - all.len(), ..wanted.clone() };
        if let Some((some, more)) = instance.containers(&wanted) {
            all.extend(some);
            left_out += more;
        }
    }
    (all, left_out)
}
