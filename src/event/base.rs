//! What the rows of `table` have in common.

use std::time::Duration;

use super::{
    Empty, Event, FailureAnswer, InputKey, InputKind, Lane, Meaning, ModuleKind, Output, Row,
    SkippedAnswer,
};

/// Timeout of the events that the original has, and of the isolator's other methods.
pub(super) const ISOLATOR_TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));
/// Deadline of agent hooks that the original did not have: they hold the agent's actor.
pub(super) const AGENT_HOOK_TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));
/// Deadline of master hooks: they hold the master's actor.
pub(super) const MASTER_HOOK_TIMEOUT: Option<Duration> = Some(Duration::from_secs(2));

pub(super) const TASK_INFO: InputKey = message("task_info", "mesos.TaskInfo");
pub(super) const EXECUTOR_INFO: InputKey = message("executor_info", "mesos.ExecutorInfo");
pub(super) const FRAMEWORK_INFO: InputKey = message("framework_info", "mesos.FrameworkInfo");
pub(super) const SLAVE_INFO: InputKey = message("slave_info", "mesos.SlaveInfo");
pub(super) const CONTAINER_ID: InputKey = message("container_id", "mesos.ContainerID");
pub(super) const CONTAINER_CONFIG: InputKey =
    optional(message("container_config", "mesos.slave.ContainerConfig"));

pub(super) const HOOK_FAILURE: &str = "logs the error and changes nothing";
pub(super) const FAILED_LAUNCH: &str = "fails the launch with this text";
pub(super) const NO_VALUE: &str = "gets nothing for the container";
pub(super) const GOES_ON: &str = "goes on";
pub(super) const AT_START: &str = "once, when the agent starts, before it registers";

pub(super) const LABELS_REPLACED: Meaning =
    meaning(HOOK_FAILURE, "leaves the labels as they are", "replaces the labels by these");
pub(super) const REGISTERED: Meaning =
    meaning(HOOK_FAILURE, "registers the agent unchanged", "registers the agent with these");
pub(super) const STATISTICS: Meaning =
    meaning(NO_VALUE, "gets empty statistics", "gets these statistics");

pub(super) const LABELS_SAMPLE: &str =
    r#"{"labels":[{"key":"team","value":"search"},{"key":"rack","value":"r17"}]}"#;
pub(super) const USAGE_SAMPLE: &str = r#"{"mem_rss_bytes":134217728,"cpus_user_time_secs":12.5}"#;

pub(super) const RESOURCE_LIST: Output =
    Output::List { carrier: "mesos.SlaveInfo", field: "resources" };
pub(super) const ATTRIBUTE_LIST: Output =
    Output::List { carrier: "mesos.SlaveInfo", field: "attributes" };

pub(super) const fn meaning(
    failure: &'static str,
    nothing: &'static str,
    value: &'static str,
) -> Meaning {
    Meaning { failure, nothing, value }
}

pub(super) const fn message(name: &'static str, full_name: &'static str) -> InputKey {
    InputKey { name, kind: InputKind::Message(full_name), optional: false }
}

pub(super) const fn key(name: &'static str, kind: InputKind) -> InputKey {
    InputKey { name, kind, optional: false }
}

pub(super) const fn optional(key: InputKey) -> InputKey {
    InputKey { optional: true, ..key }
}

/// A synchronous hook of the agent: the others are variations of it.
pub(super) const HOOK: Row = Row {
    event: Event::SlaveRunTaskLabelDecorator,
    kind: ModuleKind::Hook,
    prefix: "",
    method: "",
    caller: "agent actor, which waits",
    moment: "",
    mesos: meaning(HOOK_FAILURE, GOES_ON, GOES_ON),
    sample: None,
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
pub(super) const ISOLATOR: Row = Row {
    event: Event::Prepare,
    kind: ModuleKind::Isolator,
    caller: "containerizer; the launch waits",
    mesos: meaning(FAILED_LAUNCH, GOES_ON, GOES_ON),
    timeout: ISOLATOR_TIMEOUT,
    lane: Lane::Launch,
    ..HOOK
};
