//! One call of one event: from the host's values to the answer for the host.
//!
//! [`Commands`] is what a module instance has configured: what stays (`base`), and the
//! [`CommandSet`] that a reload exchanges (`exchange`). A [`Command`] renders the input of its
//! event, and turns a run's report into a result, counting and logging the run exactly once. A
//! `Call` is one call of Mesos on its way, and counts itself exactly once.
//! `Live` is what the control socket sees of an instance: its requests on their way (`in_flight`),
//! its failures (`finished`).
//! `shadow` runs and compares what is never used.
//! [`completion`] holds the threads on which answers are handed to the host.

mod about;
mod base;
mod call_log;
mod command;
mod commands;
pub mod completion;
mod conclude;
mod create_error;
mod decode;
mod environment;
mod exchange;
mod failure;
mod finished;
mod fresh_for;
mod in_flight;
mod keep;
mod lanes;
mod live;
mod log;
mod observer;
mod open;
mod rules;
mod set;
mod shadow;
mod shown;
mod value;
mod warm;

pub(crate) use call_log::Hit;
pub use command::Command;
pub use commands::Commands;
pub use conclude::{Part, Parts};
pub use create_error::CreateError;
pub use failure::CallFailure;
pub(crate) use failure::outcome_of;
pub use fresh_for::FRESH_FOR;
pub(crate) use live::{Containers, Suspension};
pub use observer::{Observed, Observer};
pub(crate) use open::{Call, Ended};
pub(crate) use rules::Container;
#[cfg(feature = "fuzz")]
pub(crate) use rules::apply as apply_rules;
pub use set::CommandSet;
pub use value::{Answer, Completion, InputValue};
