//! Everything that a module instance has configured.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::command::{Background, Containment, Limits};
use crate::config::{Config, Fallback, Warning};
use crate::containment::{self, Chosen, Contained, Level, NoLimit};
use crate::control::{self, Instance};
use crate::event::{Event, ModuleKind, Output};
use crate::exporter::{self, LineFile};
use crate::metrics::{self, ModuleMetrics};
use crate::reactor::CancelToken;
use crate::run::{Lifetime, Quarantine, Request, RunReport, Runner, lost_report};
use crate::run::{StartMethod, start_method};

use crate::schema;
use crate::status_page::StatusPage;
use crate::worker::{WorkerPool, WorkerSettings};

use super::call_log::CallLog;
use super::environment::environment;
use super::in_flight::InFlight;
use super::lanes::{Lanes, queue_limit, recycling};
use super::live::Live;
use super::shadow::Shadows;
use super::warm::WarmPools;
use super::{Command, Completion, CreateError, Observer, completion};

/// Unkillable commands with which an instance starts no more.
const QUARANTINE: usize = 64;

/// The configuration of an instance, its commands and its metrics.
#[derive(Debug)]
pub struct Commands {
    /// The checked parameters.
    pub config: Config,
    /// The process-wide runner.
    pub runner: Arc<Runner>,
    /// The instance's metrics.
    pub metrics: Arc<ModuleMetrics>,
    lanes: Lanes,
    pub(super) lifetime: Arc<Lifetime>,
    pub(super) quarantine: Arc<Quarantine>,
    /// At containment level `cgroup`.
    contained: Option<Contained>,
    live: Arc<Live>,
    events: [Option<Arc<Command>>; Event::ALL.len()],
    /// Of the events in worker mode.
    pools: [Option<WorkerPool>; Event::ALL.len()],
    warm: WarmPools,
}

/// Starts what the process has once for all instances: the runner and the completion threads.
fn start_process(config: &Config) -> Result<Arc<Runner>, CreateError> {
    let method = start_method()?;
    config.check_rights()?;
    let runner = Runner::global().map_err(CreateError::Threads)?;
    runner.check_temp_dir(config.temp_dir.as_deref()).map_err(CreateError::CallDirectory)?;
    for (event, settings) in &config.events {
        let Some(user) = &settings.user else { continue };
        let opened = runner.open_temp_dir(config.temp_dir.as_deref(), user);
        opened.map_err(|error| CreateError::OutOfReach { event: *event, error })?;
    }
    completion::start(&runner);
    if metrics::set_start_method(method) && method == StartMethod::PosixSpawn {
        tracing::info!("commands are started by {method} (MESOS_COMMAND_SPAWN) on waiting threads");
    }
    Ok(runner)
}

/// The level of containment of an instance, which the log says.
fn containment(config: &Config) -> Result<Chosen, CreateError> {
    let refused = |parameter: &str, value: &str, reason| CreateError::Containment {
        parameter: parameter.to_owned(),
        value: value.to_owned(),
        reason,
    };
    let chosen = containment::choose(config.containment, &config.cgroup_root)
        .map_err(|reason| refused("containment", Level::Cgroup.label(), reason))?;
    if config.background == Some(Background::Container) {
        if config.kind != ModuleKind::Isolator {
            let reason = "only an isolator hears of the cleanup of containers".to_owned();
            return Err(refused("background", "container", reason));
        }
        if chosen.level() == Level::Group {
            let why = if chosen.reason.is_empty() { "" } else { ": " };
            let reason = format!("it needs containment level 'cgroup'{why}{}", chosen.reason);
            return Err(refused("background", "container", reason));
        }
    }
    let why = match (config.containment, chosen.level()) {
        (Containment::Auto, Level::Group) => format!(" ({})", chosen.reason),
        _ => String::new(),
    };
    tracing::info!(
        target: "level",
        "{} module '{}': containment level '{}'{why}",
        config.kind.label(),
        config.module_name,
        chosen.level().label()
    );
    Ok(chosen)
}

/// A limit that cannot be had is refused at load.
fn no_limit(event: Event, limits: Limits, why: NoLimit) -> CreateError {
    let value = if why.parameter == "memory_max" { limits.memory } else { limits.pids };
    CreateError::Containment {
        parameter: format!("{}_{}", event.row().prefix, why.parameter),
        value: value.map(|limit| limit.to_string()).unwrap_or_default(),
        reason: why.reason,
    }
}

fn start_exporters(config: &Config) {
    exporter::start();
    if config.status_page {
        exporter::listen_with_page(&config.metrics_addresses, &StatusPage);
    } else {
        exporter::listen(&config.metrics_addresses);
    }
    if let Some(path) = &config.metrics_textfile {
        exporter::textfile(path);
    }
}

/// The commands of an instance, and their series.
fn make_commands(
    config: &Config,
    chosen: &Chosen,
    metrics: &Arc<ModuleMetrics>,
    (live, shadows): (&Arc<Live>, &Arc<Shadows>),
) -> Result<[Option<Arc<Command>>; Event::ALL.len()], CreateError> {
    let environment: Arc<[OsString]> = environment(config.environment).into();
    let schema = schema::current();
    let mut events = [const { None }; Event::ALL.len()];
    for (event, command) in &config.events {
        let cgroups = chosen
            .pool(&config.module_name, event.label(), command.limits())
            .map_err(|why| no_limit(*event, command.limits(), why))?;
        let (event, environment, configured) = (*event, environment.clone(), command);
        let command =
            Command::new(config, event, command, environment, cgroups, &schema, metrics.clone())?;
        let command = command.shadowed(configured, shadows);
        // Makes the event's series, so that they are there as zeros.
        metrics.event(event);
        if event == Event::UsageBatch {
            // Its runs answer calls of usage.
            metrics.event(Event::Usage);
        }
        events[event as usize] = Some(Arc::new(command.shown_by(live)));
    }
    Ok(events)
}

impl Commands {
    /// Checks the parameters, starts what the process needs once (runner, completion threads,
    /// metrics), and logs the warnings.
    ///
    /// # Errors
    /// When a parameter or the start method cannot be used, or the process can start no thread.
    pub fn create(
        kind: ModuleKind,
        parameters: &[(String, String)],
    ) -> Result<Commands, CreateError> {
        let (config, warnings) = Config::parse(kind, parameters)?;
        for warning in &warnings {
            log_warning(&config, warning);
        }
        let runner = start_process(&config)?;
        let metrics = ModuleMetrics::new(&config.module_name, kind);
        start_exporters(&config);
        let lanes = Lanes::new(&config);
        let lifetime = Lifetime::begin(config.kill_grace);
        let counted = metrics.clone();
        let quarantine = Quarantine::new(QUARANTINE, move |event, enters| {
            counted.quarantined(event, enters);
        });
        let live = Live::new(&config, parameters, &runner, &metrics);
        if let Some(path) = &config.call_log {
            let file = LineFile::at(path).map_err(CreateError::Threads)?;
            live.set_log(CallLog::new(file, &metrics, config.call_log_hits));
        }
        let chosen = containment(&config)?;
        live.set_level(chosen.level().label());
        metrics.contained(chosen.level() == Level::Cgroup);
        let contained = chosen.contained(&config.module_name);
        let shadows = Shadows::new(&runner, &lifetime, &metrics);
        let events = make_commands(&config, &chosen, &metrics, (&live, &shadows))?;
        let pools = [const { None }; Event::ALL.len()];
        let mut commands = Commands {
            config,
            runner,
            metrics,
            lanes,
            lifetime,
            quarantine,
            contained,
            live,
            events,
            pools,
            warm: WarmPools::default(),
        };
        // After all that can fail: a refused instance starts no process.
        commands.start_workers();
        commands.warm = WarmPools::start(&commands);
        commands.show();
        Ok(commands)
    }

    /// Lets operators ask for it, from now on.
    fn show(&self) {
        let pools = Event::ALL.into_iter().zip(&self.pools);
        let workers = pools.filter_map(|(event, pool)| Some((event, pool.as_ref()?.workers())));
        self.live.set_workers(workers.collect());
        let shadows = self.events.iter().flatten().filter_map(|command| command.shadow.clone());
        self.live.set_shadows(shadows.collect());
        let live: Arc<dyn Instance> = self.live.clone();
        control::register(&live);
        control::open(&self.config.control_socket);
    }

    /// What operators see of it.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    fn start_workers(&mut self) {
        for (event, settings) in &self.config.events {
            let (Some(workers), Some(command)) =
                (settings.workers(), &self.events[*event as usize])
            else {
                continue;
            };
            let settings = WorkerSettings {
                spec: match event.row().output {
                    // How many containers there will be in a request is not known yet.
                    Output::ByContainer(_) => command.batch_spec(u64::MAX),
                    _ => command.spec.clone(),
                },
                workers,
                lane: self.lanes.of(*event).cloned(),
                stand_in: settings.fallback == Fallback::Spawn,
                queue_limit: queue_limit(event.row().lane),
                multiplex: settings.worker_multiplex_max,
                recycling: recycling(settings),
                quarantine: Some(self.quarantine.clone()),
                metrics: self.metrics.clone(),
                log: command.clone(),
            };
            self.pools[*event as usize] =
                Some(WorkerPool::start_in(&self.lifetime, self.runner.clone(), settings));
        }
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
        let done = move |report| done(flight.end(report));
        match self.workers(request.spec.event) {
            Some(pool) => pool.submit(request, cancel, done),
            None => {
                let lane = self.lanes.of(request.spec.event);
                self.runner.submit(request, lane, cancel, done);
            }
        }
    }

    /// As [`submit`](Commands::submit), completing with the report on any executor. What it
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
                let lane = self.lanes.of(request.spec.event);
                self.runner.run_blocking(request, lane, Some(flight.cancel()))
            }
        };
        flight.end(report)
    }

    /// Counts a request in the gauges `queued` and `running`, and lists it, until the second value
    /// is dropped. Every request is withdrawn with the instance.
    fn track(&self, mut request: Request, cancel: Option<CancelToken>) -> (Request, InFlight) {
        let cancel = cancel.unwrap_or_else(|| self.lifetime.stop().clone());
        let (table, unended) = (&self.live.table, self.lifetime.unended());
        let flight = InFlight::new(&mut request, &cancel, table, &self.metrics, unended);
        let quarantine = Some(self.quarantine.clone());
        let standby = self.warm.standby(request.spec.event);
        (Request { quarantine, standby, ..request }, flight)
    }

    /// Waits until a process stands ready for each event in warm mode, for at most `patience`.
    pub fn wait_until_warm(&self, patience: Duration) {
        self.warm.wait(patience);
    }

    /// How many commands of the lane of `event` wait for their turn.
    pub fn waiting(&self, event: Event) -> usize {
        self.lanes.of(event).map_or(0, |lane| lane.queued())
    }

    /// A token that is cancelled with the instance, or before.
    pub fn token(&self) -> CancelToken {
        self.lifetime.stop().child()
    }

    /// `done` for a call that is not answered before it returns: when the end of the instance has
    /// begun it is neither called nor dropped, because the host may have nothing left that could
    /// hear it.
    pub fn while_alive(&self, done: Completion) -> Completion {
        completion::while_alive(self.lifetime.clone(), done)
    }

    /// Ends what the commands of these containers left running until their cleanup: TERM, and KILL
    /// after the grace period. Does not wait for that.
    pub fn end_rest<'a>(&self, containers: impl IntoIterator<Item = &'a str>) {
        let Some(contained) = &self.contained else { return };
        let rest: Vec<_> = containers.into_iter().flat_map(|one| contained.of(one)).collect();
        if !rest.is_empty() {
            let grace = self.config.kill_grace;
            self.runner.run_long(Box::new(move || containment::end_rest(rest, grace)));
        }
    }

    /// Ends the instance: what waits is withdrawn, what runs is ended, with the workers, and no
    /// completion is called any more when this returns. Blocks until then; see [`Lifetime::end`]
    /// for how long.
    pub fn end(&self) {
        if !self.lifetime.end() {
            tracing::warn!(
                "{} module '{}': not all of its commands have ended in time; it goes without",
                self.config.kind.label(),
                self.config.module_name
            );
        }
    }

    /// The workers of `event`, if it is in worker mode.
    pub fn workers(&self, event: Event) -> Option<&WorkerPool> {
        self.pools[event as usize].as_ref()
    }

    /// Shows each later run to `observer`; only the first call has an effect.
    pub fn observe(&self, observer: &Observer) {
        for command in self.events.iter().flatten() {
            command.observing.set(observer.clone());
        }
    }

    /// The command of `event`, if one is configured.
    pub fn get(&self, event: Event) -> Option<&Arc<Command>> {
        self.events[event as usize].as_ref()
    }
}

fn log_warning(config: &Config, warning: &Warning) {
    tracing::warn!("{} module '{}': {warning}", config.kind.label(), config.module_name);
}
