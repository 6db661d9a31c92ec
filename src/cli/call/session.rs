//! The instances of a session, and the calls of each event.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use mesos_command::call::{Answer, Observed, Observer};
use mesos_command::config::Config;
use mesos_command::config::modules_file::ModuleEntry;
use mesos_command::event::{Event, InputKind, Lane, ModuleKind};
use mesos_command::hook::Hook;
use mesos_command::isolator::Isolator;
use mesos_command::outcome::OutcomeKind;
use serde_json::{Map, Value};

use super::containers::{self, Container};
use super::detail;
use super::made::{Made, Run};
use crate::input::Values;
use crate::interrupt;
use crate::private::{Private, Told};

/// After this long without an answer the user is told what is being waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the interpreters of events in warm mode may take to be up; then calls are made without.
const WARMING: Duration = Duration::from_secs(5);

enum Module {
    Hook(Box<Hook>),
    Isolator(Isolator),
}

/// Instances by symbol, created when an event first needs them.
pub(crate) struct Session<'a> {
    entries: Vec<ModuleEntry>,
    private: &'a Private,
    told: &'a Told,
    object: &'a Map<String, Value>,
    containers: Vec<Container>,
    created: Vec<(String, Module)>,
    /// The runs that ended since they were last taken.
    runs: Arc<Mutex<Vec<Run>>>,
    /// Runs of a watch command.
    pub(super) watch_runs: u32,
}

/// A call that is under way.
struct Pending {
    answer: Receiver<Answer>,
    since: Instant,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        entries: Vec<ModuleEntry>,
        private: &'a Private,
        told: &'a Told,
        object: &'a Map<String, Value>,
    ) -> anyhow::Result<Session<'a>> {
        let containers = containers::of(object)?;
        let (created, runs) = (Vec::new(), Arc::default());
        Ok(Session { entries, private, told, object, containers, created, runs, watch_runs: 1 })
    }

    /// Calls `event`, for each container where it is about one.
    ///
    /// # Errors
    /// When no module has a command for it, or the input lacks what it needs.
    pub(crate) fn call(&mut self, event: Event) -> anyhow::Result<Vec<Made>> {
        let made = self.call_module(event)?;
        let count = self.containers.len();
        let object = |index: usize| {
            // One call for each container, or one about none.
            let container = self.containers.get(index).filter(|_| made.len() == count);
            container.map_or(self.object, |container| &container.object)
        };
        let inputs: Vec<Option<String>> = made
            .iter()
            .enumerate()
            .map(|(index, made)| detail::input(made, object(index), count))
            .collect();
        Ok(made.into_iter().zip(inputs).map(|(made, input)| made.with_input(input)).collect())
    }

    fn call_module(&mut self, event: Event) -> anyhow::Result<Vec<Made>> {
        let entry = self.entry(event)?;
        let module = self.module(&entry)?;
        let about_container = event.row().inputs.iter().any(|key| {
            key.kind == InputKind::Message("mesos.ContainerID") || key.kind == InputKind::Containers
        });
        match &self.created[module].1 {
            Module::Hook(hook) if about_container && !self.containers.is_empty() => {
                let each = self.containers.iter().map(|container| {
                    self.call_hook(hook, event, &container.object, &container.name)
                });
                each.collect()
            }
            Module::Hook(hook) => Ok(vec![self.call_hook(hook, event, self.object, "-")?]),
            Module::Isolator(isolator) if !about_container => {
                let values = Values::new(event, self.object)?;
                let pending = self.start(isolator, event, &values);
                Ok(vec![self.finish(&isolator.config(), event, "-", pending)])
            }
            Module::Isolator(_) if self.containers.is_empty() => {
                Err(anyhow!("{} needs the input 'container_id'", event.label()))
            }
            Module::Isolator(isolator) => self.call_isolator(isolator, event),
        }
    }

    /// The entry that handles the event. The batch command answers usage as well.
    fn entry(&self, event: Event) -> anyhow::Result<ModuleEntry> {
        let wanted: &[Event] = match event {
            Event::Usage => &[Event::Usage, Event::UsageBatch],
            _ => &[event],
        };
        let keys: Vec<String> =
            wanted.iter().map(|event| format!("{}_command", event.label())).collect();
        let configured = |entry: &&ModuleEntry| {
            entry.parameters.iter().any(|(key, value)| keys.contains(key) && !value.is_empty())
        };
        self.entries.iter().find(configured).cloned().ok_or_else(|| {
            let keys = keys.join("' or '");
            anyhow!("no module has a command for {}: '{keys}' is not set", event.label())
        })
    }

    /// The index of the entry's instance.
    fn module(&mut self, entry: &ModuleEntry) -> anyhow::Result<usize> {
        if let Some(index) = self.created.iter().position(|(symbol, _)| *symbol == entry.symbol) {
            return Ok(index);
        }
        let parameters = self.private.parameters(entry, self.told);
        let runs = self.runs.clone();
        let observer: Observer = Arc::new(move |observed: &Observed<'_>| {
            runs.lock().unwrap_or_else(PoisonError::into_inner).push(Run::from(observed));
        });
        let module = match entry.kind {
            ModuleKind::Hook => {
                let hook = Box::new(Hook::create(&parameters)?);
                hook.observe(&observer);
                hook.wait_until_warm(WARMING);
                interrupt::allow_grace(hook.config().kill_grace);
                Module::Hook(hook)
            }
            ModuleKind::Isolator => {
                let isolator = Isolator::create(&parameters)?;
                isolator.observe(&observer);
                isolator.wait_until_warm(WARMING);
                interrupt::allow_grace(isolator.config().kill_grace);
                Module::Isolator(isolator)
            }
        };
        self.created.push((entry.symbol.clone(), module));
        Ok(self.created.len() - 1)
    }

    fn call_hook(
        &self,
        hook: &Hook,
        event: Event,
        object: &Map<String, Value>,
        container: &str,
    ) -> anyhow::Result<Made> {
        let values = Values::new(event, object)?;
        let since = Instant::now();
        let answer = hook.call(event, &values.borrow());
        let mut runs = self.take_runs();
        // One that runs behind is answered at once; what becomes of it is worth seeing all the
        // same.
        while event.row().lane == Lane::Behind && runs.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
            runs = self.take_runs();
        }
        let made = Made::new(&hook.config(), event, container, answer, since.elapsed());
        Ok(made.with_run(runs.pop()))
    }

    fn call_isolator(&self, isolator: &Isolator, event: Event) -> anyhow::Result<Vec<Made>> {
        let mut notes = Vec::new();
        for container in &self.containers {
            notes.push(container.get_ready(isolator, event)?);
        }
        let together = matches!(event, Event::Usage | Event::UsageBatch | Event::Status);
        let made = if together {
            self.sample(isolator, event)?
        } else {
            let each = self.containers.iter().map(|container| {
                let start = |event| {
                    let values = Values::new(event, &container.object)?;
                    Ok(self.start(isolator, event, &values))
                };
                match event {
                    Event::Watch => Ok(self.watch(isolator, container)),
                    _ => start(event).map(|started| {
                        self.finish(&isolator.config(), event, &container.name, started)
                    }),
                }
            });
            each.collect::<anyhow::Result<Vec<Made>>>()?
        };
        let noted = made.into_iter().zip(notes);
        Ok(noted.map(|(made, note)| made.with_note(note.map(str::to_owned))).collect())
    }

    /// Asks for all containers at once, as Mesos does, and waits for all.
    fn sample(&self, isolator: &Isolator, event: Event) -> anyhow::Result<Vec<Made>> {
        let asked = if event == Event::UsageBatch { Event::Usage } else { event };
        let mut pending = Vec::new();
        for container in &self.containers {
            let values = Values::new(asked, &container.object)?;
            pending.push(self.start(isolator, asked, &values));
        }
        let config = isolator.config();
        let waited: Vec<(Answer, Duration)> =
            pending.into_iter().map(|pending| pending.wait(event)).collect();
        let runs = self.take_runs();
        let made = self.containers.iter().zip(waited).map(|(container, (answer, took))| {
            let own = runs.iter().rfind(|run| run.subject == container.name);
            let is_batch =
                |run: &&Run| run.event == Event::UsageBatch && run.outcome != OutcomeKind::Skipped;
            let run = own.or_else(|| runs.iter().rfind(is_batch)).cloned();
            Made::new(&config, asked, &container.name, answer, took).with_run(run)
        });
        Ok(made.collect())
    }

    fn watch(&self, isolator: &Isolator, container: &Container) -> Made {
        let config = isolator.config();
        let mut done = 1;
        loop {
            let (sender, answer) = mpsc::channel();
            let since = Instant::now();
            isolator.watch_once(&container.wire, Box::new(move |answer| drop(sender.send(answer))));
            let made =
                self.finish(&config, Event::Watch, &container.name, Pending { answer, since });
            if done >= self.watch_runs || made.is_limitation() || interrupt::requested() {
                return made;
            }
            done += 1;
            std::thread::sleep(config.watch_interval);
        }
    }

    fn start(&self, isolator: &Isolator, event: Event, values: &Values) -> Pending {
        let (sender, answer) = mpsc::channel();
        let since = Instant::now();
        let done = Box::new(move |answer| drop(sender.send(answer)));
        isolator.call(event, &values.borrow(), done);
        Pending { answer, since }
    }

    fn finish(&self, config: &Config, event: Event, container: &str, pending: Pending) -> Made {
        let (answer, took) = pending.wait(event);
        Made::new(config, event, container, answer, took).with_run(self.take_runs().pop())
    }

    fn take_runs(&self) -> Vec<Run> {
        std::mem::take(&mut *self.runs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pending {
    /// Waits for as long as it takes: the engine answers every call, and a signal ends the tool.
    fn wait(self, event: Event) -> (Answer, Duration) {
        let answer = match self.answer.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Timeout) => {
                eprintln!(
                    "mesos-command: still waiting for the command of {} (Ctrl-C ends it)",
                    event.label()
                );
                self.answer.recv().ok()
            }
            answered => answered.ok(),
        };
        (answer.unwrap_or(Answer::Nothing), self.since.elapsed())
    }
}
