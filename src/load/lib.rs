//! A load generator for usage calls: the CLI's `load` and the host program's share it.
//!
//! * `options`: what is asked for, and when each call is due. `recorder`: latencies.
//! * `run`: makes the calls. `system`: memory, descriptors and threads of this process meanwhile.
//! * `counters`: the product's own metrics. `bare`: the same command started by nobody but us.
//! * `report`, `plot`: what a person or a program reads of it.
//!
//! # What is measured
//!
//! The loop is open: calls are made when they are due, whatever became of earlier ones, as an
//! agent's callers do. A latency counts from the instant at which the call was *due*, so that a
//! stall is charged to every call that it delayed (no coordinated omission). What the generator
//! itself is behind its schedule is part of the latency and is shown on a line of its own.
//!
//! # Invariants
//!
//! * Nothing of an instance is used beyond its public methods and its metrics.
//! * An answer that comes during the call costs one uncontended lock and no allocation of ours.
//! * Memory does not grow during a run: histograms and time lines have their size from the start,
//!   or the run would measure itself.

mod bare;
mod counters;
mod options;
mod plot;
mod recorder;
mod report;
mod run;
mod system;

pub use bare::Bare;
pub use options::{Options, Pattern, Schedule};
pub use recorder::{Recorder, Reply};
pub use report::Report;
pub use run::{Target, run};
