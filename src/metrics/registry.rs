//! The registry: owner of the recorder and of the instances' handles.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use metrics::Recorder;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use parking_lot::Mutex;

use super::catalogue::{BUCKETS, Kind, METRICS, Process, Starts, Versions};
use super::module::ModuleMetrics;
use super::registrar::Registrar;
use crate::event::ModuleKind;
use crate::sys::StartMethod;

/// All series of one copy of the library.
///
/// The product uses the one that [`registry`] returns; others exist in tests alone.
#[derive(Debug)]
pub struct Registry {
    registrar: Arc<Registrar>,
    modules: Mutex<BTreeMap<String, Arc<ModuleMetrics>>>,
    process: Process,
    starts: OnceLock<Starts>,
    versions: OnceLock<Versions>,
}

/// The registry of this copy of the library, made at the first call. Starts nothing.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::new)
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

impl Registry {
    /// Makes an empty registry of its own.
    pub fn new() -> Registry {
        let mut builder = PrometheusBuilder::new();
        for metric in METRICS.iter().filter(|metric| metric.kind == Kind::Histogram) {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), &BUCKETS)
                .expect("only an empty list of bounds is refused, and BUCKETS has 22");
        }
        let recorder = builder.build_recorder();
        for metric in METRICS {
            let (name, help) = (metric.name.into(), metric.help.into());
            // The exporter would append the unit to names that have it already, so none is given.
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
        let registrar = Arc::new(Registrar::new(recorder));
        let process = Process::register(&registrar, &[]);
        Registry {
            registrar,
            modules: Mutex::default(),
            process,
            starts: OnceLock::new(),
            versions: OnceLock::new(),
        }
    }

    /// The handles of the instances called `module_name`: the same ones for every caller, so that
    /// a hook and an isolator of one name share their series. The series of the isolator appear
    /// when the first isolator of the name asks.
    pub fn module(&self, module_name: &str, kind: ModuleKind) -> Arc<ModuleMetrics> {
        let module = {
            let mut modules = self.modules.lock();
            match modules.get(module_name) {
                Some(module) => Arc::clone(module),
                None => {
                    let module = Arc::new(ModuleMetrics::register(&self.registrar, module_name));
                    modules.insert(module_name.to_owned(), Arc::clone(&module));
                    module
                }
            }
        };
        if kind == ModuleKind::Isolator {
            module.isolator();
        }
        module
    }

    /// See [`super::render`].
    pub fn render(&self) -> String {
        self.registrar.drain().render() + &self.registrar.infos().render()
    }

    /// Folds recorded durations into their buckets. The exporter does this regularly.
    pub fn upkeep(&self) {
        self.registrar.drain().upkeep();
    }

    #[cfg(test)]
    pub(crate) fn staged(&self) -> usize {
        self.registrar.drain().staged()
    }

    /// See [`super::panic_caught`].
    pub fn panic_caught(&self) {
        self.process.panics.increment(1);
    }

    /// See [`super::stream_line_dropped`].
    pub fn stream_line_dropped(&self) {
        self.process.stream_lines_dropped.increment(1);
    }

    /// See [`super::set_build_info`].
    pub fn set_build_info(&self, mesos_version: &str) {
        self.versions.get_or_init(|| {
            let values = [env!("CARGO_PKG_VERSION"), mesos_version];
            let versions = Versions::register(&self.registrar, &values);
            versions.build_info.set(1.0);
            versions
        });
    }

    /// See [`super::set_start_method`].
    pub fn set_start_method(&self, method: StartMethod) -> bool {
        let mut is_first = false;
        self.starts.get_or_init(|| {
            is_first = true;
            let starts = Starts::register(&self.registrar, &[method.label()]);
            starts.spawn_info.set(1.0);
            starts
        });
        is_first
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::Event;
    use crate::outcome::OutcomeKind;
    use crate::outcome::{CacheResult, FailureReason, KillSignal, WorkerRestart};

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }

    #[test]
    fn a_hook_and_an_isolator_of_one_name_share_their_series() {
        let registry = Registry::new();
        let hook = registry.module("m", ModuleKind::Hook);
        assert!(!registry.render().contains("mesos_command_containers"));
        let isolator = registry.module("m", ModuleKind::Isolator);
        assert!(Arc::ptr_eq(&hook, &isolator));
        assert!(!Arc::ptr_eq(&hook, &registry.module("n", ModuleKind::Hook)));
        has(&registry.render(), "mesos_command_containers{module=\"m\"} 0");
    }

    #[test]
    fn series_of_configured_events_exist_as_zeros() {
        let registry = Registry::new();
        let module = registry.module("m", ModuleKind::Isolator);
        module.event(Event::Usage);
        let text = registry.render();
        let labels = "module=\"m\",event=\"isolator_usage\"";
        for outcome in OutcomeKind::ALL {
            has(&text, &format!("mesos_command_calls_total{{{labels},outcome=\"{outcome}\"}} 0"));
            has(&text, &format!("mesos_command_runs_total{{{labels},outcome=\"{outcome}\"}} 0"));
        }
        for reason in FailureReason::ALL {
            has(&text, &format!("mesos_command_failures_total{{{labels},reason=\"{reason}\"}} 0"));
        }
        has(&text, &format!("mesos_command_call_duration_seconds_count{{{labels}}} 0"));
        assert!(!text.contains("isolator_prepare") && !text.contains("worker_up"), "{text}");
        module.event(Event::Usage).worker();
        let text = registry.render();
        has(&text, &format!("mesos_command_worker_up{{{labels}}} 0"));
        for reason in WorkerRestart::ALL {
            has(
                &text,
                &format!("mesos_command_worker_restarts_total{{{labels},reason=\"{reason}\"}} 0"),
            );
        }
    }

    #[test]
    fn every_method_moves_its_own_series_and_no_other() {
        let registry = Registry::new();
        let module = registry.module("m", ModuleKind::Isolator);
        let event = module.event(Event::Cleanup);
        event.worker();
        let by_event = "module=\"m\",event=\"isolator_cleanup\"";
        let second = Duration::from_secs(1);
        type Step<'a> = (&'a dyn Fn(), Vec<String>);
        let steps: [Step<'_>; 21] = [
            (
                &|| event.call(OutcomeKind::Ok, None),
                vec![format!("calls_total{{{by_event},outcome=\"ok\"}} 1")],
            ),
            (&|| event.running_inc(), vec![format!("running{{{by_event}}} 1")]),
            (&|| event.running_dec(), vec![format!("running{{{by_event}}} 0")]),
            (&|| event.stray(), vec![format!("strays_total{{{by_event}}} 1")]),
            (&|| event.uncontained(), vec![format!("uncontained_total{{{by_event}}} 1")]),
            (&|| module.contained(true), vec!["contained{module=\"m\"} 1".into()]),
            (&|| module.call_log_lost(), vec!["call_log_lost_total{module=\"m\"} 1".into()]),
            (&|| event.timeout(), vec![format!("timeouts_total{{{by_event}}} 1")]),
            (&|| event.output_bytes(77), vec![format!("output_bytes_total{{{by_event}}} 77")]),
            (&|| event.lossy_output(), vec![format!("lossy_outputs_total{{{by_event}}} 1")]),
            (
                &|| event.failure(FailureReason::TimeoutQueued),
                vec![format!("failures_total{{{by_event},reason=\"timeout_queued\"}} 1")],
            ),
            (
                &|| event.run(OutcomeKind::Timeout, second),
                vec![
                    format!("runs_total{{{by_event},outcome=\"timeout\"}} 1"),
                    format!("run_duration_seconds_bucket{{{by_event},le=\"0.5\"}} 0"),
                    format!("run_duration_seconds_bucket{{{by_event},le=\"1\"}} 1"),
                    format!("run_duration_seconds_sum{{{by_event}}} 1"),
                ],
            ),
            (
                &|| event.worker().restart(WorkerRestart::Protocol),
                vec![format!("worker_restarts_total{{{by_event},reason=\"protocol\"}} 1")],
            ),
            (&|| event.worker().up_inc(), vec![format!("worker_up{{{by_event}}} 1")]),
            (
                &|| module.kill(KillSignal::Kill),
                vec!["kills_total{module=\"m\",signal=\"kill\"} 1".into()],
            ),
            (&|| module.queued_inc(), vec!["queued{module=\"m\"} 1".into()]),
            (&|| module.containers_add(3), vec!["containers{module=\"m\"} 3".into()]),
            (&|| module.cache_entries_add(2), vec!["usage_cache_entries{module=\"m\"} 2".into()]),
            (
                &|| module.cache_request(CacheResult::Joined),
                vec!["usage_cache_requests_total{module=\"m\",result=\"joined\"} 1".into()],
            ),
            (&|| registry.panic_caught(), vec!["panics_total 1".into()]),
            (&|| registry.stream_line_dropped(), vec!["stream_lines_dropped_total 1".into()]),
        ];
        for (step, expected) in steps {
            moves(&registry, step, &expected);
        }
    }

    /// A step has these lines after it, and no other line of another series than a histogram's.
    fn moves(registry: &Registry, step: &dyn Fn(), expected: &[String]) {
        let before = registry.render();
        step();
        let after = registry.render();
        for line in expected {
            has(&after, &format!("mesos_command_{line}"));
        }
        let changed: Vec<_> =
            after.lines().filter(|line| !before.lines().any(|l| l == *line)).collect();
        let histogram = changed.iter().filter(|l| l.contains("_seconds_")).count();
        let expected_histogram = expected.iter().filter(|l| l.contains("_seconds_")).count();
        let others = changed.len() - histogram;
        assert_eq!(others, expected.len() - expected_histogram, "{changed:?}");
    }

    #[test]
    fn calls_from_the_cache_are_not_timed() {
        let registry = Registry::new();
        let module = registry.module("m", ModuleKind::Isolator);
        let usage = module.event(Event::Usage);
        usage.call(OutcomeKind::Ok, None);
        usage.call(OutcomeKind::Ok, Some(Duration::from_millis(3)));
        let text = registry.render();
        let labels = "module=\"m\",event=\"isolator_usage\"";
        has(&text, &format!("mesos_command_calls_total{{{labels},outcome=\"ok\"}} 2"));
        has(&text, &format!("mesos_command_call_duration_seconds_count{{{labels}}} 1"));
    }

    #[test]
    fn build_info_is_set_once() {
        let registry = Registry::new();
        assert!(!registry.render().contains("build_info{"));
        registry.set_build_info("1.11.0");
        registry.set_build_info("1.9.0");
        let text = registry.render();
        let version = env!("CARGO_PKG_VERSION");
        has(
            &text,
            &format!(
                "mesos_command_build_info{{version=\"{version}\",mesos_version=\"1.11.0\"}} 1"
            ),
        );
        assert!(!text.contains("1.9.0"));
    }

    #[test]
    fn there_is_one_hash_for_all_instances_of_a_name_and_none_without_any() {
        let registry = Registry::new();
        let module = registry.module("m\\\"", ModuleKind::Hook);
        let hashes = || -> Vec<String> {
            let text = registry.render();
            let lines = text.lines().filter(|line| line.starts_with("mesos_command_config_info"));
            lines.map(str::to_owned).collect()
        };
        assert!(hashes().is_empty());
        let hook = module.configured(0xabc);
        let alone = r#"mesos_command_config_info{module="m\\\"",hash="0000000000000abc"} 1"#;
        assert_eq!(hashes(), [alone]);
        let isolator = module.configured(0xdef);
        let both = hashes();
        assert!(both.len() == 1 && both[0] != alone, "{both:?}");
        isolator.set(0x123);
        let changed = hashes();
        assert!(changed.len() == 1 && changed != both, "{changed:?}");
        isolator.set(0xdef);
        assert_eq!(hashes(), both, "it says what holds, and not how it came to that");
        drop(isolator);
        assert_eq!(hashes(), [alone]);
        drop(hook);
        assert!(hashes().is_empty());
    }

    #[test]
    fn the_start_method_is_told_once() {
        let registry = Registry::new();
        assert!(!registry.render().contains("spawn_info{"));
        assert!(registry.set_start_method(StartMethod::PosixSpawn));
        assert!(!registry.set_start_method(StartMethod::Clone));
        let text = registry.render();
        has(&text, "mesos_command_spawn_info{method=\"posix_spawn\"} 1");
        assert!(!text.contains("method=\"clone\""));
    }

    #[test]
    fn help_and_type_come_from_the_catalogue() {
        let registry = Registry::new();
        let module = registry.module("m", ModuleKind::Isolator);
        module.event(Event::Usage).worker();
        module.event(Event::Usage).shadow();
        let _configured = module.configured(1);
        module.event(Event::Usage).warm();
        registry.set_build_info("1.11.0");
        registry.set_start_method(StartMethod::Clone);
        let text = registry.render();
        for metric in METRICS {
            has(&text, &format!("# HELP {} {}", metric.name, metric.help));
            has(&text, &format!("# TYPE {} {}", metric.name, metric.kind.label()));
        }
    }
}
