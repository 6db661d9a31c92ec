//! What an instance has for as long as it lives, whatever its parameters say later.

use std::ffi::OsString;
use std::sync::Arc;

use crate::command::{Background, Containment};
use crate::config::Config;
use crate::containment::{self, Chosen, Contained, Level};
use crate::event::ModuleKind;
use crate::exporter::{self, LineFile};
use crate::metrics::{self, ModuleMetrics};
use crate::run::{Lifetime, Quarantine, Runner, StartMethod, start_method};
use crate::status_page::StatusPage;

use super::call_log::CallLog;
use super::environment::environment;
use super::lanes::Lanes;
use super::live::Live;
use super::shadow::Shadows;
use super::{CreateError, completion};

/// Unkillable commands with which an instance starts no more.
const QUARANTINE: usize = 64;

/// What stays when the parameters of an instance change.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) kind: ModuleKind,
    pub(super) module: Arc<str>,
    pub(super) runner: Arc<Runner>,
    pub(super) metrics: Arc<ModuleMetrics>,
    pub(super) lanes: Lanes,
    pub(super) lifetime: Arc<Lifetime>,
    pub(super) quarantine: Arc<Quarantine>,
    pub(super) chosen: Chosen,
    /// At containment level `cgroup`.
    pub(super) contained: Option<Contained>,
    pub(super) live: Arc<Live>,
    pub(super) shadows: Arc<Shadows>,
    pub(super) environment: Arc<[OsString]>,
}

/// Starts what the process has once for all instances: the runner and the completion threads.
fn start_process(config: &Config) -> Result<Arc<Runner>, CreateError> {
    let method = start_method()?;
    config.check_rights()?;
    let runner = Runner::global().map_err(CreateError::Threads)?;
    runner.check_temp_dir(config.temp_dir.as_deref()).map_err(CreateError::CallDirectory)?;
    open_to_users(&runner, config)?;
    completion::start(&runner);
    if metrics::set_start_method(method) && method == StartMethod::PosixSpawn {
        tracing::info!("commands are started by {method} (MESOS_COMMAND_SPAWN) on waiting threads");
    }
    Ok(runner)
}

/// Lets the users of commands get to the directories of their calls.
fn open_to_users(runner: &Runner, config: &Config) -> Result<(), CreateError> {
    for (event, settings) in &config.events {
        let Some(user) = &settings.user else { continue };
        let opened = runner.open_temp_dir(config.temp_dir.as_deref(), user);
        opened.map_err(|error| CreateError::OutOfReach { event: *event, error })?;
    }
    Ok(())
}

fn refused(parameter: &str, value: &str, reason: String) -> CreateError {
    CreateError::Containment { parameter: parameter.to_owned(), value: value.to_owned(), reason }
}

/// Whether what is left running can be held until the cleanup of its container, where that is
/// asked for.
fn check_background(config: &Config, chosen: &Chosen) -> Result<(), CreateError> {
    if config.background != Some(Background::Container) {
        return Ok(());
    }
    if config.kind != ModuleKind::Isolator {
        let reason = "only an isolator hears of the cleanup of containers".to_owned();
        return Err(refused("background", "container", reason));
    }
    if chosen.level() == Level::Group {
        let why = if chosen.reason.is_empty() { "" } else { ": " };
        let reason = format!("it needs containment level 'cgroup'{why}{}", chosen.reason);
        return Err(refused("background", "container", reason));
    }
    Ok(())
}

/// The level of containment of an instance, which the log says.
fn containment(config: &Config) -> Result<Chosen, CreateError> {
    let chosen = containment::choose(config.containment, &config.cgroup_root)
        .map_err(|reason| refused("containment", Level::Cgroup.label(), reason))?;
    check_background(config, &chosen)?;
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

impl Base {
    /// Starts what the process needs once (runner, completion threads, metrics), and makes what the
    /// instance needs.
    ///
    /// # Errors
    /// When a parameter or the start method cannot be used, or the process can start no thread.
    pub(super) fn create(
        config: &Config,
        parameters: &[(String, String)],
    ) -> Result<Arc<Base>, CreateError> {
        let runner = start_process(config)?;
        let metrics = ModuleMetrics::new(&config.module_name, config.kind);
        start_exporters(config);
        let lanes = Lanes::new(config);
        let lifetime = Lifetime::begin(config.kill_grace);
        let counted = metrics.clone();
        let quarantine = Quarantine::new(QUARANTINE, move |event, enters| {
            counted.quarantined(event, enters);
        });
        let live = Live::new(config, parameters, &runner, &metrics);
        if let Some(path) = &config.call_log {
            let file = LineFile::at(path).map_err(CreateError::Threads)?;
            live.set_log(CallLog::new(file, &metrics, config.call_log_hits));
        }
        let chosen = containment(config)?;
        live.set_level(chosen.level().label());
        metrics.contained(chosen.level() == Level::Cgroup);
        let shadows = Shadows::new(&runner, &lifetime, &metrics);
        Ok(Arc::new(Base {
            kind: config.kind,
            module: config.module_name.clone(),
            runner,
            metrics,
            lanes,
            lifetime,
            quarantine,
            contained: chosen.contained(&config.module_name),
            chosen,
            live,
            shadows,
            environment: environment(config.environment).into(),
        }))
    }

    /// Whether the instance can have other parameters: what [`create`](Base::create) asks of the
    /// first ones. Blocks for the file system that calls have their directories on.
    ///
    /// # Errors
    /// As there.
    pub(super) fn check(&self, config: &Config) -> Result<(), CreateError> {
        config.check_rights()?;
        open_to_users(&self.runner, config)?;
        check_background(config, &self.chosen)
    }
}
