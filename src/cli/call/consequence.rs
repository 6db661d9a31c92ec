//! What Mesos would make of an answer, in words.
//!
//! Sources: Mesos 1.11.0 `src/hook/manager.cpp`, `src/slave/slave.cpp` and
//! `src/slave/containerizer/mesos/containerizer.cpp`.

use mesos_command::call::Answer;
use mesos_command::config::Config;
use mesos_command::event::{Event, Output, SkippedAnswer};

use super::made::Run;

/// What a failure, nothing, and a value mean to Mesos.
pub(crate) struct Meaning {
    pub(crate) failure: &'static str,
    pub(crate) nothing: &'static str,
    pub(crate) value: &'static str,
}

const fn meaning(failure: &'static str, nothing: &'static str, value: &'static str) -> Meaning {
    Meaning { failure, nothing, value }
}

const HOOK_FAILURE: &str = "logs the error and changes nothing";
const GOES_ON: &str = "goes on";

/// What Mesos makes of answers of `event`.
pub(crate) fn of(event: Event) -> Meaning {
    use Event as E;
    match event {
        E::MasterLaunchTaskLabelDecorator | E::SlaveRunTaskLabelDecorator => {
            meaning(HOOK_FAILURE, "leaves the labels as they are", "replaces the labels by these")
        }
        E::MasterLaunchTaskResourceDecorator => meaning(
            HOOK_FAILURE,
            "leaves the resources as they are",
            "replaces the task's resources by these",
        ),
        E::SlaveExecutorEnvironmentDecorator => meaning(
            HOOK_FAILURE,
            "leaves the environment as it is",
            "replaces the executor's environment by this one",
        ),
        E::SlavePreLaunchDockerTaskExecutorDecorator => meaning(
            "fails the launch with this text",
            "starts the container undecorated",
            "starts the container with these variables",
        ),
        E::SlaveTaskStatusDecorator => meaning(
            HOOK_FAILURE,
            "leaves the status as it is",
            "takes labels and container status from this one",
        ),
        E::SlaveResourcesDecorator | E::SlaveAttributesDecorator => {
            meaning(HOOK_FAILURE, "registers the agent unchanged", "registers the agent with these")
        }
        E::MasterSlaveLostHook | E::SlavePostFetchHook | E::SlaveRemoveExecutorHook => {
            meaning(HOOK_FAILURE, GOES_ON, GOES_ON)
        }
        E::Prepare => meaning(
            "fails the launch with this text",
            "launches the container unchanged",
            "launches the container with this",
        ),
        E::Isolate => meaning("fails the launch with this text", GOES_ON, GOES_ON),
        E::Watch => meaning("destroys the container", GOES_ON, "destroys the container"),
        E::Update => meaning("destroys the container", GOES_ON, GOES_ON),
        E::Recover => meaning("ends the agent", GOES_ON, GOES_ON),
        E::Cleanup => meaning(
            "keeps the container in DESTROYING for ever",
            "forgets the container",
            "forgets the container",
        ),
        E::Usage | E::UsageBatch => meaning(
            "gets nothing for the container",
            "gets empty statistics",
            "gets these statistics",
        ),
        E::Status => {
            meaning("gets nothing for the container", "gets an empty status", "gets this status")
        }
    }
}

/// The sentence for a call whose condition does not hold.
pub(super) fn of_skipped(event: Event) -> &'static str {
    match event.row().skipped {
        SkippedAnswer::Pending => "gets no answer, as where there is nothing to watch",
        _ => of(event).nothing,
    }
}

/// The sentence for one call.
pub(super) fn tell(config: &Config, event: Event, answer: &Answer, run: Option<&Run>) -> String {
    let failed = run.is_some_and(|run| run.failure.is_some());
    let what = of(event);
    match (event, answer) {
        (Event::Watch, Answer::Nothing) => {
            let pause = config.watch_interval;
            let told =
                if failed { "is told nothing of the failure" } else { "keeps the container" };
            format!("{told}; the command would run again after {pause:?}")
        }
        (Event::Usage | Event::Status, Answer::Nothing) if failed => format!(
            "is not told of the failure: it gets the last good value for {:?}, then {}",
            config.stale_ttl,
            what.nothing.trim_start_matches("gets ")
        ),
        (_, Answer::Failure(_)) => what.failure.to_owned(),
        (_, Answer::Nothing) if failed => {
            format!("is not told of the failure: it {}", what.nothing)
        }
        (Event::Watch, Answer::Message(bytes)) if bytes.is_empty() => {
            format!("{}: `{{}}` is a limitation too", what.value)
        }
        (_, Answer::Message(bytes)) if bytes.is_empty() && is_labels(event) => {
            "removes all labels".to_owned()
        }
        (_, Answer::Nothing) => what.nothing.to_owned(),
        (_, Answer::Message(_)) => what.value.to_owned(),
    }
}

fn is_labels(event: Event) -> bool {
    event.row().output == Output::Message("mesos.Labels")
}
