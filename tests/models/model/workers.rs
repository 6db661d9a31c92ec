//! Requests to workers that serve, end, or break their protocol, and the end of the pool.

use std::sync::Arc;
use std::time::Duration;

use mesos_command::event::ModuleKind;
use parking_lot::Mutex;
use shuttle::thread;
use tokio::sync::Semaphore;

use crate::command::{Background, CommandLine, Stdio};
use crate::event::Event;
use crate::metrics::ModuleMetrics;
use crate::outcome::OutcomeKind;
use crate::reactor::CancelToken;
use crate::run::{CommandSpec, Fate, Lifetime, Request, RunReport, Runner};
use crate::staging::{Input, IoMode};

use super::{Recycling, WorkerLog, WorkerPool, WorkerSettings};

const THREADS: usize = 2;
const CALLS: usize = 2;
const ALL: usize = THREADS * CALLS;

struct NoLog;

impl WorkerLog for NoLog {
    fn failure(&self, _text: &str) {}
    fn note(&self, _text: &str) {}
}

/// The answers of a play, by the calls' numbers.
struct Answers {
    seen: Mutex<Vec<(usize, RunReport)>>,
    given: Semaphore,
}

/// A pool of so many workers.
struct Play {
    spec: Arc<CommandSpec>,
    pool: WorkerPool,
    answers: Arc<Answers>,
}

fn spec() -> Arc<CommandSpec> {
    Arc::new(CommandSpec {
        event: Event::Usage,
        module: "models".into(),
        command: CommandLine::Path("/bin/true".into()),
        environment: Arc::from([]),
        timeout: None,
        kill_grace: Duration::from_secs(1),
        max_output_bytes: 4096,
        io: IoMode::Files,
        stdio: Stdio::Null,
        identity: crate::sys::Identity::default(),
        background: Background::Kill,
        temp_dir: None,
        cgroups: None,
    })
}

impl Play {
    /// `fates` are those of the workers, the first one last.
    fn begin(workers: usize, fates: Vec<Fate>, stand_in: bool) -> Play {
        let spec = spec();
        let settings = WorkerSettings {
            spec: spec.clone(),
            workers,
            lane: None,
            stand_in,
            queue_limit: None,
            multiplex: 64,
            recycling: Recycling::default(),
            quarantine: None,
            metrics: ModuleMetrics::new("models", ModuleKind::Isolator),
            log: Arc::new(NoLog),
        };
        let lifetime = Lifetime::begin(spec.kill_grace);
        let pool = WorkerPool::start_in(&lifetime, Runner::new(fates), settings);
        let answers = Answers { seen: Mutex::default(), given: Semaphore::new(0) };
        Play { spec, pool, answers: Arc::new(answers) }
    }

    fn call(&self, number: usize, cancel: Option<CancelToken>) {
        let input = Input::Text(number.to_string().into_bytes().into());
        let answers = self.answers.clone();
        self.pool.submit(Request::new(self.spec.clone(), input), cancel, move |report| {
            answers.seen.lock().push((number, report));
            answers.given.add_permits(1);
        });
    }

    /// Waits until the first of the workers is up.
    fn is_up(&self) {
        while self.pool.up() == 0 {
            thread::yield_now();
        }
    }
}

impl Answers {
    /// Waits for the answers of all calls.
    fn all(&self) -> Vec<(usize, RunReport)> {
        let all = u32::try_from(ALL).expect("few");
        drop(shuttle::future::block_on(self.given.acquire_many(all)).expect("it is not closed"));
        let mut seen = std::mem::take(&mut *self.seen.lock());
        seen.sort_by_key(|(number, _)| *number);
        let numbers: Vec<_> = seen.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..ALL).collect::<Vec<_>>(), "each call has one answer");
        seen
    }
}

/// All calls, from several threads, and what withdraws each of them.
fn call_all(play: &Arc<Play>, cancel: Option<&CancelToken>) {
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (play, cancel) = (play.clone(), cancel.map(CancelToken::child));
            thread::spawn(move || {
                for call in 0..CALLS {
                    play.call(thread * CALLS + call, cancel.clone());
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it does not panic");
    }
}

/// The outcomes of all calls; those that a worker answered have their own output.
fn outcomes(answers: &[(usize, RunReport)]) -> Vec<OutcomeKind> {
    for (number, report) in answers {
        let is_answer = report.by_worker && report.outcome == OutcomeKind::Ok;
        if is_answer {
            assert_eq!(report.output, number.to_string().into_bytes(), "another's answer");
        }
    }
    answers.iter().map(|(_, report)| report.outcome).collect()
}

/// One worker answers all calls, and so do two, from whichever threads and however they meet: each
/// with its own answer, also when they take several at a time and answer them in another order.
///
/// # Panics
/// When a call has another's answer, or two; has no end when it has none.
pub fn every_call_has_its_answer() {
    for fate in [Fate::Serves, Fate::Multiplexes] {
        for workers in [1, 2] {
            let play = Arc::new(Play::begin(workers, vec![fate; workers], false));
            play.is_up();
            call_all(&play, None);
            assert_eq!(outcomes(&play.answers.all()), [OutcomeKind::Ok; ALL]);
        }
    }
}

/// Workers are lost: in the middle of a request, right after an answer, or because they say more
/// than they were asked. At most the one request that a worker had seen fails; all others are
/// answered by another worker, or by a plain run when none is up.
///
/// # Panics
/// When one more fails, or else as above.
pub fn a_lost_worker_fails_one_call_at_most() {
    for fate in [Fate::EndsAt(0), Fate::EndsAt(1), Fate::EndsAfter(0), Fate::AnswersTwice(0)] {
        for workers in [1, 2] {
            let play = Arc::new(Play::begin(workers, vec![Fate::Serves, fate], true));
            play.is_up();
            call_all(&play, None);
            let outcomes = outcomes(&play.answers.all());
            let failed: Vec<_> = outcomes.iter().filter(|it| **it != OutcomeKind::Ok).collect();
            assert!(failed.len() <= 1, "{fate:?}: {outcomes:?}");
            assert!(failed.iter().all(|it| **it == OutcomeKind::WorkerProtocol), "{outcomes:?}");
        }
    }
}

/// A worker is lost that takes several requests at a time. Those that it had are made again, by a
/// plain run or alone by another worker; none fails but one that it had alone.
///
/// # Panics
/// When one more fails, or else as above.
pub fn a_worker_that_is_lost_with_several_fails_none_of_them() {
    for stand_in in [true, false] {
        for last in [0, 1, 2] {
            let fates = vec![Fate::Multiplexes, Fate::MultiplexesUntil(last)];
            // The pause before a worker is started again has no end here.
            let workers = if stand_in { 1 } else { 2 };
            let play = Arc::new(Play::begin(workers, fates, stand_in));
            play.is_up();
            call_all(&play, None);
            let outcomes = outcomes(&play.answers.all());
            let failed = outcomes.iter().filter(|it| **it != OutcomeKind::Ok).count();
            assert!(failed <= 1, "{last}: {outcomes:?}");
        }
    }
}

/// The calls of one thread are withdrawn while they wait, are taken up, or are answered. Each is
/// answered all the same, and none of the others is touched.
///
/// # Panics
/// When a withdrawal reaches another call, or else as above.
pub fn a_withdrawal_reaches_its_own_calls() {
    let play = Arc::new(Play::begin(1, Vec::new(), false));
    play.is_up();
    let (own, token) = (play.clone(), CancelToken::new());
    let withdrawn = token.child();
    let calls =
        thread::spawn(move || (0..CALLS).for_each(|it| own.call(it, Some(withdrawn.clone()))));
    let withdraws = thread::spawn(move || token.cancel());
    (CALLS..ALL).for_each(|call| play.call(call, None));
    for thread in [calls, withdraws] {
        thread.join().expect("it does not panic");
    }
    let outcomes = outcomes(&play.answers.all());
    let (withdrawn, others) = outcomes.split_at(CALLS);
    let either = [OutcomeKind::Ok, OutcomeKind::Cancelled];
    assert!(withdrawn.iter().all(|it| either.contains(it)), "{outcomes:?}");
    assert!(others.iter().all(|it| *it == OutcomeKind::Ok), "{outcomes:?}");
}

/// The pool ends while its calls wait, are taken up, or are answered, and perhaps its worker at the
/// same time. Those that wait are cancelled, and a worker that is busy answers; one that takes
/// cancels is sent one for each call that is withdrawn with the pool.
///
/// # Panics
/// When a call is answered twice, or is neither answered nor cancelled.
pub fn the_end_of_the_pool_answers_everybody() {
    let fates = [Fate::Serves, Fate::EndsAt(1), Fate::EndsAfter(0), Fate::Multiplexes];
    for fate in [&fates[..], &[Fate::MultiplexesUntil(1)]].concat() {
        let play = Arc::new(Play::begin(1, vec![fate], false));
        play.is_up();
        let token = CancelToken::new();
        call_all(&play, Some(&token));
        let answers = play.answers.clone();
        token.cancel();
        drop(play);
        let outcomes = outcomes(&answers.all());
        let all = [OutcomeKind::Ok, OutcomeKind::Cancelled, OutcomeKind::WorkerProtocol];
        assert!(outcomes.iter().all(|it| all.contains(it)), "{outcomes:?}");
    }
}
