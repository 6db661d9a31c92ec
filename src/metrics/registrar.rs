//! Handles of metrics, as the recorder makes them.

use std::sync::Arc;

use metrics::{Counter, Gauge, Key, Level, Metadata, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::histogram::{Drain, Histogram};
use super::info::{Info, Infos};
use super::terms::{Kind, Metric};

/// The recorder requires some for each registration; it does not use it.
static METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Makes handles of the catalogue's metrics.
#[derive(Debug)]
pub(super) struct Registrar {
    recorder: PrometheusRecorder,
    drain: Arc<Drain>,
    infos: Infos,
}

impl Registrar {
    pub(super) fn new(recorder: PrometheusRecorder) -> Registrar {
        let drain = Drain::new(recorder.handle());
        Registrar { recorder, drain, infos: Infos::default() }
    }

    /// What folds durations into their buckets, and renders all of it.
    pub(super) fn drain(&self) -> &Drain {
        &self.drain
    }

    /// The series whose last label changes.
    pub(super) fn infos(&self) -> &Infos {
        &self.infos
    }

    /// The counter of `metric` with these label values, in the catalogue's order.
    pub(super) fn counter(&self, metric: &'static Metric, values: &[&str]) -> Counter {
        debug_assert_eq!(metric.kind, Kind::Counter);
        self.recorder.register_counter(&key(metric, values), &METADATA)
    }

    /// The gauge of `metric` with these label values, in the catalogue's order.
    pub(super) fn gauge(&self, metric: &'static Metric, values: &[&str]) -> Gauge {
        debug_assert_eq!(metric.kind, Kind::Gauge);
        self.recorder.register_gauge(&key(metric, values), &METADATA)
    }

    /// The histogram of `metric` with these label values, in the catalogue's order.
    pub(super) fn histogram(&self, metric: &'static Metric, values: &[&str]) -> Histogram {
        debug_assert_eq!(metric.kind, Kind::Histogram);
        let sink = self.recorder.register_histogram(&key(metric, values), &METADATA);
        self.drain.histogram(sink)
    }

    /// The series of `metric` whose last label changes; these are the values of the others.
    pub(super) fn info(&self, metric: &'static Metric, values: &[&str]) -> Arc<Info> {
        debug_assert_eq!(metric.kind, Kind::Gauge);
        self.infos.register(metric, values)
    }
}

fn key(metric: &'static Metric, values: &[&str]) -> Key {
    debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
    let labels: Vec<metrics::Label> = metric
        .labels
        .iter()
        .zip(values)
        .map(|(label, value)| metrics::Label::new(label.name(), escaped(value)))
        .collect();
    Key::from_parts(metric.name, labels)
}

/// Doubles backslashes: the exporter takes two in a row for one that is escaped already, and may
/// swallow a single one, so that different names would meet in one series. Pairs come out right.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\")
}
