//! The engine's `run`, as far as lanes and workers need it.

#[path = "model/child.rs"]
mod child;
#[path = "../../src/run/followed.rs"]
mod followed;
#[path = "../../src/run/lane.rs"]
mod lane;
#[path = "model/lanes.rs"]
pub mod lanes_model;
#[path = "../../src/run/reply.rs"]
mod reply;
#[path = "../../src/run/request.rs"]
#[expect(dead_code, reason = "runs of commands use the rest")]
mod request;
#[path = "model/runner.rs"]
mod runner;

pub use mesos_command::run::Standby;

pub(crate) use child::{End, Fate, LimitMet, PipeEnds, PipedChild, PipedEnd};
pub use followed::{Followed, next_number};
pub use lane::LaneQueue;
pub(crate) use reply::ReplyOnce;
pub(crate) use request::waited_since;
pub use request::{CommandSpec, DeadlineFrom, Kills, Request, RunReport, Timings};
pub(crate) use runner::{
    Lifetime, Quarantine, Runner, Unended, answer_blocking, answer_later, unix_seconds,
};
