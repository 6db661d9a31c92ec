//! A cluster in which the prepare command of one task hangs until somebody ends it, as an operator
//! does with `mesos-command kill`.
//!
//! The command makes a file when it hangs. Another task is launched then, and has to run once the
//! first one's launch has failed. The agent stays for as long as the file does, so that it can be
//! looked at.

use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::framework::{Framework, Task, Work, terminal};
use super::play::{Course, TIMEOUT, running};
use crate::report::Line;

const HELD: &str = "held";
const NEXT: &str = "next";

impl Course<'_> {
    /// Launches both, and waits for what becomes of them.
    pub(super) fn run_held(&mut self, file: &Path) -> anyhow::Result<()> {
        let process = self.start()?;
        let mut framework = Framework::subscribe(self.setup.address, None, TIMEOUT)?;
        // Of a command, because Mesos tells isolators the task of no other one.
        let work = Work::Command { command: "exec sleep 600".to_owned() };
        framework.launch(&[Task { name: HELD.to_owned(), work }], TIMEOUT)?;
        wait_until(&format!("{} is there", file.display()), || file.exists())?;
        let work = Work::Executor { run_for: None };
        framework.launch(&[Task { name: NEXT.to_owned(), work }], TIMEOUT)?;
        self.fail_one(&mut framework)?;
        let begin = Instant::now();
        framework.until("the next task running", TIMEOUT, |it| running(it) == [NEXT])?;
        let mut line = Line::new("the task that waited for it runs", NEXT);
        line.times.push(begin.elapsed());
        self.report.line(&line);
        wait_until(&format!("{} is gone", file.display()), || !file.exists())?;
        framework.kill(NEXT)?;
        framework.until("the end of all tasks", TIMEOUT, |it| running(it).is_empty())?;
        self.drain()?;
        self.end_process(process, self.options.end)?;
        self.leftovers();
        Ok(())
    }

    /// Waits for the end of the launch that hangs.
    fn fail_one(&mut self, framework: &mut Framework) -> anyhow::Result<()> {
        let begin = Instant::now();
        framework.until("the end of the launch that hangs", self.options.patience, |it| {
            it.states.get(HELD).is_some_and(|state| terminal(state))
        })?;
        let status = &framework.statuses[HELD];
        let word = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or_default();
        let mut line = Line::new("the launch that hung has failed", HELD);
        line.times.push(begin.elapsed());
        line.answer = word("message").to_owned();
        if (word("state"), word("reason")) != ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED") {
            line.complaints.push(format!("its last status: {status}"));
        }
        self.report.line(&line);
        Ok(())
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while !is_so() {
        anyhow::ensure!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Ok(())
}
