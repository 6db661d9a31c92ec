//! The lanes of an instance: which commands share a queue, and how many of them run at a time; and
//! how long workers live.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, EventConfig};
use crate::event::{Event, Lane};
use crate::run::LaneQueue;
use crate::worker::Recycling;

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

/// How long a cleanup command waits for its turn. Others end by their deadlines, so that its turn
/// comes; but the destroy of its container waits for it, and that must not be for ever.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(3600);

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

    /// Makes the lanes as wide as they are configured now.
    pub(super) fn resize(&self, config: &Config) {
        self.launch.resize(config.lifecycle_parallel);
        self.sampling.resize(config.max_parallel);
        self.status.resize(config.max_parallel.div_ceil(STATUS_PART));
        self.watch.resize(config.watch_parallel);
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

/// When workers of an event are replaced that are well.
pub(super) fn recycling(event: &EventConfig) -> Recycling {
    Recycling {
        requests: event.worker_requests_max,
        age: event.worker_age_max,
        memory: event.worker_memory_max,
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

/// How long a command of `event` whose timeout counts from its start may wait for it; `None`: for
/// as long as it takes.
pub(super) fn patience(event: Event) -> Option<Duration> {
    (event == Event::Cleanup).then_some(CLEANUP_PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ModuleKind;

    #[test]
    fn only_what_may_be_refused_has_a_bounded_queue() {
        for event in Event::ALL {
            let lane = event.row().lane;
            let refused = matches!(lane, Lane::Behind | Lane::Sampling | Lane::Status);
            assert_eq!(queue_limit(lane), refused.then_some(16_384), "{}", event.label());
        }
    }

    #[test]
    fn only_a_cleanup_has_a_last_start() {
        for event in Event::ALL {
            let hour = Duration::from_secs(3600);
            assert_eq!(patience(event), (event == Event::Cleanup).then_some(hour));
        }
    }

    #[test]
    fn every_lane_is_as_wide_as_configured() {
        let parameters = [("module_name", "m"), ("max_parallel", "3"), ("watch_parallel", "5")];
        let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let (config, _) = Config::parse(ModuleKind::Isolator, &parameters).expect("accepted");
        let lanes = Lanes::new(&config);
        let width = |event| lanes.of(event).map(|lane| lane.parallel());
        assert_eq!(width(Event::Prepare), Some(1));
        assert_eq!(width(Event::Usage), Some(3));
        assert_eq!(width(Event::UsageBatch), Some(3));
        assert_eq!(width(Event::Status), Some(1), "a part, but at least one");
        assert_eq!(width(Event::Watch), Some(5));
        assert_eq!(width(Event::MasterSlaveLostHook), Some(16));
        assert_eq!(width(Event::SlaveRunTaskLabelDecorator), None, "it is waited for");
    }
}
