//! `mesos-host run`: a scenario played inside a real libmesos.
//!
//! A scenario is a JSON file with a list of steps. Each calls an event through Mesos's own
//! managers, says what the answer has to be and how long it may take, or checks what is left
//! behind. The demonstration, the tests and the benchmarks are scenarios.

mod arguments;
mod expect;
mod leftovers;
mod measure;
mod model;
mod play;

pub(crate) use arguments::{Arguments, Builder};
pub(crate) use expect::Answered;
pub(crate) use play::{Run, run, start};
