//! How late this machine is, measured beside what is judged.
//!
//! The product promises answers within deadline + grace + 100 ms. On a machine whose processors
//! have other work, a thread that is due runs late, and nobody can tell that from a late product
//! by a clock alone. So a thread beside the case sleeps and notes how much later than asked it
//! runs again; that much is granted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::skip::note;

/// What the thread asks for.
const NAP: Duration = Duration::from_millis(1);
/// How many wakings an answer may need one after the other, each as late as the worst that was
/// seen: the timer's, the command's start, its end, the waiting caller's.
const WAKINGS: u32 = 4;
/// From this lateness on a machine is too busy to be a judge.
const BUSY: Duration = Duration::from_millis(10);
/// Beyond so many wakings no busy machine is an excuse.
const NO_EXCUSE: u32 = 50;
/// How often a case is repeated before it is given up.
const ATTEMPTS: u32 = 5;

/// A thread that notes its own lateness, until it is dropped.
#[derive(Debug)]
pub struct Lateness {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    end: AtomicBool,
    /// The worst since the last reset, in nanoseconds.
    worst: AtomicU64,
}

impl Lateness {
    /// Starts the thread.
    ///
    /// # Panics
    ///
    /// When the system gives no thread.
    #[must_use]
    pub fn start() -> Lateness {
        let shared = Arc::new(Shared::default());
        let noted = shared.clone();
        let thread = std::thread::Builder::new().name("lateness".into()).spawn(move || {
            while !noted.end.load(Ordering::Relaxed) {
                let start = Instant::now();
                std::thread::sleep(NAP);
                let late = start.elapsed().saturating_sub(NAP).as_nanos();
                noted.worst.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Lateness { shared, thread: Some(thread.expect("a thread")) }
    }

    /// Forgets what was seen up to now.
    pub fn reset(&self) {
        self.shared.worst.store(0, Ordering::Relaxed);
    }

    /// The longest that the thread was late since the last reset.
    #[must_use]
    pub fn worst(&self) -> Duration {
        Duration::from_nanos(self.shared.worst.load(Ordering::Relaxed))
    }

    /// What may be granted to a case that was measured since the last reset.
    #[must_use]
    pub fn grant(&self) -> Duration {
        self.worst() * WAKINGS
    }

    /// Whether the machine was too busy since the last reset to call anything late.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.worst() >= BUSY
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Demands that a case which gives its duration takes no longer than the product promises, as far
/// as this machine can judge that: the case is repeated, and is in time as soon as one attempt is.
/// A product that is late is late each time.
///
/// Where all attempts are late, none by far, and the machine was busy during each, that is noted as
/// NOT JUDGED.
///
/// # Panics
///
/// When all attempts are late otherwise.
#[track_caller]
pub fn in_time(what: &str, limit: Duration, mut case: impl FnMut() -> Duration) {
    let lateness = Lateness::start();
    let attempt = || {
        lateness.reset();
        (case(), lateness.worst())
    };
    match judge(limit, attempt) {
        Verdict::InTime => {}
        Verdict::Late(seen) => panic!("{what}: at most {limit:?}; {seen}"),
        Verdict::NotJudged(seen) => note(&format!("NOT JUDGED {what}: at most {limit:?}; {seen}")),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    InTime,
    /// With what was seen.
    Late(String),
    /// With what was seen.
    NotJudged(String),
}

/// Repeats a case, which gives its duration and the machine's worst lateness beside it.
fn judge(limit: Duration, mut attempt: impl FnMut() -> (Duration, Duration)) -> Verdict {
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let (took, worst) = attempt();
        if took <= limit + worst * WAKINGS {
            return Verdict::InTime;
        }
        seen.push((took, worst));
    }
    let told = format!("took (machine late by): {seen:?}");
    let excused = |(took, worst): &(Duration, Duration)| {
        *worst >= BUSY && *took <= limit + *worst * NO_EXCUSE
    };
    if seen.iter().all(excused) { Verdict::NotJudged(told) } else { Verdict::Late(told) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_attempt_in_time_is_enough() {
        let mut calls = 0;
        let case = || {
            calls += 1;
            (SECOND * if calls == 3 { 1 } else { 2 }, MS)
        };
        assert_eq!(judge(SECOND, case), Verdict::InTime);
        assert_eq!(calls, 3);
    }

    #[test]
    fn a_machine_that_is_late_itself_is_granted_that_much() {
        let wakings = 25 * MS * WAKINGS;
        assert_eq!(judge(SECOND, || (SECOND + wakings, 25 * MS)), Verdict::InTime);
        let later = || (SECOND + wakings + MS, 25 * MS);
        assert!(matches!(judge(SECOND, later), Verdict::NotJudged(_)));
    }

    #[test]
    fn late_at_leisure_is_late() {
        assert!(matches!(judge(SECOND, || (SECOND + 10 * MS, MS)), Verdict::Late(_)));
        let mut calls = 0;
        let once_at_leisure = || {
            calls += 1;
            (2 * SECOND, if calls == 5 { MS } else { 30 * MS })
        };
        assert!(matches!(judge(SECOND, once_at_leisure), Verdict::Late(_)));
    }

    #[test]
    #[should_panic(expected = "an hour: at most 1s; took")]
    fn late_by_far_is_late_on_a_busy_machine_too() {
        in_time("an hour", SECOND, || SECOND * 3600);
    }

    #[test]
    fn lateness_is_seen_and_forgotten() {
        let lateness = Lateness::start();
        crate::wait::until("some lateness", || !lateness.worst().is_zero());
        assert!(lateness.grant() >= lateness.worst());
    }
}
