//! What is shown: two looks together, filtered. The object that `--json` prints, which
//! `top.schema.json` describes.

use std::time::UNIX_EPOCH;

use mesos_command::metrics::figures::{Distribution, EventFigures, per_second};
use serde::Serialize;
use serde_json::Value;

use super::look::Window;
use crate::live::shadow;

#[derive(Clone, Debug, Serialize)]
pub(super) struct View {
    /// Unix time.
    pub(super) time: f64,
    /// What rates and percentiles are of.
    pub(super) over_seconds: f64,
    pub(super) pid: u64,
    pub(super) version: String,
    pub(super) instances: Vec<Instance>,
    pub(super) events: Vec<EventRow>,
    pub(super) cache: Vec<Cache>,
    pub(super) in_flight: InFlight,
    pub(super) failures: Failures,
    pub(super) workers: Vec<Worker>,
    pub(super) shadows: Vec<Shadow>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Instance {
    pub(super) kind: String,
    pub(super) module: String,
    pub(super) up_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) containers: Option<u64>,
    pub(super) running: u64,
    pub(super) queued: u64,
    pub(super) quarantined: u64,
    /// Events of hooks that are suspended.
    pub(super) suspended: Vec<String>,
}

/// An event of a module.
#[derive(Clone, Debug, Serialize)]
pub(super) struct EventRow {
    pub(super) module: String,
    pub(super) event: String,
    pub(super) calls_per_second: f64,
    pub(super) failed_per_second: f64,
    /// Whose command is not run for them.
    pub(super) skipped_per_second: f64,
    pub(super) runs_per_second: f64,
    /// What a call waited that was not answered from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call_p50_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call_p99_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_p50_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_p99_seconds: Option<f64>,
    /// What a command waited for its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue_p99_seconds: Option<f64>,
    pub(super) running: u64,
    /// Since the process started.
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

/// How the cache of a module answers usage.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cache {
    pub(super) module: String,
    pub(super) requests_per_second: f64,
    /// The part that was answered at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at_once: Option<f64>,
    /// Requests by how they were answered.
    pub(super) requests: std::collections::BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value_age_p50_seconds: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct InFlight {
    pub(super) running: u64,
    pub(super) queued: u64,
    pub(super) by_age: ByAge,
    /// The oldest first, as `/v1/calls` has them, without keys that have no value.
    pub(super) calls: Vec<Value>,
    /// Calls that are not listed, because there are so many: the youngest.
    pub(super) left_out: u64,
}

/// Calls that are listed, by how long ago they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct ByAge {
    pub(super) below_1s: u64,
    pub(super) below_10s: u64,
    pub(super) below_1min: u64,
    pub(super) above: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Failures {
    pub(super) per_second: f64,
    /// The newest first, as `/v1/failures` has them.
    pub(super) last: Vec<Value>,
}

/// A worker's process.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Worker {
    pub(super) module: String,
    pub(super) event: String,
    pub(super) pid: u64,
    pub(super) busy: bool,
    /// Whether it is a warm interpreter, whose requests are the processes that it has made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) warm: bool,
    /// Requests that it has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_flight: Option<u64>,
    pub(super) requests: u64,
    pub(super) up_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rss_bytes: Option<u64>,
}

/// A shadow command; counts are since its instance was created.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shadow {
    pub(super) module: String,
    pub(super) event: String,
    pub(super) command: String,
    pub(super) same: u64,
    pub(super) different: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
    /// What differed last, a line each; for people.
    #[serde(skip)]
    pub(super) difference: Vec<String>,
    /// The newest first, as `/v1/status` has them.
    pub(super) differences: Vec<Value>,
}

impl View {
    /// What the looks say of whatever has `filter` in it.
    pub(super) fn of(window: &Window, filter: &str) -> View {
        let look = window.last();
        let (figures, over) = window.figures();
        let time = look.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let filter = filter.to_lowercase();
        let is_wanted = |texts: &[&str]| texts.iter().any(|it| it.to_lowercase().contains(&filter));
        let all = list(&look.status, "instances");
        let instances = all.iter().map(|one| instance(one, window)).collect();
        let events =
            figures.events.iter().filter(|((module, event), _)| is_wanted(&[module, event]));
        let rate = |count| per_second(count, over);
        let events: Vec<EventRow> = events
            .map(|((module, event), now)| {
                let total = look.figures.events.get(&(module.clone(), event.clone()));
                event_row((module, event), now, total.unwrap_or(now), rate)
            })
            .collect();
        let cache = figures
            .modules
            .iter()
            .filter(|(module, cache)| cache.at_once().is_some() && is_wanted(&[module]));
        let cache = cache.map(|(module, now)| Cache {
            module: module.clone(),
            requests_per_second: rate(now.cache.values().sum()),
            at_once: now.at_once(),
            requests: now.cache.iter().map(|(key, value)| (key.clone(), *value as u64)).collect(),
            value_age_p50_seconds: now.value_age.quantile(0.5),
        });
        let failed = events.iter().map(|event| event.failed_per_second).sum();
        let is_about = |one: &Value| is_wanted(&about(one));
        View {
            time,
            over_seconds: over.as_secs_f64(),
            pid: look.status["pid"].as_u64().unwrap_or_default(),
            version: text(&look.status, "version"),
            instances,
            cache: cache.collect(),
            in_flight: in_flight(&look.calls, all, is_about),
            failures: Failures {
                per_second: failed,
                last: list(&look.failures, "failures")
                    .iter()
                    .filter(|one| is_about(one))
                    .cloned()
                    .collect(),
            },
            workers: all
                .iter()
                .flat_map(workers)
                .filter(|it| is_wanted(&[&it.module, &it.event]))
                .collect(),
            shadows: all
                .iter()
                .flat_map(shadows)
                .filter(|it| is_wanted(&[&it.module, &it.event, &it.command]))
                .collect(),
            events,
        }
    }
}

/// What a call or a failure can be found by.
fn about(one: &Value) -> [&str; 6] {
    ["event", "module", "container", "task", "framework", "command"]
        .map(|key| one[key].as_str().unwrap_or_default())
}

pub(super) fn list<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(one: &Value, key: &str) -> String {
    one[key].as_str().unwrap_or_default().to_owned()
}

fn instance(one: &Value, window: &Window) -> Instance {
    let module = text(one, "module");
    let counted = window.last().figures.modules.get(&module);
    Instance {
        kind: text(one, "kind"),
        up_seconds: one["up_seconds"].as_f64().unwrap_or_default(),
        containers: one["containers"].as_u64(),
        running: one["running"].as_u64().unwrap_or_default(),
        queued: one["queued"].as_u64().unwrap_or_default(),
        quarantined: counted.map_or(0, |counted| counted.quarantined as u64),
        suspended: list(one, "suspended").iter().map(|it| text(it, "event")).collect(),
        module,
    }
}

fn event_row(
    (module, event): (&str, &str),
    now: &EventFigures,
    total: &EventFigures,
    rate: impl Fn(f64) -> f64,
) -> EventRow {
    let ((calls, failed), (all, all_failed)) = (now.calls_and_failed(), total.calls_and_failed());
    let quantile = |of: &Distribution, part| of.quantile(part);
    EventRow {
        module: module.to_owned(),
        event: event.to_owned(),
        calls_per_second: rate(calls),
        failed_per_second: rate(failed),
        skipped_per_second: rate(now.skipped()),
        runs_per_second: rate(now.runs.values().sum()),
        call_p50_seconds: quantile(&now.call_duration, 0.5),
        call_p99_seconds: quantile(&now.call_duration, 0.99),
        run_p50_seconds: quantile(&now.run_duration, 0.5),
        run_p99_seconds: quantile(&now.run_duration, 0.99),
        queue_p99_seconds: quantile(&now.queue_duration, 0.99),
        running: now.running as u64,
        calls: all as u64,
        failed: all_failed as u64,
        skipped: total.skipped() as u64,
    }
}

fn in_flight(answer: &Value, instances: &[Value], is_wanted: impl Fn(&Value) -> bool) -> InFlight {
    let mut by_age = ByAge::default();
    let mut calls = Vec::new();
    for call in list(answer, "calls").iter().filter(|call| is_wanted(call)) {
        *match call["age_seconds"].as_f64().unwrap_or_default() {
            ..1.0 => &mut by_age.below_1s,
            ..10.0 => &mut by_age.below_10s,
            ..60.0 => &mut by_age.below_1min,
            _ => &mut by_age.above,
        } += 1;
        let mut call = call.clone();
        if let Some(call) = call.as_object_mut() {
            call.retain(|_, value| !value.is_null());
        }
        calls.push(call);
    }
    let sum = |key: &str| instances.iter().filter_map(|one| one[key].as_u64()).sum();
    let left_out = answer["left_out"].as_u64().unwrap_or_default();
    InFlight { running: sum("running"), queued: sum("queued"), by_age, calls, left_out }
}

fn workers(instance: &Value) -> Vec<Worker> {
    let module = text(instance, "module");
    let mut all = Vec::new();
    for pool in list(instance, "workers") {
        all.extend(list(pool, "processes").iter().map(|one| Worker {
            module: module.clone(),
            event: text(pool, "event"),
            pid: one["pid"].as_u64().unwrap_or_default(),
            busy: one["busy"] == true,
            warm: false,
            in_flight: one["in_flight"].as_u64(),
            requests: one["requests"].as_u64().unwrap_or_default(),
            up_seconds: one["up_seconds"].as_f64().unwrap_or_default(),
            rss_bytes: one["rss_bytes"].as_u64(),
        }));
    }
    let up = list(instance, "warm").iter().filter(|pool| !pool["interpreter"].is_null());
    all.extend(up.map(|pool| Worker {
        module: module.clone(),
        event: text(pool, "event"),
        pid: pool["interpreter"]["pid"].as_u64().unwrap_or_default(),
        busy: false,
        warm: true,
        in_flight: None,
        requests: pool["interpreter"]["made"].as_u64().unwrap_or_default(),
        up_seconds: pool["interpreter"]["up_seconds"].as_f64().unwrap_or_default(),
        rss_bytes: pool["interpreter"]["rss_bytes"].as_u64(),
    }));
    all
}

fn shadows(instance: &Value) -> Vec<Shadow> {
    let one = |one: &Value| Shadow {
        module: text(instance, "module"),
        event: text(one, "event"),
        command: text(one, "command"),
        same: shadow::count(one, "same"),
        different: shadow::count(one, "different"),
        failed: shadow::count(one, "failed"),
        dropped: shadow::count(one, "dropped"),
        difference: shadow::last_difference(one),
        differences: list(one, "differences").to_vec(),
    };
    list(instance, "shadows").iter().map(one).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::super::look::tests::{figures, look};
    use super::*;

    /// A view of an agent with some of everything.
    pub(in super::super) fn view(filter: &str) -> View {
        let begin = Instant::now();
        let mut window = Window::new(look(7, begin, 0, 50));
        let mut later = look(7, begin, 5, 60);
        later.figures = figures(57, 3);
        later.calls = json!({"left_out": 0, "calls": [
            {"id": 1, "event": "isolator_prepare", "module": "m", "container": "c-old", "pid": 9,
             "age_seconds": 75.0, "state": "running", "command": "/opt/a\u{1b}[2Jb.sh",
             "task": "web.7", "framework": "f", "since": 1000.0, "deadline": 1080.0},
            {"id": 2, "event": "isolator_prepare", "module": "m", "container": "c-new", "pid": null,
             "age_seconds": 0.5, "state": "queued", "command": "/opt/a.sh"}]});
        later.failures = json!({"failures": [
            {"id": 3, "time": 0.0, "event": "isolator_isolate", "module": "m", "outcome": "exit",
             "reason": "exit", "text": "no luck", "tail": "the end", "run_seconds": 0.1}]});
        later.status["instances"][0]["running"] = json!(1);
        later.status["instances"][0]["workers"] = json!([{"event": "isolator_usage", "up": 1,
            "queued": 0, "processes": [{"pid": 12, "busy": true, "in_flight": 3,
            "requests": 4, "up_seconds": 9.0, "rss_bytes": 10240}]}]);
        later.status["instances"][0]["warm"] = json!([
            {"event": "isolator_watch", "interpreter": null, "ready": 0, "why": "has ended"},
            {"event": "isolator_usage", "interpreter": {"pid": 13, "made": 7, "up_seconds": 5.0,
             "rss_bytes": 20480}, "ready": 1, "why": null}]);
        later.status["instances"][0]["shadows"] = json!([{"event": "isolator_usage",
            "command": "/opt/new", "results": {"same": 98, "different": 2, "failed": 1, "dropped": 4},
            "differences": [{"time": 0.0, "subject": "c-old", "result": "different",
                             "command": "{\"a\":1}", "shadow": "{\"a\":2}"}]}]);
        window.add(later);
        View::of(&window, filter)
    }

    #[test]
    fn rates_ages_and_lists_are_those_of_the_looks() {
        let all = view("");
        assert_eq!((all.events[0].calls_per_second, all.events[0].calls), (2.0, 60));
        assert_eq!((all.events[0].skipped_per_second, all.events[0].skipped), (0.6, 3));
        assert_eq!(all.in_flight.by_age, ByAge { below_1s: 1, above: 1, ..ByAge::default() });
        assert_eq!((all.in_flight.running, all.failures.last.len()), (1, 1));
        assert!(all.in_flight.calls[1].get("pid").is_none(), "it has none");
        let worker = &all.workers[0];
        assert_eq!((worker.pid, worker.in_flight, worker.rss_bytes), (12, Some(3), Some(10240)));
        let warm: Vec<_> = all.workers.iter().filter(|worker| worker.warm).collect();
        assert_eq!((warm.len(), warm[0].pid, warm[0].requests), (1, 13, 7));
        let shadow = &all.shadows[0];
        assert_eq!((shadow.same, shadow.different, shadow.failed, shadow.dropped), (98, 2, 1, 4));
        assert_eq!(shadow.difference[1], "  a: 2, not 1");
    }

    #[test]
    fn a_filter_keeps_what_has_it_in_a_name() {
        let some = view("C-OLD");
        assert_eq!((some.in_flight.calls.len(), some.events.len()), (1, 0));
        assert_eq!((some.failures.last.len(), some.workers.len()), (0, 0));
        assert_eq!((view("usage").events.len(), view("/opt/new").shadows.len()), (1, 1));
    }
}
