//! What the module knows of a container.

use std::sync::Arc;

use crate::call::Completion;
use crate::process::CancelToken;
use crate::usage::Slot;

use super::gate::Gate;
use crate::container::ContainerId;

/// A caller of usage or status that waits for a run, and since when.
pub(crate) struct Waiter {
    pub(crate) done: Completion,
    pub(crate) since: std::time::Instant,
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A container between prepare (or recover) and cleanup.
#[derive(Debug)]
pub(crate) struct Context {
    /// Its identity.
    pub(crate) id: ContainerId,
    /// The JSON text of its `ContainerConfig`.
    pub(crate) config: Arc<[u8]>,
    /// Whether it is left out (`skip_debug_containers`): no command runs for it.
    pub(crate) skipped: bool,
    /// The cached usage.
    pub(crate) usage: Arc<Slot<Waiter>>,
    /// The cached status.
    pub(crate) status: Arc<Slot<Waiter>>,
    /// Withdraws the watch and sampling runs.
    pub(crate) cancel: CancelToken,
    /// Whom cleanup waits for.
    pub(crate) gate: Arc<Gate>,
}

impl Context {
    pub(crate) fn new(id: ContainerId, config: Arc<[u8]>, skipped: bool) -> Context {
        // Any spread will do: containers that start together are to be refreshed apart.
        let seed = id.wire.iter().fold(17u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        Context {
            id,
            config,
            skipped,
            usage: Arc::new(Slot::new(seed)),
            status: Arc::new(Slot::new(seed.rotate_left(16))),
            cancel: CancelToken::new(),
            gate: Arc::new(Gate::default()),
        }
    }
}
