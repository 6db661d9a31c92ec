//! The rows for all that is no resource of an agent or a task.

use super::{Action, Condition, Named, Rule, Scope};
use crate::event::Event;

/// The namespaces of `<sched.h>` that clone(2) can make. CLONE_NEWTIME is none of them: its bit
/// means something else there.
const NAMESPACES: &[Named] = &[
    NEW_MOUNTS,
    ("CLONE_NEWCGROUP", 0x0200_0000),
    ("CLONE_NEWUTS", 0x0400_0000),
    ("CLONE_NEWIPC", 0x0800_0000),
    ("CLONE_NEWUSER", 0x1000_0000),
    ("CLONE_NEWPID", 0x2000_0000),
    ("CLONE_NEWNET", 0x4000_0000),
];
const NEW_MOUNTS: Named = ("CLONE_NEWNS", 0x0002_0000);
/// `TaskStatus.Reason`.
const LIMITATION: Named = ("REASON_CONTAINER_LIMITATION", 19);
const LIMITATIONS: &[Named] = &[
    LIMITATION,
    ("REASON_CONTAINER_LIMITATION_DISK", 20),
    ("REASON_CONTAINER_LIMITATION_MEMORY", 8),
];
/// Linux takes 32 pages for one string of an environment (`MAX_ARG_STRLEN`), its final zero
/// included.
pub(super) const LONGEST_VARIABLE: usize = 131_071;
/// The same less `MESOS_CONTAINERIZER_LAUNCH_INFO=`.
const LONGEST_LAUNCH_INFO: usize = LONGEST_VARIABLE - 32;
/// The same, for one argument, less `--task_environment=`.
const LONGEST_TASK_ENVIRONMENT: usize = LONGEST_VARIABLE - 19;
/// Containers are nested a few levels deep; protobuf reads a hundred.
pub(super) const DEEPEST_CONTAINER: usize = 32;

const CHECKED: &str = "src/slave/containerizer/mesos/containerizer.cpp, _launch";
const EXECUTED: &str = "3rdparty/libprocess/src/posix/subprocess.hpp, childMain";
const TOO_LONG: &str = "every launch fails unexplained: the kernel takes no longer string for a \
                        process";
pub(super) const VALIDATED: &str = "src/common/resources.cpp, validate and isEmpty";

/// A refusal for all containers: the others are variations of it.
pub(super) const REFUSED: Rule = Rule {
    event: Event::Prepare,
    within: "",
    field: "",
    when: Condition::Set,
    scope: Scope::All,
    action: Action::Refuse,
    harm: "",
    source: CHECKED,
    since: "1.7.3",
    until: "1.11.0",
    example: "",
    mended: "",
};

/// A field of a prepare answer that is set.
const fn launch(field: &'static str, example: &'static str) -> Rule {
    Rule {
        field,
        example,
        harm: "Mesos fails every launch in which an isolator sets it",
        ..REFUSED
    }
}

/// A field of `command` that only the framework may set for a command task.
const fn command(field: &'static str, example: &'static str) -> Rule {
    Rule {
        field,
        example,
        scope: Scope::CommandTask,
        harm: "a CHECK ends the agent: for a command task only `command.arguments` may be set",
        ..REFUSED
    }
}

const fn long_variable(event: Event, field: &'static str, example: &'static str) -> Rule {
    Rule {
        event,
        within: "",
        field,
        when: Condition::LongerThan(LONGEST_VARIABLE),
        harm: TOO_LONG,
        source: EXECUTED,
        example,
        ..REFUSED
    }
}

/// A field of the resources of a limitation in the format from before reservations were refined.
const fn limitation(field: &'static str, example: &'static str, mended: &'static str) -> Rule {
    Rule {
        event: Event::Watch,
        within: "resources",
        field,
        action: Action::Drop,
        harm: "a CHECK ends the agent when the task's last status is made, once per limited \
               container",
        source: VALIDATED,
        example,
        mended,
        ..REFUSED
    }
}

/// All of them.
pub(super) const RULES: &[Rule] = &[
    Rule {
        event: Event::Watch,
        field: "resources",
        when: Condition::SetUnless("reason", LIMITATIONS),
        action: Action::Set("reason", LIMITATION),
        harm: "a CHECK ends the agent when the task's last status is made, once per limited \
               container",
        source: "src/common/protobuf_utils.cpp, createStatusUpdate",
        example: r#"{"message":"x","resources":[{"name":"disk","type":"SCALAR",
            "scalar":{"value":1}}]}"#,
        mended: r#"{"message":"x","reason":"REASON_CONTAINER_LIMITATION",
            "resources":[{"name":"disk","scalar":{"value":1.0},"type":"SCALAR"}]}"#,
        ..REFUSED
    },
    limitation(
        "role",
        r#"{"reason":"REASON_CONTAINER_LIMITATION_DISK","resources":[{"name":"disk",
            "type":"SCALAR","scalar":{"value":1},"role":"*"}]}"#,
        r#"{"reason":"REASON_CONTAINER_LIMITATION_DISK","resources":[{"name":"disk",
            "scalar":{"value":1.0},"type":"SCALAR"}]}"#,
    ),
    limitation(
        "reservation",
        r#"{"reason":"REASON_CONTAINER_LIMITATION_DISK","resources":[{"name":"disk",
            "type":"SCALAR","scalar":{"value":1},"role":"a","reservation":{}}]}"#,
        r#"{"reason":"REASON_CONTAINER_LIMITATION_DISK","resources":[{"name":"disk",
            "scalar":{"value":1.0},"type":"SCALAR"}]}"#,
    ),
    launch("rootfs", r#"{"rootfs":"/x"}"#),
    launch("user", r#"{"user":"nobody"}"#),
    command("command.uris", r#"{"command":{"uris":[{"value":"http://x"}]}}"#),
    command("command.environment", r#"{"command":{"environment":{"variables":[]}}}"#),
    command("command.shell", r#"{"command":{"shell":false}}"#),
    command("command.value", r#"{"command":{"value":"id"}}"#),
    command("command.user", r#"{"command":{"user":"nobody"}}"#),
    Rule {
        field: "enter_namespaces",
        when: Condition::Bits(&[NEW_MOUNTS]),
        scope: Scope::TopLevel,
        harm: "a CHECK ends the agent",
        example: r#"{"enter_namespaces":[1073741824,131072]}"#,
        ..REFUSED
    },
    Rule {
        field: "enter_namespaces",
        when: Condition::OtherBits(NAMESPACES),
        harm: "Mesos overlooks it without a word, and the container is not where it should be",
        source: "src/linux/ns.cpp, clone",
        example: r#"{"enter_namespaces":[1024]}"#,
        ..REFUSED
    },
    Rule {
        field: "clone_namespaces",
        when: Condition::OtherBits(NAMESPACES),
        harm: "Mesos hands the number to clone(2) as it is: a container's first process shares \
               the agent's memory (256; a CHECK ends the agent if it is nested), its working \
               directory (512) or its descriptors (1024)",
        source: "src/slave/containerizer/mesos/linux_launcher.cpp, fork; src/linux/ns.cpp, clone",
        example: r#"{"clone_namespaces":[131072,256]}"#,
        ..REFUSED
    },
    Rule {
        when: Condition::JsonLongerThan(LONGEST_LAUNCH_INFO),
        harm: "the launch fails unexplained: Mesos passes it on in one environment variable, and \
               the kernel takes no longer one",
        source: EXECUTED,
        example: r#"{"environment":{"variables":[{"name":"A","value":"@TEXT@"}]}}"#,
        ..REFUSED
    },
    Rule {
        event: Event::Status,
        field: "container_id",
        action: Action::Drop,
        harm: "it replaces the container's own ID in every status update of its tasks; with too \
               many parents the updates never arrive",
        source: "src/slave/containerizer/mesos/containerizer.cpp, status",
        example: r#"{"container_id":{"value":"another"},"executor_pid":7}"#,
        mended: r#"{"executor_pid":7}"#,
        ..REFUSED
    },
    Rule {
        event: Event::SlaveTaskStatusDecorator,
        field: "container_status.container_id",
        when: Condition::DeeperThan("parent", DEEPEST_CONTAINER),
        harm: "the update never arrives: protobuf reads no message that is so deep",
        source: "src/slave/slave.cpp, statusUpdate",
        example: r#"{"task_id":{"value":"t"},"state":"TASK_RUNNING",
            "container_status":{"container_id":@ID@}}"#,
        ..REFUSED
    },
    long_variable(
        Event::SlaveExecutorEnvironmentDecorator,
        "variables.value",
        r#"{"variables":[{"name":"A","value":"@TEXT@"}]}"#,
    ),
    long_variable(
        Event::SlavePreLaunchDockerTaskExecutorDecorator,
        "executorEnvironment.variables.value",
        r#"{"executorEnvironment":{"variables":[{"name":"A","value":"@TEXT@"}]}}"#,
    ),
    long_variable(
        Event::SlavePreLaunchDockerTaskExecutorDecorator,
        "taskEnvironment.variables.value",
        r#"{"taskEnvironment":{"variables":[{"name":"A","value":"@TEXT@"}]}}"#,
    ),
    Rule {
        event: Event::SlavePreLaunchDockerTaskExecutorDecorator,
        field: "taskEnvironment.variables",
        when: Condition::MapLongerThan("name", "value", LONGEST_TASK_ENVIRONMENT),
        scope: Scope::CommandTask,
        harm: "the launch fails unexplained: Mesos passes it on in one argument, and the kernel \
               takes no longer one",
        source: "src/slave/containerizer/docker.cpp, launchExecutorProcess",
        example: r#"{"taskEnvironment":{"variables":[{"name":"A","value":"@HALF@"},
            {"name":"B","value":"@HALF@"}]}}"#,
        ..REFUSED
    },
];
