//! Making calls and taking their times.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use mesos_command::event::{Event, ModuleKind, Output};
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::expect::{Answer, Answered};
use crate::clock;
use crate::library::Loaded;
use crate::mesos::{self, Future, Isolator, State};
use crate::schema::Schema;

/// Whom an event is called on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    /// HookManager, which calls all hooks.
    Hooks,
    /// One isolator.
    Isolator(&'a Isolator),
}

/// A call whose answer is not known yet.
#[derive(Debug)]
pub(crate) struct Pending {
    event: Event,
    future: Future,
    started: Duration,
    returned: Duration,
}

/// What a call gave at once.
#[derive(Debug)]
pub(crate) enum Given {
    /// The messages of a synchronous hook's value.
    Value(Vec<Vec<u8>>, Duration),
    /// A future.
    Later(Pending),
}

/// Calls an event.
pub(crate) fn call(
    mesos: Loaded,
    target: Target<'_>,
    event: Event,
    arguments: &Arguments,
) -> Given {
    let started = clock::now();
    let future = match target {
        Target::Isolator(isolator) => isolator.call(event, arguments.inputs()),
        Target::Hooks if event == Event::SlavePreLaunchDockerTaskExecutorDecorator => {
            mesos::call_docker_hook(mesos, arguments.inputs())
        }
        Target::Hooks => {
            let value = mesos::call_hook(mesos, event, arguments.inputs());
            return Given::Value(value, clock::now().saturating_sub(started));
        }
    };
    let returned = clock::now().saturating_sub(started);
    Given::Later(Pending { event, future, started, returned })
}

impl Pending {
    /// Waits for the answer.
    pub(crate) fn wait(&self, schema: &Schema, timeout: Duration) -> anyhow::Result<Answered> {
        let state = self.future.wait(timeout);
        let answer = match state {
            State::Pending => Answer::Pending,
            State::Discarded => Answer::Discarded,
            State::Failed => Answer::Failure(
                String::from_utf8_lossy(&self.future.value().unwrap_or_default()).into_owned(),
            ),
            State::Ready => {
                let parts: Vec<_> = self.future.value().into_iter().collect();
                to_answer(schema, self.event, &parts)?
            }
        };
        let took = match state {
            State::Pending => clock::now().saturating_sub(self.started),
            // Taken on the completing thread; a future that was complete at once counts as such.
            _ => Duration::from_nanos(self.future.completed_ns())
                .saturating_sub(self.started)
                .max(self.returned),
        };
        Ok(Answered { answer, took, returned: self.returned })
    }

    /// The message of a future that is ready within this time.
    pub(crate) fn bytes(&self, timeout: Duration) -> Option<Vec<u8>> {
        (self.future.wait(timeout) == State::Ready).then(|| self.future.value())?
    }

    /// Asks for the future to be discarded.
    pub(crate) fn discard(&self) {
        self.future.discard();
    }

    /// A completed future that says nobody completes it: an agent would crash on it, except for
    /// watch (whose pending future it only keeps).
    pub(crate) fn abandoned(&self) -> bool {
        self.event != Event::Watch && self.future.abandoned()
    }
}

/// The JSON of an event's value.
fn to_answer(schema: &Schema, event: Event, parts: &[Vec<u8>]) -> anyhow::Result<Answer> {
    Ok(match event.row().output {
        Output::Ignored | Output::ByContainer(_) => Answer::Nothing,
        Output::Message(kind) => match parts.first() {
            Some(bytes) => Answer::Message(schema.write(kind, bytes)?),
            None => Answer::Nothing,
        },
        Output::List { field, .. } => {
            let kind = if field == "attributes" { "mesos.Attribute" } else { "mesos.Resource" };
            let items = parts
                .iter()
                .map(|part| schema.write(kind, part))
                .collect::<anyhow::Result<Vec<Value>>>()?;
            Answer::Message(json!({ field: items }))
        }
    })
}

/// A series of equal calls over one or several containers.
#[derive(Debug)]
pub(crate) struct Series<'a> {
    pub(crate) mesos: Loaded,
    pub(crate) schema: &'a Schema,
    pub(crate) target: Target<'a>,
    pub(crate) event: Event,
    /// One per container, taken in turn.
    pub(crate) arguments: &'a [Arguments],
    pub(crate) timeout: Duration,
}

impl Series<'_> {
    /// One call, to its answer.
    fn one(&self, index: usize) -> anyhow::Result<Answered> {
        let arguments = &self.arguments[index % self.arguments.len()];
        match call(self.mesos, self.target, self.event, arguments) {
            Given::Value(value, took) => {
                let answer = to_answer(self.schema, self.event, &value)?;
                Ok(Answered { answer, took, returned: took })
            }
            Given::Later(pending) => {
                let answered = pending.wait(self.schema, self.timeout)?;
                anyhow::ensure!(!pending.abandoned(), "the future is abandoned");
                Ok(answered)
            }
        }
    }

    /// `count` calls, `parallel` at a time.
    pub(crate) fn run(&self, count: usize, parallel: usize) -> anyhow::Result<Vec<Answered>> {
        if parallel <= 1 {
            return (0..count).map(|index| self.one(index)).collect();
        }
        let next = AtomicUsize::new(0);
        let caller = || {
            let mut answers = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return Ok::<_, anyhow::Error>(answers);
                }
                answers.push(self.one(index)?);
            }
        };
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..parallel).map(|_| scope.spawn(caller)).collect();
            let mut all = Vec::with_capacity(count);
            for caller in callers {
                let answers = caller.join().ok().context("a calling thread panicked")?;
                all.extend(answers?);
            }
            Ok(all)
        })
    }
}

/// Whom HookManager or ModuleManager would call for this event.
pub(crate) fn target<'a>(
    mesos: Loaded,
    event: Event,
    isolators: &'a [(String, Isolator)],
    module: Option<&str>,
) -> anyhow::Result<Target<'a>> {
    if event.row().kind == ModuleKind::Hook {
        anyhow::ensure!(mesos::has_hook(mesos, event), "this Mesos has no {}", event.row().method);
        return Ok(Target::Hooks);
    }
    let found = match module {
        Some(name) => isolators.iter().find(|(it, _)| it == name),
        None => isolators.first(),
    };
    let (_, isolator) = found.with_context(|| match module {
        Some(name) => format!("no isolator {name} in the modules file"),
        None => "no isolator in the modules file".to_owned(),
    })?;
    Ok(Target::Isolator(isolator))
}
