//! Persistent workers, with a compiled worker that misbehaves as told and the examples for real.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod examples;
mod faults;
mod identity;
mod leftovers;
mod log;
mod multiplex;
mod multiplex_lost;
mod queue;
mod recycle;
mod support;
mod through;
