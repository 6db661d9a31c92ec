//! The warm interpreters of an instance.

use std::sync::Arc;

use crate::config::EventConfig;
use crate::event::Event;
use crate::warm::{WarmPool, WarmSettings};

use super::Command;
use super::base::Base;
use super::lanes::recycling;

/// Starts the interpreter of an event in warm mode; does not wait until it is up.
pub(super) fn start_warm(
    base: &Base,
    event: Event,
    settings: &EventConfig,
    command: &Arc<Command>,
) -> Option<Arc<WarmPool>> {
    let warm = WarmSettings {
        spec: command.spec.clone(),
        script: settings.warm.clone()?,
        ready: settings.workers,
        recycling: recycling(settings),
        quarantine: Some(base.quarantine.clone()),
        metrics: base.metrics.clone(),
        log: command.clone(),
    };
    match WarmPool::start_in(&base.lifetime, base.runner.clone(), warm) {
        Ok(pool) => Some(Arc::new(pool)),
        Err(error) => {
            tracing::warn!(
                "{} module '{}': no thread for the warm interpreter of {}, whose calls start the \
                 command: {error}",
                base.kind.label(),
                base.module,
                event.label()
            );
            None
        }
    }
}
