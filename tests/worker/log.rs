//! What a pool of workers or a warm interpreter logs. `tests/warm` has this file, too.

use std::sync::Mutex;

use mesos_command::worker::WorkerLog;
use test_support::wait_for;

/// Lines that a pool logged.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<String>>);

impl WorkerLog for Log {
    fn failure(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }

    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl Log {
    /// Waits for a line that contains `text`.
    pub(crate) fn wait(&self, text: &str) -> String {
        wait_for(text, || self.0.lock().unwrap().iter().find(|line| line.contains(text)).cloned())
    }
}
