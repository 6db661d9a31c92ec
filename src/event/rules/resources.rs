//! The rows for resources and attributes, of agents and of tasks.

use super::rows::{REFUSED, VALIDATED};
use super::{Condition, Named, Rule};
use crate::event::Event;

/// `Value.Type`.
const SCALAR: Named = ("SCALAR", 0);
const RANGES: Named = ("RANGES", 1);
const SET: Named = ("SET", 2);
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

const COUNTED: &str = "src/common/resource_quantities.cpp, add";
const RECONCILED: &str = "src/slave/slave.cpp, checkpointResourceState (1.7.3: \
                          checkpointResources) and syncCheckpointedResources; \
                          src/master/registry_operations.cpp, AdmitSlave";
const UNMATCHED: &str = "the agent takes it for a reservation that a framework made and does not \
                         find what it was made of: a CHECK ends the agent at the next \
                         reservation, or the master when the agent registers";
const VOLUMES: &str = "src/slave/paths.cpp, getPersistentVolumePath";
const NO_PLACE: &str = "a CHECK ends the agent when a framework makes a volume of it";
const NO_QUANTITY: &str = "a CHECK ends the master when it offers resources of that name to a role \
                           with a quota";

/// A resource of an agent. Most of the rows are what `--resources` refuses too.
///
/// The master counts what agents have in sums and by name, and its CHECKs are about those.
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

/// A resource that the master takes for a number, because others of that name are numbers.
const fn offered(rule: Rule) -> Rule {
    Rule {
        harm: NO_QUANTITY,
        source: "src/master/allocator/mesos/hierarchical.cpp, __allocate; \
                 src/common/resource_quantities.cpp, fromScalarResources",
        since: "1.8.0",
        until: "1.8.1",
        ..rule
    }
}

const LARGE_RANGE: Rule = Rule {
    harm: "its size overflows and a CHECK ends the master, when a task with an executor of its \
           own gets it, or since 1.9.0 when its roles are asked for",
    source: COUNTED,
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

/// All of them.
pub(super) const RULES: &[Rule] = &[
    Rule {
        harm: "the sum of a role's reservations overflows, and a CHECK ends the master when the \
               agent leaves; in 1.7.3 the sum of the agent's, when it registers",
        source: "src/master/allocator/mesos/hierarchical.cpp, untrackReservations (1.7.3: \
                 addSlave)",
        ..resource(
            "scalar.value",
            Condition::Above(LARGEST),
            r#"{"resources":[{"name":"x","type":"SCALAR","scalar":{"value":8e15},
                "reservations":[{"type":"STATIC","role":"a"}]},{"name":"x","type":"SCALAR",
                "scalar":{"value":8e15},"reservations":[{"type":"STATIC","role":"a/b"}]}]}"#,
        )
    },
    LARGE_RANGE,
    offered(resource(
        "type",
        Condition::IsFor(&[RANGES, SET], "name", &["cpus", "disk", "gpus", "mem"]),
        r#"{"resources":[{"name":"cpus","type":"SET","set":{"item":["a"]}}]}"#,
    )),
    offered(resource(
        "type",
        Condition::IsFor(&[SCALAR, SET], "name", &["ports"]),
        r#"{"resources":[{"name":"ports","type":"SCALAR","scalar":{"value":5}}]}"#,
    )),
    offered(Rule {
        within: "",
        ..resource(
            "resources",
            Condition::DiffersFor("type", "name"),
            r#"{"resources":[{"name":"x","type":"SCALAR","scalar":{"value":1}},
                {"name":"x","type":"SET","set":{"item":["a"]}}]}"#,
        )
    }),
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
        since: "1.8.0",
        example: r#"{"resources":[{"name":"ports","type":"RANGES","allocation_info":{"role":"*"},
            "ranges":{"range":[{"begin":1,"end":10000000000000000000}]}}]}"#,
        ..LARGE_RANGE
    },
    Rule { event: Event::MasterLaunchTaskResourceDecorator, since: "1.8.0", ..INVALID_RESOURCE },
    Rule {
        event: Event::SlaveAttributesDecorator,
        within: "attributes",
        field: "type",
        when: Condition::Is(&[SET]),
        harm: "the agent ends when it compares its attributes at its next start, the master when \
               the agent registers again",
        source: "src/common/attributes.cpp, contains",
        example: r#"{"attributes":[{"name":"disks","type":"SET","set":{"item":["a"]}}]}"#,
        ..REFUSED
    },
];
