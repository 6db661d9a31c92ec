//! The warm interpreters of an instance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::run::Standby;
use crate::warm::{WarmPool, WarmSettings};

use super::commands::Commands;
use super::lanes::recycling;

/// Between two looks whether a process stands ready.
const PAUSE: Duration = Duration::from_millis(2);

/// By event.
#[derive(Debug, Default)]
pub(super) struct WarmPools(Vec<(Event, WarmPool)>);

impl WarmPools {
    /// Starts one for each event in warm mode; does not wait until they are up.
    pub(super) fn start(commands: &Commands) -> WarmPools {
        let mut pools = Vec::new();
        for (event, settings) in &commands.config.events {
            let (Some(script), Some(command)) = (&settings.warm, commands.get(*event)) else {
                continue;
            };
            let warm = WarmSettings {
                spec: command.spec.clone(),
                script: script.clone(),
                ready: settings.workers,
                recycling: recycling(settings),
                quarantine: Some(commands.quarantine.clone()),
                metrics: commands.metrics.clone(),
                log: command.clone(),
            };
            match WarmPool::start_in(&commands.lifetime, commands.runner.clone(), warm) {
                Ok(pool) => pools.push((*event, pool)),
                Err(error) => tracing::warn!(
                    "{} module '{}': no thread for the warm interpreter of {}, whose calls start the \
                     command: {error}",
                    commands.config.kind.label(),
                    commands.config.module_name,
                    event.label()
                ),
            }
        }
        WarmPools(pools)
    }

    /// The processes that stand ready for an event's command.
    pub(super) fn standby(&self, event: Event) -> Option<Arc<Standby>> {
        let (_, pool) = self.0.iter().find(|(other, _)| *other == event)?;
        Some(pool.standby().clone())
    }

    /// Waits until one stands ready for each event, for at most `patience`.
    pub(super) fn wait(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let is_ready = |(_, pool): &(Event, WarmPool)| pool.standby().is_ready();
        while !self.0.iter().all(is_ready) && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
    }
}
