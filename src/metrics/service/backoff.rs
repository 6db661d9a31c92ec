//! Growing pauses, and one log line per kind of trouble.

use std::time::Duration;

/// Pauses that double from a first to a longest one.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Backoff {
        Backoff { first, longest, next: first }
    }

    /// The pause to make now; the one after it is longer.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    pub(super) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Remembers the trouble that was reported, so that retries do not fill the log.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    reported: Option<String>,
}

impl Trouble {
    /// Whether `error` is news: nothing, or something else, was reported before.
    pub(super) fn is_news(&mut self, error: &std::io::Error) -> bool {
        let text = error.to_string();
        let news = self.reported.as_ref() != Some(&text);
        self.reported = Some(text);
        news
    }

    /// The trouble is over; returns whether there was any.
    pub(super) fn is_over(&mut self) -> bool {
        self.reported.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let pauses: Vec<_> = (0..5).map(|_| backoff.pause().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.pause(), Duration::from_secs(1));
    }

    #[test]
    fn trouble_is_news_once() {
        let mut trouble = Trouble::default();
        assert!(!trouble.is_over());
        assert!(trouble.is_news(&std::io::Error::other("a")));
        assert!(!trouble.is_news(&std::io::Error::other("a")));
        assert!(trouble.is_news(&std::io::Error::other("b")));
        assert!(trouble.is_over());
        assert!(trouble.is_news(&std::io::Error::other("b")));
    }
}
