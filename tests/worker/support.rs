//! A pool of probe workers in a directory of its own.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::{self, ModuleMetrics};
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::{CommandSpec, LaneQueue, Request, RunReport, Runner};
use mesos_command::staging::{Input, IoMode};
use mesos_command::sys::Identity;
use mesos_command::worker::{Recycling, WorkerPool, WorkerSettings};
use tempfile::TempDir;
pub(crate) use test_support::{PATIENCE, wait_for};

use super::log::Log;

/// The probe.
pub(crate) const PROBE: &str = env!("CARGO_BIN_EXE_mcmd-probe-worker");

/// Held by every test; the one that looks at the whole process holds it alone.
pub(crate) static TOGETHER: RwLock<()> = RwLock::new(());

/// A pool, its command and what it logged.
pub(crate) struct Rig {
    pub(crate) pool: Option<WorkerPool>,
    pub(crate) spec: Arc<CommandSpec>,
    pub(crate) log: Arc<Log>,
    pub(crate) module: String,
    pub(crate) directory: TempDir,
    together: Option<RwLockReadGuard<'static, ()>>,
}

/// What can be chosen about a pool.
pub(crate) struct Choice {
    pub(crate) workers: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) kill_grace: Duration,
    pub(crate) max_output_bytes: u64,
    pub(crate) stand_in: bool,
    pub(crate) queue_limit: Option<usize>,
    pub(crate) multiplex: usize,
    pub(crate) recycling: Recycling,
    pub(crate) event: Event,
    pub(crate) environment: Vec<OsString>,
    /// For the test that looks at the whole process.
    pub(crate) alone: bool,
}

impl Default for Choice {
    fn default() -> Choice {
        Choice {
            workers: 1,
            timeout: Some(Duration::from_secs(20)),
            kill_grace: Duration::from_millis(200),
            max_output_bytes: 100_000,
            stand_in: true,
            queue_limit: None,
            multiplex: 64,
            recycling: Recycling::default(),
            event: Event::Usage,
            environment: std::env::vars_os()
                .map(|(mut entry, value)| {
                    entry.push("=");
                    entry.push(value);
                    entry
                })
                .collect(),
            alone: false,
        }
    }
}

impl Rig {
    /// Workers with a fault, `name=request`, ready.
    pub(crate) fn ready(fault: &str, choice: Choice) -> Rig {
        let workers = choice.workers;
        let rig = Rig::start(fault, choice);
        wait_for("workers", || (rig.pool().up() == workers).then_some(()));
        rig
    }

    /// Workers with a fault, just started.
    pub(crate) fn start(fault: &str, choice: Choice) -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let command = directory.path().join(format!("worker@{fault}"));
        std::os::unix::fs::symlink(PROBE, &command).unwrap();
        Rig::of(directory, &command, choice)
    }

    /// Workers of any command.
    pub(crate) fn of(directory: TempDir, command: &Path, choice: Choice) -> Rig {
        let together = (!choice.alone).then(|| TOGETHER.read().unwrap_or_else(|e| e.into_inner()));
        let module = directory.path().file_name().unwrap().to_str().unwrap().to_owned();
        let spec = Arc::new(CommandSpec {
            event: choice.event,
            module: module.as_str().into(),
            command: CommandLine::Path(command.into()),
            environment: choice.environment.into(),
            timeout: choice.timeout,
            kill_grace: choice.kill_grace,
            max_output_bytes: choice.max_output_bytes,
            io: IoMode::Files,
            stdio: Stdio::Capture,
            background: Background::Kill,
            identity: Identity::default(),
            temp_dir: None,
            cgroups: None,
        });
        let log = Arc::new(Log::default());
        let settings = WorkerSettings {
            spec: spec.clone(),
            workers: choice.workers,
            lane: Some(LaneQueue::new(4, None)),
            stand_in: choice.stand_in,
            queue_limit: choice.queue_limit,
            multiplex: choice.multiplex,
            recycling: choice.recycling,
            quarantine: None,
            metrics: ModuleMetrics::new(&module, ModuleKind::Isolator),
            log: log.clone(),
        };
        let pool = WorkerPool::start(Runner::global().unwrap(), settings);
        Rig { pool: Some(pool), spec, log, module, directory, together }
    }

    pub(crate) fn pool(&self) -> &WorkerPool {
        self.pool.as_ref().expect("not stopped yet")
    }

    pub(crate) fn request(&self, input: &str) -> Request {
        Request::new(self.spec.clone(), Input::Text(input.as_bytes().into()))
    }

    /// Makes a call.
    pub(crate) fn call(&self) -> RunReport {
        self.pool().run_blocking(self.request(r#"{"container_id":{"value":"c"}}"#))
    }

    /// Makes a call that must succeed, and gives its output.
    pub(crate) fn good(&self) -> serde_json::Value {
        let report = self.call();
        assert_eq!(report.outcome, OutcomeKind::Ok, "{report:?}");
        serde_json::from_slice(&report.output).expect("JSON")
    }

    /// The value of a series of this rig in the metrics text.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        metric(&self.module, name, label)
    }

    /// How many workers have got a request at which they do their fault.
    pub(crate) fn held(&self) -> usize {
        let entries = std::fs::read_dir(self.directory.path()).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("held.")).count()
    }

    /// Lets the workers go on that hold their answer back.
    pub(crate) fn release(&self) {
        std::fs::write(self.directory.path().join("go"), "").unwrap();
    }

    /// Ends the pool and waits until no process of the command is left.
    pub(crate) fn finish(mut self) {
        self.pool = None;
        let directory = self.directory.path().to_owned();
        wait_for("the end of all processes", || processes(&directory).is_empty().then_some(()));
        drop(self.together.take());
    }
}

/// The probe as `command`, where every user may execute it and write beside it.
pub(crate) fn open_copy(directory: &Path, command: &Path) {
    std::fs::copy(PROBE, command).unwrap();
    for (path, mode) in [(command, 0o755), (directory, 0o777)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
}

/// The sum of the series `name` with the module `module` and the text `label` in its labels.
pub(crate) fn metric(module: &str, name: &str, label: &str) -> f64 {
    let text = metrics::render();
    let of_module = format!("module=\"{module}\"");
    text.lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')))
        .filter(|line| line.contains(&of_module) && line.contains(label))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

/// The processes (no zombies) that were started by a path in `directory`.
pub(crate) fn processes(directory: &Path) -> Vec<PathBuf> {
    let wanted = directory.to_str().unwrap().as_bytes();
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    entries
        .filter(|path| {
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            line.windows(wanted.len()).any(|part| part == wanted)
        })
        .collect()
}

/// Whether the process `pid` has ended (a zombie has).
pub(crate) fn has_ended(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Err(_) => true,
        Ok(text) => text.rsplit(')').next().unwrap().trim_start().starts_with('Z'),
    }
}
