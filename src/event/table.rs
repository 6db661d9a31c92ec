//! The rows.
//!
//! Sources: method signatures and callers from Mesos 1.11.0 `include/mesos/hook.hpp`,
//! `include/mesos/slave/isolator.hpp`, `src/hook/manager.cpp` and
//! `src/slave/containerizer/mesos/containerizer.cpp`; input keys, empty outputs and the 30 s
//! default of the original eight events from criteo's command modules.

use std::time::Duration;

use super::{
    Empty, Event, FailureAnswer, InputKey, InputKind, Lane, ModuleKind, Output, Row, SkippedAnswer,
};

/// Timeout of the events that the original has, and of the isolator's other methods.
const ISOLATOR_TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));
/// Deadline of agent hooks that the original did not have: they hold the agent's actor.
const AGENT_HOOK_TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));
/// Deadline of master hooks: they hold the master's actor.
const MASTER_HOOK_TIMEOUT: Option<Duration> = Some(Duration::from_secs(2));

const TASK_INFO: InputKey = message("task_info", "mesos.TaskInfo");
const EXECUTOR_INFO: InputKey = message("executor_info", "mesos.ExecutorInfo");
const FRAMEWORK_INFO: InputKey = message("framework_info", "mesos.FrameworkInfo");
const SLAVE_INFO: InputKey = message("slave_info", "mesos.SlaveInfo");
const CONTAINER_ID: InputKey = message("container_id", "mesos.ContainerID");
const CONTAINER_CONFIG: InputKey =
    optional(message("container_config", "mesos.slave.ContainerConfig"));

const RESOURCE_LIST: Output = Output::List { carrier: "mesos.SlaveInfo", field: "resources" };
const ATTRIBUTE_LIST: Output = Output::List { carrier: "mesos.SlaveInfo", field: "attributes" };

const fn message(name: &'static str, full_name: &'static str) -> InputKey {
    InputKey { name, kind: InputKind::Message(full_name), optional: false }
}

const fn key(name: &'static str, kind: InputKind) -> InputKey {
    InputKey { name, kind, optional: false }
}

const fn optional(key: InputKey) -> InputKey {
    InputKey { optional: true, ..key }
}

/// A synchronous hook of the agent: the others are variations of it.
const HOOK: Row = Row {
    event: Event::SlaveRunTaskLabelDecorator,
    kind: ModuleKind::Hook,
    prefix: "",
    method: "",
    caller: "agent actor, which waits",
    inputs: &[],
    added: &[],
    output: Output::Ignored,
    dropped: None,
    empty: Empty::Nothing,
    failure: FailureAnswer::Fail,
    failure_configurable: true,
    skipped: SkippedAnswer::Nothing,
    timeout: AGENT_HOOK_TIMEOUT,
    lane: Lane::Hook,
    in_original: false,
    since: None,
};

/// A launch-path method of the isolator: the others are variations of it.
const ISOLATOR: Row = Row {
    event: Event::Prepare,
    kind: ModuleKind::Isolator,
    caller: "containerizer; the launch waits",
    timeout: ISOLATOR_TIMEOUT,
    lane: Lane::Launch,
    ..HOOK
};

/// One row per event, in the order of [`Event::ALL`].
pub(super) static ROWS: [Row; Event::ALL.len()] = [
    Row {
        event: Event::MasterLaunchTaskLabelDecorator,
        prefix: "hook_master_launch_task_label_decorator",
        method: "masterLaunchTaskLabelDecorator",
        caller: "master actor, which waits",
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
        inputs: &[CONTAINER_ID, key("directory", InputKind::Text)],
        ..HOOK
    },
    Row {
        event: Event::SlaveRemoveExecutorHook,
        prefix: "hook_slave_remove_executor_hook",
        method: "slaveRemoveExecutorHook",
        inputs: &[EXECUTOR_INFO, FRAMEWORK_INFO],
        timeout: ISOLATOR_TIMEOUT,
        in_original: true,
        ..HOOK
    },
    Row {
        event: Event::SlaveTaskStatusDecorator,
        prefix: "hook_slave_task_status_decorator",
        method: "slaveTaskStatusDecorator",
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
        inputs: &[CONTAINER_CONFIG, CONTAINER_ID],
        output: Output::Message("mesos.slave.ContainerLaunchInfo"),
        in_original: true,
        ..ISOLATOR
    },
    Row {
        event: Event::Isolate,
        prefix: "isolator_isolate",
        method: "isolate",
        inputs: &[CONTAINER_CONFIG, CONTAINER_ID, key("pid", InputKind::Integer)],
        in_original: true,
        ..ISOLATOR
    },
    Row {
        event: Event::Watch,
        prefix: "isolator_watch",
        method: "watch",
        caller: "containerizer; nobody waits",
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
