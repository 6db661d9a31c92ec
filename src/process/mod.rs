//! Runs one command: start, deadline, escalation, capture, reap; one outcome per call.

mod request;

pub use request::{
    Background, CommandLine, CommandSpec, Input, IoMode, Request, RunReport, Stdio, Timings,
};
