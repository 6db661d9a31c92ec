//! The handles of an instance.
//!
//! Every handle is resolved once. A call costs atomic additions to the series concerned; only
//! durations take a lock, for the length of one push, and never on the path of a cached answer.
//!
//! Which series exist from the start is said by the groups of the catalogue: those of an isolator
//! and of any instance with the first instance of the name, those of an event from its first use as
//! [`ModuleMetrics::event`], which instances make for every configured command when they are
//! created, those of workers from [`EventMetrics::worker`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::catalogue::{
    EventSeries, IsolatorSeries, ModuleSeries, ShadowSeries, WarmSeries, WorkerSeries,
};
use super::registrar::Registrar;
use super::registry::registry;
use crate::event::{Event, ModuleKind};
use crate::outcome::{
    AheadResult, CacheResult, FailureReason, KillSignal, OutcomeKind, WarmStart, WorkerRestart,
};

/// The metrics of all instances with one `module_name`.
#[derive(Debug)]
pub struct ModuleMetrics {
    registrar: Arc<Registrar>,
    name: String,
    /// What every instance counts.
    pub series: ModuleSeries,
    isolator: OnceLock<IsolatorSeries>,
    events: [OnceLock<EventMetrics>; Event::ALL.len()],
    /// Hashes of the parameters of each instance, by its number.
    hashes: Mutex<BTreeMap<u64, u64>>,
}

impl ModuleMetrics {
    /// The handles of the instance called `module_name` in the process's [`registry`]. Instances
    /// of one name, of whatever kind, get the same.
    pub fn new(module_name: &str, kind: ModuleKind) -> Arc<ModuleMetrics> {
        registry().module(module_name, kind)
    }

    pub(super) fn register(registrar: &Arc<Registrar>, name: &str) -> ModuleMetrics {
        ModuleMetrics {
            series: ModuleSeries::register(registrar, &[name]),
            registrar: Arc::clone(registrar),
            name: name.to_owned(),
            isolator: OnceLock::new(),
            events: std::array::from_fn(|_| OnceLock::new()),
            hashes: Mutex::default(),
        }
    }

    /// What only isolators count. The first use makes the series.
    pub fn isolator(&self) -> &IsolatorSeries {
        self.isolator.get_or_init(|| IsolatorSeries::register(&self.registrar, &[&self.name]))
    }

    /// The handles of one event. The first use makes its series: instances use it for every
    /// configured command when they are created, and for no other event.
    pub fn event(&self, event: Event) -> &EventMetrics {
        self.events[event as usize]
            .get_or_init(|| EventMetrics::register(&self.registrar, &self.name, event))
    }

    /// A command begins to wait for its start.
    pub fn queued_inc(&self) {
        self.isolator().queued.increment(1.0);
    }

    /// A command waits no longer: it was started or withdrawn.
    pub fn queued_dec(&self) {
        self.isolator().queued.decrement(1.0);
    }

    /// The usage cache answered a call.
    pub fn cache_request(&self, result: CacheResult) {
        self.isolator().cache_requests.of(result).increment(1);
    }

    /// It is known what became of a value that was refreshed ahead.
    pub fn refresh_ahead(&self, result: AheadResult) {
        self.isolator().refreshes_ahead.of(result).increment(1);
    }

    /// A usage value of this age was served.
    pub fn value_age(&self, age: Duration) {
        self.isolator().value_age.record(age);
    }

    /// Containers gained (positive) or lost a value in the usage cache. A difference, because
    /// several instances may share the series.
    pub fn cache_entries_add(&self, difference: i64) {
        self.isolator().cache_entries.increment(difference as f64);
    }

    /// Containers gained (positive) or lost their context.
    pub fn containers_add(&self, difference: i64) {
        self.isolator().containers.increment(difference as f64);
    }

    /// A command of `event` outlived SIGKILL (`true`), or ended after that. Meanwhile it is one of
    /// those that run, although its call is answered.
    pub fn quarantined(&self, event: Event, enters: bool) {
        if enters {
            self.series.quarantined.increment(1.0);
            self.event(event).running_inc();
        } else {
            self.series.quarantined.decrement(1.0);
            self.event(event).running_dec();
        }
    }

    /// Whether the instance's commands run in cgroups of their own.
    pub fn contained(&self, is_contained: bool) {
        self.series.contained.set(if is_contained { 1.0 } else { 0.0 });
    }

    /// An instance has parameters with this hash, until the value is dropped.
    pub fn configured(self: &Arc<Self>, hash: u64) -> Configured {
        static INSTANCES: AtomicU64 = AtomicU64::new(0);
        let number = INSTANCES.fetch_add(1, Ordering::Relaxed);
        let configured = Configured { metrics: self.clone(), number };
        configured.set(hash);
        configured
    }

    /// Notes the hash of an instance, and shows that of all of them: one series, so that a hook and
    /// an isolator of one name do not look like two configurations.
    fn show_config(&self, number: u64, hash: Option<u64>) {
        let mut all = self.hashes.lock();
        match hash {
            Some(hash) => all.insert(number, hash),
            None => all.remove(&number),
        };
        let mut hashes: Vec<u64> = all.values().copied().collect();
        // In whichever order they were created.
        hashes.sort_unstable();
        let joined = hashes.into_iter().reduce(|all, one| all.rotate_left(7) ^ one);
        // Under the lock, so that the last one to come is the one that is shown.
        self.series.config.set(joined.map(|hash| format!("{hash:016x}")));
    }

    /// The parameters were taken from the modules file now.
    pub fn loaded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.series.reloaded.set(now.as_secs_f64());
    }

    /// The modules file could not be reloaded.
    pub fn reload_failed(&self) {
        self.series.reload_failures.increment(1);
    }

    /// A line of the call log was lost.
    pub fn call_log_lost(&self) {
        self.series.call_log_lost.increment(1);
    }

    /// A signal was sent to a command's process group.
    pub fn kill(&self, signal: KillSignal) {
        self.series.kills.of(signal).increment(1);
    }
}

/// What `mesos_command_config_info` says of one instance.
#[derive(Debug)]
pub struct Configured {
    metrics: Arc<ModuleMetrics>,
    number: u64,
}

impl Configured {
    /// Its parameters have another hash from now on.
    pub fn set(&self, hash: u64) {
        self.metrics.show_config(self.number, Some(hash));
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        self.metrics.show_config(self.number, None);
    }
}

/// The metrics of one event of a module.
#[derive(Debug)]
pub struct EventMetrics {
    registrar: Arc<Registrar>,
    name: String,
    event: Event,
    /// What the event counts.
    pub series: EventSeries,
    worker: OnceLock<WorkerMetrics>,
    warm: OnceLock<WarmSeries>,
    shadow: OnceLock<ShadowMetrics>,
}

impl EventMetrics {
    fn register(registrar: &Arc<Registrar>, name: &str, event: Event) -> EventMetrics {
        EventMetrics {
            series: EventSeries::register(registrar, &[name, event.label()]),
            registrar: Arc::clone(registrar),
            name: name.to_owned(),
            event,
            worker: OnceLock::new(),
            warm: OnceLock::new(),
            shadow: OnceLock::new(),
        }
    }

    /// A call has ended. `duration` is the time since it was made, `None` when it was answered
    /// from the cache: such a call is only counted.
    pub fn call(&self, outcome: OutcomeKind, duration: Option<Duration>) {
        self.series.calls.of(outcome).increment(1);
        if let Some(duration) = duration {
            self.series.call_duration.record(duration);
        }
    }

    /// A command (process or worker request) has ended, `duration` after its start. Failures and
    /// timeouts are counted by their own methods.
    pub fn run(&self, outcome: OutcomeKind, duration: Duration) {
        self.series.runs.of(outcome).increment(1);
        self.series.run_duration.record(duration);
    }

    /// A command was started, `duration` after it was submitted.
    pub fn queue(&self, duration: Duration) {
        self.series.queue_duration.record(duration);
    }

    /// A process was started, which took `duration`.
    pub fn spawn(&self, duration: Duration) {
        self.series.spawn_duration.record(duration);
    }

    /// A deadline passed, of a running or of a queued command.
    pub fn timeout(&self) {
        self.series.timeouts.increment(1);
    }

    /// Something failed: see [`FailureReason`] for what counts once.
    pub fn failure(&self, reason: FailureReason) {
        self.series.failures.of(reason).increment(1);
    }

    /// A command or worker request starts.
    pub fn running_inc(&self) {
        self.series.running.increment(1.0);
    }

    /// A command or worker request that had started has ended.
    pub fn running_dec(&self) {
        self.series.running.decrement(1.0);
    }

    /// A command left processes behind.
    pub fn stray(&self) {
        self.series.strays.increment(1);
    }

    /// A command was started without the cgroup that it was to have.
    pub fn uncontained(&self) {
        self.series.uncontained.increment(1);
    }

    /// Output was read.
    pub fn output_bytes(&self, bytes: u64) {
        self.series.output_bytes.increment(bytes);
    }

    /// Something of an accepted output was dropped or changed.
    pub fn lossy_output(&self) {
        self.series.lossy_outputs.increment(1);
    }

    /// The handles of the event's persistent workers. The first use makes their series: instances
    /// in worker mode use it when they are created.
    pub fn worker(&self) -> &WorkerMetrics {
        self.worker.get_or_init(|| {
            let values = [&*self.name, self.event.label()];
            WorkerMetrics { series: WorkerSeries::register(&self.registrar, &values) }
        })
    }

    /// The counters of an event in warm mode. The first use makes their series, as with
    /// [`worker`](EventMetrics::worker).
    pub fn warm(&self) -> &WarmSeries {
        self.warm.get_or_init(|| {
            WarmSeries::register(&self.registrar, &[&*self.name, self.event.label()])
        })
    }

    /// A command in warm mode has ended whose process began so.
    pub fn warm_start(&self, start: WarmStart) {
        self.warm().starts.of(start).increment(1);
    }

    /// The handles of the event's shadow. The first use makes its series: instances with one use
    /// it when they are created.
    pub fn shadow(&self) -> &ShadowMetrics {
        self.shadow.get_or_init(|| {
            let values = [&*self.name, self.event.label()];
            ShadowMetrics { series: ShadowSeries::register(&self.registrar, &values) }
        })
    }
}

/// The metrics of the shadow of one event.
#[derive(Debug)]
pub struct ShadowMetrics {
    /// What is counted of it.
    pub series: ShadowSeries,
}

/// The metrics of the persistent workers of one event.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// What they count.
    pub series: WorkerSeries,
}

impl WorkerMetrics {
    /// A worker has reported that it is ready.
    pub fn up_inc(&self) {
        self.series.up.increment(1.0);
    }

    /// A worker that was ready is gone.
    pub fn up_dec(&self) {
        self.series.up.decrement(1.0);
    }

    /// A command that was run because no worker was up wrote nothing.
    pub fn silent_stand_in(&self) {
        self.series.silent_stand_ins.increment(1);
    }

    /// Requests are made again, because their worker was lost with several.
    pub fn repeated(&self, requests: u64) {
        self.series.repeated.increment(requests);
    }

    /// A worker is started in the place of one that was lost.
    pub fn restart(&self, reason: WorkerRestart) {
        self.series.restarts.of(reason).increment(1);
    }
}
