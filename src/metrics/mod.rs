//! The product's metrics.
//!
//! One [`Registry`] per loaded copy of the library holds every series; it exists from its first
//! use, starts no thread and is never the process's global recorder, so that it cannot clash with
//! another library's. Instances get their handles once, from [`ModuleMetrics::new`], and keep
//! them: the hot path is a few atomic additions, without a look-up or an allocation.
//!
//! [`catalogue`] names every metric; the exposition, the documentation, the dashboards and their
//! tests read it. The label values are closed sets, most of them of [`crate::event`] and
//! [`crate::outcome`]. The text is there for any caller ([`render`]) before, or without, a
//! listener; [`crate::exporter`] has upkeep, listeners and the text file; [`figures`] reads it for
//! people.
//!
//! Invariants:
//! * No label value comes from a container, a path or an error text.
//! * Counters and histogram counts lose nothing, whatever runs at the same time.
//! * Memory is bounded by the number of series, whether anybody scrapes or not.

pub mod catalogue;
mod define;
pub mod figures;
mod handle;
mod histogram;
mod info;
mod module;
mod registrar;
mod registry;
mod terms;

pub use module::{Configured, EventMetrics, ModuleMetrics, WorkerMetrics};
pub use registry::{Registry, registry};

use crate::sys::StartMethod;

/// The text of all series in the exposition format 0.0.4 of Prometheus.
///
/// May be called from any thread, before any listener exists. Takes time in proportion to the
/// number of series (about 1 µs each) and blocks no recording meanwhile.
pub fn render() -> String {
    registry().render()
}

/// Counts a panic that was caught at the boundary to the host.
pub fn panic_caught() {
    registry().panic_caught();
}

/// Counts a finished call that somebody who follows them was not told of.
pub fn stream_line_dropped() {
    registry().stream_line_dropped();
}

/// Publishes `mesos_command_build_info` with this build's version and the host's. Only the first
/// call has an effect: neither version changes while the process lives.
pub fn set_build_info(mesos_version: &str) {
    registry().set_build_info(mesos_version);
}

/// Publishes `mesos_command_spawn_info`. False when that was done before: the method stays the same
/// while the process lives.
pub fn set_start_method(method: StartMethod) -> bool {
    registry().set_start_method(method)
}
