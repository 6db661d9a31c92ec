//! Warm interpreters: one table of scripts that are run plainly, warm and by a worker and must be
//! the same, limits, a kernel without processes, and the life of an interpreter.

#![expect(clippy::unwrap_used, reason = "tests")]

mod by_worker;
mod contract;
mod life;
mod limits;
#[path = "../worker/log.rs"]
mod log;
mod no_process;
mod support;
