//! Pools of one worker.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::{CommandSpec, Request, RunReport, Runner};
use mesos_command::staging::{Input, IoMode};
use mesos_command::worker::{Recycling, WorkerPool, WorkerSettings};

use crate::commands::{self, Loud};

/// Makes so many calls.
pub(crate) type Calls = Box<dyn FnMut(usize)>;

/// A worker that is asked over pipes.
pub(crate) fn spec(command: &Path, event: Event) -> Arc<CommandSpec> {
    commands::spec(command, event, IoMode::MemfdInput, &[])
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
