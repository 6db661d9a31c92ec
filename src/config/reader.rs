//! Reading one value: what every kind of parameter has in common.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use super::row::{Accepts, Parameter, Place, Unset};
use super::value::{self, DURATION_FORMS, ORIGINAL_DURATION_FORMS};
use super::{ConfigError, Warning};
use crate::event::Event;

/// How the text of a parameter becomes a value, and what people need to know of that.
pub(super) struct Value<T: 'static> {
    pub(super) accepts: Accepts,
    pub(super) place: Option<Place>,
    pub(super) read: fn(&mut Reader<'_>, &'static Parameter) -> Result<T, ConfigError>,
}

impl<T> Value<T> {
    /// The same, of a parameter that names something that is an agent's.
    pub(super) const fn at(self, place: Place) -> Value<T> {
        Value { place: Some(place), ..self }
    }
}

/// A value that a function of its own reads.
pub(super) const fn special<T>(
    accepts: Accepts,
    read: fn(&mut Reader<'_>, &'static Parameter) -> Result<T, ConfigError>,
) -> Value<T> {
    Value { accepts, place: None, read }
}

/// `true` or `false`.
pub(super) const fn boolean() -> Value<bool> {
    special(Accepts::Boolean, |reader, row| reader.value(row, value::boolean))
}

/// A whole number.
pub(super) const fn count(least: u64, most: u64) -> Value<usize> {
    special(Accepts::Count { least, most }, |reader, row| {
        let (least, most) = row.accepts.range();
        reader.value(row, |text| value::count(text, least as usize, most as usize))
    })
}

/// A number of bytes.
pub(super) const fn bytes(least: u64, most: u64) -> Value<u64> {
    special(Accepts::Bytes { least, most }, |reader, row| {
        let (least, most) = row.accepts.range();
        reader.value(row, |text| value::bytes(text, least, most))
    })
}

/// A duration that may be zero.
pub(super) const fn duration() -> Value<Duration> {
    special(Accepts::Duration { zero: true }, |reader, row| reader.duration(row))
}

/// A directory: an absolute path.
pub(super) const fn directory() -> Value<PathBuf> {
    let read = special(Accepts::Path, |reader, row| {
        reader.doubt_blanks(row);
        reader.value(row, value::path)
    });
    read.at(Place::Directory)
}

/// A directory that need not be named.
pub(super) const fn optional_directory() -> Value<Option<PathBuf>> {
    let read = special(Accepts::Path, |reader, row| {
        reader.doubt_blanks(row);
        reader.optional(row, value::path)
    });
    read.at(Place::Directory)
}

/// One of a few words, with what each means: `words!["kill" => Kill, "keep" => Keep]`. Where there
/// is no text for the case that the parameter is not given, a function of the reader says what
/// holds then: `words![|reader| …; "kill" => Kill]`.
macro_rules! words {
    (|$reader:pat_param| $unset:expr; $($word:literal => $value:expr),+ $(,)?) => {
        special(Accepts::Words(&[$($word),+]), |reader, row| {
            let given = reader.optional(row, |text| $crate::config::value::choice(text, &[$(($word, $value)),+]))?;
            let $reader = reader;
            Ok(given.unwrap_or_else(|| $unset))
        })
    };
    ($($word:literal => $value:expr),+ $(,)?) => {
        special(Accepts::Words(&[$($word),+]), |reader, row| {
            reader.value(row, |text| $crate::config::value::choice(text, &[$(($word, $value)),+]))
        })
    };
}
pub(super) use words;

/// Parameters by key, and what was noticed while reading them.
pub(super) struct Reader<'a> {
    values: HashMap<&'a str, &'a str>,
    /// The row of the command that an event has if anything is to be run for it.
    command: &'static Parameter,
    /// Whose parameters are being read, of those that each event has.
    event: Option<Event>,
    pub(super) warnings: Vec<Warning>,
}

/// A parameter as it was given.
pub(super) struct Given<'a> {
    pub(super) key: Cow<'static, str>,
    pub(super) text: &'a str,
    is_alias: bool,
}

pub(super) fn refused(key: &str, value: &str, accepted: &str) -> ConfigError {
    let text = format!("parameter '{key}' has the value '{value}': {accepted}");
    ConfigError::new(key, text)
}

impl<'a> Reader<'a> {
    /// Reads these, of which the last one with a key counts. An event has a command if `command` is
    /// given for it.
    pub(super) fn new(
        parameters: &'a [(String, String)],
        command: &'static Parameter,
    ) -> Reader<'a> {
        let values = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        Reader { values: values.collect(), command, event: None, warnings: Vec::new() }
    }

    /// All keys, also those without a value, in any order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.values.keys().copied()
    }

    /// Reads with `read` what belongs to one event.
    pub(super) fn of_event<T>(&mut self, event: Event, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.event.replace(event);
        let value = read(self);
        self.event = before;
        value
    }

    /// The event whose parameters are being read.
    pub(super) const fn event(&self) -> Option<Event> {
        self.event
    }

    /// The value, if the key is given and not empty.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied().filter(|value| !value.is_empty())
    }

    /// The parameter, if it is given and not empty.
    pub(super) fn given(&self, row: &Parameter) -> Option<Given<'a>> {
        if self.event.is_some_and(|event| !row.applies(event)) {
            return None;
        }
        for alias in row.aliases {
            if let Some(text) = self.get(alias) {
                return Some(Given { key: (*alias).into(), text, is_alias: true });
            }
        }
        let key = row.key(self.event);
        self.get(&key).map(|text| Given { text, key, is_alias: false })
    }

    /// Whether a command is given for the event.
    pub(super) fn has_command(&mut self, event: Event) -> bool {
        self.of_event(event, |reader| reader.given(reader.command).is_some())
    }

    /// The value that is given, or the one of the text for the case that none is.
    pub(super) fn value<T>(
        &self,
        row: &Parameter,
        parser: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        if let Some(value) = self.optional(row, &parser)? {
            return Ok(value);
        }
        let read = match row.unset {
            Unset::Text(text) => parser(text),
            Unset::Word(_) => Err("it is missing".to_owned()),
        };
        let key = row.key(self.event);
        read.map_err(|text| {
            let text = format!("parameter '{key}': {text}");
            ConfigError::new(key, text)
        })
    }

    /// The value that is given.
    pub(super) fn optional<T>(
        &self,
        row: &Parameter,
        parser: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(given) = self.given(row) else { return Ok(None) };
        let read = parser(given.text).map(Some);
        read.map_err(|accepted| refused(&given.key, given.text, &accepted))
    }

    /// A duration. What the original has is read as the original read it; other names of the same
    /// mean what is written.
    pub(super) fn duration(&mut self, row: &Parameter) -> Result<Duration, ConfigError> {
        let Some(given) = self.given(row) else { return self.value(row, value::duration) };
        let as_original = row.is_original(self.event) && !given.is_alias;
        let (forms, read) = if as_original {
            let read = value::original_duration(given.text);
            (ORIGINAL_DURATION_FORMS, read.map(|read| (read.value, read.ignored_tail)))
        } else {
            (DURATION_FORMS, value::duration(given.text).map(|value| (value, false)))
        };
        let refused = |accepted: String| refused(&given.key, given.text, &accepted);
        let (value, ignored_tail) = read.map_err(refused)?;
        if value.is_zero() && row.accepts == (Accepts::Duration { zero: false }) {
            return Err(refused(format!("it must be above 0; accepted are {forms}")));
        }
        if ignored_tail {
            let seconds = value.as_secs();
            let what = format!(
                "which is read as {seconds} seconds, as the original modules read it; accepted are {forms}"
            );
            self.doubt(&given.key, &what);
        }
        Ok(value)
    }

    /// The duration that holds while none is given.
    pub(super) fn unset_duration(row: &Parameter) -> Result<Duration, ConfigError> {
        value::duration(row.unset.label()).map_err(|text| ConfigError::new(row.name, text))
    }

    /// `read`, but a value that cannot be used is only a warning where the event has no command:
    /// the original ran with it.
    pub(super) fn unless_unused<T>(
        &mut self,
        event: Event,
        read: Result<T, ConfigError>,
        unused: T,
    ) -> Result<T, ConfigError> {
        match read {
            Err(error) if !self.has_command(event) => {
                let command = self.command.key(Some(event));
                let key = error.key;
                let text = format!("{}. '{key}' has no effect without '{command}'", error.text);
                self.warnings.push(Warning::DoubtfulValue { key, text });
                Ok(unused)
            }
            read => read,
        }
    }

    /// Notes a value that was read in a way its author may not have meant.
    pub(super) fn doubt(&mut self, key: &str, what: &str) {
        let value = self.get(key).unwrap_or_default();
        let text = format!("parameter '{key}' has the value '{value}', {what}");
        self.warnings.push(Warning::DoubtfulValue { key: key.to_owned(), text });
    }

    /// Blanks at an end of a name are part of it, but few people mean them.
    pub(super) fn doubt_blanks(&mut self, row: &Parameter) {
        if let Some(given) = self.given(row)
            && given.text.trim() != given.text
        {
            self.doubt(&given.key, "whose blank at the end is part of the name");
        }
    }
}
