//! `mesos-command test`: cases of inputs and expected answers, run against an operator's commands
//! through the engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use mesos_command::config::modules_file::ModuleEntry;
use mesos_command::event::{Event, Output};
use mesos_command::run::end_descendants;
use mesos_command::schema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::made::Made;
use crate::call::session::Session;
use crate::call::{absolute, of_command, read_object};
use crate::private::{Private, Told};
use crate::table::plain;
use crate::{difference, interrupt, samples, source};

/// How the file looks, for `--help`.
const FORM: &str = r#"FILE is JSON:

  {"command": "./usage.sh", "event": "isolator_usage", "cases": [
    {"name": "the sample", "expect": {"answer": {"mem_rss_bytes": 1}}},
    {"name": "no sandbox", "input": {"container_config": {"directory": "/no/such"}},
     "expect": {"outcome": "exit", "failure": "no sandbox"}}]}

What stands beside `cases` holds for each of them that does not say otherwise:
  command     the command; or `modules`, what --modules of the agent has. Paths are relative to FILE.
  parameters  an object of parameters beside it ({"isolator_usage_mode": "worker"})
  event       the event by its parameter prefix
  input       input keys, which take the place of those of `mesos-command sample EVENT`
              (`input_file`: of a file)
  expect      outcome (ok unless it is given), answer (as Mesos reads it), contains (the answer has at
              least this), empty (true: no answer), failure (a part of the text), within_ms

Exit status: 0 every case passed; 1 a case failed; 2 the command line or a file could not be used."#;

#[derive(clap::Args)]
#[command(after_help = FORM)]
pub(crate) struct Arguments {
    /// The cases
    file: PathBuf,
    /// Only cases with this in their name
    #[arg(long)]
    filter: Option<String>,
    /// One JSON object instead of lines for people
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    command: Option<String>,
    modules: Option<String>,
    parameters: Option<Map<String, Value>>,
    event: Option<String>,
    input: Option<Map<String, Value>>,
    input_file: Option<PathBuf>,
    expect: Option<Expected>,
    cases: Option<Vec<Case>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    outcome: Option<String>,
    answer: Option<Value>,
    contains: Option<Value>,
    empty: Option<bool>,
    failure: Option<String>,
    within_ms: Option<u64>,
}

/// A case as it ended.
struct Ended {
    name: String,
    took: Duration,
    /// What is not as expected; a line each.
    problems: Vec<String>,
    made: Option<Value>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let shown = arguments.file.display();
    let text =
        std::fs::read(&arguments.file).with_context(|| format!("'{shown}' cannot be read"))?;
    let mut file: Case = serde_json::from_slice(&text)
        .with_context(|| format!("'{shown}' is no file of cases (`mesos-command test --help`)"))?;
    let cases = file.cases.take().ok_or_else(|| anyhow!("'{shown}' has no list `cases`"))?;
    let wanted = |name: &str| arguments.filter.as_ref().is_none_or(|part| name.contains(part));
    interrupt::install()?;
    let directory = arguments.file.parent().unwrap_or(Path::new(""));
    let mut results = Vec::new();
    for (index, case) in cases.into_iter().enumerate() {
        let name = case.name.clone().unwrap_or_else(|| format!("case {}", index + 1));
        if !wanted(&name) {
            continue;
        }
        let result = case
            .over(&file)
            .run(directory, name.clone())
            .with_context(|| format!("'{shown}': '{name}'"))?;
        interrupt::leave_if_requested();
        if !arguments.json {
            result.print();
        }
        results.push(result);
    }
    if results.is_empty() {
        bail!("'{shown}' has no such case");
    }
    let failed = results.iter().filter(|result| !result.problems.is_empty()).count();
    let passed = results.len() - failed;
    if arguments.json {
        let cases: Vec<Value> = results.iter().map(Ended::to_json).collect();
        println!("{}", json!({"passed": passed, "failed": failed, "cases": cases}));
    } else {
        println!("{passed} passed, {failed} failed");
    }
    Ok(failed == 0)
}

impl Case {
    /// With what holds for all where the case says nothing.
    fn over(self, all: &Case) -> Case {
        let all = all.clone();
        let names_command = self.command.is_some() || self.modules.is_some();
        let names_input = self.input.is_some() || self.input_file.is_some();
        Case {
            command: self.command.or(all.command.filter(|_| !names_command)),
            modules: self.modules.or(all.modules.filter(|_| !names_command)),
            parameters: self.parameters.or(all.parameters),
            event: self.event.or(all.event),
            input: self.input.or(all.input.filter(|_| !names_input)),
            input_file: self.input_file.or(all.input_file.filter(|_| !names_input)),
            expect: self.expect.or(all.expect),
            ..self
        }
    }

    fn entries(&self, directory: &Path, event: Event) -> anyhow::Result<Vec<ModuleEntry>> {
        let mut entries = match (&self.command, &self.modules) {
            (Some(_), Some(_)) => bail!("both `command` and `modules` are given"),
            (None, None) => bail!("neither `command` nor `modules` is given"),
            (Some(command), None) if command.contains('/') => {
                let path = directory.join(command);
                of_command(&absolute(&path.to_string_lossy())?, &[event])?
            }
            (Some(command), None) => of_command(command, &[event])?,
            (None, Some(value)) if value.starts_with('{') || value.starts_with("file://") => {
                source::entries(value)?
            }
            (None, Some(value)) => source::entries(&directory.join(value).to_string_lossy())?,
        };
        for entry in &mut entries {
            // What is compared has to be seen.
            entry.parameters.push(("redact".to_owned(), "none".to_owned()));
            for (key, value) in self.parameters.iter().flatten() {
                let value =
                    value.as_str().ok_or_else(|| anyhow!("parameter '{key}': a text is needed"))?;
                entry.parameters.push((key.clone(), value.to_owned()));
            }
        }
        Ok(entries)
    }

    fn run(&self, directory: &Path, name: String) -> anyhow::Result<Ended> {
        let event = self.event.as_deref().ok_or_else(|| anyhow!("`event` is missing"))?;
        let event = Event::from_prefix(event).ok_or_else(|| anyhow!("'{event}' is no event"))?;
        let mut object = samples::all();
        if let Some(path) = &self.input_file {
            object.extend(read_object(&directory.join(path))?);
        }
        object.extend(self.input.clone().unwrap_or_default());
        let private = Private::new()?;
        let told = Told::default();
        let mut session = Session::new(self.entries(directory, event)?, &private, &told, &object)?;
        let made = session.call(event);
        drop(session);
        end_descendants(interrupt::grace());
        let made = made?;
        let expected = self.expect.clone().unwrap_or_default();
        let mut result = Ended { name, took: Duration::ZERO, problems: Vec::new(), made: None };
        for made in &made {
            result.took += made.took();
            result.problems.extend(expected.problems(event, made)?);
            result.made = Some(made.to_json());
        }
        Ok(result)
    }
}

impl Expected {
    /// What of a call is not as expected.
    fn problems(&self, event: Event, made: &Made) -> anyhow::Result<Vec<String>> {
        let all = made.to_json();
        let mut problems = Vec::new();
        let outcome = self.outcome.as_deref().unwrap_or("ok");
        if all["outcome"] != outcome {
            let failure = all["failure"].as_str().map(|text| format!(" ({})", text.trim_end()));
            let told = failure.unwrap_or_default();
            problems.push(format!("the outcome is {}{told}, not \"{outcome}\"", all["outcome"]));
        }
        if let Some(answer) = &self.answer {
            let answer = as_mesos_reads(event, answer).context("`expect.answer`")?;
            problems.extend(difference::between(&answer, &all["answer"]));
        }
        if let Some(part) = &self.contains {
            problems.extend(difference::lacking(part, &all["answer"]));
        }
        if let Some(is_empty) = self.empty
            && is_empty != all["answer"].is_null()
        {
            problems.push(format!("the answer is {}", all["answer"]));
        }
        if let Some(part) = &self.failure {
            let told = all["failure"].as_str().unwrap_or_default();
            if !told.contains(part.as_str()) {
                problems.push(format!("the failure is \"{told}\" and has no \"{part}\""));
            }
        }
        if let Some(most) = self.within_ms
            && made.took() > Duration::from_millis(most)
        {
            problems.push(format!("it took {:.1} ms", made.took().as_secs_f64() * 1e3));
        }
        Ok(problems)
    }
}

/// With the defaults that Mesos adds when it reads an answer.
fn as_mesos_reads(event: Event, answer: &Value) -> anyhow::Result<Value> {
    let row = event.row();
    let (Output::Message(name) | Output::ByContainer(name) | Output::List { carrier: name, .. }) =
        row.output
    else {
        bail!("the output of {} is not read", event.label())
    };
    let kind = schema::current().message(name).ok_or_else(|| anyhow!("there is no '{name}'"))?;
    let text = answer.to_string();
    let read = match row.output {
        Output::List { field, .. } => kind.read_json_list(field, text.as_bytes())?,
        _ if row.dropped.is_some() => kind.read_json_partial(text.as_bytes())?,
        _ => kind.read_json(text.as_bytes())?,
    };
    let mut text = Vec::new();
    kind.write_json(&read.bytes, &mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

impl Ended {
    fn print(&self) {
        let verdict = if self.problems.is_empty() { "ok  " } else { "FAIL" };
        println!("{verdict}  {}  {:.1} ms", plain(&self.name), self.took.as_secs_f64() * 1e3);
        self.problems.iter().for_each(|problem| println!("      {}", plain(problem)));
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "passed": self.problems.is_empty(),
            "problems": self.problems,
            "call": self.made,
        })
    }
}
