//! A cluster whose containers are all limited by their watch command.
//!
//! What a watch command answers goes through the containerizer into the last status of the
//! container's tasks, and an answer that Mesos does not expect ends the agent there. So the agent
//! has to live on, end by end, and has to take another task afterwards.

use std::time::Instant;

use serde_json::json;

use super::framework::{Framework, Task, Work, terminal};
use super::play::{Course, TIMEOUT};
use crate::http;
use crate::report::Line;

/// How often tasks are launched: the second time shows that the agent still does its work.
const ROUNDS: usize = 2;

/// Until it is killed.
const LASTING: Work = Work::Executor { run_for: None };

impl Course<'_> {
    /// Launches tasks that run until they are killed, and waits until the watch command has ended
    /// all of them.
    pub(super) fn run_limited(&mut self) -> anyhow::Result<()> {
        let process = self.start()?;
        let mut framework = Framework::subscribe(self.setup.address, None, TIMEOUT)?;
        for round in 0..ROUNDS {
            let names = (0..self.options.tasks).map(|index| format!("limited-{round}-{index}"));
            let tasks: Vec<_> = names.map(|name| Task { name, work: LASTING }).collect();
            self.limit(&mut framework, &tasks)?;
        }
        self.drain()?;
        let address = self.setup.address;
        let mut line = Line::new("the agent is the one that was started", "");
        let state = http::get(address, "/slave(1)/state")?.json()?;
        let registered = state["completed_frameworks"].as_array().map_or(0, Vec::len)
            + state["frameworks"].as_array().map_or(0, Vec::len);
        // An agent that was started anew would know nothing of the framework.
        if registered != 1 {
            line.complaints.push(format!("it knows {registered} frameworks"));
        }
        self.report.line(&line);
        self.end_process(process, self.options.end)?;
        self.leftovers();
        Ok(())
    }

    fn limit(&mut self, framework: &mut Framework, tasks: &[Task]) -> anyhow::Result<()> {
        let begin = Instant::now();
        framework.launch(tasks, TIMEOUT)?;
        framework.until("the end of all tasks", TIMEOUT, |it| {
            tasks.iter().all(|task| it.states.get(&task.name).is_some_and(|state| terminal(state)))
        })?;
        let mut line = Line::new("tasks ended by the watch command", "");
        line.times.push(begin.elapsed());
        line.numbers.push(("tasks", tasks.len() as f64));
        for task in tasks {
            let status = &framework.statuses[&task.name];
            let limited = json!("disk");
            let resource = status.pointer("/limitation/resources/0/name");
            let reason = status["reason"].as_str().unwrap_or_default();
            let is_told =
                reason.starts_with("REASON_CONTAINER_LIMITATION") && resource == Some(&limited);
            // An agent that asks only when the container is gone is told nothing of the reason.
            let was_gone = reason == "REASON_EXECUTOR_TERMINATED"
                && status["message"].as_str().is_some_and(|it| it.ends_with("unknown container"));
            if status["state"] != "TASK_FAILED" || !(is_told || was_gone) {
                line.complaints.push(format!("{}: {status}", task.name));
            }
            line.answer = format!("{} {reason}", status["state"].as_str().unwrap_or_default());
        }
        self.report.line(&line);
        Ok(())
    }
}
