//! Everything that a module instance has configured.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::command::{Background, Containment, Limits};
use crate::config::{Config, EnvironmentChoice, Fallback, Warning};
use crate::containment::{self, Chosen, Contained, Level, NoLimit};
use crate::event::{Event, ModuleKind, Output};
use crate::exporter;
use crate::metrics::{self, ModuleMetrics};
use crate::reactor::CancelToken;
use crate::run::{Lifetime, OnStart, Quarantine, Request, RunReport, Runner, lost_report};
use crate::run::{StartMethod, start_method};

use crate::schema;
use crate::worker::{WorkerPool, WorkerSettings};

use super::in_flight::InFlight;
use super::lanes::{Lanes, queue_limit, recycling};
use super::{Command, Completion, CreateError, Observer, completion};

/// Variables that `environment=clean` passes on; those of sudo's `env_reset` that a daemon has,
/// the locale and the time zone.
const CLEAN: [&str; 9] = ["HOME", "LANG", "LOGNAME", "MAIL", "PATH", "SHELL", "TERM", "TZ", "USER"];
/// `PATH` of a clean environment when the agent has none.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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
    lifetime: Arc<Lifetime>,
    quarantine: Arc<Quarantine>,
    /// At containment level `cgroup`.
    contained: Option<Contained>,
    events: [Option<Arc<Command>>; Event::ALL.len()],
    /// Of the events in worker mode.
    pools: [Option<WorkerPool>; Event::ALL.len()],
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
    exporter::listen(&config.metrics_addresses);
    if let Some(path) = &config.metrics_textfile {
        exporter::textfile(path);
    }
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
        let environment: Arc<[OsString]> = environment(config.environment).into();
        let schema = schema::current();
        let lanes = Lanes::new(&config);
        let lifetime = Lifetime::begin(config.kill_grace);
        let counted = metrics.clone();
        let quarantine = Quarantine::new(QUARANTINE, move |event, enters| {
            counted.quarantined(event, enters);
        });
        let chosen = containment(&config)?;
        metrics.contained(chosen.level() == Level::Cgroup);
        let contained = chosen.contained(&config.module_name);
        let mut events = [const { None }; Event::ALL.len()];
        for (event, command) in &config.events {
            let cgroups = chosen
                .pool(&config.module_name, event.label(), command.limits())
                .map_err(|why| no_limit(*event, command.limits(), why))?;
            let command = Command::new(
                &config,
                *event,
                command,
                environment.clone(),
                cgroups,
                &schema,
                metrics.clone(),
            )?;
            // Makes the event's series, so that they are there as zeros.
            metrics.event(*event);
            if *event == Event::UsageBatch {
                // Its runs answer calls of usage.
                metrics.event(Event::Usage);
            }
            events[*event as usize] = Some(Arc::new(command));
        }
        let pools = [const { None }; Event::ALL.len()];
        let mut commands = Commands {
            config,
            runner,
            metrics,
            lanes,
            lifetime,
            quarantine,
            contained,
            events,
            pools,
        };
        // After all that can fail: a refused instance starts no process.
        commands.start_workers();
        Ok(commands)
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
        let (request, flight) = self.track(request);
        let cancel = Some(self.or_stop(cancel));
        let done = move |report| {
            drop(flight);
            done(report);
        };
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
        let (request, _flight) = self.track(request);
        match self.workers(request.spec.event) {
            Some(pool) => pool.run_blocking(request),
            None => {
                let lane = self.lanes.of(request.spec.event);
                self.runner.run_blocking(request, lane, Some(self.or_stop(None)))
            }
        }
    }

    /// Counts a request in the gauges `queued` and `running` until the second value is dropped.
    fn track(&self, request: Request) -> (Request, InFlight) {
        let unended = self.lifetime.unended();
        let in_flight = InFlight::new(self.metrics.clone(), request.spec.event, unended);
        let started = in_flight.0.clone();
        let on_start = Some(OnStart::new(move || started.start()));
        let quarantine = Some(self.quarantine.clone());
        (Request { on_start, quarantine, ..request }, in_flight)
    }

    /// How many commands of the lane of `event` wait for their turn.
    pub fn waiting(&self, event: Event) -> usize {
        self.lanes.of(event).map_or(0, |lane| lane.queued())
    }

    /// The token of a request: every one is withdrawn with the instance.
    fn or_stop(&self, cancel: Option<CancelToken>) -> CancelToken {
        cancel.unwrap_or_else(|| self.lifetime.stop().clone())
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

/// `KEY=value` entries for commands, as the process has them now.
fn environment(choice: EnvironmentChoice) -> Vec<OsString> {
    let entry = |(key, value): (OsString, OsString)| {
        let mut entry = key;
        entry.push("=");
        entry.push(value);
        entry
    };
    let all = std::env::vars_os();
    match choice {
        EnvironmentChoice::Agent => all.map(entry).collect(),
        EnvironmentChoice::Clean => {
            let mut entries: Vec<OsString> = all
                .filter(|(key, value)| is_clean(key.as_bytes(), value.as_bytes()))
                .map(entry)
                .collect();
            if !entries.iter().any(|entry| entry.as_bytes().starts_with(b"PATH=")) {
                entries.push(DEFAULT_PATH.into());
            }
            entries
        }
    }
}

/// sudo drops values that shells of old took for functions, and locales that name files.
fn is_clean(key: &[u8], value: &[u8]) -> bool {
    let listed = CLEAN.iter().any(|name| name.as_bytes() == key);
    let locale = key.starts_with(b"LC_") && !value.iter().any(|byte| b"/%".contains(byte));
    (listed || locale) && !value.starts_with(b"()")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_environment_keeps_only_the_listed_variables() {
        assert!(is_clean(b"PATH", b"/bin"));
        assert!(is_clean(b"LC_ALL", b"C.UTF-8"));
        for (key, value) in [
            (&b"LD_PRELOAD"[..], &b"/x.so"[..]),
            (b"MESOS_MODULES", b"{}"),
            (b"LIBPROCESS_IP", b"::1"),
            (b"LC_ALL", b"../../x"),
            (b"TERM", b"() { :; }"),
            (b"BASH_ENV", b"/x"),
        ] {
            assert!(!is_clean(key, value), "{}", String::from_utf8_lossy(key));
        }
        let clean = environment(EnvironmentChoice::Clean);
        assert!(clean.iter().any(|entry| entry.as_bytes().starts_with(b"PATH=")));
    }
}
