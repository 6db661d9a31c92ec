//! The rows. Files and functions are those of Mesos 1.11.0.
//!
//! For what watch and the decorators of resources answer, the agent or the master of each release
//! since the one named was seen to end over an answer like the row's example; what is said of
//! `command`, `enter_namespaces`, `clone_namespaces` and attributes was read.

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
/// `Value.Type`.
const SET: &[Named] = &[("SET", 2)];
/// `Resource.ReservationInfo.Type`.
const DYNAMIC: &[Named] = &[("DYNAMIC", 2)];
/// `Resource.DiskInfo.Source.Type`.
const PATH: Named = ("PATH", 1);
const MOUNT: Named = ("MOUNT", 2);
const UNMOUNTABLE: &[Named] = &[("BLOCK", 3), ("RAW", 4)];

/// Quantities are counted in thousandths in 63 bits, by the master over all agents: this leaves
/// room for nine thousand agents. No processor, MiB or port comes near it.
const LARGEST: f64 = 1e12;
const LARGEST_WHOLE: u64 = 1_000_000_000_000;
/// Linux takes 32 pages for one string of an environment (`MAX_ARG_STRLEN`), its final zero
/// included.
pub(super) const LONGEST_VARIABLE: usize = 131_071;
/// The same less `MESOS_CONTAINERIZER_LAUNCH_INFO=`.
const LONGEST_LAUNCH_INFO: usize = LONGEST_VARIABLE - 32;
/// Containers are nested a few levels deep; protobuf reads a hundred.
pub(super) const DEEPEST_CONTAINER: usize = 32;

const CHECKED: &str = "src/slave/containerizer/mesos/containerizer.cpp, _launch";
const EXECUTED: &str = "3rdparty/libprocess/src/posix/subprocess.hpp, childMain";
const TOO_LONG: &str = "every launch fails unexplained: the kernel takes no longer string for a \
                        process";
const COUNTED: &str = "src/common/resource_quantities.cpp, add";
const RECONCILED: &str = "src/slave/slave.cpp, checkpointResourceState and \
                          syncCheckpointedResources; src/master/registry_operations.cpp, \
                          AdmitSlave";
const UNMATCHED: &str = "the agent takes it for a reservation that a framework made and does not \
                         find what it was made of: a CHECK ends the agent at the next \
                         reservation, or the master when the agent registers";
const VOLUMES: &str = "src/slave/paths.cpp, getPersistentVolumePath";
const NO_PLACE: &str = "a CHECK ends the agent when a framework makes a volume of it";
const VALIDATED: &str = "src/common/resources.cpp, validate and isEmpty";

/// A refusal for all containers: the others are variations of it.
const REFUSED: Rule = Rule {
    event: Event::Prepare,
    within: "",
    field: "",
    when: Condition::Set,
    scope: Scope::All,
    action: Action::Refuse,
    harm: "",
    source: CHECKED,
    since: "1.8.1",
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

/// A resource of an agent. Most of the rows are what `--resources` refuses too.
const fn resource(field: &'static str, when: Condition, example: &'static str) -> Rule {
    Rule {
        event: Event::SlaveResourcesDecorator,
        within: "resources",
        field,
        when,
        example,
        harm: UNMATCHED,
        source: RECONCILED,
        ..REFUSED
    }
}

const LARGE_RANGE: Rule = Rule {
    harm: "its size overflows and a CHECK ends the master, when its roles are asked for",
    source: COUNTED,
    since: "1.9.0",
    ..resource(
        "ranges.range.end",
        Condition::AboveWhole(LARGEST_WHOLE),
        r#"{"resources":[{"name":"ports","type":"RANGES",
            "ranges":{"range":[{"begin":1,"end":10000000000000000000}]},
            "reservations":[{"type":"STATIC","role":"a"}]}]}"#,
    )
};
const INVALID_RESOURCE: Rule = Rule {
    harm: "Mesos leaves it out without a word, or a CHECK ends the process",
    source: VALIDATED,
    ..resource(
        "",
        Condition::HostRefuses,
        r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}]}"#,
    )
};

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

/// All rules.
pub const RULES: &[Rule] = &[
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
        harm: "the sum of a role's reservations overflows, and a CHECK ends the master when the \
               agent leaves",
        source: "src/master/allocator/mesos/hierarchical.cpp, untrackReservations",
        ..resource(
            "scalar.value",
            Condition::Above(LARGEST),
            r#"{"resources":[{"name":"x","type":"SCALAR","scalar":{"value":8e15},
                "reservations":[{"type":"STATIC","role":"a"}]},{"name":"x","type":"SCALAR",
                "scalar":{"value":8e15},"reservations":[{"type":"STATIC","role":"a/b"}]}]}"#,
        )
    },
    LARGE_RANGE,
    Rule {
        harm: "a CHECK ends the master when a framework makes a reservation of it",
        source: "src/master/master.cpp, Slave::apply",
        ..resource(
            "allocation_info",
            Condition::Set,
            r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1},
                "allocation_info":{"role":"*"}}]}"#,
        )
    },
    Rule {
        harm: "a CHECK ends the master when a framework makes a reservation of it: it knows no \
               such provider",
        source: "src/master/master.cpp, _apply",
        ..resource(
            "provider_id",
            Condition::Set,
            r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1},
                "provider_id":{"value":"p"}}]}"#,
        )
    },
    resource(
        "reservation",
        Condition::Set,
        r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"role":"a",
            "reservation":{}}]}"#,
    ),
    resource(
        "reservations.type",
        Condition::Is(DYNAMIC),
        r#"{"resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":1},
            "reservations":[{"type":"STATIC","role":"a"},{"type":"DYNAMIC","role":"a/b"}]}]}"#,
    ),
    resource(
        "disk.persistence",
        Condition::Set,
        r#"{"resources":[{"name":"disk","type":"SCALAR","scalar":{"value":1},
            "disk":{"persistence":{"id":"v"}}}]}"#,
    ),
    Rule {
        harm: NO_PLACE,
        source: VOLUMES,
        ..resource(
            "disk.source.type",
            Condition::Is(UNMOUNTABLE),
            r#"{"resources":[{"name":"disk","type":"SCALAR","scalar":{"value":1},
                "disk":{"source":{"type":"RAW"}}}]}"#,
        )
    },
    Rule {
        harm: NO_PLACE,
        source: VOLUMES,
        ..resource(
            "disk.source.path.root",
            Condition::AbsentWhere("disk.source.type", PATH),
            r#"{"resources":[{"name":"disk","type":"SCALAR","scalar":{"value":1},
                "disk":{"source":{"type":"PATH","path":{}}}}]}"#,
        )
    },
    Rule {
        harm: NO_PLACE,
        source: VOLUMES,
        ..resource(
            "disk.source.mount.root",
            Condition::AbsentWhere("disk.source.type", MOUNT),
            r#"{"resources":[{"name":"disk","type":"SCALAR","scalar":{"value":1},
                "disk":{"source":{"type":"MOUNT"}}}]}"#,
        )
    },
    INVALID_RESOURCE,
    Rule {
        event: Event::MasterLaunchTaskResourceDecorator,
        harm: "its size overflows and a CHECK ends the master when it validates the task",
        since: "1.8.1",
        example: r#"{"resources":[{"name":"ports","type":"RANGES","allocation_info":{"role":"*"},
            "ranges":{"range":[{"begin":1,"end":10000000000000000000}]}}]}"#,
        ..LARGE_RANGE
    },
    Rule { event: Event::MasterLaunchTaskResourceDecorator, ..INVALID_RESOURCE },
    Rule {
        event: Event::SlaveAttributesDecorator,
        within: "attributes",
        field: "type",
        when: Condition::Is(SET),
        harm: "the agent ends when it compares its attributes at its next start",
        source: "src/common/attributes.cpp, contains",
        example: r#"{"attributes":[{"name":"disks","type":"SET","set":{"item":["a"]}}]}"#,
        ..REFUSED
    },
];
