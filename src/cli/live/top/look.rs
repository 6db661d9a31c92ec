//! What an agent says at one moment, and the looks of the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use mesos_command::metrics::figures::Figures;
use serde_json::Value;

use super::super::client::{NoAnswer, query};
use super::Agent;

/// Rates and percentiles are of this time: long enough for a rate of a few calls a second, and
/// short enough to see that something has changed.
const WINDOW: Duration = Duration::from_secs(10);
/// Looks that are kept of it: with a shorter interval the time is shorter.
const MOST: usize = 64;

/// What the agent has said.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) time: SystemTime,
    pub(super) figures: Figures,
    pub(super) status: Value,
    pub(super) calls: Value,
    pub(super) failures: Value,
}

impl Look {
    /// Asks the agent; `module` chooses instances.
    pub(super) fn take(agent: &Agent, module: Option<&str>) -> Result<Look, NoAnswer> {
        let socket = agent.find()?;
        let ask = |path| socket.ask("GET", &query(path, &[("module", module)]));
        // First, because it refuses a module that there is not.
        let status = ask("/v1/status")?;
        let mut figures = Figures::read(&socket.text("/metrics")?);
        let (at, time) = (Instant::now(), SystemTime::now());
        if let Some(module) = module {
            figures.events.retain(|(name, _), _| name == module);
            figures.modules.retain(|name, _| name == module);
        }
        let (calls, failures) = (ask("/v1/calls")?, ask("/v1/failures")?);
        Ok(Look { at, time, figures, status, calls, failures })
    }
}

/// The looks of the last seconds, of one process; there is always one.
#[derive(Debug)]
pub(super) struct Window {
    earlier: VecDeque<Look>,
    last: Look,
}

impl Window {
    pub(super) fn new(look: Look) -> Window {
        Window { earlier: VecDeque::new(), last: look }
    }

    pub(super) fn add(&mut self, look: Look) {
        let before = std::mem::replace(&mut self.last, look);
        if before.status["pid"] != self.last.status["pid"] {
            // Another process: nothing of the one before says anything of it.
            self.earlier.clear();
            return;
        }
        self.earlier.push_back(before);
        // The oldest one is the first that is not younger than the window.
        let is_covered = |second: &Look| self.last.at.duration_since(second.at) >= WINDOW;
        while self.earlier.len() >= MOST || self.earlier.get(1).is_some_and(is_covered) {
            self.earlier.pop_front();
        }
    }

    pub(super) fn last(&self) -> &Look {
        &self.last
    }

    /// What has happened in it, and how long it is. While there is one look, since the process
    /// started.
    pub(super) fn figures(&self) -> (Figures, Duration) {
        let Some(first) = self.earlier.front() else {
            let up = self.last.status["instances"].as_array().into_iter().flatten();
            let up = up.filter_map(|one| one["up_seconds"].as_f64()).fold(0.0, f64::max);
            let up = Duration::try_from_secs_f64(up).unwrap_or_default();
            return (self.last.figures.since(None), up);
        };
        let over = self.last.at.duration_since(first.at);
        (self.last.figures.since(Some(&first.figures)), over)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// What has counted these calls of usage.
    pub(in super::super) fn figures(ok: u32, skipped: u32) -> Figures {
        let series = "mesos_command_calls_total{module=\"m\",event=\"isolator_usage\"";
        Figures::read(&format!(
            "{series},outcome=\"ok\"}} {ok}\n{series},outcome=\"skipped\"}} {skipped}"
        ))
    }

    /// A look at a process, so many seconds after another.
    pub(in super::super) fn look(pid: u32, begin: Instant, seconds: u64, calls: u32) -> Look {
        let status = json!({"pid": pid, "version": "1", "instances": [
            {"kind": "isolator", "module": "m", "up_seconds": 100.0, "running": 0, "queued": 0}]});
        Look {
            at: begin + Duration::from_secs(seconds),
            time: SystemTime::UNIX_EPOCH,
            figures: figures(calls, 0),
            status,
            calls: json!({"calls": [], "left_out": 0}),
            failures: json!({"failures": []}),
        }
    }

    fn calls(window: &Window) -> (f64, u64) {
        let (figures, over) = window.figures();
        let event = figures.events.values().next().expect("an event");
        (event.calls_and_failed().0, over.as_secs())
    }

    #[test]
    fn it_covers_ten_seconds_of_one_process() {
        let begin = Instant::now();
        let mut window = Window::new(look(7, begin, 0, 50));
        assert_eq!(calls(&window), (50.0, 100), "since the start");
        for second in 1..=30 {
            window.add(look(7, begin, second, 50 + 2 * second as u32));
        }
        assert_eq!(calls(&window), (20.0, 10));
        window.add(look(8, begin, 31, 3));
        assert_eq!(calls(&window), (3.0, 100), "it was started anew");
        for second in 32..200 {
            let mut next = look(8, begin, 31, 3);
            next.at += Duration::from_millis(second);
            window.add(next);
        }
        assert!(window.earlier.len() <= MOST);
    }
}
