//! What is no harm, and surprises people.

use crate::event::Event;

/// What surprises people although it is Mesos's, and the original's, way.
pub const NOTES: &[(Event, &str)] = &[
    (
        Event::Watch,
        "{} is a limitation like any other: the container is destroyed. To keep watching, write \
         nothing",
    ),
    (
        Event::SlaveRunTaskLabelDecorator,
        "the labels replace those of the task: {} removes them all",
    ),
    (
        Event::MasterLaunchTaskLabelDecorator,
        "the labels replace those of the task: {} removes them all",
    ),
    (
        Event::MasterLaunchTaskResourceDecorator,
        "the resources replace those of the task; each needs its allocation_info again, or the \
         master answers TASK_ERROR",
    ),
    (
        Event::Prepare,
        "an empty file as command is a success without an answer: the shell runs it, and it does \
         nothing",
    ),
    (
        Event::Prepare,
        "command replaces the whole command of a container that runs no command task; \
         working_directory counts only for a container with an image",
    ),
    (
        Event::Prepare,
        "masked_paths and file_operations (since Mesos 1.9.0) take place in the container's mount \
         namespace; without one of its own (isolation filesystem/linux) that is the host's",
    ),
    (
        Event::SlaveResourcesDecorator,
        "the resources replace those of --resources; an agent that has fewer than before its \
         restart refuses to start",
    ),
    (
        Event::SlaveTaskStatusDecorator,
        "only labels and container_status are taken, and each replaces the status's own",
    ),
];
