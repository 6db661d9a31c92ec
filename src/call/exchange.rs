//! One set of commands in the place of another: a reload, as an instance sees it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use crate::config::{Config, ReloadChoice};
use crate::control::Instance;
use crate::event::{Event, ModuleKind};
use crate::reload::{Change, Fixed, Given, Prepared, Target};

use super::Observer;
use super::base::Base;
use super::set::CommandSet;

/// How long the new workers of a set may take to come up before calls are given to them.
const PATIENCE: Duration = Duration::from_secs(3);

/// What else follows an exchange: it is given the sets before and after it.
pub(super) type Heard = Box<dyn Fn(&CommandSet, &CommandSet) + Send + Sync>;

/// The set that holds, and the way to another one.
pub(super) struct Exchange {
    base: Arc<Base>,
    current: RwLock<Arc<CommandSet>>,
    /// The parameters of the set that holds.
    given: Mutex<Given>,
    /// The events that had a command when the instance was created.
    first: Vec<Event>,
    heard: OnceLock<Heard>,
    observer: OnceLock<Observer>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("current", &self.current).finish_non_exhaustive()
    }
}

/// A set that is ready to take the place of another.
struct Ready {
    exchange: Arc<Exchange>,
    set: Arc<CommandSet>,
    given: Given,
}

impl Exchange {
    /// `set` holds, whose parameters are `given`.
    pub(super) fn new(base: Arc<Base>, set: Arc<CommandSet>, given: Given) -> Arc<Exchange> {
        base.live.set_parts(set.parts());
        let first = set.config.events.keys().copied().collect();
        Arc::new(Exchange {
            base,
            current: RwLock::new(set),
            given: Mutex::new(given),
            first,
            heard: OnceLock::new(),
            observer: OnceLock::new(),
        })
    }

    /// The set that holds.
    pub(super) fn current(&self) -> Arc<CommandSet> {
        self.current.read().clone()
    }

    pub(super) fn on_exchange(&self, heard: Heard) {
        let _ = self.heard.set(heard);
    }

    /// Shows each later run to `observer`; only the first call has an effect.
    pub(super) fn observe(&self, observer: &Observer) {
        self.current().observe(self.observer.get_or_init(|| observer.clone()));
    }

    /// Whether the containers that are known were asked whether the command of `event` is for them:
    /// that is decided by the command which is there when a container becomes known.
    fn is_decided(&self, event: Event) -> bool {
        let set = self.current();
        let has = |event| set.get(event).is_some();
        match event {
            Event::Usage | Event::UsageBatch => has(Event::Usage) || has(Event::UsageBatch),
            _ => has(event),
        }
    }
}

impl Target for Exchange {
    fn module(&self) -> &str {
        &self.base.module
    }

    fn kind(&self) -> ModuleKind {
        self.base.kind
    }

    fn choice(&self) -> ReloadChoice {
        self.current().config.reload
    }

    fn given(&self) -> Given {
        self.given.lock().clone()
    }

    fn shown(&self, key: &str, value: &str) -> String {
        self.current().config.redact.parameter(key, value)
    }

    fn fixed(&self, wanted: &Given) -> Vec<Fixed> {
        let value = |key: String| {
            let last = wanted.iter().rev().find(|(other, _)| *other == key);
            last.filter(|(_, value)| !value.is_empty())
        };
        let has =
            |event: Event, name: &str| value(format!("{}_{name}", event.row().prefix)).is_some();
        let why = |event: Event| match self.base.kind {
            ModuleKind::Hook if !self.first.contains(&event) => {
                Some("which hooks are called at all is decided when the agent starts")
            }
            ModuleKind::Isolator if has(event, "when") && !self.is_decided(event) => {
                Some("the containers that are known were not asked whether it is for them")
            }
            _ => None,
        };
        let commands = Event::of_kind(self.base.kind).filter(|event| has(*event, "command"));
        commands.filter_map(|event| Some((event, why(event)?))).collect()
    }

    fn check(&self, given: &Given) -> Result<(), String> {
        Config::parse(self.base.kind, given).map(drop).map_err(|error| error.to_string())
    }

    fn prepare(
        self: Arc<Self>,
        given: Given,
        changes: &[Change],
    ) -> Result<Box<dyn Prepared>, String> {
        let (config, warnings) =
            Config::parse(self.base.kind, &given).map_err(|error| error.to_string())?;
        self.base.check(&config).map_err(|error| error.to_string())?;
        for warning in &warnings {
            // What was said at load needs not be said again.
            let text = warning.to_string();
            if changes.iter().any(|change| text.contains(&format!("'{}'", change.key))) {
                tracing::warn!("{} module '{}': {text}", self.base.kind.label(), self.base.module);
            }
        }
        let before = self.current();
        let set = CommandSet::new(&self.base, config, Some(&before))
            .map_err(|error| error.to_string())?;
        if let Some(observer) = self.observer.get() {
            set.observe(observer);
        }
        set.wait_until_up(PATIENCE);
        Ok(Box::new(Ready { exchange: self, set: Arc::new(set), given }))
    }

    fn ended(&self, result: Result<&[Change], &str>) {
        match result {
            Ok(pending) => {
                self.base.metrics.loaded();
                self.base.live.reloaded(pending.iter().map(|change| change.key.clone()).collect());
            }
            Err(_) => self.base.metrics.reload_failed(),
        }
    }
}

impl Prepared for Ready {
    fn exchange(self: Box<Self>) {
        let Ready { exchange, set, given } = *self;
        let base = &exchange.base;
        let before = std::mem::replace(&mut *exchange.current.write(), set.clone());
        base.lanes.resize(&set.config);
        base.lifetime.set_grace(set.config.kill_grace);
        base.live.set_parameters(&set.config, &given);
        base.live.set_parts(set.parts());
        if before.config.debug != set.config.debug {
            base.live.set_debug(set.config.debug);
        }
        *exchange.given.lock() = given;
        if let Some(heard) = exchange.heard.get() {
            heard(&before, &set);
        }
    }
}
