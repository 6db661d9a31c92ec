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
const ATTEMPTS: usize = 5;

/// A thread that notes its own lateness, until it is dropped.
#[derive(Debug)]
pub struct Lateness {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Times are nanoseconds since the start.
#[derive(Debug)]
struct Shared {
    start: Instant,
    end: AtomicBool,
    /// When the present nap began.
    napping: AtomicU64,
    /// The worst since the last reset.
    worst: AtomicU64,
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Notes how late the present nap is by now.
    fn note(&self) {
        let nap = u64::try_from(NAP.as_nanos()).unwrap_or(0);
        let late = self.now().saturating_sub(self.napping.load(Ordering::SeqCst) + nap);
        self.worst.fetch_max(late, Ordering::SeqCst);
    }
}

impl Lateness {
    /// Starts the thread.
    ///
    /// # Panics
    ///
    /// When the system gives no thread.
    #[must_use]
    pub fn start() -> Lateness {
        let shared = Arc::new(Shared {
            start: Instant::now(),
            end: AtomicBool::new(false),
            napping: AtomicU64::new(0),
            worst: AtomicU64::new(0),
        });
        let own = shared.clone();
        let thread = std::thread::Builder::new().name("lateness".into()).spawn(move || {
            while !own.end.load(Ordering::SeqCst) {
                own.napping.store(own.now(), Ordering::SeqCst);
                std::thread::sleep(NAP);
                own.note();
            }
        });
        Lateness { shared, thread: Some(thread.expect("a thread")) }
    }

    /// Forgets what was seen up to now.
    pub fn reset(&self) {
        self.shared.worst.store(0, Ordering::SeqCst);
    }

    /// The longest that the thread was late since the last reset; a nap that goes on and should
    /// have ended counts.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.shared.note();
        Duration::from_nanos(self.shared.worst.load(Ordering::SeqCst))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.shared.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether something came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limit, or beyond it by no more than the machine was late itself.
    InTime,
    /// Beyond that.
    Late,
    /// Beyond that, but not by far, and the machine was too busy to be a judge.
    NotJudged,
}

impl Verdict {
    /// The verdict on what took `took` and may take `limit`, on a machine that was late itself by
    /// up to `worst` meanwhile.
    #[must_use]
    pub fn on(took: Duration, limit: Duration, worst: Duration) -> Verdict {
        if took <= limit + worst * WAKINGS {
            Verdict::InTime
        } else if worst >= BUSY && took <= limit + worst * NO_EXCUSE {
            Verdict::NotJudged
        } else {
            Verdict::Late
        }
    }
}

/// Demands that a case which gives its duration takes no longer than the product promises, as far
/// as this machine can judge that: the case is repeated, and is in time as soon as one attempt is.
/// A product that is late is late each time.
///
/// Where no attempt could be judged, that is noted as NOT JUDGED.
///
/// # Panics
///
/// When no attempt is in time and one is [`Verdict::Late`].
#[track_caller]
pub fn in_time(what: &str, limit: Duration, mut case: impl FnMut() -> Duration) {
    let lateness = Lateness::start();
    let attempt = || {
        lateness.reset();
        (case(), lateness.worst())
    };
    let (verdict, seen) = judge(limit, attempt);
    let told = format!("{what}: at most {limit:?}; took (machine late by): {seen:?}");
    match verdict {
        Verdict::InTime => {}
        Verdict::Late => panic!("{told}"),
        Verdict::NotJudged => note(&format!("NOT JUDGED {told}")),
    }
}

/// Repeats a case, which gives its duration and the machine's worst lateness beside it; the
/// verdict, and what was seen.
fn judge(
    limit: Duration,
    mut attempt: impl FnMut() -> (Duration, Duration),
) -> (Verdict, Vec<(Duration, Duration)>) {
    let mut verdict = Verdict::NotJudged;
    let mut seen = Vec::new();
    while seen.len() < ATTEMPTS {
        let (took, worst) = attempt();
        seen.push((took, worst));
        match Verdict::on(took, limit, worst) {
            Verdict::InTime => return (Verdict::InTime, seen),
            Verdict::Late => verdict = Verdict::Late,
            Verdict::NotJudged => {}
        }
    }
    (verdict, seen)
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
        assert_eq!(judge(SECOND, case).0, Verdict::InTime);
        assert_eq!(calls, 3);
    }

    #[test]
    fn a_machine_that_is_late_itself_is_granted_that_much() {
        let limit = SECOND + 25 * MS * WAKINGS;
        assert_eq!(Verdict::on(limit, SECOND, 25 * MS), Verdict::InTime);
        assert_eq!(Verdict::on(limit + MS, SECOND, 25 * MS), Verdict::NotJudged);
        assert_eq!(Verdict::on(limit * 10, SECOND, 25 * MS), Verdict::Late);
        assert_eq!(Verdict::on(SECOND + 10 * MS, SECOND, MS), Verdict::Late);
    }

    #[test]
    fn late_at_leisure_once_is_late() {
        let mut calls = 0;
        let once_at_leisure = || {
            calls += 1;
            (2 * SECOND, if calls == 3 { MS } else { 30 * MS })
        };
        assert_eq!(judge(SECOND, once_at_leisure).0, Verdict::Late);
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
        let before = lateness.worst();
        crate::wait::until("less of it", || {
            lateness.reset();
            lateness.worst() <= before
        });
    }
}
