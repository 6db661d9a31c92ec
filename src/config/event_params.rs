//! The parameters that each event has, as `params` has the others: a row each.

use std::sync::Arc;
use std::time::Duration;

use super::define::parameters;
use super::reader::{Reader, Value, count, special, words};
use super::row::{Accepts, ORIGINAL, Parameter, Reload, Scope, Unset};
use super::{ConfigError, Fallback, Mode, identity, special as of, value};
use crate::command::{CommandLine, WarmScript};
use crate::condition::Condition;
use crate::event::{Event, FailureAnswer};
use crate::sys::User;

/// Less than a MiB, and no program starts; the most is more than any machine has.
const MEMORY: Accepts = Accepts::Bytes { least: 1 << 20, most: 1 << 50 };
/// The kernel's own limit of process numbers on machines with 64 bits.
const MOST_PIDS: u64 = 1 << 22;

/// As many as there can be.
const MOST_REQUESTS: u64 = 1 << 50;

const EVENTS: Scope = Scope::Events(|_| true);

parameters! {
    /// What is configured for one event.
    pub struct EventConfig {
        /// The script that is run warm; `None` in the other modes, and while it cannot be read.
        warm: Option<WarmScript>,
    }

    /// The parameters that each event has, in the order of the documentation.
    pub static EVENT_PARAMETERS, mod event_rows = {
        command: CommandLine = {
            name: "<event>_command",
            scope: EVENTS,
            since: ORIGINAL,
            unset: Unset::Word("none"),
            value: special(Accepts::Text("one path; for watch also shell text"), of::command),
            meaning: "the command: one path; the watch command may be shell text",
        }
        /// For whom it is run; `None`: for all.
        when: Option<Arc<Condition>> = {
            name: "<event>_when",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("none"),
            value: special(Accepts::Text("a condition (docs/conditions.md): label.NAME, role, user, nested and other fields with == and ^=, joined by && || ! ( )"), of::condition),
            meaning: "for which containers or tasks the command is run (docs/conditions.md): `label.team == infra && !nested`; the calls of the others have the outcome `skipped`",
        }
        /// What is run beside it, compared, and never used.
        shadow: Option<CommandLine> = {
            name: "<event>_shadow_command",
            // The parts of a batch have no answer of their own that could be compared.
            scope: Scope::Events(|event| event != Event::UsageBatch),
            since: "Unreleased",
            unset: Unset::Word("none"),
            value: special(Accepts::Text("one path; for watch also shell text"), of::shadow),
            meaning: "a command that is run with the same input once the command has ended, and compared with it; what it answers is never used (docs/shadow.md). Of prepare, cleanup and others that do something, it does it a second time",
        }
        /// Time to the deadline; `None`: none.
        timeout: Option<Duration> = {
            name: "<event>_timeout",
            scope: EVENTS,
            since: ORIGINAL,
            unset: Unset::Word("by event"),
            value: special(Accepts::Duration { zero: false }, of::timeout),
            meaning: "time to the deadline: from the start of the command for prepare, isolate, update, recover, cleanup, watch and hooks that run behind, else from the call",
        }
        failure: FailureAnswer = {
            name: "<event>_failure",
            scope: Scope::Events(|event| event.row().failure_configurable),
            since: "0.1.0",
            unset: Unset::Word("by event"),
            value: words![|reader| of::failure(reader);
                "fail" => FailureAnswer::Fail, "ignore" => FailureAnswer::Ignore],
            meaning: "what Mesos is told when a call fails: `fail` or `ignore`",
        }
        mode: Mode = {
            name: "<event>_mode",
            scope: EVENTS,
            since: "0.1.0",
            unset: Unset::Text("spawn"),
            value: words!["spawn" => Mode::Spawn, "worker" => Mode::Worker, "warm" => Mode::Warm],
            meaning: "`spawn` runs the command for each call; `worker` keeps processes of it that answer JSON lines (examples/workers); `warm` runs an unchanged Python script in a process forked from an interpreter that is started already (docs/warm.md)",
        }
        workers: usize = {
            name: "<event>_workers",
            scope: EVENTS,
            since: "0.1.0",
            unset: Unset::Text("1"),
            value: count(1, 64),
            meaning: "processes in worker mode; in warm mode those that stand ready for calls",
        }
        worker_multiplex_max: usize = {
            name: "<event>_worker_multiplex_max",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Text("64"),
            value: count(1, 1024),
            meaning: "requests that a worker has at a time if it asks for as many (`multiplex` in its greeting); one that asks for more gets so many, with a warning. Hooks that are waited for are asked one at a time",
        }
        /// `None`: never.
        worker_requests_max: Option<u64> = {
            name: "<event>_worker_requests_max",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("none"),
            value: special(Accepts::Count { least: 1, most: MOST_REQUESTS }, |reader, row| {
                let (least, most) = row.accepts.range();
                let read = |text: &str| value::count(text, least as usize, most as usize);
                Ok(reader.optional(row, read)?.map(|count| count as u64))
            }),
            meaning: "requests after which a worker, or calls after which a warm interpreter, is replaced, by one that is ready already; looked at each second",
        }
        /// `None`: never.
        worker_age_max: Option<Duration> = {
            name: "<event>_worker_age_max",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("none"),
            value: special(Accepts::Duration { zero: false }, of::optional_duration),
            meaning: "age at which a worker or a warm interpreter is replaced, by one that is ready already",
        }
        /// In bytes; `None`: never.
        worker_memory_max: Option<u64> = {
            name: "<event>_worker_memory_max",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("none"),
            value: special(MEMORY, of::optional_bytes),
            meaning: "resident memory of a worker or a warm interpreter at which it is replaced, by one that is ready already; looked at each second, so it is no limit (that is `<event>_memory_max`)",
        }
        fallback: Fallback = {
            name: "<event>_fallback",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Text("spawn"),
            value: words!["spawn" => Fallback::Spawn, "fail" => Fallback::Fail],
            meaning: "while no worker is up: `spawn` runs the command for the call; `fail` waits up to 1s for a worker, then the call fails (for programs that answer only as a worker)",
        }
        /// Whose rights commands and workers have; `None`: the agent's.
        user: Option<User> = {
            name: "<event>_user",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("the agent's"),
            value: special(Accepts::Text("USER or USER:GROUP, by name or number"), identity::user),
            meaning: "user of the command and its workers: `name`, `name:group`, or numbers, with the supplementary groups of a login, found when the agent starts; input, output and error are files of that user (so not with `io=memfd`)",
        }
        /// In bytes.
        memory_max: Option<u64> = {
            name: "<event>_memory_max",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("none"),
            value: special(MEMORY, of::optional_bytes),
            meaning: "memory that all processes of one command may take together, or each worker with its; the kernel ends those that take more, and a command that fails then has the outcome `oom`; needs containment level `cgroup`",
        }
        pids_max: Option<usize> = {
            name: "<event>_pids_max",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("none"),
            value: special(Accepts::Count { least: 1, most: MOST_PIDS }, |reader, row| {
                let (least, most) = row.accepts.range();
                reader.optional(row, |text| value::count(text, least as usize, most as usize))
            }),
            meaning: "processes and threads that one command may have together, or each worker with its; needs containment level `cgroup`",
        }
        nice: Option<i32> = {
            name: "<event>_nice",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("the agent's"),
            value: special(Accepts::Text("whole numbers from -20 to 19"), identity::nice),
            meaning: "niceness of the command and its workers: -20 (first) to 19 (last)",
        }
        /// The soft and the hard limit.
        open_files: Option<u64> = {
            name: "<event>_rlimit_nofile",
            scope: EVENTS,
            since: "Unreleased",
            unset: Unset::Word("the agent's"),
            value: special(identity::OPEN_FILES, identity::open_files),
            meaning: "how many descriptors the command and its workers may have open, each process (soft and hard limit); no more than the agent may give",
        }
    }
}
