//! What the rest of the engine asks of the runner, and what it gets back.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::{Event, OutcomeKind};

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// One path, never split; without a slash it is looked up in the snapshot's `PATH`. A file
    /// that the kernel cannot execute (ENOEXEC) runs as `/bin/sh FILE …`, as `execvp` does.
    Path(OsString),
    /// Shell text: `/bin/sh -c 'TEXT INPUT OUTPUT ERROR'`, the paths appended as words (the watch
    /// command of the original was given to `system(3)` in this form).
    Shell(OsString),
}

/// How a command gets its input and gives its output (design: `io`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoMode {
    /// Real files in a private directory.
    Files,
    /// The input is a sealed memfd, output and error are files.
    MemfdInput,
    /// All three are memfds.
    Memfd,
}

/// What becomes of processes that outlive a successful leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// They live on.
    Keep,
    /// They are killed.
    Kill,
}

/// Where stdout and stderr of the command go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdio {
    /// To a bounded file whose tail is logged.
    Capture,
    /// To the agent's own.
    Inherit,
    /// To `/dev/null`.
    Null,
}

/// What is constant about the runs of one event of one module instance.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    /// The event, for `MESOS_COMMAND_EVENT`, thread choice and metrics.
    pub event: Event,
    /// The instance's `module_name`, for `MESOS_COMMAND_MODULE`.
    pub module: Arc<str>,
    /// What is executed.
    pub command: CommandLine,
    /// `KEY=value` entries of the environment, snapshot when the instance was created.
    pub environment: Arc<[OsString]>,
    /// Time from submission to the deadline; `None`: no deadline.
    pub timeout: Option<Duration>,
    /// Time between TERM and KILL; zero: KILL at once.
    pub kill_grace: Duration,
    /// Largest accepted output file, in bytes.
    pub max_output_bytes: u64,
    /// How input and output are passed.
    pub io: IoMode,
    /// Where stdout and stderr go.
    pub stdio: Stdio,
    /// What becomes of background children of a successful run.
    pub background: Background,
}

/// The input of one run.
#[derive(Clone, Debug)]
pub enum Input {
    /// JSON text, written to a fresh file or memfd.
    Text(Arc<[u8]>),
    /// A memfd that is sealed already and shared by the runs of a container.
    Sealed(Arc<crate::io::SealedInput>),
}

/// One run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The command.
    pub spec: Arc<CommandSpec>,
    /// Its input.
    pub input: Input,
    /// For `MESOS_CONTAINER_ID`: the container as `parent.child`.
    pub container_id: Option<Arc<str>>,
    /// When the call was submitted: the deadline counts from here.
    pub submitted: Instant,
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// From submission until a spawner took it.
    pub queued: Duration,
    /// The spawn itself.
    pub spawn: Duration,
    /// From submission to the outcome.
    pub total: Duration,
}

/// How one run ended.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The kind of end.
    pub outcome: OutcomeKind,
    /// Exit code, for [`OutcomeKind::Exit`] (0 for `Ok`).
    pub exit_code: Option<i32>,
    /// The signal, for [`OutcomeKind::Signal`], or the one that ended a timed-out leader.
    pub signal: Option<i32>,
    /// The output file of a successful run; empty otherwise.
    pub output: Vec<u8>,
    /// What explains a failure: our own words for failures of ours (spawn, output), naming path
    /// and errno; empty when the command itself failed.
    pub message: String,
    /// The first 4 KiB of the error file, when the run failed.
    pub error_file: Vec<u8>,
    /// The last few KiB of captured stdout and stderr.
    pub stdio_tail: Vec<u8>,
    /// Processes that outlived the leader of a successful run (killed or kept).
    pub strays: bool,
    /// Where the time went.
    pub timings: Timings,
}
