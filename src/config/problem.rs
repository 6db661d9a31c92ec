//! What can be wrong with parameters.

use super::CommandProblem;
use crate::condition::Fault;

/// A parameter that cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text}")]
pub struct ConfigError {
    /// The key.
    pub key: String,
    /// One line with key, value and what is accepted.
    pub(super) text: String,
    /// Where in the value the mistake is, if it is a condition.
    pub fault: Option<Box<Fault>>,
}

impl ConfigError {
    /// An error about the parameter `key`, as one line.
    pub(super) fn new(key: impl Into<String>, text: String) -> ConfigError {
        ConfigError { key: key.into(), text, fault: None }
    }
}

/// A modules file that cannot be used: what, in which file, and where, on one line.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct FileError(pub(super) String);

/// What was noticed about parameters that are usable all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key that is not known.
    UnknownKey {
        /// The key.
        key: String,
        /// The nearest known key, if one is near.
        nearest: Option<String>,
    },
    /// A value that was read in a way its author may not have meant.
    DoubtfulValue {
        /// The key.
        key: String,
        /// What is doubtful.
        text: String,
    },
    /// Something that works, but that its author may want otherwise.
    Advice {
        /// The key.
        key: String,
        /// What may be wanted.
        text: String,
    },
    /// A directory in which others can change what the agent keeps there.
    Directory {
        /// The key.
        key: String,
        /// Who, and how.
        doubt: String,
    },
    /// A command that could not run now, or that others can change.
    Command {
        /// The key.
        key: String,
        /// What is wrong with it.
        problem: CommandProblem,
    },
}

impl Warning {
    /// The key of the parameter that it is about.
    pub fn key(&self) -> &str {
        match self {
            Warning::UnknownKey { key, .. }
            | Warning::DoubtfulValue { key, .. }
            | Warning::Advice { key, .. }
            | Warning::Directory { key, .. }
            | Warning::Command { key, .. } => key,
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Warning::UnknownKey { key, nearest: Some(nearest) } => {
                write!(f, "parameter '{key}' is not known and ignored; did you mean '{nearest}'?")
            }
            Warning::UnknownKey { key, nearest: None } => {
                write!(f, "parameter '{key}' is not known and ignored")
            }
            Warning::DoubtfulValue { text, .. } | Warning::Advice { text, .. } => f.write_str(text),
            Warning::Directory { key, doubt } => write!(f, "parameter '{key}': {doubt}"),
            Warning::Command { key, problem } => write!(f, "parameter '{key}': {problem}"),
        }
    }
}
