//! Parameters of a module instance: from the host's key/value list to a checked [`Config`].
//!
//! [`keys`] is the catalogue of parameters (name, default, meaning) that parsing, the command
//! line tool and the documentation read; [`value`] holds one parser per kind of value; this file
//! puts them together. Later duplicates of a key win, as in the original modules.

mod command;
pub mod json;
pub mod keys;
pub mod modules_file;
mod parse;
mod trust;
pub mod value;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use command::is_shell_script;
pub use command::{CommandProblem, command_line, inspect_command, inspect_trust};
pub use trust::{Distrust, Trust, Why};

use crate::command::{Background, CommandLine, Stdio};
use crate::event::{Event, FailureAnswer, ModuleKind};
use crate::exporter::{MetricsAddress, TextfilePath};
use crate::redact::Redaction;

/// Default of `isolator_watch_frequence`.
pub const DEFAULT_WATCH_INTERVAL: Duration = Duration::from_secs(30);
/// Default of `isolator_usage_cache_ttl`.
pub const DEFAULT_CACHE_TTL: Duration = Duration::from_secs(1);
/// Default of `isolator_usage_stale_ttl`, at the least.
pub const DEFAULT_STALE_TTL: Duration = Duration::from_secs(120);
/// Default of `max_parallel`.
pub const DEFAULT_MAX_PARALLEL: usize = 64;
/// Default of `watch_parallel`.
pub const DEFAULT_WATCH_PARALLEL: usize = 16;
/// Default of `lifecycle_parallel`.
pub const DEFAULT_LIFECYCLE_PARALLEL: usize = 1;
/// Default of `max_output_bytes`.
pub const DEFAULT_MAX_OUTPUT_BYTES: u64 = 1024 * 1024;
/// Default of `kill_grace`.
pub const DEFAULT_KILL_GRACE: Duration = Duration::from_secs(1);
/// Default of `<event>_workers` in worker mode.
pub const DEFAULT_WORKERS: usize = 1;
/// Most `<event>_workers`: each is a process, and a worker answers thousands of calls a second.
pub const MOST_WORKERS: usize = 64;
/// Default of `state_dir`: where the original kept its contexts.
pub const DEFAULT_STATE_DIR: &str = "/var/run/mesos/isolators/command";

/// A parameter that cannot be used: names key, value and what is accepted, on one line.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ConfigError(pub String);

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

/// What becomes of calls while no worker of their event is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The command is run for the call, as without worker mode.
    Spawn,
    /// The call waits for a worker for a moment, and then fails.
    Fail,
}

/// What is configured for one event.
#[derive(Clone, Debug)]
pub struct EventConfig {
    /// What is executed.
    pub command: CommandLine,
    /// The configured text, as error messages quote it.
    pub text: String,
    /// Time to the deadline; `None`: none.
    pub timeout: Option<Duration>,
    /// What Mesos is told when a call fails.
    pub failure: FailureAnswer,
    /// How many persistent processes answer the calls; `None`: each call starts the command.
    pub workers: Option<usize>,
    /// What calls do while no worker is up; without workers it means nothing.
    pub fallback: Fallback,
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

/// The parameters of one module instance, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Hook or isolator.
    pub kind: ModuleKind,
    /// The instance's name.
    pub module_name: Arc<str>,
    /// Log every input and output.
    pub debug: bool,
    /// What of them is hidden.
    pub redact: Redaction,
    /// The events with a command.
    pub events: BTreeMap<Event, EventConfig>,
    /// Pause between two runs of the watch command.
    pub watch_interval: Duration,
    /// The usage and status cache.
    pub cache: CacheConfig,
    /// Sampling commands at a time.
    pub max_parallel: usize,
    /// Watch commands at a time.
    pub watch_parallel: usize,
    /// Launch-path commands at a time.
    pub lifecycle_parallel: usize,
    /// Largest accepted output, in bytes.
    pub max_output_bytes: u64,
    /// Time between TERM and KILL.
    pub kill_grace: Duration,
    /// Where stdout and stderr go.
    pub stdio: Stdio,
    /// How data is passed.
    pub io: IoChoice,
    /// Which environment commands get.
    pub environment: EnvironmentChoice,
    /// What becomes of background children; `None`: the event's default.
    pub background: Option<Background>,
    /// Where contexts are kept: `<state_dir>/<module_name>/<container>`.
    pub state_dir: PathBuf,
    /// Where per-call directories are made; `None`: chosen at start.
    pub temp_dir: Option<PathBuf>,
    /// Answer of `supportsNesting`.
    pub nested: bool,
    /// Answer of `supportsStandalone`.
    pub standalone: bool,
    /// Leave out containers of class DEBUG (command health checks).
    pub skip_debug_containers: bool,
    /// Where metrics are served.
    pub metrics_addresses: Vec<MetricsAddress>,
    /// File that gets the metrics text for node_exporter.
    pub metrics_textfile: Option<TextfilePath>,
    /// Refuse commands that others can write.
    pub strict_permissions: bool,
}

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
    DoubtfulValue(String),
    /// Something that works, but that its author may want otherwise.
    Advice(String),
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

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Warning::UnknownKey { key, nearest: Some(nearest) } => {
                write!(f, "parameter '{key}' is not known and ignored; did you mean '{nearest}'?")
            }
            Warning::UnknownKey { key, nearest: None } => {
                write!(f, "parameter '{key}' is not known and ignored")
            }
            Warning::DoubtfulValue(text) | Warning::Advice(text) => f.write_str(text),
            Warning::Directory { key, doubt } => write!(f, "parameter '{key}': {doubt}"),
            Warning::Command { key, problem } => write!(f, "parameter '{key}': {problem}"),
        }
    }
}

impl Config {
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
