//! What the rest of the engine asks of the runner, and what it gets back.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::command::{Background, CommandLine, Stdio, lookup};
use crate::containment::SlotPool;
use crate::event::Event;
use crate::outcome::{FailureReason, OutcomeKind, WarmStart};
use crate::staging::{Input, IoMode};
use crate::sys::{Identity, Pid};

use super::{Followed, Quarantine, Standby};

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
    /// Time to the deadline, from the start that the request's [`DeadlineFrom`] names; `None`: no
    /// deadline.
    pub timeout: Option<Duration>,
    /// Time between TERM and KILL; zero: KILL at once.
    pub kill_grace: Duration,
    /// Largest accepted output file, in bytes.
    pub max_output_bytes: u64,
    /// How input and output are passed.
    pub io: IoMode,
    /// Where stdout and stderr go.
    pub stdio: Stdio,
    /// Whose rights it has, and what it may take.
    pub identity: Identity,
    /// What becomes of background children of a successful run.
    pub background: Background,
    /// Where the private directories of runs are made; `None`: `/run`, `/dev/shm` or the
    /// temporary directory, whichever is usable and in memory.
    pub temp_dir: Option<Arc<Path>>,
    /// The cgroups that its processes run in; `None`: they are a process group.
    pub cgroups: Option<Arc<SlotPool>>,
}

impl CommandSpec {
    /// The files that the command can be, in the order in which they are tried.
    pub(crate) fn candidates(&self) -> Vec<OsString> {
        match &self.command {
            CommandLine::Path(name) => {
                let path = |entry: &OsString| {
                    Some(OsStr::from_bytes(entry.as_bytes().strip_prefix(b"PATH=")?).to_owned())
                };
                let path = self.environment.iter().find_map(path);
                lookup(name, path.as_deref())
            }
            CommandLine::Shell(_) => vec!["/bin/sh".into()],
        }
    }
}

/// What the timeout counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineFrom {
    /// Submission: the time in a queue counts.
    Submission,
    /// The moment at which the lane lets the run start, or a worker takes the request up.
    Start,
}

/// What the files of a call may take together beside its input and an output of the largest size:
/// for a copy of either, and scratch files. In bytes.
pub(super) const MARGIN: u64 = 16 << 20;

/// One run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The command.
    pub spec: Arc<CommandSpec>,
    /// Its input.
    pub input: Input,
    /// For `MESOS_CONTAINER_ID`: the container as `parent.child`.
    pub container_id: Option<Arc<str>>,
    /// When the call was submitted.
    pub submitted: Instant,
    /// What the timeout counts from.
    pub deadline_from: DeadlineFrom,
    /// The instant after which it is not started any more if it still waits for its turn, for one
    /// whose deadline counts from its start; `None`: it waits for as long as it takes.
    pub last_start: Option<Instant>,
    /// Who looks at it on its way.
    pub followed: Option<Arc<Followed>>,
    /// Where it is counted if it outlives SIGKILL, and what keeps it from being started when too
    /// many have.
    pub quarantine: Option<Arc<Quarantine>>,
    /// Processes that stand ready for it; `None`: its command is started.
    pub standby: Option<Arc<Standby>>,
}

impl Request {
    /// A run that is submitted now and whose deadline counts from now.
    pub fn new(spec: Arc<CommandSpec>, input: Input) -> Request {
        Request {
            spec,
            input,
            container_id: None,
            submitted: Instant::now(),
            deadline_from: DeadlineFrom::Submission,
            last_start: None,
            followed: None,
            quarantine: None,
            standby: None,
        }
    }

    /// The run has left its queue.
    pub(crate) fn started(&self) {
        if let Some(followed) = &self.followed {
            followed.start();
        }
    }

    /// The process `pid` works on it.
    pub(crate) fn has_process(&self, pid: Pid) {
        if let Some(followed) = &self.followed {
            followed.has_process(pid);
        }
    }

    /// Whether an operator has killed it.
    pub(crate) fn is_killed(&self) -> bool {
        self.followed.as_ref().is_some_and(|followed| followed.is_killed())
    }

    /// Why the command cannot be started now, if too many hang in the kernel.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.quarantine.as_ref()?.refusal(self.spec.event, self.container_id.as_deref())
    }

    /// What the files of the run may take, in bytes.
    pub(super) fn most_bytes(&self) -> u64 {
        let input = self.input.len() as u64;
        self.spec.max_output_bytes.saturating_add(MARGIN).saturating_add(input)
    }

    /// Until when it may wait for its turn; `None`: for as long as it takes.
    pub(crate) fn waits_until(&self) -> Option<Instant> {
        match self.deadline_from {
            DeadlineFrom::Submission => self.deadline(self.submitted),
            DeadlineFrom::Start => self.last_start,
        }
    }

    /// The deadline of a run that its lane lets start at `start`; `None` when there is none, or
    /// when it is too far away to be represented.
    pub(crate) fn deadline(&self, start: Instant) -> Option<Instant> {
        let from = match self.deadline_from {
            DeadlineFrom::Submission => self.submitted,
            DeadlineFrom::Start => start,
        };
        from.checked_add(self.spec.timeout?)
    }
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// From submission until its process was about to be created.
    pub queued: Duration,
    /// From then until the process executed its program.
    pub spawn: Duration,
    /// From submission to the outcome.
    pub total: Duration,
}

/// Timings of a run that only waited.
pub(crate) fn waited_since(submitted: Instant) -> Timings {
    let waited = submitted.elapsed();
    Timings { queued: waited, spawn: Duration::ZERO, total: waited }
}

/// Signals that a run was sent, each counted once however many processes it reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kills {
    /// TERM, at the deadline or on cancellation.
    pub term: u32,
    /// KILL, after the grace period, for too large an output, or for background children.
    pub kill: u32,
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
    /// Signals sent.
    pub kills: Kills,
    /// Size of the output: what was read, or what was seen of one that is too large.
    pub output_bytes: u64,
    /// Why it failed, where more is known than the outcome says: how a start failed.
    pub reason: Option<FailureReason>,
    /// The leader, if one was started.
    pub pid: Option<Pid>,
    /// Where the time went.
    pub timings: Timings,
    /// It was started without the cgroup that it was to have.
    pub uncontained: bool,
    /// A persistent worker answered (or failed to): no process was started for this run.
    pub by_worker: bool,
    /// How its process began, in warm mode.
    pub warm_start: Option<WarmStart>,
    /// An operator has killed it, and that is why it was cancelled.
    pub is_killed: bool,
    /// The request, if it was followed.
    pub followed: Option<Arc<Followed>>,
}

impl RunReport {
    /// Whether the command was not started although nothing is wrong with it: it waited too long,
    /// or too many others hang in the kernel.
    pub fn never_had_its_turn(&self) -> bool {
        let waited = matches!(self.outcome, OutcomeKind::Timeout | OutcomeKind::Unkillable);
        waited && self.pid.is_none()
    }

    /// The report of a run without a process.
    pub(crate) fn without_process(
        outcome: OutcomeKind,
        message: impl Into<String>,
        timings: Timings,
    ) -> RunReport {
        RunReport {
            outcome,
            exit_code: None,
            signal: None,
            output: Vec::new(),
            message: message.into(),
            error_file: Vec::new(),
            stdio_tail: Vec::new(),
            strays: false,
            kills: Kills::default(),
            output_bytes: 0,
            reason: None,
            pid: None,
            timings,
            uncontained: false,
            by_worker: false,
            warm_start: None,
            is_killed: false,
            followed: None,
        }
    }
}
