//! A cluster with containers of Docker, to see the hooks that only its containerizer calls.
//!
//! Two hooks stand in `tests/mesos/docker.modules.json`: `lenient` with all defaults but its
//! timeout, and `strict`, whose failures fail the launch. What their command does depends on the
//! task's name. Each of its runs is one line of the records: event, module, task or directory.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::framework::{Framework, Task, Work, terminal};
use super::play::{Course, TIMEOUT};
use crate::report::Line;

/// What `docker.sh` puts into a task's environment, by the two modules.
const LENIENT: &str = "RECORDED_LENIENT=";
const STRICT: &str = "RECORDED_STRICT=1";
/// What it puts into the environment of a task's executor.
const EXECUTOR: &str = "RECORDED_EXECUTOR";
/// What it says when it refuses a task.
const REFUSAL: &str = "refused by the operator";
/// The timeout of `lenient`, and how long it is suspended after three of them in a row.
const HOOK_TIMEOUT: Duration = Duration::from_secs(2);
const SUSPENDED: Duration = Duration::from_secs(8);

impl Course<'_> {
    /// Runs tasks in containers of Docker, one after the other.
    pub(super) fn run_docker(&mut self, image: &str) -> anyhow::Result<()> {
        let process = self.start()?;
        let mut framework = Framework::subscribe(self.setup.address, None, TIMEOUT)?;
        let mut play = Play { course: self, framework: &mut framework, image };
        play.both_environments_reach_the_task()?;
        play.a_strict_failure_ends_the_launch()?;
        play.a_lenient_failure_changes_nothing()?;
        play.three_timeouts_suspend()?;
        play.a_killed_task_takes_its_container_along()?;
        play.other_containers_have_no_part_in_it()?;
        play.fetched_once_each()?;
        self.drain()?;
        self.end_process(process, self.options.end)?;
        self.leftovers();
        Ok(())
    }

    /// The lines of the records that begin with these words.
    fn recorded(&self, words: &[&str]) -> Vec<String> {
        let text = std::fs::read_to_string(&self.setup.records).unwrap_or_default();
        let begins = |line: &&str| {
            let mut found = line.split(' ');
            words.iter().all(|word| found.next() == Some(word))
        };
        text.lines().filter(begins).map(str::to_owned).collect()
    }
}

const HOOK: &str = "hook_slave_pre_launch_docker_task_executor_decorator";
const FETCHED: &str = "hook_slave_post_fetch_hook";

struct Play<'a, 'b> {
    course: &'a mut Course<'b>,
    framework: &'a mut Framework,
    image: &'a str,
}

impl Play<'_, '_> {
    /// Launches a task and waits for its end; how long that took.
    fn run(&mut self, name: &str, command: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        self.launch(name, command)?;
        self.framework.until("the end of the task", TIMEOUT, |it| {
            it.states.get(name).is_some_and(|state| terminal(state))
        })?;
        Ok(began.elapsed())
    }

    fn launch(&mut self, name: &str, command: &str) -> anyhow::Result<()> {
        let work = Work::Docker { image: self.image.to_owned(), command: command.to_owned() };
        self.framework.launch(&[Task { name: name.to_owned(), work }], TIMEOUT)
    }

    /// A line about a task: its last state and message, and what is not as expected of them.
    fn told(
        &self,
        what: &str,
        name: &str,
        state: &str,
        wanted: &[&str],
        unwanted: &[&str],
    ) -> Line {
        let mut line = Line::new(what, "");
        let message = self.framework.messages.get(name).map_or("", String::as_str);
        let found = &self.framework.states[name];
        if found != state {
            line.complaints.push(format!("{name} is {found}, not {state}: {message}"));
        }
        let missing = wanted.iter().filter(|word| !message.contains(**word));
        line.complaints.extend(missing.map(|word| format!("no {word} in: {message}")));
        let there = unwanted.iter().filter(|word| message.contains(**word));
        line.complaints.extend(there.map(|word| format!("{word} in: {message}")));
        line.answer =
            message.lines().filter(|it| it.starts_with("RECORDED_")).collect::<Vec<_>>().join(" ");
        line
    }

    fn report(&mut self, line: &Line) {
        self.course.report.line(line);
    }

    fn both_environments_reach_the_task(&mut self) -> anyhow::Result<()> {
        // Long enough for the first update to be seen before the second.
        self.launch("docker-good", "env; sleep 2")?;
        let running = |it: &Framework| {
            it.messages.get("docker-good").is_some_and(|it| it.contains("container="))
        };
        self.framework.until("the task to run", TIMEOUT, running)?;
        let told = self.framework.messages["docker-good"].clone();
        let mut line = Line::new("the executor has what the hook gave it", "");
        line.answer = told.clone();
        if !told.contains(EXECUTOR) {
            line.complaints.push(format!("no {EXECUTOR} in: {told}"));
        }
        self.report(&line);
        self.framework
            .until("the end of the task", TIMEOUT, |it| terminal(&it.states["docker-good"]))?;
        // The hook's input names the container as Docker does.
        let (_, container) = told.split_once("container=").unwrap_or_default();
        let wanted = format!("{LENIENT}{container} /mnt/mesos/sandbox");
        let line = self.told(
            "the task has what two hooks gave it",
            "docker-good",
            "TASK_FINISHED",
            &[&wanted, STRICT],
            &[EXECUTOR],
        );
        self.report(&line);
        Ok(())
    }

    fn a_strict_failure_ends_the_launch(&mut self) -> anyhow::Result<()> {
        self.run("docker-refused", "env")?;
        let line = self.told(
            "a failure that fails the launch",
            "docker-refused",
            "TASK_FAILED",
            &[REFUSAL],
            &[],
        );
        self.report(&line);
        Ok(())
    }

    fn a_lenient_failure_changes_nothing(&mut self) -> anyhow::Result<()> {
        self.run("docker-ignored", "env")?;
        let line = self.told(
            "a failure that is ignored, as by default",
            "docker-ignored",
            "TASK_FINISHED",
            &[STRICT],
            &[LENIENT],
        );
        self.report(&line);
        Ok(())
    }

    fn three_timeouts_suspend(&mut self) -> anyhow::Result<()> {
        for number in 1..=3 {
            let name = format!("docker-slow-{number}");
            let took = self.run(&name, "env")?;
            let what = format!("timeout {number} of the hook");
            let mut line = self.told(&what, &name, "TASK_FINISHED", &[STRICT], &[LENIENT]);
            line.times.push(took);
            if took < HOOK_TIMEOUT {
                line.complaints.push("it came before the timeout".to_owned());
            }
            self.report(&line);
        }
        let since = Instant::now();
        self.run("docker-slow-4", "env")?;
        let mut line = self.told(
            "suspended: answered at once",
            "docker-slow-4",
            "TASK_FINISHED",
            &[STRICT],
            &[LENIENT],
        );
        let runs = self.course.recorded(&[HOOK, "lenient", "docker-slow-4"]).len();
        if runs > 0 && since.elapsed() < SUSPENDED {
            line.complaints.push(format!("its command ran {runs} times"));
        }
        self.report(&line);
        std::thread::sleep((SUSPENDED + Duration::from_secs(1)).saturating_sub(since.elapsed()));
        self.run("docker-after", "env")?;
        let line = self.told(
            "after the pause it is asked again",
            "docker-after",
            "TASK_FINISHED",
            &[STRICT, LENIENT],
            &[],
        );
        self.report(&line);
        Ok(())
    }

    fn a_killed_task_takes_its_container_along(&mut self) -> anyhow::Result<()> {
        let name = "docker-killed";
        self.launch(name, "sleep 1000")?;
        let running = |it: &Framework| it.states.get(name).is_some_and(|it| it == "TASK_RUNNING");
        self.framework.until("the task to run", TIMEOUT, running)?;
        self.framework.kill(name)?;
        self.framework.until("the end of the task", TIMEOUT, |it| terminal(&it.states[name]))?;
        let line = self.told("killed", name, "TASK_KILLED", &[], &[]);
        self.report(&line);
        Ok(())
    }

    /// A container of Mesos's own is none of the Docker hook's business, and of the isolator's only
    /// those are.
    fn other_containers_have_no_part_in_it(&mut self) -> anyhow::Result<()> {
        let work = Work::Executor { run_for: Some(Duration::ZERO) };
        self.framework.launch(&[Task { name: "plain".to_owned(), work }], TIMEOUT)?;
        self.framework.until("the end of the task", TIMEOUT, |it| {
            it.states.get("plain").is_some_and(|state| terminal(state))
        })?;
        let mut line =
            self.told("a container of Mesos beside them", "plain", "TASK_FINISHED", &[], &[]);
        let hooks = self.course.recorded(&[HOOK, "lenient", "plain"]).len();
        let prepared = self.course.recorded(&["isolator_prepare"]).len();
        if (hooks, prepared) != (0, 1) {
            line.complaints.push(format!("{hooks} runs of the hook, {prepared} of prepare"));
        }
        self.report(&line);
        Ok(())
    }

    /// Each container whose launch went on has had its files fetched, once, in its own directory.
    fn fetched_once_each(&mut self) -> anyhow::Result<()> {
        let launched =
            self.framework.states.keys().filter(|name| *name != "docker-refused").count();
        let fetched = self.course.recorded(&[FETCHED, "lenient"]);
        let different: BTreeSet<_> = fetched.iter().collect();
        let mut line = Line::new(FETCHED, "");
        line.answer = format!("{} runs", fetched.len());
        if fetched.len() != launched || different.len() != launched {
            line.complaints.push(format!("{fetched:?} for {launched} containers"));
        }
        self.report(&line);
        Ok(())
    }
}
