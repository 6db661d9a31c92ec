//! A script in a directory of its own, and its runs.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mesos_command::command::{Background, CommandLine, Stdio};
use mesos_command::config::warm_script;
use mesos_command::containment::SlotPool;
use mesos_command::event::{Event, ModuleKind};
use mesos_command::metrics::{self, ModuleMetrics};
use mesos_command::outcome::WarmStart;
use mesos_command::run::{CommandSpec, Lifetime, Request, RunReport, Runner};
use mesos_command::staging::{Input, IoMode};
use mesos_command::sys::Identity;
use mesos_command::warm::{SeenWarm, WarmPool, WarmSettings};
use mesos_command::worker::Recycling;
use tempfile::TempDir;
pub(crate) use test_support::{PATIENCE, until, wait_for};

use super::log::Log;

/// What can be chosen.
pub(crate) struct Choice {
    pub(crate) timeout: Duration,
    pub(crate) kill_grace: Duration,
    pub(crate) ready: usize,
    pub(crate) recycling: Recycling,
    pub(crate) cgroups: Option<Arc<SlotPool>>,
    pub(crate) io: IoMode,
    pub(crate) stdio: Stdio,
    pub(crate) identity: Identity,
    /// Beside what is always in it.
    pub(crate) environment: Vec<OsString>,
    pub(crate) input: Vec<u8>,
}

impl Default for Choice {
    fn default() -> Choice {
        Choice {
            timeout: Duration::from_secs(60),
            kill_grace: Duration::from_millis(500),
            ready: 1,
            recycling: Recycling::default(),
            cgroups: None,
            io: IoMode::Files,
            stdio: Stdio::Capture,
            identity: Identity::default(),
            environment: Vec::new(),
            input: b"{\"in\":1}".to_vec(),
        }
    }
}

/// A script, and its warm interpreter.
pub(crate) struct Rig {
    pub(crate) directory: TempDir,
    pub(crate) log: Arc<Log>,
    pub(crate) module: String,
    lifetime: Arc<Lifetime>,
    pub(crate) spec: Arc<CommandSpec>,
    input: Arc<[u8]>,
    pool: Option<WarmPool>,
}

impl Rig {
    /// With this script, whose first line names Python with `option`.
    pub(crate) fn new(option: &str, body: &[u8], choice: Choice) -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let rig = Rig::of(directory, option, body, choice);
        wait_for("the interpreter", || (rig.metric("mesos_command_worker_up") == 1).then_some(()));
        rig
    }

    /// As [`new`](Rig::new), without waiting until its interpreter is up.
    pub(crate) fn of(directory: TempDir, option: &str, body: &[u8], choice: Choice) -> Rig {
        let path = directory.path().join("script.py");
        write(&path, option, body);
        let module = directory.path().file_name().unwrap().to_str().unwrap().to_owned();
        let mut environment: Vec<OsString> = vec!["PATH=/usr/bin:/bin".into(), "LC_ALL=C".into()];
        environment.extend(choice.environment);
        let command = CommandLine::Path(path.into());
        let script = warm_script(&command).unwrap();
        let spec = Arc::new(CommandSpec {
            event: Event::Prepare,
            module: module.as_str().into(),
            command,
            environment: environment.into(),
            timeout: Some(choice.timeout),
            kill_grace: choice.kill_grace,
            max_output_bytes: 1 << 20,
            io: choice.io,
            stdio: choice.stdio,
            background: Background::Kill,
            identity: choice.identity,
            temp_dir: None,
            cgroups: choice.cgroups,
        });
        let log = Arc::new(Log::default());
        let settings = WarmSettings {
            spec: spec.clone(),
            script,
            ready: choice.ready,
            recycling: choice.recycling,
            quarantine: None,
            metrics: ModuleMetrics::new(&module, ModuleKind::Isolator),
            log: log.clone(),
        };
        let lifetime = Lifetime::begin(Duration::ZERO);
        let pool = WarmPool::start_in(&lifetime, Runner::global().unwrap(), settings).unwrap();
        let input = choice.input.into();
        Rig { directory, log, module, lifetime, spec, input, pool: Some(pool) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("script.py")
    }

    /// A request, for a process that stands ready if it is `warm`.
    pub(crate) fn request(&self, warm: bool) -> Request {
        let mut request = Request::new(self.spec.clone(), Input::Text(self.input.clone()));
        request.container_id = Some("c".into());
        request.standby = self.pool.as_ref().filter(|_| warm).map(|it| it.standby().clone());
        request
    }

    /// Starts a run.
    pub(crate) fn start(&self, warm: bool) -> mpsc::Receiver<RunReport> {
        let (sender, receiver) = mpsc::channel();
        Runner::global().unwrap().submit(self.request(warm), None, None, move |report| {
            let _ = sender.send(report);
        });
        receiver
    }

    pub(crate) fn run(&self, warm: bool) -> RunReport {
        self.start(warm).recv_timeout(PATIENCE).unwrap()
    }

    /// Runs that must be warm until one is.
    pub(crate) fn warm(&self) -> RunReport {
        wait_for("a warm run", || {
            let report = self.run(true);
            (report.warm_start == Some(WarmStart::Warm)).then_some(report)
        })
    }

    /// What an operator sees of its interpreter.
    pub(crate) fn look(&self) -> SeenWarm {
        self.pool.as_ref().unwrap().interpreters().look()
    }

    /// The value of a series of this rig.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let module = format!("module=\"{}\"", self.module);
        let text = metrics::render();
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(&module));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
    }

    /// The processes that have this script among their arguments: its interpreter, and those that
    /// stand ready.
    pub(crate) fn processes(&self) -> Vec<i32> {
        processes_of(&self.path())
    }

    /// Ends it and demands that nothing is left.
    pub(crate) fn finish(mut self) {
        drop(self.pool.take());
        assert!(self.lifetime.end(), "it ends in time");
        // One that was killed needs a processor to end.
        until("no process of the script", || self.processes().is_empty());
        // Those of other tests are reaped meanwhile.
        until("no zombie", || children_in_state('Z') == 0);
    }
}

/// The processes that have a path among their arguments.
pub(crate) fn processes_of(path: &Path) -> Vec<i32> {
    let is_its = |pid: &i32| {
        let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        text.split(|byte| *byte == 0).any(|part| part == path.as_os_str().as_encoded_bytes())
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|it| it.file_name().to_str()?.parse().ok()).filter(is_its).collect()
}

/// Children of this process in a state, as `/proc` has it.
pub(crate) fn children_in_state(state: char) -> usize {
    let own = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_one = |text: &String| {
        let rest = text.rsplit(')').next().unwrap_or_default();
        let mut fields = rest.split_ascii_whitespace();
        fields.next() == Some(&state.to_string()) && fields.next() == Some(&own)
    };
    entries
        .filter_map(|it| std::fs::read_to_string(it.path().join("stat")).ok())
        .filter(is_one)
        .count()
}

/// Writes an executable script of Python.
pub(crate) fn write(path: &Path, option: &str, body: &[u8]) {
    let line = format!("#!/usr/bin/python3{option}\n");
    let new = path.with_extension("new");
    std::fs::write(&new, [line.as_bytes(), body].concat()).unwrap();
    std::fs::set_permissions(&new, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::rename(&new, path).unwrap();
}
