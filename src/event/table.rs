//! The rows.
//!
//! Sources: method signatures and callers from Mesos 1.11.0 `include/mesos/hook.hpp`,
//! `include/mesos/slave/isolator.hpp`, `src/hook/manager.cpp` and
//! `src/slave/containerizer/mesos/containerizer.cpp`; moments and meanings from these,
//! `src/master/master.cpp`, `src/slave/slave.cpp`, `src/slave/containerizer/docker.cpp` and
//! `src/slave/containerizer/fetcher.cpp`; input keys, empty outputs and the 30 s default of the
//! original eight events from criteo's command modules.

use super::base::{
    AT_START, ATTRIBUTE_LIST, CONTAINER_CONFIG, CONTAINER_ID, EXECUTOR_INFO, FAILED_LAUNCH,
    FRAMEWORK_INFO, GOES_ON, HOOK, HOOK_FAILURE, ISOLATOR, ISOLATOR_TIMEOUT, LABELS_REPLACED,
    LABELS_SAMPLE, MASTER_HOOK_TIMEOUT, NO_VALUE, REGISTERED, RESOURCE_LIST, SLAVE_INFO,
    STATISTICS, TASK_INFO, USAGE_SAMPLE, key, meaning, message, optional,
};
use super::{Empty, Event, FailureAnswer, InputKind, Lane, Output, Row, SkippedAnswer};

/// One row per event, in the order of [`Event::ALL`].
pub(super) static ROWS: [Row; Event::ALL.len()] = [
    Row {
        event: Event::MasterLaunchTaskLabelDecorator,
        prefix: "hook_master_launch_task_label_decorator",
        method: "masterLaunchTaskLabelDecorator",
        caller: "master actor, which waits",
        moment: "for each task of an accepted offer, before the master sends it to the agent",
        mesos: LABELS_REPLACED,
        sample: Some(LABELS_SAMPLE),
        inputs: &[FRAMEWORK_INFO, SLAVE_INFO, TASK_INFO],
        output: Output::Message("mesos.Labels"),
        timeout: MASTER_HOOK_TIMEOUT,
        ..HOOK
    },
    Row {
        event: Event::MasterLaunchTaskResourceDecorator,
        prefix: "hook_master_launch_task_resource_decorator",
        method: "masterLaunchTaskResourceDecorator",
        caller: "master actor, which waits",
        moment: "for each task of an accepted offer, before the master sends it to the agent",
        mesos: meaning(
            HOOK_FAILURE,
            "leaves the resources as they are",
            "replaces the task's resources by these",
        ),
        sample: Some(
            r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":0.5}},{"name":"mem","type":"SCALAR","scalar":{"value":320}}]}"#,
        ),
        inputs: &[key("slave_resources", InputKind::Messages("mesos.Resource")), TASK_INFO],
        output: RESOURCE_LIST,
        timeout: MASTER_HOOK_TIMEOUT,
        since: Some("1.8.0"),
        ..HOOK
    },
    Row {
        event: Event::MasterSlaveLostHook,
        prefix: "hook_master_slave_lost_hook",
        method: "masterSlaveLostHook",
        caller: "master actor, which does not wait (the command runs behind)",
        moment: "when the master has removed an agent that it lost",
        inputs: &[SLAVE_INFO],
        timeout: MASTER_HOOK_TIMEOUT,
        lane: Lane::Behind,
        skipped: SkippedAnswer::NoCondition,
        ..HOOK
    },
    Row {
        event: Event::SlaveRunTaskLabelDecorator,
        prefix: "hook_slave_run_task_label_decorator",
        method: "slaveRunTaskLabelDecorator",
        moment: "for each task that the agent is to run, before its executor gets it",
        mesos: LABELS_REPLACED,
        sample: Some(LABELS_SAMPLE),
        inputs: &[EXECUTOR_INFO, FRAMEWORK_INFO, SLAVE_INFO, TASK_INFO],
        output: Output::Message("mesos.Labels"),
        empty: Empty::Error,
        timeout: ISOLATOR_TIMEOUT,
        in_original: true,
        ..HOOK
    },
    Row {
        event: Event::SlaveExecutorEnvironmentDecorator,
        prefix: "hook_slave_executor_environment_decorator",
        method: "slaveExecutorEnvironmentDecorator",
        moment: "before an executor is started",
        mesos: meaning(
            HOOK_FAILURE,
            "leaves the environment as it is",
            "replaces the executor's environment by this one",
        ),
        sample: Some(r#"{"variables":[{"name":"STATSD_HOST","value":"127.0.0.1"}]}"#),
        inputs: &[EXECUTOR_INFO],
        output: Output::Message("mesos.Environment"),
        empty: Empty::Error,
        timeout: ISOLATOR_TIMEOUT,
        in_original: true,
        ..HOOK
    },
    Row {
        event: Event::SlavePreLaunchDockerTaskExecutorDecorator,
        prefix: "hook_slave_pre_launch_docker_task_executor_decorator",
        method: "slavePreLaunchDockerTaskExecutorDecorator",
        caller: "Docker containerizer; the launch waits",
        moment: "before the Docker containerizer starts the container of a task or an executor",
        mesos: meaning(
            FAILED_LAUNCH,
            "starts the container undecorated",
            "starts the container with these variables",
        ),
        sample: Some(
            r#"{"taskEnvironment":{"variables":[{"name":"STATSD_HOST","value":"127.0.0.1"}]}}"#,
        ),
        inputs: &[
            key("container_name", InputKind::Text),
            key("container_work_directory", InputKind::Text),
            optional(key("env", InputKind::TextMap)),
            EXECUTOR_INFO,
            key("mapped_sandbox_directory", InputKind::Text),
            optional(TASK_INFO),
        ],
        output: Output::Message("mesos.DockerTaskExecutorPrepareInfo"),
        failure: FailureAnswer::Ignore,
        ..HOOK
    },
    Row {
        event: Event::SlavePostFetchHook,
        prefix: "hook_slave_post_fetch_hook",
        method: "slavePostFetchHook",
        caller: "a fetcher thread or the Docker containerizer, which waits",
        moment: "when the URIs of a container are in its sandbox",
        inputs: &[CONTAINER_ID, key("directory", InputKind::Text)],
        ..HOOK
    },
    Row {
        event: Event::SlaveRemoveExecutorHook,
        prefix: "hook_slave_remove_executor_hook",
        method: "slaveRemoveExecutorHook",
        moment: "when an executor has ended and the agent forgets it",
        inputs: &[EXECUTOR_INFO, FRAMEWORK_INFO],
        timeout: ISOLATOR_TIMEOUT,
        in_original: true,
        ..HOOK
    },
    Row {
        event: Event::SlaveTaskStatusDecorator,
        prefix: "hook_slave_task_status_decorator",
        method: "slaveTaskStatusDecorator",
        moment: "for each status update of a task, before the agent passes it on",
        mesos: meaning(
            HOOK_FAILURE,
            "leaves the status as it is",
            "takes labels and container status from this one",
        ),
        sample: Some(
            r#"{"task_id":{"value":"web.1"},"state":"TASK_RUNNING","labels":{"labels":[{"key":"rack","value":"r17"}]}}"#,
        ),
        inputs: &[
            message("framework_id", "mesos.FrameworkID"),
            message("task_status", "mesos.TaskStatus"),
        ],
        output: Output::Message("mesos.TaskStatus"),
        ..HOOK
    },
    Row {
        event: Event::SlaveResourcesDecorator,
        prefix: "hook_slave_resources_decorator",
        method: "slaveResourcesDecorator",
        caller: "agent actor at its start, which waits",
        moment: AT_START,
        mesos: REGISTERED,
        sample: Some(
            r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":8}},{"name":"mem","type":"SCALAR","scalar":{"value":16384}},{"name":"gpu_memory","type":"SCALAR","scalar":{"value":24576}}]}"#,
        ),
        inputs: &[SLAVE_INFO],
        output: RESOURCE_LIST,
        skipped: SkippedAnswer::NoCondition,
        ..HOOK
    },
    Row {
        event: Event::SlaveAttributesDecorator,
        prefix: "hook_slave_attributes_decorator",
        method: "slaveAttributesDecorator",
        caller: "agent actor at its start, which waits",
        moment: AT_START,
        mesos: REGISTERED,
        sample: Some(
            r#"{"attributes":[{"name":"rack","type":"TEXT","text":{"value":"r17"}},{"name":"kernel","type":"TEXT","text":{"value":"6.12"}}]}"#,
        ),
        inputs: &[SLAVE_INFO],
        output: ATTRIBUTE_LIST,
        skipped: SkippedAnswer::NoCondition,
        ..HOOK
    },
    Row {
        event: Event::Recover,
        prefix: "isolator_recover",
        method: "recover",
        caller: "containerizer; the agent's recovery waits",
        moment: "once, when the agent starts, with the containers that it knew before",
        mesos: meaning("ends the agent", GOES_ON, GOES_ON),
        inputs: &[
            key("orphans", InputKind::Messages("mesos.ContainerID")),
            key("states", InputKind::Messages("mesos.slave.ContainerState")),
        ],
        // Of this agent's containers that Mesos no longer knows.
        added: &[optional(key("lost", InputKind::Containers))],
        failure: FailureAnswer::Ignore,
        skipped: SkippedAnswer::NoCondition,
        ..ISOLATOR
    },
    Row {
        event: Event::Prepare,
        prefix: "isolator_prepare",
        method: "prepare",
        moment: "for each container, before its first process is there",
        mesos: meaning(
            FAILED_LAUNCH,
            "launches the container unchanged",
            "launches the container with this",
        ),
        sample: Some(r#"{"environment":{"variables":[{"name":"GREETING","value":"hello"}]}}"#),
        inputs: &[CONTAINER_CONFIG, CONTAINER_ID],
        output: Output::Message("mesos.slave.ContainerLaunchInfo"),
        in_original: true,
        ..ISOLATOR
    },
    Row {
        event: Event::Isolate,
        prefix: "isolator_isolate",
        method: "isolate",
        moment: "for each container, when its first process is there and waits to execute",
        inputs: &[CONTAINER_CONFIG, CONTAINER_ID, key("pid", InputKind::Integer)],
        in_original: true,
        ..ISOLATOR
    },
    Row {
        event: Event::Watch,
        prefix: "isolator_watch",
        method: "watch",
        caller: "containerizer; nobody waits",
        moment: "again and again while a container lives, with a pause between two runs",
        mesos: meaning("destroys the container", GOES_ON, "destroys the container"),
        sample: Some(
            r#"{"message":"the sandbox takes 2 GiB, the limit is 1 GiB","reason":"REASON_CONTAINER_LIMITATION_DISK"}"#,
        ),
        inputs: &[CONTAINER_CONFIG, CONTAINER_ID],
        output: Output::Message("mesos.slave.ContainerLimitation"),
        failure: FailureAnswer::KeepWatching,
        failure_configurable: false,
        timeout: None,
        lane: Lane::Watch,
        in_original: true,
        skipped: SkippedAnswer::Pending,
        ..ISOLATOR
    },
    Row {
        event: Event::Update,
        prefix: "isolator_update",
        method: "update",
        caller: "containerizer; task launches and terminal updates wait",
        moment: "when the resources of a container change: as its tasks start and end",
        mesos: meaning("destroys the container", GOES_ON, GOES_ON),
        inputs: &[
            CONTAINER_CONFIG,
            CONTAINER_ID,
            optional(key("resource_limits", InputKind::ScalarMap)),
            key("resource_requests", InputKind::Messages("mesos.Resource")),
        ],
        failure: FailureAnswer::Ignore,
        ..ISOLATOR
    },
    Row {
        event: Event::Usage,
        prefix: "isolator_usage",
        method: "usage",
        caller: "statistics endpoints; the whole answer waits",
        moment: "when somebody asks the agent for statistics, unless a value is in the cache",
        mesos: STATISTICS,
        sample: Some(USAGE_SAMPLE),
        inputs: &[CONTAINER_CONFIG, CONTAINER_ID],
        output: Output::Message("mesos.ResourceStatistics"),
        // The agent sets its own time, and a cached one would repeat.
        dropped: Some("timestamp"),
        failure: FailureAnswer::LastGood,
        failure_configurable: false,
        lane: Lane::Sampling,
        in_original: true,
        skipped: SkippedAnswer::Empty,
        ..ISOLATOR
    },
    Row {
        event: Event::Status,
        prefix: "isolator_status",
        method: "status",
        caller: "status updates of the container's tasks wait",
        moment: "for status updates of a container's tasks, unless a value is in the cache",
        mesos: meaning(NO_VALUE, "gets an empty status", "gets this status"),
        sample: Some(r#"{"network_infos":[{"ip_addresses":[{"ip_address":"10.1.2.3"}]}]}"#),
        inputs: &[CONTAINER_CONFIG, CONTAINER_ID],
        output: Output::Message("mesos.ContainerStatus"),
        failure: FailureAnswer::LastGood,
        failure_configurable: false,
        lane: Lane::Status,
        skipped: SkippedAnswer::Empty,
        ..ISOLATOR
    },
    Row {
        event: Event::Cleanup,
        prefix: "isolator_cleanup",
        method: "cleanup",
        caller: "containerizer; the destroy waits",
        moment: "when all processes of a container are gone",
        mesos: meaning(
            "keeps the container in DESTROYING for ever",
            "forgets the container",
            "forgets the container",
        ),
        inputs: &[CONTAINER_CONFIG, CONTAINER_ID],
        failure: FailureAnswer::Ignore,
        in_original: true,
        ..ISOLATOR
    },
    Row {
        event: Event::UsageBatch,
        prefix: "isolator_usage_batch",
        method: "usage",
        caller: "the usage cache; the statistics endpoints wait",
        moment: "when values of usage are asked for, for all containers that need one",
        mesos: STATISTICS,
        sample: Some(USAGE_SAMPLE),
        inputs: &[key("containers", InputKind::Containers)],
        output: Output::ByContainer("mesos.ResourceStatistics"),
        dropped: Some("timestamp"),
        failure: FailureAnswer::LastGood,
        failure_configurable: false,
        lane: Lane::Sampling,
        skipped: SkippedAnswer::Empty,
        ..ISOLATOR
    },
];
