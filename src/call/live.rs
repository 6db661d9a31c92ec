//! What an instance shows of itself through the control socket, and what it lets be changed.
//!
//! It costs a call one entry in a table, and nothing else is made ready before somebody asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::config::{self, Config};
use crate::control::{self, Entries, Instance, Told, Wanted};
use crate::event::{Event, ModuleKind};
use crate::metrics::{Configured, ModuleMetrics};
use crate::redact::Redaction;
use crate::run::{Followed, RunReport, Runner};

use super::about::About;
use super::call_log::{CallLog, Hit};
use super::finished::{Finished, seconds};
use super::in_flight::Table;
use super::keep::Kept;
use super::shown::{Parts, Shown, without_secrets};

/// Failures that are kept.
const FAILURES: usize = 64;

/// The suspension of a hook whose command hangs.
pub(crate) trait Suspension: Send + Sync {
    /// For how much longer its calls are answered at once.
    fn lasts(&self) -> Option<Duration>;
    /// Ends it; whether there was one.
    fn end(&self) -> bool;
}

/// The containers of an isolator.
pub(crate) trait Containers: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;
    /// The request for usage that is foreseen, if there is one.
    fn foreseen(&self) -> Option<Value>;
    /// Those that are asked for, and how many more there are.
    fn list(&self, wanted: &Wanted) -> (Vec<Value>, usize);
}

/// One instance as the control socket sees it. Its commands, which have it, keep it.
pub(crate) struct Live {
    kind: ModuleKind,
    module: Arc<str>,
    redact: Redaction,
    shown: Mutex<Shown>,
    created: Instant,
    reloads: Mutex<Option<Reloaded>>,
    level: OnceLock<&'static str>,
    debug: AtomicBool,
    pub(super) table: Arc<Table>,
    failures: Mutex<VecDeque<Arc<Finished>>>,
    kept: Option<Arc<Kept>>,
    configured: Configured,
    log: OnceLock<CallLog>,
    /// Whether somebody may want to know of answers from the cache: all that one of them reads.
    tells_hits: AtomicBool,
    suspensions: OnceLock<Vec<(Event, Arc<dyn Suspension>)>>,
    containers: OnceLock<Box<dyn Containers>>,
}

/// The last reload.
struct Reloaded {
    at: Instant,
    /// Keys that hold only after a restart.
    pending: Vec<String>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("module", &self.module).finish_non_exhaustive()
    }
}

impl Live {
    /// An instance with these parameters.
    pub(super) fn new(
        config: &Config,
        given: &[(String, String)],
        runner: &Arc<Runner>,
        metrics: &Arc<ModuleMetrics>,
    ) -> Arc<Live> {
        let effective = without_secrets(config, given);
        let kept = (config.keep_failures > 0).then(|| {
            let (module, most) = (&config.module_name, config.keep_failures);
            let (runner, redact) = (runner.clone(), config.redact.clone());
            Arc::new(Kept::new(config.kind, module, most, runner, redact, &effective))
        });
        let configured = metrics.configured(config::hash(&effective));
        Arc::new(Live {
            kind: config.kind,
            module: config.module_name.clone(),
            redact: config.redact.clone(),
            shown: Mutex::new(Shown::new(config, &effective)),
            created: Instant::now(),
            reloads: Mutex::default(),
            level: OnceLock::new(),
            debug: AtomicBool::new(config.debug),
            table: Arc::default(),
            failures: Mutex::default(),
            kept,
            configured,
            log: OnceLock::new(),
            tells_hits: AtomicBool::new(config.debug),
            suspensions: OnceLock::new(),
            containers: OnceLock::new(),
        })
    }

    /// Its level of containment.
    pub(super) fn set_level(&self, level: &'static str) {
        let _ = self.level.set(level);
    }

    /// Where finished calls are logged.
    pub(super) fn set_log(&self, log: CallLog) {
        let _ = self.log.set(log);
        self.set_tells_hits();
    }

    fn set_tells_hits(&self) {
        let is_logged = self.log.get().is_some_and(CallLog::has_hits);
        self.tells_hits.store(self.is_debug() || is_logged, Ordering::Relaxed);
    }

    /// The workers, warm interpreters and shadows that there are now.
    pub(super) fn set_parts(&self, parts: Parts) {
        self.shown.lock().parts = parts;
    }

    /// Other parameters hold now.
    pub(super) fn set_parameters(&self, config: &Config, given: &[(String, String)]) {
        let effective = without_secrets(config, given);
        self.configured.set(config::hash(&effective));
        if let Some(kept) = &self.kept {
            kept.set_parameters(config.kind, &effective);
        }
        *self.shown.lock() = Shown::new(config, &effective);
    }

    /// A reload has succeeded, after which these keys wait for a restart.
    pub(super) fn reloaded(&self, pending: Vec<String>) {
        *self.reloads.lock() = Some(Reloaded { at: Instant::now(), pending });
    }

    pub(crate) fn set_suspensions(&self, suspensions: Vec<(Event, Arc<dyn Suspension>)>) {
        let _ = self.suspensions.set(suspensions);
    }

    pub(crate) fn set_containers(&self, containers: Box<dyn Containers>) {
        let _ = self.containers.set(containers);
    }

    /// Whether inputs and outputs are logged now.
    pub(crate) fn is_debug(&self) -> bool {
        self.debug.load(Ordering::Relaxed)
    }

    /// Whether somebody may want to know of answers from the cache.
    pub(crate) fn tells_hits(&self) -> bool {
        self.tells_hits.load(Ordering::Relaxed)
    }

    /// An answer from the cache is given: whether it is one that the call log has.
    pub(crate) fn is_hit_logged(&self) -> bool {
        self.log.get().is_some_and(CallLog::has_next_hit)
    }

    /// Adds an answer from the cache to the call log.
    pub(crate) fn log_hit(&self, hit: Hit) {
        if let Some(log) = self.log.get() {
            log.hit(hit, &self.module);
        }
    }

    /// Whether somebody wants to know of calls that have finished well.
    pub(super) fn is_followed(&self) -> bool {
        control::are_followed() || self.log.get().is_some()
    }

    /// A call has finished: it is told to those who follow, and kept if it `is_failure`.
    pub(super) fn finished(
        &self,
        report: Option<&RunReport>,
        finished: Finished,
        is_failure: bool,
    ) {
        let finished = Arc::new(finished);
        if is_failure {
            self.failed(finished.clone());
            if let (Some(kept), Some(report)) = (&self.kept, report) {
                kept.keep(report, &finished);
            }
        }
        if let Some(log) = self.log.get() {
            log.finished(&finished);
        }
        if control::are_followed() {
            let told: Arc<dyn Told> = finished;
            control::tell(&told);
        }
    }

    /// Keeps a failure for those who ask later.
    fn failed(&self, finished: Arc<Finished>) {
        let mut failures = self.failures.lock();
        if failures.len() == FAILURES {
            failures.pop_front();
        }
        failures.push_back(finished);
    }

    fn suspended(&self) -> Value {
        let all = self.suspensions.get().map(Vec::as_slice).unwrap_or_default();
        let suspended = all.iter().filter_map(|(event, suspension)| {
            let seconds = suspension.lasts()?.as_secs_f64();
            Some(json!({"event": event.label(), "for_seconds": seconds}))
        });
        suspended.collect()
    }

    /// A request on its way as JSON.
    fn call(&self, followed: &Followed) -> Value {
        let (now, time) = (Instant::now(), SystemTime::now());
        let at = |instant: Instant| match instant.checked_duration_since(now) {
            Some(ahead) => time.checked_add(ahead).map(seconds),
            None => time.checked_sub(now.saturating_duration_since(instant)).map(seconds),
        };
        let age = |instant: Instant| now.saturating_duration_since(instant).as_secs_f64();
        let event = followed.spec.event;
        let about = About::input(&followed.input);
        let started = followed.started();
        let command = followed.spec.command.text().to_string_lossy();
        json!({
            "id": followed.id,
            "kind": self.kind.word(),
            "module": &*self.module,
            "event": event.label(),
            "command": self.redact.parameter("", &command),
            "state": if started.is_some() { "running" } else { "queued" },
            "lane": event.row().lane.label(),
            "container": followed.container_id.as_deref(),
            "task": about.task,
            "executor": about.executor,
            "framework": about.framework,
            "pid": followed.pid(),
            "since": at(followed.submitted),
            "age_seconds": age(followed.submitted),
            "started": started.and_then(at),
            "run_seconds": started.map(age),
            "deadline": followed.deadline().and_then(at),
            "killed": followed.is_killed(),
        })
    }
}

impl Instance for Live {
    fn module(&self) -> &str {
        &self.module
    }

    fn kind(&self) -> ModuleKind {
        self.kind
    }

    fn status(&self) -> Value {
        let (queued, running) = self.table.counts();
        let shown = self.shown.lock().clone();
        let (reloaded, pending) = match &*self.reloads.lock() {
            Some(last) => (Some(last.at.elapsed().as_secs_f64()), last.pending.clone()),
            None => (None, Vec::new()),
        };
        json!({
            "kind": self.kind.word(),
            "module": &*self.module,
            "up_seconds": self.created.elapsed().as_secs_f64(),
            "reloaded_seconds": reloaded,
            "needs_restart": pending,
            "debug": self.is_debug(),
            "containment": self.level.get(),
            "queued": queued,
            "running": running,
            "containers": self.containers.get().map(|containers| containers.count()),
            "commands": shown.commands,
            "workers": shown.parts.workers(),
            "warm": shown.parts.warm(),
            "shadows": shown.parts.shadows(),
            "suspended": self.suspended(),
            "foreseen": self.containers.get().and_then(|containers| containers.foreseen()),
            "parameters": shown.parameters,
        })
    }

    fn calls(&self, most: usize) -> (Entries, usize) {
        let (oldest, left_out) = self.table.oldest(most);
        (oldest.iter().map(|followed| (followed.id, self.call(followed))).collect(), left_out)
    }

    fn failures(&self) -> Entries {
        let failures: Vec<_> = self.failures.lock().iter().cloned().collect();
        failures.iter().map(|finished| (finished.order, finished.to_json())).collect()
    }

    fn containers(&self, wanted: &Wanted) -> Option<(Vec<Value>, usize)> {
        self.containers.get().map(|containers| containers.list(wanted))
    }

    fn kill(&self, id: u64) -> Option<Value> {
        let followed = self.table.get(id)?;
        followed.kill();
        let call = self.call(&followed);
        tracing::warn!(
            "{} module '{}': call {id} of {} is killed by an operator",
            self.kind.word(),
            self.module,
            followed.spec.event.label()
        );
        Some(call)
    }

    fn set_debug(&self, on: bool) {
        self.debug.store(on, Ordering::Relaxed);
        self.set_tells_hits();
    }

    fn reset_breaker(&self, event: Event) -> Option<bool> {
        let all = self.suspensions.get()?;
        all.iter().find(|(of, _)| *of == event).map(|(_, suspension)| suspension.end())
    }
}
