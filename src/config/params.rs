//! The parameters: one row each, beside the field that keeps its value. Those of an instance are
//! here, those that each event has in `event_params`.
//!
//! Everything that is known of a parameter stands in its row: key, who has it, since when, what
//! holds without it, what it accepts, how it is read, what it means. [`Config`] is read by walking
//! the rows, and pages, manual page, `mesos-command explain` and `check` are made from them, so a
//! key without a row does not exist. `CONTRIBUTING.md` shows how one is added.
//!
//! Most kinds of values have a function in `reader` (`boolean`, `count`, `duration`, …); what only
//! one parameter does is a function in `special`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::define::parameters;
use super::reader::{
    Reader, Value, boolean, bytes, count, directory, duration, optional_directory, special, words,
};
use super::row::{Accepts, ORIGINAL, Parameter, Place, Reload, Scope, Unset};
use super::{ConfigError, EnvironmentChoice, EventConfig, IoChoice, ReloadChoice, special as of};
use crate::command::{Background, Containment, Stdio};
use crate::control::{ControlSocket, DEFAULT_SOCKET};
use crate::event::{Event, ModuleKind};
use crate::exporter::{MetricsAddress, TextfilePath};
use crate::redact::{self, Redaction};

const ISOLATOR: Scope = Scope::Only(ModuleKind::Isolator);

parameters! {
    /// The parameters of one module instance, checked.
    pub struct Config {
        /// Hook or isolator.
        kind: ModuleKind,
        /// The events with a command.
        events: BTreeMap<Event, EventConfig>,
    }

    /// The parameters that no event has for itself, in the order of the documentation.
    pub static PARAMETERS, mod rows = {
        module_name: Arc<str> = {
            name: "module_name",
            scope: Scope::Both,
            since: ORIGINAL,
            unset: Unset::Word("required"),
            value: special(Accepts::Text("a name without '/' and '..'"), of::module_name),
            meaning: "name of the instance: its state directory and its metric label",
        }
        debug: bool = {
            name: "debug",
            scope: Scope::Both,
            since: ORIGINAL,
            unset: Unset::Text("false"),
            reload: Reload::AtOnce,
            value: special(Accepts::Boolean, of::debug),
            meaning: "exactly `true` logs every input and output, without their secrets (`redact`)",
        }
        redact: Redaction = {
            name: "redact",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Text(redact::DEFAULT_NAMES),
            reload: Reload::Restart("what the control socket shows was made without these secrets"),
            value: special(
                Accepts::Text("names separated by commas, `*` at either end; none"),
                |reader, row| reader.value(row, Redaction::parse),
            ),
            meaning: "whose values `debug` hides: names of environment variables, labels and keys, separated by commas, a `*` at either end for anything; variables of type SECRET and the data of secrets always; `none` hides nothing",
        }
        watch_interval: Duration = {
            name: "isolator_watch_frequence",
            alias: "isolator_watch_interval",
            scope: ISOLATOR,
            since: ORIGINAL,
            unset: Unset::Text("30s"),
            reload: Reload::AtOnce,
            value: special(Accepts::Duration { zero: false }, of::watch_interval),
            meaning: "pause between two runs of the watch command",
        }
        /// How long a value of usage or status is fresh; zero: no cache.
        cache_ttl: Duration = {
            name: "isolator_usage_cache_ttl",
            scope: ISOLATOR,
            since: "0.1.0",
            unset: Unset::Text("1s"),
            reload: Reload::AtOnce,
            value: special(Accepts::Duration { zero: true }, of::cache_ttl),
            meaning: "how long a usage or status value is served from the cache (less by up to a tenth, the first value of a container by up to a half, so that containers drift apart); 0 turns the cache off",
        }
        stale_ttl: Duration = {
            name: "isolator_usage_stale_ttl",
            scope: ISOLATOR,
            since: "0.1.0",
            unset: Unset::Text("2mins"),
            reload: Reload::AtOnce,
            value: special(Accepts::Duration { zero: true }, |reader, row| {
                of::stale_ttl(reader, row, [&rows::cache_ttl, &rows::stale_while_revalidate])
            }),
            meaning: "age up to which the last good value is served when refreshing it fails or takes longer than a second; by default at least twice the TTL",
        }
        stale_while_revalidate: Duration = {
            name: "isolator_usage_stale_while_revalidate",
            scope: ISOLATOR,
            since: "0.1.0",
            unset: Unset::Text("0"),
            reload: Reload::AtOnce,
            value: duration(),
            meaning: "within this time after expiry the old value is answered at once and refreshed behind",
        }
        /// Whether values are refreshed before the next request that is foreseen.
        refresh_ahead: bool = {
            name: "isolator_usage_refresh_ahead",
            scope: ISOLATOR,
            since: "Unreleased",
            unset: Unset::Text("auto"),
            reload: Reload::AtOnce,
            value: words!["auto" => true, "off" => false],
            meaning: "`auto` learns at what pace usage is asked for, and refreshes the values shortly before the next request, so that it waits for no command (TTLs of 100ms or more); `off` refreshes only what is asked for (docs/refresh-ahead.md)",
        }
        max_parallel: usize = {
            name: "max_parallel",
            scope: ISOLATOR,
            since: "0.1.0",
            unset: Unset::Text("64"),
            reload: Reload::AtOnce,
            value: count(1, 1024),
            meaning: "usage commands at a time, and a quarter as many status commands",
        }
        watch_parallel: usize = {
            name: "watch_parallel",
            scope: ISOLATOR,
            since: "Unreleased",
            unset: Unset::Text("16"),
            reload: Reload::AtOnce,
            value: count(1, 1024),
            meaning: "watch commands at a time, one after the other beyond that",
        }
        lifecycle_parallel: usize = {
            name: "lifecycle_parallel",
            scope: ISOLATOR,
            since: "0.1.0",
            unset: Unset::Text("1"),
            reload: Reload::AtOnce,
            value: count(1, 1024),
            meaning: "launch-path commands (prepare, isolate, update, cleanup, recover) at a time",
        }
        max_output_bytes: u64 = {
            name: "max_output_bytes",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Text("1MiB"),
            value: bytes(1, 1 << 30),
            meaning: "largest accepted output file, for a batch: of each container (and 64MiB in all, or this if it is more)",
        }
        kill_grace: Duration = {
            name: "kill_grace",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Text("1s"),
            value: duration(),
            meaning: "time between TERM and KILL at the deadline; 0 kills at once",
        }
        stdio: Stdio = {
            name: "stdio",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Text("capture"),
            value: words![
                "capture" => Stdio::Capture, "inherit" => Stdio::Inherit, "null" => Stdio::Null],
            meaning: "where stdout and stderr go: `capture` (bounded tail into the log), `inherit` (the agent's), `null`",
        }
        io: IoChoice = {
            name: "io",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Text("auto"),
            value: words![
                "auto" => IoChoice::Auto, "file" => IoChoice::File, "memfd" => IoChoice::Memfd],
            meaning: "what INPUT, OUTPUT and ERROR are: `auto` (files; a sealed memfd as INPUT of events that the original does not have), `file` (files), `memfd` (memfds)",
        }
        environment: EnvironmentChoice = {
            name: "environment",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Text("agent"),
            reload: Reload::Restart("the environment of commands is taken when the agent starts"),
            value: words![
                "agent" => EnvironmentChoice::Agent, "clean" => EnvironmentChoice::Clean],
            meaning: "`agent` passes the agent's environment, `clean` an allow-list",
        }
        /// What becomes of background children; `None`: the event's default.
        background: Option<Background> = {
            name: "background",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Word("by event"),
            value: words![|_| None;
                "keep" => Some(Background::Keep), "kill" => Some(Background::Kill),
                "container" => Some(Background::Container)],
            meaning: "processes that outlive a successful command: `keep` (default but for usage and status), `kill`, or `container` (they run until their container was cleaned up; for isolators at containment level `cgroup`)",
        }
        containment: Containment = {
            name: "containment",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Text("auto"),
            reload: Reload::Restart("the level of containment is chosen when the agent starts"),
            value: words![
                "auto" => Containment::Auto, "group" => Containment::Group,
                "cgroup" => Containment::Cgroup],
            meaning: "what holds the processes of a command together: `cgroup` (none escapes its end), `group` (process group and the descendants that are found by their parents), `auto` (`cgroup` where the agent is root and there can be cgroups)",
        }
        cgroup_root: PathBuf = {
            name: "cgroup_root",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Text("mesos-command"),
            reload: Reload::Restart("the cgroups are made when the agent starts"),
            value: of::cgroup_root(),
            meaning: "where the cgroups of commands are made, below the mount of the cgroup file system",
        }
        state_dir: PathBuf = {
            name: "state_dir",
            scope: ISOLATOR,
            since: "0.1.0",
            // Where the original kept its contexts.
            unset: Unset::Text("/var/run/mesos/isolators/command"),
            reload: Reload::Restart("the contexts of the containers are kept there"),
            value: directory(),
            meaning: "where container contexts are kept, as `<state_dir>/<module_name>/<container>`; agents may share it",
        }
        /// Where per-call directories are made; `None`: chosen at start.
        temp_dir: Option<PathBuf> = {
            name: "temp_dir",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Word("automatic"),
            reload: Reload::Restart("the directories of calls are made there when the agent starts"),
            value: optional_directory(),
            meaning: "where the private directory of each call is made: /run, else /dev/shm",
        }
        /// Answer of `supportsNesting`.
        nested: bool = {
            name: "nested",
            scope: ISOLATOR,
            since: "0.1.0",
            unset: Unset::Text("true"),
            reload: Reload::Restart("Mesos asks for it once"),
            value: boolean(),
            meaning: "whether nested containers are handled",
        }
        /// Answer of `supportsStandalone`.
        standalone: bool = {
            name: "standalone",
            scope: ISOLATOR,
            since: "0.1.0",
            unset: Unset::Text("false"),
            reload: Reload::Restart("Mesos asks for it once"),
            value: boolean(),
            meaning: "whether standalone containers are handled",
        }
        skip_debug_containers: bool = {
            name: "skip_debug_containers",
            scope: ISOLATOR,
            since: "0.1.0",
            unset: Unset::Text("false"),
            reload: Reload::AtOnce,
            value: boolean(),
            meaning: "whether DEBUG containers (command health checks) are left out",
        }
        metrics_addresses: Vec<MetricsAddress> = {
            name: "metrics_address",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Word("none"),
            reload: Reload::Restart("a listener is never given up while the agent runs"),
            value: of::metrics_addresses(),
            meaning: "where Prometheus metrics are served: `127.0.0.1:9464`, `[::1]:9464`, `unix:/path`, several separated by commas; `0.0.0.0` is all of IPv4, `[::]` all of IPv6",
        }
        status_page: bool = {
            name: "status_page",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Text("false"),
            reload: Reload::Restart("a listener is never given up while the agent runs"),
            // It is served by the listeners of the metrics.
            value: special(Accepts::Boolean, |reader, row| {
                of::boolean_with(reader, row, &rows::metrics_addresses)
            })
            .at(Place::Metrics),
            meaning: "`true` serves a page for people at `/status` of `metrics_address`: instances, rates, calls in flight, failures with what commands printed, workers, containers of the process; to whoever can connect there",
        }
        metrics_textfile: Option<TextfilePath> = {
            name: "metrics_textfile",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Word("none"),
            reload: Reload::Restart("the file is kept up to date while the agent runs"),
            value: of::metrics_textfile(),
            meaning: "file for node_exporter's textfile collector",
        }
        keep_failures: usize = {
            name: "keep_failures",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Text("16"),
            reload: Reload::Restart("where failed calls are kept is decided when the agent starts"),
            value: of::keep_failures(),
            meaning: "failed calls whose input, output and words are kept in `/run/mesos-command/failures`, without their secrets, for `mesos-command failures show` and `call --replay`; 0: none",
        }
        call_log: Option<PathBuf> = {
            name: "call_log",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Word("none"),
            reload: Reload::Restart("the file is opened when the agent starts"),
            value: of::call_log(),
            meaning: "file to which a line of JSON is added for each command that has ended and each call that failed without one; a new file is begun when it was moved away",
        }
        call_log_hits: usize = {
            name: "call_log_hits",
            scope: ISOLATOR,
            since: "Unreleased",
            unset: Unset::Text("1000"),
            reload: Reload::Restart("it belongs to a file that is opened when the agent starts"),
            value: count(0, 1_000_000_000),
            meaning: "one of so many answers from the cache is a line of `call_log`; 0: none",
        }
        control_socket: ControlSocket = {
            name: "control_socket",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Text(DEFAULT_SOCKET),
            reload: Reload::Restart("the socket is made when the agent starts"),
            value: of::control_socket(),
            meaning: "Unix socket, for root and the agent's user, at which `mesos-command status`, `calls`, `kill` and others ask; one for all instances of a process; `<pid>` is its number; `none`: no socket",
        }
        reload: ReloadChoice = {
            name: "reload",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Text("manual"),
            reload: Reload::Restart("it says whether the file is read anew at all"),
            value: words![
                "manual" => ReloadChoice::Manual, "auto" => ReloadChoice::Auto,
                "off" => ReloadChoice::Off],
            meaning: "when commands, timeouts and other parameters are taken from the modules file anew, without a restart: `manual` by `mesos-command reload`, `auto` also when the file has changed, `off` never (docs/reload.md)",
        }
        reload_from: Option<PathBuf> = {
            name: "reload_from",
            scope: Scope::Both,
            since: "Unreleased",
            unset: Unset::Word("automatic"),
            reload: Reload::Restart("it says which file is read anew"),
            value: of::reload_from(),
            meaning: "the modules file from which they are taken: the one that the agent was started with; needed where `--modules` is the JSON itself",
        }
        strict_permissions: bool = {
            name: "strict_permissions",
            scope: Scope::Both,
            since: "0.1.0",
            unset: Unset::Text("false"),
            reload: Reload::AtOnce,
            value: boolean(),
            meaning: "`true` refuses commands, interpreters, `state_dir` and `temp_dir` if anybody but root and the agent's user owns or may write one step of their paths (else a warning)",
        }
    }
}
