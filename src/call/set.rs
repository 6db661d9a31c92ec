//! The commands of an instance, as its parameters say.
//!
//! A call takes the set that holds when it begins, and uses nothing else until it is answered: so
//! a reload, which puts another set in its place, changes no call that is on its way. Commands,
//! workers and warm interpreters whose parameters are the same belong to both sets and go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::command::Limits;
use crate::config::{Config, EventConfig, Fallback};
use crate::containment::{NoLimit, SlotPool};
use crate::event::{Event, Output};
use crate::reactor::CancelToken;
use crate::run::{Request, RunReport, Standby, lost_report};
use crate::schema::{self, Schema};
use crate::warm::WarmPool;
use crate::worker::{WorkerPool, WorkerSettings};

use super::base::Base;
use super::in_flight::InFlight;
use super::lanes::{queue_limit, recycling};
use super::shown::Parts;
use super::warm::start_warm;
use super::{Command, CreateError, Observer};

/// Between two looks whether workers are up.
const PAUSE: Duration = Duration::from_millis(2);

/// Something for each event that has it.
type ByEvent<T> = [Option<Arc<T>>; Event::ALL.len()];

/// The parameters of an instance and its commands.
#[derive(Debug)]
pub struct CommandSet {
    /// The checked parameters.
    pub config: Config,
    base: Arc<Base>,
    events: ByEvent<Command>,
    /// Of the events in worker mode.
    pools: ByEvent<WorkerPool>,
    /// Of the events in warm mode.
    warm: ByEvent<WarmPool>,
}

/// A limit that cannot be had is refused.
fn no_limit(event: Event, limits: Limits, why: NoLimit) -> CreateError {
    let value = if why.parameter == "memory_max" { limits.memory } else { limits.pids };
    CreateError::Containment {
        parameter: format!("{}_{}", event.row().prefix, why.parameter),
        value: value.map(|limit| limit.to_string()).unwrap_or_default(),
        reason: why.reason,
    }
}

impl CommandSet {
    /// The set of these parameters, with what of the set `before` is the same. Workers are started
    /// after all that can fail: a refused set starts no process.
    ///
    /// # Errors
    /// When a limit or a type of message cannot be had.
    pub(super) fn new(
        base: &Arc<Base>,
        config: Config,
        before: Option<&CommandSet>,
    ) -> Result<CommandSet, CreateError> {
        let mut set = CommandSet {
            config,
            base: base.clone(),
            events: [const { None }; Event::ALL.len()],
            pools: [const { None }; Event::ALL.len()],
            warm: [const { None }; Event::ALL.len()],
        };
        let mut new = Vec::new();
        let schema = schema::current();
        for (event, settings) in &set.config.events {
            let index = *event as usize;
            match before.filter(|before| before.is_same(&set.config, *event)) {
                Some(before) => {
                    set.events[index].clone_from(&before.events[index]);
                    set.pools[index].clone_from(&before.pools[index]);
                    set.warm[index].clone_from(&before.warm[index]);
                }
                None => {
                    let command = set.make(*event, settings, before, &schema)?;
                    set.events[index] = Some(command.clone());
                    new.push((*event, command));
                }
            }
        }
        for (event, command) in new {
            let Some(settings) = set.config.events.get(&event) else { continue };
            set.pools[event as usize] = set.start_workers(event, settings, &command);
            set.warm[event as usize] = start_warm(base, event, settings, &command);
        }
        Ok(set)
    }

    /// Whether the command of `event` is the same with `config`: nothing that makes it differs.
    fn is_same(&self, config: &Config, event: Event) -> bool {
        self.config.makes_the_same_commands(config)
            && self.config.events.get(&event) == config.events.get(&event)
    }

    /// The command of `event`, and its series.
    fn make(
        &self,
        event: Event,
        settings: &EventConfig,
        before: Option<&CommandSet>,
        schema: &Schema,
    ) -> Result<Arc<Command>, CreateError> {
        let base = &self.base;
        let (environment, metrics) = (base.environment.clone(), base.metrics.clone());
        let cgroups = self.cgroups(event, settings.limits(), before)?;
        let command =
            Command::new(&self.config, event, settings, environment, cgroups, schema, metrics)?;
        // Makes the event's series, so that they are there as zeros.
        base.metrics.event(event);
        if event == Event::UsageBatch {
            // Its runs answer calls of usage.
            base.metrics.event(Event::Usage);
        }
        Ok(Arc::new(command.shadowed(settings, &base.shadows).shown_by(&base.live)))
    }

    /// The cgroups of an event's commands: those that it has, where the limits are the same.
    fn cgroups(
        &self,
        event: Event,
        limits: Limits,
        before: Option<&CommandSet>,
    ) -> Result<Option<Arc<SlotPool>>, CreateError> {
        let own = before.and_then(|before| before.get(event)?.spec.cgroups.clone());
        if let Some(own) = own.filter(|own| own.limits() == limits) {
            return Ok(Some(own));
        }
        let pool = self.base.chosen.pool(&self.base.module, event.label(), limits);
        pool.map_err(|why| no_limit(event, limits, why))
    }

    /// Starts the workers of an event, if it is in worker mode; does not wait for them.
    fn start_workers(
        &self,
        event: Event,
        settings: &EventConfig,
        command: &Arc<Command>,
    ) -> Option<Arc<WorkerPool>> {
        let base = &self.base;
        let settings = WorkerSettings {
            workers: settings.workers()?,
            spec: match event.row().output {
                // How many containers there will be in a request is not known yet.
                Output::ByContainer(_) => command.batch_spec(u64::MAX),
                _ => command.spec.clone(),
            },
            lane: base.lanes.of(event).cloned(),
            stand_in: settings.fallback == Fallback::Spawn,
            queue_limit: queue_limit(event.row().lane),
            multiplex: settings.worker_multiplex_max,
            recycling: recycling(settings),
            quarantine: Some(base.quarantine.clone()),
            metrics: base.metrics.clone(),
            log: command.clone(),
        };
        let pool = WorkerPool::start_in(&base.lifetime, base.runner.clone(), settings);
        Some(Arc::new(pool))
    }

    /// The command of `event`, if one is configured.
    pub fn get(&self, event: Event) -> Option<&Arc<Command>> {
        self.events[event as usize].as_ref()
    }

    /// Whether `other` has the very command that this one has for `event`, or none as this one.
    pub(crate) fn shares(&self, other: &CommandSet, event: Event) -> bool {
        match (self.get(event), other.get(event)) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// The workers of `event`, if it is in worker mode.
    pub fn workers(&self, event: Event) -> Option<&WorkerPool> {
        self.pools[event as usize].as_deref()
    }

    /// What operators see of what its commands keep up.
    pub(super) fn parts(&self) -> Parts {
        let shadows = self.events.iter().flatten().filter_map(|command| command.shadow.clone());
        Parts {
            workers: seen(&self.pools, WorkerPool::workers),
            warm: seen(&self.warm, WarmPool::interpreters),
            shadows: shadows.collect(),
        }
    }

    /// Shows each later run to `observer`; only the first one of a command has an effect.
    pub(super) fn observe(&self, observer: &Observer) {
        for command in self.events.iter().flatten() {
            command.observing.set(observer.clone());
        }
    }

    /// Waits until a process stands ready for each event in warm mode, for at most `patience`.
    pub(super) fn wait_until_warm(&self, patience: Duration) {
        wait(patience, || self.is_warm());
    }

    /// As [`wait_until_warm`](CommandSet::wait_until_warm), and until a worker is up for each event
    /// in worker mode.
    pub(super) fn wait_until_up(&self, patience: Duration) {
        let is_up = || self.pools.iter().flatten().all(|pool| pool.up() > 0);
        wait(patience, || is_up() && self.is_warm());
    }

    fn is_warm(&self) -> bool {
        self.warm.iter().flatten().all(|pool| pool.standby().ready() > 0)
    }

    /// Gives a request to a worker of its event, or runs the command in its event's lane, and
    /// calls `done` with the report, on a thread of the runner.
    pub fn submit(
        &self,
        request: Request,
        cancel: Option<CancelToken>,
        done: impl FnOnce(RunReport) + Send + 'static,
    ) {
        let (request, flight) = self.track(request, cancel);
        let cancel = Some(flight.cancel());
        match self.pools[request.spec.event as usize].clone() {
            Some(pool) => {
                // Workers that no set has any more end when they have answered.
                let keeps = pool.clone();
                pool.submit(request, cancel, move |report| {
                    done(flight.end(report));
                    drop(keeps);
                });
            }
            None => {
                let lane = self.base.lanes.of(request.spec.event);
                let done = move |report| done(flight.end(report));
                self.base.runner.submit(request, lane, cancel, done);
            }
        }
    }

    /// As [`submit`](CommandSet::submit), completing with the report on any executor. What it
    /// completes with does not keep the instance.
    pub fn run(
        &self,
        request: Request,
        cancel: Option<CancelToken>,
    ) -> impl Future<Output = RunReport> + Send + use<> {
        let submitted = request.submitted;
        let (sender, receiver) = oneshot::channel();
        self.submit(request, cancel, move |report| {
            // The receiver is gone when the future was dropped.
            let _ = sender.send(report);
        });
        async move { receiver.await.unwrap_or_else(|_| lost_report(submitted)) }
    }

    /// Runs a command and waits for its end, at most until the deadline and the grace period have
    /// passed.
    pub fn run_blocking(&self, request: Request) -> RunReport {
        let (request, flight) = self.track(request, None);
        let report = match self.workers(request.spec.event) {
            Some(pool) => pool.run_blocking(request),
            None => {
                let lane = self.base.lanes.of(request.spec.event);
                self.base.runner.run_blocking(request, lane, Some(flight.cancel()))
            }
        };
        flight.end(report)
    }

    /// Counts a request in the gauges `queued` and `running`, and lists it, until the second value
    /// is dropped. Every request is withdrawn with the instance.
    fn track(&self, mut request: Request, cancel: Option<CancelToken>) -> (Request, InFlight) {
        let base = &self.base;
        let cancel = cancel.unwrap_or_else(|| base.lifetime.stop().clone());
        let (table, unended) = (&base.live.table, base.lifetime.unended());
        let flight = InFlight::new(&mut request, &cancel, table, &base.metrics, unended);
        let quarantine = Some(base.quarantine.clone());
        let standby = self.standby(request.spec.event);
        (Request { quarantine, standby, ..request }, flight)
    }

    /// The processes that stand ready for an event's command.
    fn standby(&self, event: Event) -> Option<Arc<Standby>> {
        self.warm[event as usize].as_ref().map(|pool| pool.standby().clone())
    }
}

/// What is seen of each of these that there is.
fn seen<T, S>(all: &ByEvent<T>, look: impl Fn(&T) -> S) -> Vec<(Event, S)> {
    let all = Event::ALL.into_iter().zip(all);
    all.filter_map(|(event, one)| Some((event, look(one.as_ref()?)))).collect()
}

/// Waits until something is so, for at most `patience`.
fn wait(patience: Duration, is_so: impl Fn() -> bool) {
    let until = Instant::now() + patience;
    while !is_so() && Instant::now() < until {
        std::thread::sleep(PAUSE);
    }
}
