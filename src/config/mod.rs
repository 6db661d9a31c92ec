//! Parameters of a module instance: from the host's key/value list to a checked [`Config`].
//!
//! `params` and `event_params` have one row for each parameter, from which everything else
//! follows. Below them, [`value`] holds one parser per kind of value, `reader` reads a row's, and
//! `special` and `identity` those that are like no other. Above them, [`keys`] finds rows by key,
//! and `parse` puts them together. Later duplicates of a key win, as in the original modules.

mod command;
mod define;
mod effective;
mod event_params;
mod identity;
pub mod json;
pub mod keys;
pub mod modules_file;
mod params;
mod parse;
mod problem;
mod reader;
mod rights;
mod row;
mod special;
mod trust;
pub mod value;
mod warm;

use std::time::Duration;

use command::is_shell_script;
pub use command::{CommandProblem, command_line, inspect_command, inspect_trust};
pub use effective::{Effective, effective, hash};
pub use event_params::{EVENT_PARAMETERS, EventConfig};
pub use params::{Config, PARAMETERS};
pub use problem::{ConfigError, FileError, Warning};
pub use row::{Accepts, ORIGINAL, Parameter, Place, Reload, Scope, Unset};
pub use trust::{Distrust, Trust, Why};
pub use warm::{WarmProblem, warm_script};

use crate::command::Limits;
use crate::event::ModuleKind;

/// How a command gets and gives its data, as configured; `Auto` depends on the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoChoice {
    /// Files for the events that the original has, memfd inputs for the others.
    Auto,
    /// Files for all.
    File,
    /// Memfds for all.
    Memfd,
}

/// Which environment commands get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvironmentChoice {
    /// The agent's.
    Agent,
    /// An allow-list of it.
    Clean,
}

/// When the parameters of an instance that runs are taken from the modules file anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadChoice {
    /// When an operator asks for it.
    Manual,
    /// Then, and whenever the file has changed.
    Auto,
    /// Never.
    Off,
}

/// Who does the work of an event's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A process of the command for each.
    Spawn,
    /// Persistent processes of it.
    Worker,
    /// A process for each, forked from an interpreter that is started already.
    Warm,
}

impl Mode {
    /// As `<event>_mode` says it.
    pub const fn label(self) -> &'static str {
        match self {
            Mode::Spawn => "spawn",
            Mode::Worker => "worker",
            Mode::Warm => "warm",
        }
    }
}

/// What becomes of calls while no worker of their event is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The command is run for the call, as without worker mode.
    Spawn,
    /// The call waits for a worker for a moment, and then fails.
    Fail,
}

/// The usage and status cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// How long a value is fresh; zero: no cache.
    pub ttl: Duration,
    /// How long the last good value serves while refreshing fails or takes too long, from its
    /// arrival.
    pub stale_ttl: Duration,
    /// How long after expiry the old value is answered at once and refreshed behind.
    pub stale_while_revalidate: Duration,
}

impl EventConfig {
    /// The command as it is configured, for messages.
    pub fn text(&self) -> &str {
        // It comes from text.
        self.command.text().to_str().unwrap_or_default()
    }

    /// What the processes of one command may take together.
    pub fn limits(&self) -> Limits {
        Limits { memory: self.memory_max, pids: self.pids_max.map(|most| most as u64) }
    }

    /// How many persistent processes answer the calls; `None`: each call starts the command.
    pub fn workers(&self) -> Option<usize> {
        (self.mode == Mode::Worker).then_some(self.workers)
    }
}

impl Config {
    /// The usage and status cache.
    pub fn cache(&self) -> CacheConfig {
        CacheConfig {
            ttl: self.cache_ttl,
            stale_ttl: self.stale_ttl,
            stale_while_revalidate: self.stale_while_revalidate,
        }
    }

    /// Checks the parameters of an instance of `kind`, in the host's order.
    ///
    /// Looks at the command files (they may be missing: a warning) and at who can change them and
    /// the directories, at nothing else outside.
    ///
    /// # Errors
    /// When `module_name` is missing or a value cannot be used; the text names key, value and
    /// what is accepted.
    pub fn parse(
        kind: ModuleKind,
        parameters: &[(String, String)],
    ) -> Result<(Config, Vec<Warning>), ConfigError> {
        parse::parse(kind, parameters)
    }
}
