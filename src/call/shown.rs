//! What is shown of the parameters and commands that hold: without secrets.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{self, Config, Effective};
use crate::event::Event;
use crate::warm::Interpreters;
use crate::worker::Workers;

use super::shadow::Shadow;

/// What operators see of the set that holds.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) parameters: Value,
    pub(super) commands: Value,
    pub(super) parts: Parts,
}

/// What its commands keep up, and what is compared with them.
#[derive(Clone, Default)]
pub(super) struct Parts {
    pub(super) workers: Vec<(Event, Workers)>,
    pub(super) warm: Vec<(Event, Interpreters)>,
    pub(super) shadows: Vec<Arc<Shadow>>,
}

/// The parameters that hold where these were given.
pub(super) fn without_secrets(config: &Config, given: &[(String, String)]) -> Vec<Effective> {
    let shown = |one: Effective| {
        let value = config.redact.parameter(&one.key, &one.value);
        Effective { value, ..one }
    };
    config::effective(config.kind, given).into_iter().map(shown).collect()
}

impl Shown {
    /// Of these parameters, without parts.
    pub(super) fn new(config: &Config, effective: &[Effective]) -> Shown {
        let parameter = |one: &Effective| {
            json!({"key": one.key, "value": one.value,
                   "origin": if one.is_given { "given" } else { "default" }})
        };
        let commands = config.events.iter().map(|(event, command)| {
            let timeout = command.timeout.map(|timeout| timeout.as_secs_f64());
            let text = config.redact.parameter("", command.text());
            let when = command.when.as_ref().map(|it| config.redact.parameter("", it.text()));
            json!({"event": event.label(), "command": text, "when": when,
                   "mode": command.mode.label(), "timeout_seconds": timeout,
                   "lane": event.row().lane.label()})
        });
        Shown {
            parameters: effective.iter().map(parameter).collect(),
            commands: commands.collect(),
            parts: Parts::default(),
        }
    }
}

impl Parts {
    pub(super) fn workers(&self) -> Value {
        let pools = self.workers.iter().map(|(event, workers)| {
            let seen = workers.look();
            let processes = seen.processes.into_iter().map(|worker| {
                json!({"pid": worker.pid, "busy": worker.in_flight > 0,
                       "in_flight": worker.in_flight, "requests": worker.requests,
                       "up_seconds": worker.up.as_secs_f64(), "rss_bytes": worker.rss_bytes})
            });
            json!({"event": event.label(), "up": seen.up, "queued": seen.queued,
                   "processes": processes.collect::<Vec<_>>()})
        });
        pools.collect()
    }

    pub(super) fn warm(&self) -> Value {
        let pools = self.warm.iter().map(|(event, interpreters)| {
            let seen = interpreters.look();
            let interpreter = seen.interpreter.map(|one| {
                json!({"pid": one.pid, "made": one.made, "up_seconds": one.up.as_secs_f64(),
                       "rss_bytes": one.rss_bytes})
            });
            json!({"event": event.label(), "interpreter": interpreter, "ready": seen.ready,
                   "why": seen.why})
        });
        pools.collect()
    }

    pub(super) fn shadows(&self) -> Value {
        self.shadows.iter().map(|shadow| shadow.to_json()).collect()
    }
}
