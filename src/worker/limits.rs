//! How many requests, how old and how large a worker may become before it is replaced.

use std::time::Duration;

/// When a worker is replaced; `None`: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recycling {
    /// After so many requests.
    pub requests: Option<u64>,
    /// When it has been up for so long.
    pub age: Option<Duration>,
    /// When its process has so much memory resident, in bytes.
    pub memory: Option<u64>,
}

impl Recycling {
    /// Why a worker is due that has had so many requests and is so old; `memory` looks at its size.
    pub(crate) fn due(
        &self,
        requests: u64,
        age: Duration,
        memory: impl FnOnce() -> Option<u64>,
    ) -> Option<String> {
        if self.requests.is_some_and(|most| requests >= most) {
            return Some(format!("has had {requests} requests"));
        }
        if self.age.is_some_and(|most| age >= most) {
            return Some(format!("is {} s old", age.as_secs()));
        }
        let most = self.memory?;
        let memory = memory().filter(|memory| *memory >= most)?;
        Some(format!("has {} MiB of memory resident", memory >> 20))
    }

    pub(super) fn is_on(&self) -> bool {
        *self != Recycling::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_due_by_each_limit_and_never_without() {
        let (hour, many) = (Duration::from_secs(3600), 1 << 40);
        let none = Recycling::default();
        assert_eq!(none.due(u64::MAX, hour, || Some(many)), None);
        assert!(!none.is_on());
        let requests = Recycling { requests: Some(10), ..none };
        assert_eq!(requests.due(9, hour, || Some(many)), None);
        assert_eq!(requests.due(10, hour, || None).as_deref(), Some("has had 10 requests"));
        let age = Recycling { age: Some(hour), ..none };
        assert_eq!(age.due(1, hour / 2, || None), None);
        assert_eq!(age.due(1, hour, || None).as_deref(), Some("is 3600 s old"));
        let memory = Recycling { memory: Some(64 << 20), ..none };
        assert_eq!(memory.due(1, hour, || Some(63 << 20)), None);
        assert_eq!(memory.due(1, hour, || None), None, "it cannot be read");
        let why = memory.due(1, hour, || Some(65 << 20));
        assert_eq!(why.as_deref(), Some("has 65 MiB of memory resident"));
        assert!(memory.is_on());
    }
}
