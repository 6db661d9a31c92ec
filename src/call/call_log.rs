//! The call log of an instance: what has finished, and one answer from the cache of so many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::event::Event;
use crate::exporter::{Line, LineFile};
use crate::metrics::ModuleMetrics;
use crate::outcome::{CacheResult, OutcomeKind};
use crate::staging::Input;

use super::about::About;
use super::finished::{Finished, seconds};

/// Where calls of an instance are logged.
#[derive(Debug)]
pub(super) struct CallLog {
    file: Arc<LineFile>,
    metrics: Arc<ModuleMetrics>,
    /// Of so many answers from the cache one is a line; 0: none.
    hits: u64,
    /// Answers from the cache so far.
    answered: AtomicU64,
}

impl CallLog {
    /// A log in `file`, whose lost lines are counted in `metrics`.
    pub(super) fn new(file: Arc<LineFile>, metrics: &Arc<ModuleMetrics>, hits: usize) -> CallLog {
        let (metrics, answered) = (metrics.clone(), AtomicU64::new(0));
        CallLog { file, metrics, hits: hits as u64, answered }
    }

    /// Whether it has answers from the cache at all.
    pub(super) fn has_hits(&self) -> bool {
        self.hits > 0
    }

    /// Counts an answer from the cache; whether it is one that becomes a line: the first one, and
    /// then one of so many.
    pub(super) fn has_next_hit(&self) -> bool {
        self.has_hits() && self.answered.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.hits)
    }

    /// Adds a call that has finished.
    pub(super) fn finished(&self, finished: &Arc<Finished>) {
        let (finished, metrics) = (finished.clone(), self.metrics.clone());
        self.file.add(Arc::new(FinishedLine { finished, metrics }));
    }

    /// Adds an answer from the cache.
    pub(super) fn hit(&self, hit: Hit, module: &Arc<str>) {
        let (module, metrics, one_of) = (module.clone(), self.metrics.clone(), self.hits);
        self.file.add(Arc::new(HitLine { hit, at: SystemTime::now(), module, one_of, metrics }));
    }
}

/// A finished call as a line.
struct FinishedLine {
    finished: Arc<Finished>,
    metrics: Arc<ModuleMetrics>,
}

impl Line for FinishedLine {
    /// What captured text there is stays out, and of a failure's text the first line is enough: the
    /// agent's log has both.
    fn render(&self) -> String {
        let mut value = self.finished.to_json();
        if let Some(object) = value.as_object_mut() {
            object.remove("tail");
            if let Some(Value::String(text)) = object.remove("text") {
                let first = text.lines().next().unwrap_or_default().to_owned();
                object.insert("error".to_owned(), Value::String(first));
            }
        }
        value.to_string()
    }

    fn lost(&self) {
        self.metrics.call_log_lost();
    }
}

/// A call that was answered from the cache.
#[derive(Debug)]
pub(crate) struct Hit {
    /// usage or status
    pub(crate) event: Event,
    /// Whose value it is.
    pub(crate) container: Arc<str>,
    /// The input of a run for the container: task and framework are read from it when the line is
    /// written.
    pub(crate) input: Arc<[u8]>,
    /// How the call ended.
    pub(crate) outcome: OutcomeKind,
    /// How the cache answered.
    pub(crate) result: CacheResult,
    /// How old the value is.
    pub(crate) age: Duration,
}

/// An answer from the cache as a line.
struct HitLine {
    hit: Hit,
    at: SystemTime,
    module: Arc<str>,
    one_of: u64,
    metrics: Arc<ModuleMetrics>,
}

impl Line for HitLine {
    fn render(&self) -> String {
        let hit = &self.hit;
        let about = About::input(&Input::Text(hit.input.clone()));
        let mut line = json!({
            "time": seconds(self.at),
            "module": &*self.module,
            "event": hit.event.label(),
            "subject": &*hit.container,
            "container": &*hit.container,
            "outcome": hit.outcome.label(),
            "cache": hit.result.label(),
            "age_seconds": hit.age.as_secs_f64(),
            "one_of": self.one_of,
        });
        for (key, value) in
            [("task", about.task), ("executor", about.executor), ("framework", about.framework)]
        {
            if let Some(value) = value {
                line[key] = Value::String(value);
            }
        }
        line.to_string()
    }

    fn lost(&self) {
        self.metrics.call_log_lost();
    }
}
