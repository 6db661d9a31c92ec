//! What is kept of a failed call: enough to see it, and to make it again.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::config::Effective;
use crate::control::Keeper;
use crate::event::ModuleKind;
use crate::redact::Redaction;
use crate::run::{RunReport, Runner};
use crate::staging::Input;

use super::finished::Finished;

/// Keeps the failed calls of one instance.
#[derive(Debug)]
pub(super) struct Kept {
    keeper: Keeper,
    runner: Arc<Runner>,
    redact: Redaction,
    /// A modules file with this instance alone.
    modules: Mutex<Arc<[u8]>>,
}

impl Kept {
    /// For an instance with these parameters, without secrets.
    pub(super) fn new(
        kind: ModuleKind,
        module: &str,
        most: usize,
        runner: Arc<Runner>,
        redact: Redaction,
        parameters: &[Effective],
    ) -> Kept {
        let keeper = Keeper::new(&format!("{}-{module}", kind.word()), most);
        let modules = Mutex::new(modules(kind, parameters));
        Kept { keeper, runner, redact, modules }
    }

    /// The instance has these parameters from now on.
    pub(super) fn set_parameters(&self, kind: ModuleKind, parameters: &[Effective]) {
        *self.modules.lock() = modules(kind, parameters);
    }

    /// Keeps a call whose command has failed, unless others are being kept: some time soon, on a
    /// thread that nothing waits for.
    pub(super) fn keep(self: &Arc<Kept>, report: &RunReport, finished: &Arc<Finished>) {
        let Some(followed) = &report.followed else { return };
        if !self.keeper.begin() {
            return;
        }
        let names: Vec<String> = followed
            .spec
            .environment
            .iter()
            .map(|entry| {
                let entry = entry.to_string_lossy();
                entry.split('=').next().unwrap_or_default().to_owned()
            })
            .collect();
        let job = Job {
            kept: self.clone(),
            finished: finished.clone(),
            input: followed.input.clone(),
            output: report.output.clone(),
            error: report.error_file.clone(),
            tail: report.stdio_tail.clone(),
            environment: names,
        };
        if !self.runner.run_long_or_not(Box::new(move || job.run())) {
            self.keeper.skip();
        }
    }
}

/// What is written of one call.
struct Job {
    kept: Arc<Kept>,
    finished: Arc<Finished>,
    input: Input,
    output: Vec<u8>,
    error: Vec<u8>,
    tail: Vec<u8>,
    environment: Vec<String>,
}

impl Job {
    fn run(self) {
        let redact = &self.kept.redact;
        let mut failure = self.finished.to_json();
        failure["environment"] = json!(self.environment);
        let mut files = vec![
            ("failure.json", format!("{failure:#}\n").into_bytes()),
            ("modules.json", self.kept.modules.lock().to_vec()),
        ];
        let input = self.input.bytes().unwrap_or_default();
        // The host's input is JSON, but for bytes that are no UTF-8.
        if let Some(input) = redact.json(&String::from_utf8_lossy(&input)) {
            files.push(("input.json", input.into_bytes()));
        }
        if !self.output.is_empty() {
            files.push(("output", redact.text(&self.output).into_bytes()));
        }
        for (name, bytes) in [("error", self.error), ("tail", self.tail)] {
            if !bytes.is_empty() {
                files.push((name, bytes));
            }
        }
        self.kept.keeper.keep(self.finished.id, &files);
    }
}

/// A modules file from which the tool can make such an instance.
fn modules(kind: ModuleKind, parameters: &[Effective]) -> Arc<[u8]> {
    let symbol = match kind {
        ModuleKind::Hook => "com_criteo_mesos_CommandHook",
        ModuleKind::Isolator => "com_criteo_mesos_CommandIsolator",
    };
    let given = parameters.iter().filter(|one| one.is_given);
    let given: Vec<Value> = given.map(|one| json!({"key": one.key, "value": one.value})).collect();
    let mut module = Map::new();
    module.insert("name".to_owned(), json!(symbol));
    module.insert("parameters".to_owned(), json!(given));
    let file = json!({"libraries": [{"file": "libmesos_command_modules.so", "modules": [module]}]});
    format!("{file:#}\n").into_bytes().into()
}
