//! Playing a scenario.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mesos_command::event::Event;
use serde_json::json;
use test_support::Lateness;

use super::arguments::{Arguments, Builder, container_id};
use super::expect::complaints;
use super::leftovers::{self, Snapshot};
use super::measure::{self, Given, Pending, Series, Target};
use super::model::{Call, Scenario, Step};
use crate::ballast;
use crate::http;
use crate::library::{self, Loaded};
use crate::mesos::{self, Isolator, Message};
use crate::modules::{Modules, Placeholders, RECORDS, RECORDS_VARIABLE};
use crate::options::HostArgs;
use crate::report::{Line, Report};
use crate::sample::median;
use crate::schema::Schema;

/// How long a usage may take before it is measured.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What to play and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    host: HostArgs,
    /// The scenario file, filled in as the modules file is.
    #[arg(long)]
    scenario: PathBuf,
    /// One JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

/// Plays a scenario; whether everything was as expected.
pub(crate) fn run(Run { host, scenario, json }: &Run) -> anyhow::Result<bool> {
    host.prepare_process()?;
    let scratch = tempfile::Builder::new().prefix("mesos-host-").tempdir()?;
    std::fs::create_dir(scratch.path().join("tmp"))?;
    let placeholders = Placeholders::new(scratch.path(), &host.set)?;
    let scenario = Scenario::read(scenario, &placeholders)?;
    for (name, value) in &scenario.environment {
        ballast::set_variable(name, value);
    }
    ballast::set_variable(RECORDS_VARIABLE, &placeholders.fill(RECORDS)?);
    let modules = Modules::read(&host.modules, &placeholders)?;
    let mut report = Report::new(*json);
    report.note("scenario", &json!(scenario.about));

    let mesos = library::load(&host.mesos.directory()?)?;
    let schema = Schema::from_files(&mesos::descriptors(mesos))?;
    report.note("mesos", &json!(host.mesos.version));
    mesos::initialize_process(mesos);
    let _ballast = host.ballast()?;

    // Before the modules are loaded, so that its thread is none of theirs.
    let lateness = scenario.is_timed().then(Lateness::start);
    let isolators = match start(mesos, &schema, &modules, &report) {
        Ok(isolators) => isolators,
        Err(error) => return refused(&scenario, &error, report),
    };
    if let Some(text) = &scenario.refused {
        report.line(&Line {
            complaints: vec![format!("Mesos should have refused the modules: {text}")],
            ..Line::new("load", "")
        });
        return Ok(report.finish());
    }
    let mut player = Player {
        mesos,
        schema: &schema,
        scenario: &scenario,
        isolators,
        temporary: scratch.path().join("tmp"),
        baseline: Snapshot::take(&scratch.path().join("tmp")),
        lateness,
        pending: BTreeMap::new(),
        report,
    };
    player.report.head();
    for (index, step) in scenario.steps.iter().enumerate() {
        player.step(step).with_context(|| format!("step {}", index + 1))?;
    }
    Ok(player.report.finish())
}

/// Loads the modules and makes hooks and isolators, as an agent does at its start.
pub(crate) fn start(
    mesos: Loaded,
    schema: &Schema,
    modules: &Modules,
    report: &Report,
) -> anyhow::Result<Vec<(String, Isolator)>> {
    let message =
        Message::new(mesos, "mesos.Modules", &schema.read("mesos.Modules", &modules.json)?)?;
    let before = (ballast::sigchld(), leftovers::threads());
    mesos::load_modules(mesos, &message)?;
    let loaded = leftovers::threads();
    let hooks = modules.hooks();
    if !hooks.is_empty() {
        mesos::initialize_hooks(mesos, &hooks.join(","))?;
    }
    let isolators = modules
        .isolators()
        .into_iter()
        .map(|name| Ok((name.to_owned(), Isolator::create(mesos, name)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    report.note("hooks", &json!(hooks.join(" ")));
    for (name, isolator) in &isolators {
        let nesting = isolator.supports_nesting();
        let standalone = isolator.supports_standalone();
        report.note(
            "isolator",
            &json!(format!("{name} (supportsNesting {nesting}, supportsStandalone {standalone})")),
        );
    }
    report.note("SIGCHLD before, after", &json!(format!("{}, {}", before.0, ballast::sigchld())));
    report.note(
        "threads before load, after load, after create",
        &json!(format!("{}, {loaded}, {}", before.1, leftovers::threads())),
    );
    anyhow::ensure!(before.0 == ballast::sigchld(), "the modules changed SIGCHLD");
    anyhow::ensure!(before.1 == loaded, "loading the modules started a thread");
    Ok(isolators)
}

fn refused(scenario: &Scenario, error: &anyhow::Error, mut report: Report) -> anyhow::Result<bool> {
    let text = format!("{error:#}");
    let mut line = Line { answer: text.clone(), ..Line::new("load", "") };
    match &scenario.refused {
        Some(wanted) if text.contains(wanted) => {}
        Some(wanted) => {
            line.complaints.push(format!("refused without the words {wanted:?}: {text}"))
        }
        None => line.complaints.push(format!("Mesos refused the modules: {text}")),
    }
    report.line(&line);
    Ok(report.finish())
}

struct Player<'a> {
    mesos: Loaded,
    schema: &'a Schema,
    scenario: &'a Scenario,
    isolators: Vec<(String, Isolator)>,
    temporary: PathBuf,
    baseline: Snapshot,
    /// Measures the machine where answers have to come in time.
    lateness: Option<Lateness>,
    /// Named calls, with their event and container.
    pending: BTreeMap<String, (Pending, Arguments, String)>,
    report: Report,
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Call(call) => self.call(call)?,
            Step::Await { name, expect, timeout_ms } => {
                let (pending, _arguments, container) = self.named(name)?;
                let answered = pending.wait(self.schema, Duration::from_millis(*timeout_ms))?;
                let mut line = Line::new(format!("answer of {name}"), container);
                line.complaints = complaints(expect, &answered, self.lateness());
                line.answers(&[answered]);
                self.report.line(&line);
            }
            Step::Discard { name } => self.named(name)?.0.discard(),
            Step::UsageLoop { containers, container, calls, rounds, at_least } => {
                self.usage_loop(container, *containers, (*calls, *rounds), *at_least)?;
            }
            Step::End { at_most_ms, keep } => {
                self.end(Duration::from_millis(*at_most_ms), keep.as_deref());
            }
            Step::Sleep { ms } => std::thread::sleep(Duration::from_millis(*ms)),
            Step::Baseline => self.baseline = Snapshot::take(&self.temporary),
            Step::Leftovers(allowed) => {
                let mut line = Line::new("nothing left behind", "");
                line.complaints = leftovers::settle(&self.temporary, &self.baseline, allowed);
                self.report.line(&line);
            }
            Step::File { path, contains, within_ms } => {
                let read = || std::fs::read_to_string(path).unwrap_or_default();
                self.until_contains(("file", path), contains, *within_ms, read);
            }
            Step::Metrics { address, contains, within_ms } => {
                let scrape = || {
                    http::get(*address, "/metrics").and_then(http::Answer::text).unwrap_or_default()
                };
                self.until_contains(("metrics", "it"), contains, *within_ms, scrape);
            }
        }
        Ok(())
    }

    fn end(&mut self, at_most: Duration, keep: Option<&str>) {
        let begin = Instant::now();
        let all = std::mem::take(&mut self.isolators);
        // What is kept must not be deleted later, when its host has nothing left.
        let is_kept = |(name, _): &(String, Isolator)| keep == Some(name.as_str());
        let (kept, deleted): (Vec<_>, Vec<_>) = all.into_iter().partition(is_kept);
        kept.into_iter().for_each(std::mem::forget);
        let count = deleted.len();
        drop(deleted);
        let deleted = begin.elapsed();
        mesos::finalize_process(self.mesos);
        let mut line = Line::new("end", "");
        line.answer = format!("{count} isolators deleted in {deleted:.0?}, libprocess taken down");
        if deleted > at_most {
            line.complaints.push(format!("deleting them took {deleted:?}"));
        }
        self.report.line(&line);
    }

    fn named(&self, name: &str) -> anyhow::Result<&(Pending, Arguments, String)> {
        self.pending.get(name).with_context(|| format!("no call was named {name}"))
    }

    fn call(&mut self, call: &Call) -> anyhow::Result<()> {
        let event = Event::from_prefix(&call.event)
            .with_context(|| format!("there is no event {}", call.event))?;
        let target = measure::target(self.mesos, event, &self.isolators, call.module.as_deref())?;
        let builder =
            Builder { mesos: self.mesos, schema: self.schema, defaults: &self.scenario.inputs };
        let containers = containers(call)?;
        let mut arguments = containers
            .iter()
            .map(|container| builder.build(event, container.as_deref(), &call.inputs))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let whom = call.container.clone().unwrap_or_default();
        if let Some(name) = &call.name {
            let arguments = arguments.pop().context("a named call takes one container")?;
            match measure::call(self.mesos, target, event, &arguments) {
                Given::Later(pending) => {
                    self.pending.insert(name.clone(), (pending, arguments, whom));
                }
                Given::Value(..) => bail!("{} answers at once and cannot be named", call.event),
            }
            return Ok(());
        }
        let series = Series {
            mesos: self.mesos,
            schema: self.schema,
            target,
            event,
            arguments: &arguments,
            timeout: Duration::from_millis(call.timeout_ms),
        };
        if let Some(lateness) = &self.lateness {
            lateness.reset();
        }
        let begin = Instant::now();
        let answers = series.run(call.repeat, call.parallel)?;
        let whole = begin.elapsed();
        let mut line = Line::new(call.event.clone(), whom);
        line.answers(&answers);
        line.numbers.push(("per_second", answers.len() as f64 / whole.as_secs_f64().max(1e-9)));
        let late = self.lateness();
        for answered in &answers {
            let wrong = complaints(&call.expect, answered, late);
            if !wrong.is_empty() {
                line.answer = answered.answer.to_string();
                line.complaints = wrong;
                line.complaints.push(format!("the answer was: {}", answered.answer));
                break;
            }
        }
        self.report.line(&line);
        Ok(())
    }

    /// Rates of the module's usage and of the yardstick, alternating; compared by their medians.
    fn usage_loop(
        &mut self,
        container: &str,
        count: usize,
        (calls, rounds): (u64, usize),
        at_least: f64,
    ) -> anyhow::Result<()> {
        let ids = (0..count.max(1))
            .map(|index| {
                let id = container_id(&format!("{container}-{index}"));
                let kind = "mesos.ContainerID";
                Message::new(self.mesos, kind, &self.schema.read(kind, &id)?)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let (_, isolator) = self.isolators.first().context("no isolator in the modules file")?;
        let yardstick = Isolator::constant(self.mesos, &self.statistics(isolator, &ids[0])?)?;
        let (mut ratios, mut rates, mut late) = (Vec::new(), Vec::new(), 0);
        for _ in 0..rounds.max(1) {
            let (own, not_ready) = isolator.usage_loop(&ids, calls);
            let (bare, _) = yardstick.usage_loop(&ids, calls);
            late += not_ready;
            rates.push(calls as f64 / own.as_secs_f64().max(1e-9));
            ratios.push(bare.as_secs_f64() / own.as_secs_f64().max(1e-9));
        }
        let (ratio, rate) = (median(ratios), median(rates));
        let mut line = Line::new("usage called in a row", format!("{container}-*"));
        line.answer = format!("{rate:.0}/s, {ratio:.2} of a constant answer, {late} not ready");
        line.numbers = vec![("per_second", rate), ("ratio", ratio), ("not_ready", late as f64)];
        if ratio < at_least {
            line.complaints.push(format!("expected at least {at_least} of the constant answer"));
        }
        self.report.line(&line);
        Ok(())
    }

    /// What usage answers for a container, for the yardstick to answer the same.
    fn statistics(&self, isolator: &Isolator, container: &Message) -> anyhow::Result<Message> {
        let arguments = Arguments::container(container);
        let target = Target::Isolator(isolator);
        let Given::Later(pending) = measure::call(self.mesos, target, Event::Usage, &arguments)
        else {
            bail!("usage gave no future");
        };
        let bytes = pending.bytes(TIMEOUT).context("usage gave no statistics")?;
        Message::new(self.mesos, "mesos.ResourceStatistics", &bytes)
    }

    /// How late the machine was in the step.
    fn lateness(&self) -> Duration {
        self.lateness.as_ref().map_or(Duration::ZERO, Lateness::worst)
    }

    /// Waits until a text that is read again and again contains another.
    fn until_contains(
        &mut self,
        (what, source): (&str, &str),
        wanted: &str,
        within_ms: u64,
        read: impl Fn() -> String,
    ) {
        let deadline = Instant::now() + Duration::from_millis(within_ms);
        let found = loop {
            let text = read();
            if text.contains(wanted) || Instant::now() >= deadline {
                break text;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut line = Line::new(what, "");
        line.answer = found.trim_end().replace('\n', " | ");
        if !found.contains(wanted) {
            line.complaints.push(format!("{source} does not contain {wanted:?}"));
        }
        self.report.line(&line);
    }
}

/// The containers of a call, `None` for an event without one.
fn containers(call: &Call) -> anyhow::Result<Vec<Option<String>>> {
    Ok(match (&call.container, call.containers) {
        (Some(name), Some(count)) => {
            (0..count.max(1)).map(|index| Some(format!("{name}-{index}"))).collect()
        }
        (Some(name), None) => vec![Some(name.clone())],
        (None, None) => vec![None],
        (None, Some(_)) => bail!("\"containers\" needs \"container\""),
    })
}
