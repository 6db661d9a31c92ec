//! Parameters of a module instance.

/// A parameter that cannot be used: names key, value and what is accepted.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ConfigError(pub String);
