//! Persistent workers, with a compiled worker that misbehaves as told and the examples for real.

mod examples;
mod faults;
mod leftovers;
mod queue;
mod support;
mod through;
