//! What the commands recorded, against what must have happened.
//!
//! A recording command appends `<event> <container>` to one file at each run; which events to look
//! for is read from the modules file, because only those with a command can be recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mesos_command::event::Event;

use crate::modules::Modules;

/// The records of one run of a cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    runs: BTreeMap<String, usize>,
    containers: BTreeMap<String, BTreeSet<String>>,
}

/// What the framework did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    /// Tasks launched, each in a container.
    pub(crate) tasks: usize,
    /// Containers that the agent no longer knew after its restart.
    pub(crate) orphans: usize,
    /// Starts of the agent.
    pub(crate) starts: usize,
}

impl Records {
    /// Reads the file; a missing one is empty.
    pub(crate) fn read(path: &Path) -> Records {
        Records::parse(&std::fs::read_to_string(path).unwrap_or_default())
    }

    fn parse(text: &str) -> Records {
        let mut records = Records::default();
        for line in text.lines() {
            let (event, container) = line.split_once(' ').unwrap_or((line, ""));
            *records.runs.entry(event.to_owned()).or_default() += 1;
            let containers = records.containers.entry(event.to_owned()).or_default();
            if !container.is_empty() {
                containers.insert(container.to_owned());
            }
        }
        records
    }

    /// How often an event's command ran.
    pub(crate) fn runs(&self, event: Event) -> usize {
        self.runs.get(event.label()).copied().unwrap_or(0)
    }

    fn containers(&self, event: Event) -> BTreeSet<String> {
        self.containers.get(event.label()).cloned().unwrap_or_default()
    }

    /// What is wrong with the runs of one event, which this Mesos `calls` or does not have.
    pub(crate) fn complaints(&self, event: Event, calls: bool, done: Done) -> Vec<String> {
        let runs = self.runs(event);
        let (least, most) = if calls { bounds(event, done) } else { (0, 0) };
        let mut wrong = Vec::new();
        if runs < least || runs > most {
            let most = if most == usize::MAX { "any number".into() } else { most.to_string() };
            wrong.push(format!("ran {runs} times, expected {least} to {most}"));
        }
        if event == Event::Cleanup {
            let missing: Vec<_> = self
                .containers(Event::Prepare)
                .difference(&self.containers(event))
                .cloned()
                .collect();
            if !missing.is_empty() {
                wrong.push(format!("prepared and never cleaned up: {}", missing.join(" ")));
            }
        }
        wrong
    }
}

/// How often an event's command must and may run.
fn bounds(event: Event, done: Done) -> (usize, usize) {
    let Done { tasks, orphans, starts } = done;
    match event {
        Event::MasterLaunchTaskLabelDecorator
        | Event::MasterLaunchTaskResourceDecorator
        | Event::SlaveRunTaskLabelDecorator
        | Event::SlaveExecutorEnvironmentDecorator
        | Event::Prepare
        | Event::Isolate => (tasks, tasks),
        // An agent that ends in the middle of either does it again when it is back.
        Event::Cleanup => (tasks, tasks * starts),
        // The agent knows no executor of an orphan that it could remove. It removes one after the
        // other and marks each as completed before its hook, so an agent that ends in between does
        // not call that hook again when it is back.
        Event::SlaveRemoveExecutorHook => (tasks - orphans - (starts - 1), tasks * starts),
        // Once for TASK_RUNNING and once for the end of each task, at the least.
        Event::SlaveTaskStatusDecorator => (2 * tasks - orphans, usize::MAX),
        Event::Watch | Event::Update => (tasks, usize::MAX),
        Event::Usage | Event::UsageBatch | Event::Status => (1, usize::MAX),
        Event::Recover | Event::SlaveResourcesDecorator | Event::SlaveAttributesDecorator => {
            (starts, starts)
        }
        // Nothing is fetched, no agent is lost and there is no Docker here.
        Event::MasterSlaveLostHook
        | Event::SlavePreLaunchDockerTaskExecutorDecorator
        | Event::SlavePostFetchHook => (0, usize::MAX),
    }
}

/// The events for which the modules file has a recording command.
pub(crate) fn recorded(modules: &Modules) -> Vec<Event> {
    let text = modules.json.to_string();
    let configured = |event: &Event| text.contains(&format!("\"{}_command\"", event.label()));
    Event::ALL.into_iter().filter(configured).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Done = Done { tasks: 2, orphans: 0, starts: 1 };

    #[test]
    fn runs_are_counted_and_missing_ones_found() {
        let records = Records::parse(
            "isolator_prepare a\nisolator_prepare b\nisolator_cleanup a\nisolator_usage a\n",
        );
        assert_eq!(records.runs(Event::Prepare), 2);
        assert!(records.complaints(Event::Prepare, true, DONE).is_empty());
        assert!(records.complaints(Event::Usage, true, DONE).is_empty());
        let wrong = records.complaints(Event::Cleanup, true, DONE);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[1].ends_with(": b"));
        assert_eq!(records.complaints(Event::Isolate, true, DONE).len(), 1);
        assert!(records.complaints(Event::Isolate, false, DONE).is_empty());
        assert_eq!(records.complaints(Event::Usage, false, DONE).len(), 1);
    }

    #[test]
    fn an_agent_that_ends_may_lose_the_removal_it_was_at() {
        let lines = |count| Records::parse(&"hook_slave_remove_executor_hook\n".repeat(count));
        let restarted = Done { tasks: 5, orphans: 1, starts: 2 };
        let event = Event::SlaveRemoveExecutorHook;
        let complaints = |count| lines(count).complaints(event, true, restarted);
        assert!(complaints(3).is_empty());
        assert_eq!(complaints(2).len(), 1);
    }
}
