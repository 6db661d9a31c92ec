//! What a condition can ask, and in which input keys of an event that stands.
//!
//! Sources: the messages of Mesos 1.11.0 (`include/mesos/mesos.proto`,
//! `include/mesos/slave/containerizer.proto`) and who fills them: `src/slave/slave.cpp`
//! (`launchExecutor` for a container's config, `getExecutorInfo` for the executor of a command
//! task), `src/slave/http.cpp` (`launchContainer`: a nested container's config has neither task nor
//! executor), `src/hook/manager.cpp`. A container's config has the ID of its framework, and neither
//! the name nor the principal.

use crate::event::{Event, InputKind};

/// A field that can be asked for.
#[derive(Debug)]
pub struct Field {
    /// Its name; of labels what stands before the point.
    pub name: &'static str,
    /// What can be asked of it.
    pub kind: Kind,
    /// What it is, for people.
    pub meaning: &'static str,
    /// Where it stands. Of the keys that an event has, the first that has a value counts.
    pub(super) sources: &'static [Source],
}

impl PartialEq for Field {
    fn eq(&self, other: &Field) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}

/// What kind of value a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text: whether it is there, equal, or begins so.
    Text,
    /// Texts by name, `label.NAME`.
    Label,
    /// One of these words: only whether it is equal.
    Words(&'static [&'static str]),
    /// Only whether it is so.
    Flag,
}

/// A place in the input of an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// The input key.
    pub(super) key: &'static str,
    /// The field of its message, names joined by points.
    pub(super) path: &'static str,
}

const fn at(key: &'static str, path: &'static str) -> Source {
    Source { key, path }
}

/// The words for `executor`.
pub(super) const COMMAND: &str = "command";
pub(super) const DEFAULT: &str = "default";
pub(super) const CUSTOM: &str = "custom";

/// All fields, in the order of the documentation.
pub(super) static FIELDS: &[Field] = &[
    Field {
        name: "label",
        kind: Kind::Label,
        meaning: "a label of the task; where the task has none of the name, of the executor",
        sources: &[
            at("task_info", "labels.labels"),
            at("task_status", "labels.labels"),
            at("executor_info", "labels.labels"),
            at("container_config", "task_info.labels.labels"),
            at("container_config", "executor_info.labels.labels"),
        ],
    },
    Field {
        name: "framework.name",
        kind: Kind::Text,
        meaning: "the name of the framework",
        sources: &[at("framework_info", "name")],
    },
    Field {
        name: "framework.id",
        kind: Kind::Text,
        meaning: "the ID of the framework",
        sources: &[
            at("framework_info", "id.value"),
            at("framework_id", "value"),
            at("executor_info", "framework_id.value"),
            at("container_config", "executor_info.framework_id.value"),
        ],
    },
    Field {
        name: "role",
        kind: Kind::Text,
        meaning: "the role to which the resources of the task or executor are allocated; where none is, those of the framework",
        sources: &[
            at("task_info", "resources.allocation_info.role"),
            at("executor_info", "resources.allocation_info.role"),
            at("container_config", "resources.allocation_info.role"),
            at("container_config", "task_info.resources.allocation_info.role"),
            at("framework_info", "roles"),
            at("framework_info", "role"),
        ],
    },
    Field {
        name: "principal",
        kind: Kind::Text,
        meaning: "the principal with which the framework has registered",
        sources: &[at("framework_info", "principal")],
    },
    Field {
        name: "user",
        kind: Kind::Text,
        meaning: "of a container the user as whom Mesos starts it (absent with --no-switch_user); of hooks the user whom the task or executor names, else that of the framework",
        sources: &[
            at("container_config", "user"),
            at("task_info", "command.user"),
            at("executor_info", "command.user"),
            at("framework_info", "user"),
        ],
    },
    Field {
        name: "image",
        kind: Kind::Text,
        meaning: "the name of the image, as the framework wrote it",
        sources: &[
            at("container_config", "container_info.docker.image"),
            at("container_config", "container_info.mesos.image.docker.name"),
            at("container_config", "container_info.mesos.image.appc.name"),
            at("task_info", "container.docker.image"),
            at("task_info", "container.mesos.image.docker.name"),
            at("task_info", "container.mesos.image.appc.name"),
            at("executor_info", "container.docker.image"),
            at("executor_info", "container.mesos.image.docker.name"),
            at("executor_info", "container.mesos.image.appc.name"),
        ],
    },
    Field {
        name: "executor",
        kind: Kind::Words(&[COMMAND, CUSTOM, DEFAULT]),
        meaning: "`default` for Mesos's executor of task groups, `command` for the one that Mesos makes for a task with a command, `custom` for a framework's own; `command` is told from `custom` only where the event has the task too",
        sources: &[at("executor_info", "type"), at("container_config", "executor_info.type")],
    },
    Field {
        name: "nested",
        kind: Kind::Flag,
        meaning: "whether the container has a parent",
        sources: &[at("container_id", "parent")],
    },
];

/// The event whose input a condition of `event` looks at. A batch has its containers one by one, as
/// usage has.
pub const fn looked_at(event: Event) -> Event {
    match event {
        Event::UsageBatch => Event::Usage,
        event => event,
    }
}

fn has(event: Event, source: &Source) -> bool {
    let inputs = looked_at(event).row().inputs;
    inputs.iter().any(|key| key.name == source.key && matches!(key.kind, InputKind::Message(_)))
}

/// The fields that the input of an event has; none where it is about no container and no task.
pub fn fields_of(event: Event) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(move |field| field.sources.iter().any(|source| has(event, source)))
}

/// The names of these fields, for people: `label.NAME, role, nested`.
pub fn list_of(event: Event) -> String {
    let names: Vec<&str> = fields_of(event).map(Field::shown).collect();
    names.join(", ")
}

impl Field {
    /// As it is written in a condition.
    pub fn shown(&self) -> &'static str {
        match self.kind {
            Kind::Label => "label.NAME",
            _ => self.name,
        }
    }

    /// What a term with it may be for `event`, for people.
    pub fn forms(&self, event: Event) -> String {
        let name = self.shown();
        match self.kind {
            Kind::Text | Kind::Label => format!("{name}, {name} == TEXT, {name} ^= BEGINNING"),
            Kind::Words(_) => {
                let words = self.words_of(event);
                let each: Vec<String> = words.map(|word| format!("{name} == {word}")).collect();
                each.join(", ")
            }
            Kind::Flag => name.to_owned(),
        }
    }

    /// The words that it can have for `event`. Without the task, the executor that Mesos makes for
    /// one looks like any other.
    pub fn words_of(&self, event: Event) -> impl Iterator<Item = &'static str> {
        let words: &[&str] = if let Kind::Words(words) = self.kind { words } else { &[] };
        let keys = ["task_info", "container_config"];
        let has_task = keys.iter().any(|key| has(event, &at(key, "")));
        words.iter().copied().filter(move |word| has_task || *word != COMMAND)
    }

    /// The places of the field in the input of `event`, in the order in which they count.
    pub(super) fn sources_of(&self, event: Event) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| has(event, source))
    }
}
