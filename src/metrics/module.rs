//! The handles of an instance.
//!
//! Every handle is resolved once. A call costs atomic additions to the series concerned; only
//! durations take a lock, for the length of one push, and never on the path of a cached answer.
//!
//! Which series exist from the start, as zeros, so that `rate()` and alerts see their first
//! increment:
//! * of an isolator: queue, cache (all results), containers;
//! * of any instance: kills (both signals), quarantined;
//! * of an event, from its first use as [`ModuleMetrics::event`], which instances make for every
//!   configured command when they are created: everything with an `event` label, `calls_total`
//!   and `runs_total` for all outcomes and `failures_total` for all reasons;
//! * of an event's workers, from [`EventMetrics::worker`]: `worker_up`, the restarts for all
//!   reasons and the silent stand-ins. An event without workers has no such series, so that `worker_up == 0` means what it
//!   says.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Counter, Gauge};

use super::catalogue as c;
use super::histogram::Histogram;
use super::registry::{Registrar, registry};
use crate::event::{Event, ModuleKind};
use crate::outcome::OutcomeKind;
use crate::outcome::{CacheResult, FailureReason, KillSignal, WorkerRestart};

/// The metrics of all instances with one `module_name`.
#[derive(Debug)]
pub struct ModuleMetrics {
    registrar: Arc<Registrar>,
    name: String,
    kills: [Counter; KillSignal::ALL.len()],
    quarantined: Gauge,
    isolator: OnceLock<IsolatorMetrics>,
    events: [OnceLock<EventMetrics>; Event::ALL.len()],
}

#[derive(Debug)]
pub(super) struct IsolatorMetrics {
    queued: Gauge,
    cache_requests: [Counter; CacheResult::ALL.len()],
    cache_entries: Gauge,
    containers: Gauge,
}

impl ModuleMetrics {
    /// The handles of the instance called `module_name` in the process's [`registry`]. Instances
    /// of one name, of whatever kind, get the same.
    pub fn new(module_name: &str, kind: ModuleKind) -> Arc<ModuleMetrics> {
        registry().module(module_name, kind)
    }

    pub(super) fn register(registrar: &Arc<Registrar>, name: &str) -> ModuleMetrics {
        ModuleMetrics {
            kills: KillSignal::ALL.map(|s| registrar.counter(&c::KILLS, &[name, s.label()])),
            quarantined: registrar.gauge(&c::QUARANTINED, &[name]),
            registrar: Arc::clone(registrar),
            name: name.to_owned(),
            isolator: OnceLock::new(),
            events: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// Makes the series that only an isolator has.
    pub(super) fn register_isolator(&self) -> &IsolatorMetrics {
        self.isolator.get_or_init(|| IsolatorMetrics {
            queued: self.registrar.gauge(&c::QUEUED, &[&self.name]),
            cache_requests: CacheResult::ALL
                .map(|r| self.registrar.counter(&c::CACHE_REQUESTS, &[&self.name, r.label()])),
            cache_entries: self.registrar.gauge(&c::CACHE_ENTRIES, &[&self.name]),
            containers: self.registrar.gauge(&c::CONTAINERS, &[&self.name]),
        })
    }

    /// The handles of one event. The first use makes its series: instances use it for every
    /// configured command when they are created, and for no other event.
    pub fn event(&self, event: Event) -> &EventMetrics {
        self.events[event as usize]
            .get_or_init(|| EventMetrics::register(&self.registrar, &self.name, event))
    }

    /// A command begins to wait for its start.
    pub fn queued_inc(&self) {
        self.register_isolator().queued.increment(1.0);
    }

    /// A command waits no longer: it was started or withdrawn.
    pub fn queued_dec(&self) {
        self.register_isolator().queued.decrement(1.0);
    }

    /// The usage cache answered a call.
    pub fn cache_request(&self, result: CacheResult) {
        self.register_isolator().cache_requests[result as usize].increment(1);
    }

    /// Containers gained (positive) or lost a value in the usage cache. A difference, because
    /// several instances may share the series.
    pub fn cache_entries_add(&self, difference: i64) {
        self.register_isolator().cache_entries.increment(difference as f64);
    }

    /// Containers gained (positive) or lost their context.
    pub fn containers_add(&self, difference: i64) {
        self.register_isolator().containers.increment(difference as f64);
    }

    /// A command of `event` outlived SIGKILL (`true`), or ended after that. Meanwhile it is one of
    /// those that run, although its call is answered.
    pub fn quarantined(&self, event: Event, enters: bool) {
        if enters {
            self.quarantined.increment(1.0);
            self.event(event).running_inc();
        } else {
            self.quarantined.decrement(1.0);
            self.event(event).running_dec();
        }
    }

    /// A signal was sent to a command's process group.
    pub fn kill(&self, signal: KillSignal) {
        self.kills[signal as usize].increment(1);
    }
}

/// The metrics of one event of a module.
#[derive(Debug)]
pub struct EventMetrics {
    registrar: Arc<Registrar>,
    name: String,
    event: Event,
    calls: [Counter; OutcomeKind::ALL.len()],
    runs: [Counter; OutcomeKind::ALL.len()],
    failures: [Counter; FailureReason::ALL.len()],
    call_duration: Histogram,
    run_duration: Histogram,
    spawn_duration: Histogram,
    queue_duration: Histogram,
    timeouts: Counter,
    running: Gauge,
    strays: Counter,
    output_bytes: Counter,
    lossy_outputs: Counter,
    worker: OnceLock<WorkerMetrics>,
}

impl EventMetrics {
    fn register(registrar: &Arc<Registrar>, name: &str, event: Event) -> EventMetrics {
        let r = registrar;
        let by_event = &[name, event.label()];
        let by_outcome = |metric, outcome: OutcomeKind| {
            r.counter(metric, &[name, event.label(), outcome.label()])
        };
        EventMetrics {
            calls: OutcomeKind::ALL.map(|outcome| by_outcome(&c::CALLS, outcome)),
            runs: OutcomeKind::ALL.map(|outcome| by_outcome(&c::RUNS, outcome)),
            failures: FailureReason::ALL
                .map(|reason| r.counter(&c::FAILURES, &[name, event.label(), reason.label()])),
            call_duration: r.histogram(&c::CALL_DURATION, by_event),
            run_duration: r.histogram(&c::RUN_DURATION, by_event),
            spawn_duration: r.histogram(&c::SPAWN_DURATION, by_event),
            queue_duration: r.histogram(&c::QUEUE_DURATION, by_event),
            timeouts: r.counter(&c::TIMEOUTS, by_event),
            running: r.gauge(&c::RUNNING, by_event),
            strays: r.counter(&c::STRAYS, by_event),
            output_bytes: r.counter(&c::OUTPUT_BYTES, by_event),
            lossy_outputs: r.counter(&c::LOSSY_OUTPUTS, by_event),
            registrar: Arc::clone(registrar),
            name: name.to_owned(),
            event,
            worker: OnceLock::new(),
        }
    }

    /// A call has ended. `duration` is the time since it was made, `None` when it was answered
    /// from the cache: such a call is only counted.
    pub fn call(&self, outcome: OutcomeKind, duration: Option<Duration>) {
        self.calls[outcome as usize].increment(1);
        if let Some(duration) = duration {
            self.call_duration.record(duration);
        }
    }

    /// A command (process or worker request) has ended, `duration` after its start. Failures and
    /// timeouts are counted by their own methods.
    pub fn run(&self, outcome: OutcomeKind, duration: Duration) {
        self.runs[outcome as usize].increment(1);
        self.run_duration.record(duration);
    }

    /// A command was started, `duration` after it was submitted.
    pub fn queue(&self, duration: Duration) {
        self.queue_duration.record(duration);
    }

    /// A process was started, which took `duration`.
    pub fn spawn(&self, duration: Duration) {
        self.spawn_duration.record(duration);
    }

    /// A deadline passed, of a running or of a queued command.
    pub fn timeout(&self) {
        self.timeouts.increment(1);
    }

    /// Something failed: see [`FailureReason`] for what counts once.
    pub fn failure(&self, reason: FailureReason) {
        self.failures[reason as usize].increment(1);
    }

    /// A command or worker request starts.
    pub fn running_inc(&self) {
        self.running.increment(1.0);
    }

    /// A command or worker request that had started has ended.
    pub fn running_dec(&self) {
        self.running.decrement(1.0);
    }

    /// A command left processes behind.
    pub fn stray(&self) {
        self.strays.increment(1);
    }

    /// Output was read.
    pub fn output_bytes(&self, bytes: u64) {
        self.output_bytes.increment(bytes);
    }

    /// Something of an accepted output was dropped or changed.
    pub fn lossy_output(&self) {
        self.lossy_outputs.increment(1);
    }

    /// The handles of the event's persistent workers. The first use makes their series: instances
    /// in worker mode use it when they are created.
    pub fn worker(&self) -> &WorkerMetrics {
        self.worker.get_or_init(|| WorkerMetrics {
            up: self.registrar.gauge(&c::WORKER_UP, &[&self.name, self.event.label()]),
            silent_stand_ins: self
                .registrar
                .counter(&c::SILENT_STAND_INS, &[&self.name, self.event.label()]),
            restarts: WorkerRestart::ALL.map(|reason| {
                let values = [&self.name, self.event.label(), reason.label()];
                self.registrar.counter(&c::WORKER_RESTARTS, &values)
            }),
        })
    }
}

/// The metrics of the persistent workers of one event.
#[derive(Debug)]
pub struct WorkerMetrics {
    up: Gauge,
    silent_stand_ins: Counter,
    restarts: [Counter; WorkerRestart::ALL.len()],
}

impl WorkerMetrics {
    /// A worker has reported that it is ready.
    pub fn up_inc(&self) {
        self.up.increment(1.0);
    }

    /// A worker that was ready is gone.
    pub fn up_dec(&self) {
        self.up.decrement(1.0);
    }

    /// A command that was run because no worker was up wrote nothing.
    pub fn silent_stand_in(&self) {
        self.silent_stand_ins.increment(1);
    }

    /// A worker is started in the place of one that was lost.
    pub fn restart(&self, reason: WorkerRestart) {
        self.restarts[reason as usize].increment(1);
    }
}
