//! When Mesos calls, in a sentence for each event.
//!
//! Sources: Mesos 1.11.0 `src/master/master.cpp`, `src/slave/slave.cpp`,
//! `src/slave/containerizer/mesos/containerizer.cpp`, `src/slave/containerizer/docker.cpp`,
//! `src/slave/containerizer/fetcher.cpp`.

use mesos_command::event::Event;

/// When the command of `event` is run.
pub(super) fn of(event: Event) -> &'static str {
    use Event as E;
    match event {
        E::MasterLaunchTaskLabelDecorator | E::MasterLaunchTaskResourceDecorator => {
            "for each task of an accepted offer, before the master sends it to the agent"
        }
        E::MasterSlaveLostHook => "when the master has removed an agent that it lost",
        E::SlaveRunTaskLabelDecorator => {
            "for each task that the agent is to run, before its executor gets it"
        }
        E::SlaveExecutorEnvironmentDecorator => "before an executor is started",
        E::SlavePreLaunchDockerTaskExecutorDecorator => {
            "before the Docker containerizer starts the container of a task or an executor"
        }
        E::SlavePostFetchHook => "when the URIs of a container are in its sandbox",
        E::SlaveRemoveExecutorHook => "when an executor has ended and the agent forgets it",
        E::SlaveTaskStatusDecorator => {
            "for each status update of a task, before the agent passes it on"
        }
        E::SlaveResourcesDecorator | E::SlaveAttributesDecorator => {
            "once, when the agent starts, before it registers"
        }
        E::Recover => "once, when the agent starts, with the containers that it knew before",
        E::Prepare => "for each container, before its first process is there",
        E::Isolate => "for each container, when its first process is there and waits to execute",
        E::Watch => "again and again while a container lives, with a pause between two runs",
        E::Update => "when the resources of a container change: as its tasks start and end",
        E::Usage => "when somebody asks the agent for statistics, unless a value is in the cache",
        E::Status => "for status updates of a container's tasks, unless a value is in the cache",
        E::Cleanup => "when all processes of a container are gone",
        E::UsageBatch => "when values of usage are asked for, for all containers that need one",
    }
}
