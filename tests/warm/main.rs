//! Warm interpreters: one table of scripts that are run plainly and warm and must be the same, and
//! the life of an interpreter.

#![expect(clippy::unwrap_used, reason = "tests")]

mod by_worker;
mod contract;
mod life;
#[path = "../worker/log.rs"]
mod log;
mod support;
