//! The events of Mesos as data: one row per Hook or Isolator method.
//!
//! Parameter names, command line, metric labels, documentation and the host adapters all read
//! [`Row`]s; nothing else in the engine knows what, say, `prepare` takes or what its failure means.
//! A new event needs a name in `names` and a row in `table`; `CONTRIBUTING.md` has the rest.

mod base;
mod names;
pub mod rules;
mod table;

use std::time::Duration;

pub use names::Event;

/// The two kinds of Mesos module that this product provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModuleKind {
    /// `mesos::Hook`.
    Hook,
    /// `mesos::slave::Isolator`.
    Isolator,
}

impl ModuleKind {
    /// The name that Mesos gives the kind.
    pub const fn label(self) -> &'static str {
        match self {
            ModuleKind::Hook => "Hook",
            ModuleKind::Isolator => "Isolator",
        }
    }

    /// A plain word for it.
    pub const fn word(self) -> &'static str {
        match self {
            ModuleKind::Hook => "hook",
            ModuleKind::Isolator => "isolator",
        }
    }
}

/// How the value of an input key arrives from the host and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// One protobuf message of this full name.
    Message(&'static str),
    /// A list of protobuf messages of this full name.
    Messages(&'static str),
    /// An integer (a pid).
    Integer,
    /// A string.
    Text,
    /// An object of strings.
    TextMap,
    /// A list of `{"container_config":…,"container_id":…}`, made by the engine.
    Containers,
    /// An object of `mesos.Value.Scalar`, from numbers: `{"cpus":{"value":1.5}}`.
    ScalarMap,
}

/// One key of the JSON object that a command gets as its input.
#[derive(Clone, Copy, Debug)]
pub struct InputKey {
    /// The key.
    pub name: &'static str,
    /// What it holds.
    pub kind: InputKind,
    /// Whether the host may leave it out (the key is then absent).
    pub optional: bool,
}

/// What a command's output file is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It is not read.
    Ignored,
    /// An object with the container's text (`parent.child`) as key and JSON of a message of this
    /// full name as value.
    ByContainer(&'static str),
    /// JSON of one message of this full name.
    Message(&'static str),
    /// A JSON object with one list: `{"resources":[…]}`. The answer travels as a message of
    /// `carrier` in which only `field` is set, and whose other required fields are not checked.
    List {
        /// Full name of a message that has `field`.
        carrier: &'static str,
        /// The repeated field.
        field: &'static str,
    },
}

/// What an empty output of a successful command means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// No change, nothing to add.
    Nothing,
    /// The error "No content to parse" (Mesos logs it and changes nothing), as the original.
    Error,
}

/// What Mesos gets when a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureAnswer {
    /// The failure (for a hook: an Error; for an isolator: a failed future).
    Fail,
    /// Nothing: as if the command had answered "no change".
    Ignore,
    /// The last good value while it is young enough, else an empty one.
    LastGood,
    /// Nothing yet: the loop goes on.
    KeepWatching,
}

/// What Mesos gets for a container whose condition (`<event>_when`) does not hold: the command is
/// not run for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkippedAnswer {
    /// Success without a value: no change, nothing to add.
    Nothing,
    /// An empty message, at once.
    Empty,
    /// None: the future stays pending, as where there is nothing to watch.
    Pending,
    /// There is no condition: the event is about no container and no task.
    NoCondition,
}

impl SkippedAnswer {
    /// The same for people.
    pub const fn label(self) -> &'static str {
        match self {
            SkippedAnswer::Nothing => "no change",
            SkippedAnswer::Empty => "an empty value",
            SkippedAnswer::Pending => "no answer (never watched)",
            SkippedAnswer::NoCondition => "–",
        }
    }
}

/// What Mesos makes of the answers to an event: each completes "Mesos …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Of a failure that it is told.
    pub failure: &'static str,
    /// Of no value.
    pub nothing: &'static str,
    /// Of a value.
    pub value: &'static str,
}

/// Which queue a command waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Hooks that are waited for: never queued behind anything.
    Hook,
    /// Hooks that run behind: the caller was answered at once. 16 at a time per instance.
    Behind,
    /// prepare, isolate, update, recover, cleanup: `lifecycle_parallel` at a time per instance.
    Launch,
    /// usage and its batch: `max_parallel` at a time per instance.
    Sampling,
    /// status: a quarter as many as usage, of its own, so that slow usage commands hold up no
    /// status update.
    Status,
    /// watch: `watch_parallel` at a time per instance.
    Watch,
}

impl Lane {
    /// Its name, as people read it.
    pub const fn label(self) -> &'static str {
        match self {
            Lane::Hook => "hook",
            Lane::Behind => "behind",
            Lane::Launch => "launch",
            Lane::Sampling => "sampling",
            Lane::Status => "status",
            Lane::Watch => "watch",
        }
    }

    /// The parameter that limits how many of its commands run at a time; `None` where none does.
    pub const fn parameter(self) -> Option<&'static str> {
        match self {
            Lane::Hook | Lane::Behind => None,
            Lane::Launch => Some("lifecycle_parallel"),
            Lane::Sampling | Lane::Status => Some("max_parallel"),
            Lane::Watch => Some("watch_parallel"),
        }
    }

    /// Whether its commands sample a value (usage, status): they read their input only, and are
    /// answered from a cache.
    pub const fn samples(self) -> bool {
        matches!(self, Lane::Sampling | Lane::Status)
    }

    /// Whether the timeout of its commands counts from their start: waiting for one's turn never
    /// fails a launch (the original counted so), and delays no caller where none waits. The callers
    /// of the others wait, so that for them it counts from the call.
    pub const fn counts_from_start(self) -> bool {
        matches!(self, Lane::Launch | Lane::Watch | Lane::Behind)
    }
}

/// Everything that is specific to one event.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The event.
    pub event: Event,
    /// The kind of module that has it.
    pub kind: ModuleKind,
    /// Prefix of its parameters: `<prefix>_command`, `<prefix>_timeout`, …
    pub prefix: &'static str,
    /// The C++ method, as log lines name it.
    pub method: &'static str,
    /// Who calls it and who waits for the answer.
    pub caller: &'static str,
    /// When its command is run, as a part of a sentence.
    pub moment: &'static str,
    /// What Mesos makes of its answers.
    pub mesos: Meaning,
    /// Keys of the input object in the order in which the host passes them, which is their
    /// bytewise order.
    pub inputs: &'static [InputKey],
    /// Keys that the engine adds by itself, when it has something to say.
    pub added: &'static [InputKey],
    /// What the output is read as.
    pub output: Output,
    /// A required field of the output that is dropped, and need not be there.
    pub dropped: Option<&'static str>,
    /// An answer that makes sense for the sample input, as JSON, where the output is read; of one
    /// container, where it is by container.
    pub sample: Option<&'static str>,
    /// What an empty output means.
    pub empty: Empty,
    /// What Mesos gets when a call fails, unless `<prefix>_failure` says otherwise.
    pub failure: FailureAnswer,
    /// Whether `<prefix>_failure` may choose between fail and ignore.
    pub failure_configurable: bool,
    /// What Mesos gets where the condition does not hold.
    pub skipped: SkippedAnswer,
    /// Time to the deadline, from what [`Lane::counts_from_start`] says. `None`: no deadline.
    pub timeout: Option<Duration>,
    /// Which queue it waits in.
    pub lane: Lane,
    /// Whether the original C++ modules had it.
    pub in_original: bool,
    /// The release of Mesos that brought it, if it is younger than the oldest supported one.
    pub since: Option<&'static str>,
}

impl Row {
    /// Who calls it and who waits, for people.
    pub fn called_by(&self) -> String {
        let since = self.since.map(|release| format!("; since Mesos {release}"));
        format!("{}{}", self.caller, since.unwrap_or_default())
    }
}

impl Event {
    /// The event's row.
    pub const fn row(self) -> &'static Row {
        &table::ROWS[self as usize]
    }

    /// The event with this discriminant.
    pub fn from_index(index: u8) -> Option<Event> {
        Event::ALL.get(usize::from(index)).copied()
    }

    /// The event whose parameters start with `prefix`, for example `isolator_usage`.
    pub fn from_prefix(prefix: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|event| event.row().prefix == prefix)
    }

    /// The value of the `event` label of the metrics and of `MESOS_COMMAND_EVENT`: the parameter
    /// prefix.
    pub const fn label(self) -> &'static str {
        self.row().prefix
    }

    /// The events of one kind of module.
    pub fn of_kind(kind: ModuleKind) -> impl Iterator<Item = Event> {
        Event::ALL.into_iter().filter(move |event| event.row().kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_its_own_row() {
        for (index, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, index);
            assert_eq!(event.row().event, event);
            assert_eq!(Event::from_prefix(event.label()), Some(event));
            assert_eq!(Event::from_index(index as u8), Some(event));
        }
        assert_eq!(Event::from_index(Event::ALL.len() as u8), None);
        let of_kinds =
            [ModuleKind::Hook, ModuleKind::Isolator].map(|kind| Event::of_kind(kind).count());
        assert_eq!(of_kinds.iter().sum::<usize>(), Event::ALL.len());
        assert!(of_kinds[0] >= 11 && of_kinds[1] >= 9, "{of_kinds:?}");
    }

    #[test]
    fn every_row_says_when_it_is_run_and_what_comes_of_its_answers() {
        for event in Event::ALL {
            let row = event.row();
            let texts = [row.prefix, row.method, row.caller, row.moment];
            assert!(texts.iter().all(|text| !text.is_empty()), "{event:?}: {texts:?}");
            let is_read = row.output != Output::Ignored;
            assert_eq!(row.sample.is_some(), is_read, "{event:?}: an answer to show");
            assert_eq!(row.mesos.value != row.mesos.nothing, is_read, "{event:?}: {:?}", row.mesos);
        }
    }

    #[test]
    fn input_keys_are_in_bytewise_order() {
        for event in Event::ALL {
            let names: Vec<_> = event.row().inputs.iter().map(|key| key.name).collect();
            let mut sorted = names.clone();
            sorted.sort_unstable();
            assert_eq!(names, sorted, "{}", event.label());
        }
    }
}
