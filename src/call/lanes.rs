//! The lanes of an instance: who waits behind whom, and how many commands go on at a time.

use std::sync::Arc;

use crate::config::Config;
use crate::event::{Event, Lane};
use crate::process::LaneQueue;

/// Commands of one kind that may wait for their turn where more can be refused; those are answered
/// `overload` at once. Mesos asks for all containers in one burst, and a master loses all agents of
/// a partition in one: this is far above the containers of an agent and the agents of a master.
pub(super) const QUEUE_LIMIT: usize = 16_384;
/// Hooks that run behind at a time: the agents that a master lost at once, one command for each,
/// must not become as many processes on a master that is busy enough.
pub(super) const BEHIND_PARALLEL: usize = 16;
/// Status commands at a time, as a part of `max_parallel`, at least one: they are waited for by
/// every status update of their container, whatever the usage commands do.
pub(super) const STATUS_PART: usize = 4;

/// The lanes of one instance.
#[derive(Debug)]
pub(super) struct Lanes {
    launch: Arc<LaneQueue>,
    sampling: Arc<LaneQueue>,
    status: Arc<LaneQueue>,
    watch: Arc<LaneQueue>,
    behind: Arc<LaneQueue>,
}

impl Lanes {
    pub(super) fn new(config: &Config) -> Lanes {
        let lane = |lane, parallel| LaneQueue::new(parallel, queue_limit(lane));
        Lanes {
            launch: lane(Lane::Launch, config.lifecycle_parallel),
            sampling: lane(Lane::Sampling, config.max_parallel),
            status: lane(Lane::Status, config.max_parallel.div_ceil(STATUS_PART)),
            watch: lane(Lane::Watch, config.watch_parallel),
            behind: lane(Lane::Behind, BEHIND_PARALLEL),
        }
    }

    /// Where a command of `event` waits; `None`: it does not.
    pub(super) fn of(&self, event: Event) -> Option<&Arc<LaneQueue>> {
        match event.row().lane {
            Lane::Hook => None,
            Lane::Behind => Some(&self.behind),
            Lane::Launch => Some(&self.launch),
            Lane::Sampling => Some(&self.sampling),
            Lane::Status => Some(&self.status),
            Lane::Watch => Some(&self.watch),
        }
    }
}

/// How many may wait; `None`: any number. On the launch path and in watch there are as many as the
/// agent has containers, and none may be refused.
pub(super) fn queue_limit(lane: Lane) -> Option<usize> {
    match lane {
        Lane::Behind | Lane::Sampling | Lane::Status => Some(QUEUE_LIMIT),
        Lane::Hook | Lane::Launch | Lane::Watch => None,
    }
}
