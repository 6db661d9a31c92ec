//! What a row of the parameters says.

use std::borrow::Cow;

use super::value::{self, DURATION_FORMS, ORIGINAL_DURATION_FORMS};
use crate::event::{Event, ModuleKind};

/// In names of parameters that each event has.
const EVENT: &str = "<event>";

/// `since` of what the original modules had.
pub const ORIGINAL: &str = "original";

/// Which modules have a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// All.
    Both,
    /// Those of one kind.
    Only(ModuleKind),
    /// Those with one of the events that this is true of, under a name for each.
    Events(fn(Event) -> bool),
}

/// What holds while a parameter is not given, or is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// It is read as if this text were given.
    Text(&'static str),
    /// The row's function decides; this word says what.
    Word(&'static str),
}

impl Unset {
    /// As the documentation shows it.
    pub const fn label(self) -> &'static str {
        match self {
            Unset::Text(text) | Unset::Word(text) => text,
        }
    }
}

/// What a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// `true` or `false`.
    Boolean,
    /// A whole number from `least` to `most`.
    Count {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A number of bytes from `least` to `most`.
    Bytes {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A duration.
    Duration {
        /// Whether it may be 0.
        zero: bool,
    },
    /// One of these words.
    Words(&'static [&'static str]),
    /// An absolute path.
    Path,
    /// What this says.
    Text(&'static str),
}

impl Accepts {
    /// The smallest and the largest number, of those that have them.
    pub(super) const fn range(self) -> (u64, u64) {
        match self {
            Accepts::Count { least, most } | Accepts::Bytes { least, most } => (least, most),
            _ => (0, u64::MAX),
        }
    }
}

/// What becomes of a parameter that has another value in the modules file of a running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The commands of the instance, or of its event, are made anew, and their workers with them.
    Commands,
    /// It holds at once, and commands have nothing to do with it.
    AtOnce,
    /// Nothing before a restart, for this reason.
    Restart(&'static str),
}

impl Reload {
    /// What a row says, which is [`Reload::Commands`] where it says nothing: a command that is made
    /// anew for nothing costs its workers' start, one that stays as it was is wrong.
    pub(super) const fn or_commands(said: &[Reload]) -> Reload {
        match said {
            [] => Reload::Commands,
            [reload, ..] => *reload,
        }
    }
}

/// What a parameter names that belongs to an agent, and that others must not touch: a tool that
/// creates an instance beside an agent uses something else, or does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory that an instance needs.
    Directory,
    /// Where its cgroups are made.
    Cgroups,
    /// Where metrics are served or written.
    Metrics,
    /// The control socket, which an instance makes unless it is told not to.
    Control,
    /// Failed calls, which an instance keeps unless it is told not to.
    Kept,
    /// Any other file, directory, socket or address.
    Other,
}

/// A parameter, or one that each event has (`<event>_command`).
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its key, with `<event>` for the prefix of an event.
    pub name: &'static str,
    /// Other keys, each of which counts instead if both are given.
    pub aliases: &'static [&'static str],
    /// Which modules have it.
    pub scope: Scope,
    /// The first version that knows it: a heading of `CHANGELOG.md`, or [`ORIGINAL`].
    pub since: &'static str,
    /// What holds without it.
    pub unset: Unset,
    /// What becomes of it when the modules file is read anew.
    pub reload: Reload,
    /// What it accepts.
    pub accepts: Accepts,
    /// What it names that is an agent's.
    pub place: Option<Place>,
    /// What it means. Ranges follow from `accepts`; [`Parameter::explained`] adds them.
    pub meaning: &'static str,
}

impl Parameter {
    /// The key, for one event where each event has one.
    pub fn key(&self, event: Option<Event>) -> Cow<'static, str> {
        match (self.name.strip_prefix(EVENT), event) {
            (Some(suffix), Some(event)) => format!("{}{suffix}", event.row().prefix).into(),
            _ => self.name.into(),
        }
    }

    /// Whether a module with commands for `event` has the parameter for that event.
    pub fn applies(&self, event: Event) -> bool {
        matches!(self.scope, Scope::Events(has) if has(event))
    }

    /// The event, if `key` is this parameter's for one.
    pub(super) fn event_of(&self, key: &str) -> Option<Event> {
        let suffix = self.name.strip_prefix(EVENT)?;
        Event::from_prefix(key.strip_suffix(suffix)?).filter(|event| self.applies(*event))
    }

    /// Whether the modules of one kind have it, for some event or at all.
    pub fn is_for(&self, kind: ModuleKind) -> bool {
        match self.scope {
            Scope::Both => true,
            Scope::Only(only) => only == kind,
            Scope::Events(has) => Event::of_kind(kind).any(has),
        }
    }

    /// The kinds of modules that have it, in one word.
    pub fn modules(&self) -> &'static str {
        match (self.is_for(ModuleKind::Hook), self.is_for(ModuleKind::Isolator)) {
            (true, false) => "hook",
            (false, true) => "isolator",
            _ => "both",
        }
    }

    /// Its meaning with the range of its values.
    pub fn explained(&self) -> String {
        let range = match self.accepts {
            Accepts::Count { least, most } => format!("; {least} to {most}"),
            Accepts::Bytes { least, most } => {
                format!("; {} to {}", value::show_bytes(least), value::show_bytes(most))
            }
            Accepts::Duration { zero: false } => "; a duration above 0".to_owned(),
            _ => String::new(),
        };
        format!("{}{range}", self.meaning)
    }

    /// What it accepts, in full. Durations of keys that the original has are read as the original
    /// read them; `event` says which one has the key.
    pub fn accepted(&self, event: Option<Event>) -> String {
        match self.accepts {
            Accepts::Boolean => "true, false".to_owned(),
            Accepts::Count { least, most } => format!("whole numbers from {least} to {most}"),
            Accepts::Bytes { least, most } => {
                format!("bytes from {}", value::bytes_forms(least, most))
            }
            Accepts::Duration { zero } => {
                format!("{}{}", self.durations(event), if zero { "" } else { "; above 0" })
            }
            Accepts::Words(words) => words.join(", "),
            Accepts::Path => "absolute paths".to_owned(),
            Accepts::Text(text) => text.to_owned(),
        }
    }

    fn durations(&self, event: Option<Event>) -> String {
        match (self.is_original(event), self.scope, event) {
            (false, ..) => DURATION_FORMS.to_owned(),
            (true, Scope::Events(_), None) => format!(
                "{DURATION_FORMS}; for events that the original has, {ORIGINAL_DURATION_FORMS}"
            ),
            (true, ..) if self.aliases.is_empty() => ORIGINAL_DURATION_FORMS.to_owned(),
            (true, ..) => format!(
                "{ORIGINAL_DURATION_FORMS}; as {}, {DURATION_FORMS}",
                self.aliases.join(", ")
            ),
        }
    }

    /// Whether the original has the parameter, for `event` where each event has one.
    pub(super) fn is_original(&self, event: Option<Event>) -> bool {
        self.since == ORIGINAL && event.is_none_or(|event| event.row().in_original)
    }
}
