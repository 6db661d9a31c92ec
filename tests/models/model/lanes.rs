//! Lanes: what is submitted has its turn once, so many at a time, or is given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shuttle::thread;
use tokio::sync::Semaphore;

use crate::reactor::{CancelToken, Expired, Expires, Reactor, Timers};

use super::lane::{Admission, LaneQueue, Permit, Waiting};

const THREADS: usize = 3;
const ENTRIES: usize = 3;
const ALL: usize = THREADS * ENTRIES;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Started,
    GivenUp(Expired),
    Full,
}

/// What happened in a play.
struct Seen {
    running: usize,
    most: usize,
    /// Entries in the order in which they met their fates.
    fates: Vec<(usize, Fate)>,
}

/// What the entries of a play share.
struct Play {
    lane: Arc<LaneQueue>,
    limit: Option<usize>,
    reactor: Arc<Reactor>,
    timers: Arc<Timers>,
    seen: Mutex<Seen>,
    over: Semaphore,
}

/// The entry of this number. Of three entries, the first ends on another thread, and the second
/// fails at once, as a run does whose process cannot be started; the third cannot wait.
struct Entry {
    number: usize,
    play: Arc<Play>,
    deadline: Option<Instant>,
    cancel: Option<CancelToken>,
}

impl Play {
    fn begin(parallel: usize, limit: Option<usize>) -> Arc<Play> {
        let timers = Arc::new(Timers::default());
        let serves = timers.clone();
        drop(shuttle::future::spawn(async move { serves.serve().await }));
        Arc::new(Play {
            lane: LaneQueue::new(parallel, limit),
            limit,
            reactor: Reactor::start("model", 1).expect("an epoll instance"),
            timers,
            seen: Mutex::new(Seen { running: 0, most: parallel, fates: Vec::new() }),
            over: Semaphore::new(0),
        })
    }

    fn meet(&self, number: usize, fate: Fate) {
        let mut seen = self.seen.lock();
        seen.fates.push((number, fate));
        if fate == Fate::Started {
            seen.running += 1;
            assert!(seen.running <= seen.most, "too many at a time");
        }
    }

    fn submit(self: &Arc<Play>, number: usize, expires: bool) {
        let deadline =
            (expires && number % 3 == 2).then(|| Instant::now() - Duration::from_secs(1));
        let cancel = (deadline.is_some() && number > ENTRIES).then(|| {
            let token = CancelToken::new();
            token.cancel();
            token
        });
        let entry = Entry { number, play: self.clone(), deadline, cancel };
        match self.lane.admit(entry) {
            Admission::Now(entry, permit) => Box::new(entry).start(permit),
            Admission::Later => {
                let queued = self.lane.queued();
                assert!(self.limit.is_none_or(|limit| queued <= limit), "{queued} wait");
            }
            Admission::Full(entry) => {
                self.meet(entry.number, Fate::Full);
                self.over.add_permits(1);
            }
        }
    }
}

impl Expires for Entry {
    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn cancel(&self) -> Option<&CancelToken> {
        self.cancel.as_ref()
    }
}

impl Waiting for Entry {
    fn start(self: Box<Self>, permit: Permit) {
        self.play.meet(self.number, Fate::Started);
        let fails = self.number % 3 == 1;
        let end = move || {
            self.play.seen.lock().running -= 1;
            drop(permit);
            self.play.over.add_permits(1);
        };
        if fails {
            end();
        } else {
            drop(shuttle::future::spawn(async { end() }));
        }
    }

    fn give_up(self: Box<Self>, expired: Expired) {
        self.play.meet(self.number, Fate::GivenUp(expired));
        self.play.over.add_permits(1);
    }

    fn reactor(&self) -> &Arc<Reactor> {
        &self.play.reactor
    }

    fn timers(&self) -> &Arc<Timers> {
        &self.play.timers
    }
}

/// Submits all entries, waits for their fates, and returns those in their order.
fn submit_all(parallel: usize, limit: Option<usize>, expires: bool) -> Vec<(usize, Fate)> {
    let play = Play::begin(parallel, limit);
    submit_beside(&play, parallel, expires, || {})
}

/// The same in a lane that `beside` changes meanwhile, after which so many are to run at a time.
fn submit_beside(
    play: &Arc<Play>,
    parallel: usize,
    expires: bool,
    beside: impl FnOnce() + Send + 'static,
) -> Vec<(usize, Fate)> {
    let beside = thread::spawn(beside);
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let play = play.clone();
            thread::spawn(move || {
                for entry in 0..ENTRIES {
                    play.submit(thread * ENTRIES + entry, expires);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    beside.join().expect("it does not panic");
    let all = u32::try_from(ALL).expect("few");
    drop(shuttle::future::block_on(play.over.acquire_many(all)).expect("it is not closed"));
    // All permits are free again: as many as there are may start at once.
    assert_eq!(play.lane.queued(), 0);
    let admit = |number| {
        let entry = Entry { number, play: play.clone(), deadline: None, cancel: None };
        play.lane.admit(entry)
    };
    let again: Vec<_> = (0..parallel).map(admit).collect();
    assert!(again.iter().all(|it| matches!(it, Admission::Now(..))), "a permit was lost");
    let fates = std::mem::take(&mut play.seen.lock().fates);
    assert!(matches!(admit(parallel), Admission::Later), "a permit too many");
    drop(again);
    let mut numbers: Vec<_> = fates.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..ALL).collect::<Vec<_>>(), "each has one fate");
    fates
}

/// Two at a time, whatever else happens; what has waited too long or was withdrawn is given up, or
/// has its turn just then.
///
/// # Panics
/// When more run at a time, or one has two fates; has no end when one that waits is forgotten.
pub fn so_many_run_at_a_time_and_each_once() {
    for (number, fate) in submit_all(2, None, true) {
        match fate {
            Fate::Started => {}
            Fate::GivenUp(Expired::Deadline) => assert!(number % 3 == 2 && number <= ENTRIES),
            Fate::GivenUp(Expired::Cancelled) => assert!(number % 3 == 2 && number > ENTRIES),
            Fate::Full => panic!("any number may wait"),
        }
    }
}

/// With one at a time, those of a thread have their turns in the order in which it submitted them,
/// whatever is given up between them.
///
/// # Panics
/// When one overtakes another; else as above.
pub fn turns_are_in_the_order_of_submission() {
    let fates = submit_all(1, None, true);
    let started = fates.iter().filter(|(_, fate)| *fate == Fate::Started);
    for thread in 0..THREADS {
        let own = started.clone().filter(|(number, _)| number / ENTRIES == thread);
        assert!(own.is_sorted_by_key(|(number, _)| *number), "{fates:?}");
    }
}

/// A lane that becomes wider and narrower while it is used gives each its turn, never has more
/// than it had at its widest, and has as many places in the end as it was given last.
///
/// # Panics
/// As above.
pub fn a_lane_that_is_resized_forgets_nothing() {
    let play = Play::begin(3, None);
    let lane = play.lane.clone();
    let fates = submit_beside(&play, 2, true, move || {
        for parallel in [1, 3, 2] {
            lane.resize(parallel);
            thread::yield_now();
        }
    });
    assert_eq!(fates.len(), ALL);
}

/// What a full queue has no room for is refused at once, and all else has its turn.
///
/// # Panics
/// When too many wait, or too many are refused; else as above.
pub fn a_full_queue_refuses_and_forgets_nothing() {
    let fates = submit_all(1, Some(2), false);
    let refused = fates.iter().filter(|(_, fate)| *fate == Fate::Full).count();
    assert!(refused <= ALL - 3, "one runs and two wait: {fates:?}");
}
