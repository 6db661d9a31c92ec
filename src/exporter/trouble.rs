//! One log line per kind of trouble.

/// Remembers the trouble that was reported, so that retries do not fill the log.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    reported: Option<String>,
}

impl Trouble {
    /// Whether `error` is news: nothing, or something else, was reported before.
    pub(crate) fn is_news(&mut self, error: &std::io::Error) -> bool {
        let text = error.to_string();
        let news = self.reported.as_ref() != Some(&text);
        self.reported = Some(text);
        news
    }

    /// The trouble is over; returns whether there was any.
    pub(crate) fn is_over(&mut self) -> bool {
        self.reported.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
