//! The engine's `worker`, with all of its files but the one that looks at the command's file.

#[path = "../../src/worker/dispatch.rs"]
mod dispatch;
#[path = "../../src/worker/drive.rs"]
mod drive;
#[path = "../../src/worker/exchange.rs"]
mod exchange;
#[path = "../../src/worker/fault.rs"]
mod fault;
#[path = "../../src/worker/lease.rs"]
mod lease;
#[path = "../../src/worker/limits.rs"]
mod limits;
#[path = "../../src/worker/look.rs"]
mod look;
#[path = "../../src/worker/overdue.rs"]
mod overdue;
#[path = "../../src/worker/pending.rs"]
mod pending;
#[path = "../../src/worker/pipes.rs"]
mod pipes;
#[path = "../../src/worker/pool.rs"]
mod pool;
#[path = "../../src/worker/protocol.rs"]
mod protocol;
#[path = "../../src/worker/recycle.rs"]
mod recycle;
#[path = "../../src/worker/shared.rs"]
mod shared;
#[path = "../../src/worker/supervisor.rs"]
mod supervisor;
#[path = "../../src/worker/teardown.rs"]
mod teardown;
#[path = "../../src/worker/verdict.rs"]
mod verdict;
#[path = "../../src/worker/worker.rs"]
#[expect(clippy::module_inception, reason = "as in the engine")]
mod worker;
#[path = "model/workers.rs"]
pub mod workers_model;

pub use limits::Recycling;
pub use pool::WorkerPool;
pub use shared::{WorkerLog, WorkerSettings};

mod fingerprint {
    use std::sync::Arc;

    use crate::reactor::FsHelpers;
    use crate::run::CommandSpec;

    /// The command's file never changes: the first look has no end.
    pub(super) async fn fingerprint(_spec: &Arc<CommandSpec>, _helpers: &FsHelpers) -> Option<u64> {
        std::future::pending().await
    }
}
