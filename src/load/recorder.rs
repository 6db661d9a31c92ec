//! Latencies as they come in.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// The longest latency that is told apart; longer ones count as this.
const LONGEST: Duration = Duration::from_secs(3600);

thread_local! {
    /// Whether this thread makes the calls: what it records was answered during a call.
    static CALLER: Cell<bool> = const { Cell::new(false) };
}

/// A histogram of nanoseconds whose memory is all there from the start.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST.as_nanos() as u64, 3)
        .expect("the bounds and the precision are in the library's range")
}

/// Adds a duration to a histogram of [`histogram`].
pub(super) fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(duration.as_nanos() as u64);
}

/// Latencies of one kind: of the whole run, and since they were last looked at.
#[derive(Debug)]
struct Kind {
    whole: Histogram<u64>,
    lately: Histogram<u64>,
}

/// Where replies go.
#[derive(Debug)]
pub struct Recorder {
    /// Answered during the call. A lock of its own, which the calling thread alone takes.
    at_once: Mutex<Kind>,
    /// The same calls, counted from when they were begun: without the generator's own delay.
    from_begun: Mutex<Histogram<u64>>,
    /// Answered later, on other threads.
    later: Mutex<Kind>,
    /// Of either, during the warm-up.
    warm_up: Mutex<Histogram<u64>>,
    answers: AtomicU64,
}

/// What a run recorded.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) at_once: Histogram<u64>,
    pub(super) from_begun: Histogram<u64>,
    pub(super) later: Histogram<u64>,
    pub(super) warm_up: Histogram<u64>,
}

/// The duty to say when a call was answered. Dropped without, the call counts as lost.
#[derive(Debug)]
pub struct Reply {
    recorder: Arc<Recorder>,
    due: Instant,
    begun: Instant,
    measured: bool,
}

impl Recorder {
    pub(super) fn new() -> Arc<Recorder> {
        let kind = || Mutex::new(Kind { whole: histogram(), lately: histogram() });
        Arc::new(Recorder {
            at_once: kind(),
            from_begun: Mutex::new(histogram()),
            later: kind(),
            warm_up: Mutex::new(histogram()),
            answers: AtomicU64::new(0),
        })
    }

    /// Tells the recorder that this thread makes the calls.
    pub(super) fn calls_are_made_here(&self) {
        CALLER.set(true);
    }

    /// For a call that was due at `due` and is begun at `begun`.
    pub(super) fn reply(
        self: &Arc<Recorder>,
        due: Instant,
        begun: Instant,
        measured: bool,
    ) -> Reply {
        Reply { recorder: self.clone(), due, begun, measured }
    }

    /// Calls answered so far.
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    /// Moves what came in since the last time into `into`, which is emptied before.
    pub(super) fn take_lately(&self, into: &mut Histogram<u64>, spare: &mut Histogram<u64>) {
        into.reset();
        for kind in [&self.at_once, &self.later] {
            spare.reset();
            // The callers wait for a swap of pointers, not for the summing up.
            std::mem::swap(&mut kind.lock().lately, spare);
            into.add(&*spare).expect("all histograms have the same bounds");
        }
    }

    /// A copy of all that was recorded.
    pub(super) fn recorded(&self) -> Recorded {
        Recorded {
            at_once: self.at_once.lock().whole.clone(),
            from_begun: self.from_begun.lock().clone(),
            later: self.later.lock().whole.clone(),
            warm_up: self.warm_up.lock().clone(),
        }
    }
}

impl Reply {
    /// When the call was begun.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// The answer is here.
    pub fn answered(self) {
        self.answered_at(Instant::now());
    }

    /// The answer came at `at`.
    pub fn answered_at(self, at: Instant) {
        let latency = at.saturating_duration_since(self.due);
        let recorder = &*self.recorder;
        if self.measured {
            let kind = if CALLER.get() {
                let own = at.saturating_duration_since(self.begun);
                record(&mut recorder.from_begun.lock(), own);
                &recorder.at_once
            } else {
                &recorder.later
            };
            let mut kind = kind.lock();
            record(&mut kind.whole, latency);
            record(&mut kind.lately, latency);
        } else {
            record(&mut recorder.warm_up.lock(), latency);
        }
        recorder.answers.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_count_from_when_the_call_was_due() {
        let recorder = Recorder::new();
        let due = Instant::now();
        recorder.reply(due, due, true).answered_at(due + Duration::from_millis(7));
        recorder.reply(due, due, false).answered_at(due + Duration::from_millis(1));
        drop(recorder.reply(due, due, true));
        assert_eq!(recorder.answers(), 2, "the dropped one is lost");
        let recorded = recorder.recorded();
        assert_eq!((recorded.later.len(), recorded.at_once.len()), (1, 0));
        assert_eq!(recorded.warm_up.len(), 1);
        let found = recorded.later.max();
        assert!((6_990_000..=7_010_000).contains(&found), "{found}");
    }

    #[test]
    fn what_the_calling_thread_records_was_answered_at_once() {
        let recorder = Recorder::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                recorder.calls_are_made_here();
                recorder.reply(Instant::now(), Instant::now(), true).answered();
            });
        });
        recorder.reply(Instant::now(), Instant::now(), true).answered();
        let (mut lately, mut spare) = (histogram(), histogram());
        recorder.take_lately(&mut lately, &mut spare);
        assert_eq!(lately.len(), 2);
        recorder.take_lately(&mut lately, &mut spare);
        assert_eq!(lately.len(), 0, "each is taken once");
        let recorded = recorder.recorded();
        assert_eq!((recorded.at_once.len(), recorded.later.len()), (1, 1));
    }
}
