//! What a row of the catalogue is counted with.

use std::marker::PhantomData;
use std::sync::Arc;

use metrics::{Counter, Gauge};

use super::histogram::Histogram;
use super::info::Info;
use super::registrar::Registrar;
use super::terms::{Kind, Label, Metric};
use crate::outcome::{
    AheadResult, CacheResult, FailureReason, KillSignal, OutcomeKind, ShadowResult, WarmStart,
    WorkerRestart,
};

/// A type whose values count a metric.
pub(super) trait Handle {
    /// What the metric is for Prometheus.
    const KIND: Kind;
    /// The label that the handle tells apart by itself.
    const LABEL: Option<Label> = None;

    /// Makes the series with these values of the other labels, in the catalogue's order.
    fn register(registrar: &Registrar, metric: &'static Metric, values: &[&str]) -> Self;
}

impl Handle for Counter {
    const KIND: Kind = Kind::Counter;

    fn register(registrar: &Registrar, metric: &'static Metric, values: &[&str]) -> Counter {
        registrar.counter(metric, values)
    }
}

impl Handle for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn register(registrar: &Registrar, metric: &'static Metric, values: &[&str]) -> Gauge {
        registrar.gauge(metric, values)
    }
}

impl Handle for Histogram {
    const KIND: Kind = Kind::Histogram;

    fn register(registrar: &Registrar, metric: &'static Metric, values: &[&str]) -> Histogram {
        registrar.histogram(metric, values)
    }
}

/// A series whose last label says which parameters hold.
impl Handle for Arc<Info> {
    const KIND: Kind = Kind::Gauge;
    const LABEL: Option<Label> = Some(Label::ConfigHash);

    fn register(registrar: &Registrar, metric: &'static Metric, values: &[&str]) -> Arc<Info> {
        registrar.info(metric, values)
    }
}

/// A counter for each value of a closed set of labels.
#[derive(Debug)]
pub struct Counters<L, const N: usize> {
    counters: [Counter; N],
    set: PhantomData<fn(L)>,
}

/// Defines the name of the counters of a closed set.
macro_rules! counters {
    ($( $(#[$doc:meta])* $name:ident of $set:ident, $label:ident; )+) => { $(
        $(#[$doc])*
        pub(super) type $name = Counters<$set, { $set::ALL.len() }>;

        impl $name {
            /// The counter of one value.
            pub const fn of(&self, value: $set) -> &Counter {
                &self.counters[value as usize]
            }
        }

        impl Handle for $name {
            const KIND: Kind = Kind::Counter;
            const LABEL: Option<Label> = Some(Label::$label);

            fn register(registrar: &Registrar, metric: &'static Metric, values: &[&str]) -> $name {
                let counter = |value: $set| {
                    registrar.counter(metric, &[values, &[value.label()]].concat())
                };
                Counters { counters: $set::ALL.map(counter), set: PhantomData }
            }
        }
    )+ };
}

counters! {
    /// Counters by [`OutcomeKind`].
    ByOutcome of OutcomeKind, Outcome;
    /// Counters by [`FailureReason`].
    ByReason of FailureReason, FailureReason;
    /// Counters by [`CacheResult`].
    ByCacheResult of CacheResult, CacheResult;
    /// Counters by [`AheadResult`].
    ByAheadResult of AheadResult, AheadResult;
    /// Counters by [`ShadowResult`].
    ByShadowResult of ShadowResult, ShadowResult;
    /// Counters by [`KillSignal`].
    BySignal of KillSignal, Signal;
    /// Counters by [`WorkerRestart`].
    ByRestart of WorkerRestart, RestartReason;
    /// Counters by [`WarmStart`].
    ByWarmStart of WarmStart, WarmStart;
}
