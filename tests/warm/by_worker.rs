//! The scripts of the contract by a worker: `as_worker.py.in`, with the library of
//! `examples/workers`, in a directory beside the script.

use std::path::PathBuf;
use std::sync::Arc;

use mesos_command::command::CommandLine;
use mesos_command::event::ModuleKind;
use mesos_command::metrics::ModuleMetrics;
use mesos_command::outcome::OutcomeKind;
use mesos_command::run::{CommandSpec, LaneQueue, Request, RunReport, Runner};
use mesos_command::worker::{Recycling, WorkerPool, WorkerSettings};

use crate::contract::{Seen, without_what_differs};
use crate::support::{Rig, processes_of, until, write};

const WORKER: &str = include_str!("as_worker.py.in");
const LIBRARY: &str = include_str!("../../examples/workers/mesos_worker.py");
/// How much of what a command prints is kept, in bytes.
const TAIL: usize = 4096;

/// A worker that runs the script of a rig.
pub(crate) struct ByWorker {
    pool: Option<WorkerPool>,
    spec: Arc<CommandSpec>,
    path: PathBuf,
    printed: PathBuf,
}

impl ByWorker {
    /// Starts it.
    pub(crate) fn new(rig: &Rig, option: &str) -> ByWorker {
        let directory = rig.directory.path().join("worker");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("mesos_worker.py"), LIBRARY).unwrap();
        let path = directory.join("worker.py");
        write(&path, option, WORKER.as_bytes());
        let command = CommandLine::Path(path.clone().into());
        let spec = Arc::new(CommandSpec { command, ..(*rig.spec).clone() });
        let settings = WorkerSettings {
            spec: spec.clone(),
            workers: 1,
            lane: Some(LaneQueue::new(4, None)),
            // No plain run stands in for it.
            stand_in: false,
            queue_limit: None,
            multiplex: 1,
            recycling: Recycling::default(),
            quarantine: None,
            metrics: ModuleMetrics::new(&format!("{}-worker", rig.module), ModuleKind::Isolator),
            log: rig.log.clone(),
        };
        let pool = WorkerPool::start(Runner::global().unwrap(), settings);
        let printed = rig.directory.path().join("printed");
        ByWorker { pool: Some(pool), spec, path, printed }
    }

    /// Makes a call, and says in what it is not the same as a plain start.
    pub(crate) fn differs(&self, rig: &Rig, plain: &Seen) -> Vec<String> {
        let pool = self.pool.as_ref().expect("not ended yet");
        until("the worker", || pool.up() == 1);
        let request = Request { spec: self.spec.clone(), ..rig.request(false) };
        let report = pool.run_blocking(request);
        assert!(report.by_worker, "{report:?}");
        let mut differences = differences(plain, &report);
        let pid = report.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let printed = std::fs::read(&self.printed).unwrap_or_default();
        let printed = without_what_differs(&String::from_utf8_lossy(&printed), &pid);
        let is_same = match plain.text.len() >= TAIL {
            true => printed.ends_with(&plain.text),
            false => printed == plain.text,
        };
        if !is_same {
            differences.push(format!("printed {printed:?}"));
        }
        if !differences.is_empty() {
            differences.push(format!("{plain:?} {report:?}"));
        }
        differences
    }

    /// Ends it, and demands that it leaves no process.
    pub(crate) fn finish(mut self) {
        self.pool = None;
        until("no process of the worker", || processes_of(&self.path).is_empty());
    }
}

/// In what the report of a worker's call is not the one of a plain run. A worker that lives on has
/// no status, and it is killed without a TERM.
fn differences(plain: &Seen, report: &RunReport) -> Vec<String> {
    let mut found = Vec::new();
    if report.outcome != plain.outcome {
        found.push(format!("outcome {}", report.outcome));
    }
    if report.exit_code.is_some() && report.exit_code != plain.exit_code {
        found.push(format!("exit code {:?}", report.exit_code));
    }
    if plain.outcome == OutcomeKind::Signal && report.signal != plain.signal {
        found.push(format!("signal {:?}", report.signal));
    }
    if plain.outcome == OutcomeKind::Oom && !report.message.contains(&plain.message) {
        found.push(format!("message {}", report.message));
    }
    if plain.outcome == OutcomeKind::Ok && json(&report.output) != json(&plain.output) {
        found.push(format!("output {}", String::from_utf8_lossy(&report.output)));
    }
    if !plain.error_file.is_empty()
        && plain.outcome != OutcomeKind::Ok
        && report.error_file != plain.error_file
    {
        found.push(format!("error {}", String::from_utf8_lossy(&report.error_file)));
    }
    found
}

/// An output as a value, if there is one; what is none is nobody's.
fn json(output: &[u8]) -> Option<Result<serde_json::Value, String>> {
    let parse = || serde_json::from_slice(output).map_err(|error| error.to_string());
    (!output.is_empty()).then(parse)
}
