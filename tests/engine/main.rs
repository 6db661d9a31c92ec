//! The isolator and hook of the engine with real commands, without Mesos.
//!
//! What Mesos sees of them is tested inside the real library; here is what only the engine shows:
//! how many processes a stampede or a batch takes, what is cached, what cleanup withdraws.

#![expect(clippy::unwrap_used, reason = "tests")]

mod ahead;
mod answers;
mod batch;
mod cache;
mod cleanup;
mod conditions;
mod contained;
mod control;
mod dead_storage;
mod debug_containers;
mod descriptors;
mod end;
mod files;
mod foreign;
mod fresh_for;
mod gauges;
mod hooks;
mod lanes;
mod logs;
mod meaning;
mod multiplexed;
mod quarantine;
mod recycled;
mod reload;
mod shadow;
mod shipped;
mod stale;
mod state_dir;
mod status_page;
mod sums;
mod support;
mod watch;
