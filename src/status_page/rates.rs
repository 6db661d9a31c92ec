//! What has happened in the last minute, as far as somebody has looked at the page meanwhile.
//!
//! Nothing is counted for the page before somebody asks for it: each look leaves what the metrics
//! said, and the next ones are told what has changed since.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::metrics::figures::Figures;

/// Rates and percentiles are of this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Pause between two looks that are kept.
const PAUSE: Duration = Duration::from_secs(5);

/// The looks that are kept: 13 at the most.
#[derive(Default)]
pub(super) struct History(VecDeque<(Instant, Figures)>);

impl History {
    /// What has happened since the oldest look of the last minute, and how long ago that was;
    /// `None` and everything since the start when there was none.
    pub(super) fn look(&mut self, now: Instant, figures: &Figures) -> (Figures, Option<Duration>) {
        let is_old = |(at, _): &(Instant, Figures)| now.duration_since(*at) > WINDOW;
        while self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
        // Looks that follow one another closely say nothing of rates.
        let earlier = self.0.front().filter(|(at, _)| now.duration_since(*at) >= PAUSE);
        let since = earlier.map(|(_, figures)| figures);
        let result = (figures.since(since), earlier.map(|(at, _)| now.duration_since(*at)));
        if self.0.back().is_none_or(|(at, _)| now.duration_since(*at) >= PAUSE) {
            self.0.push_back((now, figures.clone()));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(calls: u64) -> Figures {
        Figures::read(&format!(
            "mesos_command_calls_total{{module=\"m\",event=\"e\",outcome=\"ok\"}} {calls}"
        ))
    }

    #[test]
    fn it_tells_what_has_changed_in_a_minute_and_is_small() {
        let begin = Instant::now();
        let mut history = History::default();
        let mut look = |seconds: u64| {
            let (changed, over) =
                history.look(begin + Duration::from_secs(seconds), &figures(100 + 2 * seconds));
            let calls = changed.events.values().next().unwrap().calls_and_failed().0;
            (calls, over.map(|over| over.as_secs()))
        };
        assert_eq!(look(0), (100.0, None), "since the start");
        assert_eq!(look(1), (102.0, None), "too soon");
        assert_eq!(look(10), (20.0, Some(10)));
        for seconds in 11..=300 {
            look(seconds);
        }
        let (calls, over) = look(301);
        assert!(over.is_some_and(|over| (55..=60).contains(&over)), "{over:?}");
        assert_eq!(calls, 2.0 * over.unwrap() as f64);
        assert!(history.0.len() <= 13, "{}", history.0.len());
        let (_, over) = history.look(begin + Duration::from_secs(1000), &figures(1));
        assert_eq!(over, None, "nobody has looked for long");
    }
}
