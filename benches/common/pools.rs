//! Pools of one worker, and sides that make calls by turns.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::{CommandSpec, Request, RunReport, Runner};
use mesos_command::staging::{Input, IoMode};
use mesos_command::sys::Identity;
use mesos_command::worker::{Recycling, WorkerLog, WorkerPool, WorkerSettings};

use crate::figure::Figure;
use crate::median::median;

/// Makes so many calls.
pub(crate) type Calls = Box<dyn FnMut(usize)>;

/// One of the ways to make calls.
pub(crate) struct Side {
    name: &'static str,
    /// Of the first side: microseconds of a call. Of others: their rate, to that of the first.
    figure: Figure,
    calls: Calls,
    /// Seconds per call, per round.
    rounds: Vec<f64>,
}

struct Loud;

impl WorkerLog for Loud {
    fn failure(&self, text: &str) {
        eprintln!("{text}");
    }

    fn note(&self, text: &str) {
        eprintln!("{text}");
    }
}

pub(crate) fn measure(sides: &mut [Side], rounds: usize, slice: usize, turns: usize) {
    for side in &mut *sides {
        (side.calls)(slice);
    }
    for round in 0..rounds {
        let mut took = vec![Duration::ZERO; sides.len()];
        for turn in 0..turns {
            for index in 0..sides.len() {
                let which = (index + turn + round) % sides.len();
                let start = Instant::now();
                (sides[which].calls)(slice);
                took[which] += start.elapsed();
            }
        }
        for (side, took) in sides.iter_mut().zip(took) {
            side.rounds.push(took.as_secs_f64() / (slice * turns) as f64);
        }
    }
}

pub(crate) fn report(title: &str, sides: &[Side]) {
    println!("{title}");
    println!("{:<22} {:>10} {:>10}", "", "us a call", "rate x");
    for (place, side) in sides.iter().enumerate() {
        let relative = side.rounds.iter().zip(&sides[0].rounds).map(|(own, first)| first / own);
        let (micros, rate) = (median(side.rounds.iter().copied()) * 1e6, median(relative));
        println!("{:<22} {micros:>10.1} {rate:>10.2}", side.name);
        side.figure.print(if place == 0 { micros } else { rate });
    }
}

pub(crate) fn side(name: &'static str, figure: Figure, calls: Calls) -> Side {
    Side { name, figure, calls, rounds: Vec::new() }
}

pub(crate) fn spec(command: &Path, event: Event) -> Arc<CommandSpec> {
    Arc::new(CommandSpec {
        event,
        module: "bench".into(),
        command: CommandLine::Path(command.into()),
        environment: Arc::from([]),
        timeout: Some(Duration::from_secs(30)),
        kill_grace: Duration::from_secs(1),
        max_output_bytes: 1 << 20,
        io: IoMode::MemfdInput,
        stdio: Stdio::Capture,
        background: Background::Kill,
        identity: Identity::default(),
        temp_dir: None,
        cgroups: None,
    })
}

pub(crate) fn pool(spec: &Arc<CommandSpec>) -> WorkerPool {
    let settings = WorkerSettings {
        spec: spec.clone(),
        workers: 1,
        lane: None,
        stand_in: true,
        queue_limit: None,
        multiplex: 64,
        recycling: Recycling::default(),
        quarantine: None,
        metrics: ModuleMetrics::new("bench", ModuleKind::Isolator),
        log: Arc::new(Loud),
    };
    let pool = WorkerPool::start(Runner::global().expect("a runner"), settings);
    while pool.up() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    pool
}

pub(crate) fn check(report: &RunReport, input: &[u8]) {
    assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
    assert!(report.by_worker && report.output.len() >= input.len());
}

/// Calls of a container's usage, as the module makes them: what continues a call makes the next
/// one. `at_once` of them are on their way, for one worker.
pub(crate) fn continued(worker: &Path, input: &Arc<[u8]>, at_once: usize) -> Calls {
    let spec = spec(worker, Event::Usage);
    let calls = Arc::new(Continued {
        pool: pool(&spec),
        spec,
        input: input.clone(),
        left: AtomicUsize::new(0),
        under_way: AtomicUsize::new(0),
        over: Barrier::new(2),
    });
    Box::new(move |count| {
        calls.left.store(count - at_once, Ordering::SeqCst);
        calls.under_way.store(at_once, Ordering::SeqCst);
        for _ in 0..at_once {
            calls.clone().make();
        }
        calls.over.wait();
    })
}

struct Continued {
    pool: WorkerPool,
    spec: Arc<CommandSpec>,
    input: Arc<[u8]>,
    /// Calls that are not made yet.
    left: AtomicUsize,
    /// Chains of calls that go on.
    under_way: AtomicUsize,
    over: Barrier,
}

impl Continued {
    fn make(self: Arc<Self>) {
        let request = Request::new(self.spec.clone(), Input::Text(self.input.clone()));
        let own = self.clone();
        self.pool.submit(request, None, move |report| {
            check(&report, &own.input);
            let more = |left: usize| left.checked_sub(1);
            if own.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok() {
                own.make();
            } else if own.under_way.fetch_sub(1, Ordering::SeqCst) == 1 {
                own.over.wait();
            }
        });
    }
}
