//! What can be said of a metric: its type, its unit, its labels.

use crate::event::Event;
use crate::outcome::{
    AheadResult, CacheResult, FailureReason, KillSignal, OutcomeKind, ShadowResult, WarmStart,
    WorkerRestart,
};
use crate::sys::StartMethod;

/// What a metric counts as for Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; use `rate()` or `increase()`.
    Counter,
    /// A present value.
    Gauge,
    /// Classic histogram with the bounds of [`BUCKETS`](super::catalogue::BUCKETS).
    Histogram,
}

impl Kind {
    /// The word of the TYPE line.
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// What a value is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things, named by the metric.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Always 1: the labels are the information.
    Info,
}

impl Unit {
    /// The word for the documentation.
    pub const fn label(self) -> &'static str {
        match self {
            Unit::Count => "count",
            Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::Info => "info",
        }
    }
}

/// A label and the values it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// `module_name` of the instance, as the operator wrote it.
    Module,
    /// Parameter prefix of the event: `isolator_usage`.
    Event,
    /// [`OutcomeKind`].
    Outcome,
    /// [`FailureReason`].
    FailureReason,
    /// [`CacheResult`].
    CacheResult,
    /// [`AheadResult`].
    AheadResult,
    /// [`ShadowResult`].
    ShadowResult,
    /// [`KillSignal`].
    Signal,
    /// [`WorkerRestart`].
    RestartReason,
    /// [`WarmStart`].
    WarmStart,
    /// [`StartMethod`].
    StartMethod,
    /// Hash of the parameters that hold.
    ConfigHash,
    /// Version of this product.
    Version,
    /// Version of the Mesos that loaded it.
    MesosVersion,
}

impl Label {
    /// The label's name.
    pub const fn name(self) -> &'static str {
        match self {
            Label::Module => "module",
            Label::Event => "event",
            Label::Outcome => "outcome",
            Label::FailureReason | Label::RestartReason => "reason",
            Label::CacheResult | Label::AheadResult | Label::ShadowResult => "result",
            Label::Signal => "signal",
            Label::WarmStart => "start",
            Label::StartMethod => "method",
            Label::ConfigHash => "hash",
            Label::Version => "version",
            Label::MesosVersion => "mesos_version",
        }
    }

    /// All values that the label can have; `None` when they are not known in advance (few all the
    /// same: instances, their parameters and versions).
    pub fn values(self) -> Option<Vec<&'static str>> {
        Some(match self {
            Label::Module | Label::ConfigHash | Label::Version | Label::MesosVersion => {
                return None;
            }
            Label::Event => Event::ALL.map(Event::label).to_vec(),
            Label::Outcome => OutcomeKind::ALL.map(OutcomeKind::label).to_vec(),
            Label::FailureReason => FailureReason::ALL.map(FailureReason::label).to_vec(),
            Label::CacheResult => CacheResult::ALL.map(CacheResult::label).to_vec(),
            Label::AheadResult => AheadResult::ALL.map(AheadResult::label).to_vec(),
            Label::ShadowResult => ShadowResult::ALL.map(ShadowResult::label).to_vec(),
            Label::Signal => KillSignal::ALL.map(KillSignal::label).to_vec(),
            Label::RestartReason => WorkerRestart::ALL.map(WorkerRestart::label).to_vec(),
            Label::WarmStart => WarmStart::ALL.map(WarmStart::label).to_vec(),
            Label::StartMethod => StartMethod::ALL.map(StartMethod::label).to_vec(),
        })
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Full name, unit and `_total` suffixes included.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// What is measured.
    pub unit: Unit,
    /// Labels, in the order of the exposition.
    pub labels: &'static [Label],
    /// The HELP text: one sentence, without a line break.
    pub help: &'static str,
}
