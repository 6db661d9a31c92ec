//! The macro that makes structures, registration and the list of all metrics of the rows in
//! `catalogue`.

use super::terms::Label;

/// The most that a metric has.
pub(super) const MOST_LABELS: usize = 4;

/// The labels of a group followed by the handle's own, and how many that are.
pub(super) const fn joined(group: &[Label], own: Option<Label>) -> ([Label; MOST_LABELS], usize) {
    let mut labels = [Label::Module; MOST_LABELS];
    let mut count = 0;
    while count < group.len() {
        labels[count] = group[count];
        count += 1;
    }
    if let Some(label) = own {
        labels[count] = label;
        count += 1;
    }
    (labels, count)
}

/// Defines a structure with a handle for each metric of each group, and the list of all.
macro_rules! catalogue {
    ($(
        $(#[$doc:meta])*
        $group:ident: $labels:expr => {
            $( $field:ident: $handle:ty = {
                name: $name:literal,
                unit: $unit:ident,
                help: $help:literal,
            } )+
        }
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $group { $( #[doc = $help] pub $field: $handle, )+ }

            impl $group {
                /// Makes the series with these values of the group's labels.
                pub(super) fn register(registrar: &Registrar, values: &[&str]) -> $group {
                    $group { $( $field: {
                        static METRIC: Metric =
                            metric!($handle, $labels, $name, $unit, $help);
                        <$handle>::register(registrar, &METRIC, values)
                    }, )+ }
                }
            }
        )+

        /// All metrics, in the order of the documentation.
        pub static METRICS: &[Metric] =
            &[$( $( metric!($handle, $labels, $name, $unit, $help) ),+ ),+];
    };
}

macro_rules! metric {
    ($handle:ty, $labels:expr, $name:literal, $unit:ident, $help:literal) => {
        Metric {
            name: $name,
            kind: <$handle as Handle>::KIND,
            unit: Unit::$unit,
            labels: {
                const LABELS: &([Label; MOST_LABELS], usize) =
                    &joined(&$labels, <$handle as Handle>::LABEL);
                LABELS.0.split_at(LABELS.1).0
            },
            help: $help,
        }
    };
}

pub(super) use {catalogue, metric};
