//! A series that says something by its last label, which changes with time.
//!
//! The exporter keeps every series that there ever was, so a value of this label would stay for
//! ever, and each new one would cost memory. There is one series at a time instead, rendered here.

use std::fmt::Write;
use std::sync::Arc;

use parking_lot::Mutex;

use super::terms::Metric;

/// One series, while there is something to say.
#[derive(Debug)]
pub struct Info {
    metric: &'static Metric,
    /// The values of the other labels.
    values: Vec<String>,
    last: Mutex<Option<String>>,
}

impl Info {
    /// What the last label says from now on; `None`: there is no series.
    pub fn set(&self, value: Option<String>) {
        *self.last.lock() = value;
    }
}

/// All series of this kind.
#[derive(Debug, Default)]
pub(super) struct Infos(Mutex<Vec<Arc<Info>>>);

impl Infos {
    /// A series with these values of its labels but for the last.
    pub(super) fn register(&self, metric: &'static Metric, values: &[&str]) -> Arc<Info> {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let info = Arc::new(Info { metric, values, last: Mutex::default() });
        self.0.lock().push(info.clone());
        info
    }

    /// The exposition of those that there are.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        let mut headed: Option<&str> = None;
        for info in self.0.lock().iter() {
            let Some(last) = info.last.lock().clone() else { continue };
            let metric = info.metric;
            // Writing to a String cannot fail.
            if headed.replace(metric.name) != Some(metric.name) {
                let _ = writeln!(text, "# HELP {} {}", metric.name, metric.help);
                let _ = writeln!(text, "# TYPE {} {}", metric.name, metric.kind.label());
            }
            let values = info.values.iter().chain([&last]);
            let labels = metric.labels.iter().zip(values);
            let labels: Vec<String> = labels
                .map(|(label, value)| format!("{}=\"{}\"", label.name(), escaped(value)))
                .collect();
            let _ = writeln!(text, "{}{{{}}} 1", metric.name, labels.join(","));
        }
        text
    }
}

/// A label's value between quotes.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
