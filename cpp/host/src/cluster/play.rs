//! The course of a cluster run.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::framework::{Framework, Task, Work, terminal};
use super::options::{Cluster, End};
use super::process::{self, Process, Setup};
use super::records::{self, Done, Records};
use super::statistics;
use crate::http;
use crate::modules::{Modules, Placeholders, RECORDS};
use crate::report::{Line, Report};

pub(super) const TIMEOUT: Duration = Duration::from_secs(60);
/// How long commands may go on after the agent's end.
const SETTLE: Duration = Duration::from_secs(5);
/// What the recording commands answer, so that it can be found again.
const RECORDED_DECORATIONS: [&str; 3] =
    ["recorded-label", "RECORDED_ENVIRONMENT", "RECORDED_PREPARE"];
/// How long a task runs that ends by itself: long enough to be seen by the endpoints.
const SHORT: Duration = Duration::from_secs(3);

/// Runs a cluster; whether everything was as expected.
pub(crate) fn run(options: &Cluster) -> anyhow::Result<bool> {
    let scratch = tempfile::Builder::new().prefix("mesos-host-").tempdir()?;
    let work = options.work_dir.clone().unwrap_or_else(|| scratch.path().join("work"));
    std::fs::create_dir_all(work.join("tmp"))?;
    let placeholders = Placeholders::new(&work, &options.set)?;
    let modules = match &options.modules {
        Some(path) => Modules::read(path, &placeholders)?,
        None => Modules::none(),
    };
    let modules_file = work.join("modules.json");
    std::fs::write(&modules_file, modules.json.to_string())?;
    let setup = Setup {
        mesos: options.mesos.directory()?,
        modules_file,
        modules,
        address: free_address()?,
        records: PathBuf::from(placeholders.fill(RECORDS)?),
        log: work.join("cluster.log"),
        docker: options.docker.clone(),
        work,
    };
    setup.make_launcher_directory()?;
    let report = Report::new(options.json);
    report.note("mesos", &json!(options.mesos.version));
    report.note("log", &json!(setup.log.display().to_string()));
    report.head();
    let mut course = Course { options, setup: &setup, report, orphans: 0, starts: 0 };
    let outcome = match (&options.docker, &options.image, &options.held) {
        (Some(_), Some(image), _) => course.run_docker(image),
        (_, _, Some(file)) => course.run_held(file),
        _ if options.limited => course.run_limited(),
        _ if !options.readers.is_empty() => course.run_readers(),
        _ => course.run(),
    };
    if outcome.is_err() {
        // The log is what explains a failure, so it has to outlive the run.
        let kept = scratch.keep();
        eprintln!("mesos-host: kept for a look: {}", kept.display());
    }
    outcome?;
    if options.records {
        course.compare();
    }
    Ok(course.report.finish())
}

/// An address on which nobody listens. Master and agent keep it over a restart.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

pub(super) struct Course<'a> {
    pub(super) options: &'a Cluster,
    pub(super) setup: &'a Setup,
    pub(super) report: Report,
    orphans: usize,
    starts: usize,
}

impl Course<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let tasks = tasks(self.options.tasks);
        let mut process = self.start()?;
        let mut framework = Framework::subscribe(self.setup.address, None, TIMEOUT)?;
        self.launch(&mut framework, &tasks)?;
        let lasting: Vec<_> =
            tasks.iter().filter(|it| !it.ends()).map(|it| it.name.clone()).collect();
        self.statistics("statistics", &lasting, self.options.tasks)?;
        self.finish_some(&mut framework, &tasks)?;
        if let Some(end) = self.options.restart {
            self.ask_without_waiting();
            self.end_process(process, end)?;
            let names = running(&framework);
            self.make_orphan(&names)?;
            process = self.start()?;
            framework = self.recover(&framework, &names)?;
        }
        let left = running(&framework);
        self.timed("tasks killed", left.len(), || {
            for name in &left {
                framework.kill(name)?;
            }
            framework.until("the end of all tasks", TIMEOUT, |it| running(it).is_empty())
        })?;
        self.drain()?;
        if let Some(bytes) = process.resident_bytes() {
            self.report.note("memory of master and agent, MiB", &json!(bytes >> 20));
        }
        self.ask_without_waiting();
        self.end_process(process, self.options.end)?;
        self.leftovers();
        Ok(())
    }

    pub(super) fn start(&mut self) -> anyhow::Result<Process> {
        self.starts += 1;
        let begin = Instant::now();
        let process = Process::start(self.setup)?;
        let mut line = Line::new("master and agent started", "");
        line.times.push(begin.elapsed());
        self.report.line(&line);
        Ok(process)
    }

    fn timed(
        &mut self,
        what: &str,
        count: usize,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let begin = Instant::now();
        work()?;
        let took = begin.elapsed();
        let mut line = Line::new(what, "");
        line.answer = format!("{count} tasks");
        line.numbers = vec![("tasks", count as f64), ("seconds", took.as_secs_f64())];
        line.times.push(took);
        self.report.line(&line);
        Ok(())
    }

    pub(super) fn launch(
        &mut self,
        framework: &mut Framework,
        tasks: &[Task],
    ) -> anyhow::Result<()> {
        let patience = self.options.patience;
        self.timed("tasks launched until they run", tasks.len(), || {
            framework.launch(tasks, TIMEOUT)?;
            framework.until("all tasks running", patience, |it| it.states.len() == tasks.len())?;
            // A short task may have ended by the time the last one runs.
            framework.until("all tasks running", patience, |it| {
                it.states.values().all(|state| state == "TASK_RUNNING" || terminal(state))
            })
        })?;
        let failed: Vec<_> = framework
            .states
            .iter()
            .filter(|(_, state)| *state != "TASK_RUNNING" && *state != "TASK_FINISHED")
            .map(|(name, state)| {
                format!("{name}: {state} {}", framework.messages.get(name).map_or("", |it| it))
            })
            .collect();
        anyhow::ensure!(failed.is_empty(), "tasks that did not start: {}", failed.join("; "));
        if self.options.records {
            self.decorations(framework);
        }
        Ok(())
    }

    /// Compares what the executors found in their tasks and environments with what the recording
    /// commands answered.
    fn decorations(&mut self, framework: &Framework) {
        let mut line = Line::new("answers that reached the executors", "");
        let found = framework.messages.values().next().cloned().unwrap_or_default();
        for wanted in RECORDED_DECORATIONS {
            let count = framework.messages.values().filter(|text| text.contains(wanted)).count();
            if count != framework.states.len() {
                line.complaints.push(format!("{wanted}: in {count} of {}", framework.states.len()));
            }
        }
        line.answer = found;
        self.report.line(&line);
    }

    /// Asks both endpoints that make the agent call usage, and status. Judged are the containers of
    /// the `lasting` tasks, which live for the whole request; one that ends meanwhile may be listed
    /// without anything. At most `most` may be listed.
    fn statistics(&mut self, what: &str, lasting: &[String], most: usize) -> anyhow::Result<()> {
        for path in ["/slave(1)/monitor/statistics", "/slave(1)/containers"] {
            let begin = Instant::now();
            let value = http::get(self.setup.address, path)?.json()?;
            let mut line = Line::new(format!("{what}: {path}"), "");
            line.times.push(begin.elapsed());
            let entries = value.as_array().map_or(&[][..], Vec::as_slice);
            line.answer = format!("{} containers", entries.len());
            line.numbers.push(("containers", entries.len() as f64));
            if entries.len() > most {
                line.complaints.push(format!("expected at most {most} containers"));
            }
            line.complaints.extend(statistics::complaints(entries, lasting, self.options.records));
            self.report.line(&line);
        }
        Ok(())
    }

    /// Lets the tasks end that end by themselves, and kills half of the others.
    fn finish_some(&mut self, framework: &mut Framework, tasks: &[Task]) -> anyhow::Result<()> {
        let short: Vec<_> = tasks.iter().filter(|it| it.ends()).collect();
        self.timed("tasks ended by themselves", short.len(), || {
            framework.until("the end of the short tasks", TIMEOUT, |it| {
                short.iter().all(|task| it.states[&task.name] == "TASK_FINISHED")
            })
        })?;
        if self.options.restart.is_none() {
            return Ok(());
        }
        let long = running(framework);
        let killed = &long[..long.len() / 2];
        self.timed("tasks killed before the restart", killed.len(), || {
            for name in killed {
                framework.kill(name)?;
            }
            framework.until("the end of the killed tasks", TIMEOUT, |it| {
                killed.iter().all(|name| it.states[name] == "TASK_KILLED")
            })
        })
    }

    /// Makes the agent forget one of the running containers, which then is an orphan to it.
    fn make_orphan(&mut self, running: &[String]) -> anyhow::Result<()> {
        let Some(name) = running.first().filter(|_| running.len() > 1) else { return Ok(()) };
        let agents = self.setup.agent_meta().join("slaves/latest/frameworks");
        for framework in std::fs::read_dir(&agents).with_context(|| agents.display().to_string())? {
            let executor = framework?.path().join("executors").join(name);
            if executor.is_dir() {
                std::fs::remove_dir_all(&executor)?;
                self.orphans = 1;
                let mut line = Line::new("a container made an orphan", name.clone());
                line.answer = "its checkpoint was removed".to_owned();
                self.report.line(&line);
            }
        }
        Ok(())
    }

    /// Subscribes again and waits until the agent is back with its tasks.
    fn recover(&mut self, before: &Framework, names: &[String]) -> anyhow::Result<Framework> {
        let begin = Instant::now();
        let mut framework = Framework::subscribe(self.setup.address, Some(before.id()), TIMEOUT)?;
        let deadline = Instant::now() + TIMEOUT;
        let wanted = names.len() - self.orphans;
        while running(&framework).len() != wanted {
            anyhow::ensure!(Instant::now() < deadline, "the tasks did not come back");
            framework.reconcile(names)?;
            // Answers come at once for what the master knows; the agent may not be back yet.
            let _ = framework.until("answers", Duration::from_millis(200), |_| false);
        }
        let mut line = Line::new("agent recovered", "");
        line.answer = format!("{wanted} tasks alive, {} orphan", self.orphans);
        line.times.push(begin.elapsed());
        self.report.line(&line);
        self.statistics("recovered", &running(&framework), wanted)?;
        Ok(framework)
    }

    /// Waits until the agent has destroyed all containers and removed their executors.
    pub(super) fn drain(&mut self) -> anyhow::Result<()> {
        self.until_none("containers destroyed", "/slave(1)/containers", |value| {
            value.as_array().map_or(0, Vec::len)
        })?;
        // The agent removes an executor, and calls its hook, after the last acknowledgement, which
        // may come later than the container's end.
        self.until_none("executors removed", "/slave(1)/state", |state| {
            let frameworks = state["frameworks"].as_array().map_or(&[][..], Vec::as_slice);
            let executors = |it: &Value| it["executors"].as_array().map_or(0, Vec::len);
            frameworks.iter().map(executors).sum()
        })
    }

    fn until_none(
        &mut self,
        what: &str,
        path: &str,
        count: impl Fn(&Value) -> usize,
    ) -> anyhow::Result<()> {
        let begin = Instant::now();
        let left = loop {
            let left = count(&http::get(self.setup.address, path)?.json()?);
            if left == 0 || begin.elapsed() > TIMEOUT {
                break left;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut line = Line::new(what, "");
        line.times.push(begin.elapsed());
        if left > 0 {
            line.complaints.push(format!("{left} are still there"));
        }
        self.report.line(&line);
        Ok(())
    }

    /// Leaves requests in flight, for the process to end under them and the commands they start.
    fn ask_without_waiting(&self) {
        for _ in 0..4 {
            let address = self.setup.address;
            std::thread::spawn(move || http::get(address, "/slave(1)/containers"));
        }
        // Enough for the requests to arrive, not for a recording usage command to end.
        std::thread::sleep(Duration::from_millis(50));
    }

    pub(super) fn end_process(&mut self, process: Process, end: End) -> anyhow::Result<()> {
        let begin = Instant::now();
        let status = match end {
            End::Stop => process.stop()?,
            End::Exit => process.exit()?,
            End::Kill => process.kill()?,
        };
        let mut line = Line::new(format!("master and agent ended ({end:?})").to_lowercase(), "");
        line.answer = status.to_string();
        line.times.push(begin.elapsed());
        if end != End::Kill && !status.success() {
            line.complaints.push("expected exit status 0".to_owned());
        }
        self.report.line(&line);
        Ok(())
    }

    /// Looks for processes of this cluster that outlived it: executors and commands.
    pub(super) fn leftovers(&mut self) {
        let deadline = Instant::now() + SETTLE;
        let mut line = Line::new("no process left behind", "");
        while let Some(found) = process::of_directory(&self.setup.work).first() {
            if Instant::now() >= deadline {
                line.complaints.push(format!("still there: {found}"));
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.report.line(&line);
    }

    /// Compares what the commands recorded with what was done.
    fn compare(&mut self) {
        let records = Records::read(&self.setup.records);
        let done = Done { tasks: self.options.tasks, orphans: self.orphans, starts: self.starts };
        for event in records::recorded(&self.setup.modules) {
            let mut line = Line::new(event.label(), "");
            line.answer = format!("{} runs", records.runs(event));
            line.numbers.push(("runs", records.runs(event) as f64));
            line.complaints = records.complaints(event, self.options.mesos.calls(event), done);
            self.report.line(&line);
        }
    }
}

/// The tasks of a run: every third ends by itself.
fn tasks(count: usize) -> Vec<Task> {
    (0..count)
        .map(|index| {
            let run_for = (index % 3 == 0).then_some(SHORT);
            Task { name: format!("task-{index}"), work: Work::Executor { run_for } }
        })
        .collect()
}

pub(super) fn running(framework: &Framework) -> Vec<String> {
    let running = framework.states.iter().filter(|(_, state)| *state == "TASK_RUNNING");
    running.map(|(name, _)| name.clone()).collect()
}
