//! Everything that a module instance has configured.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Warning};
use crate::containment;
use crate::control::{self, Instance};
use crate::event::{Event, ModuleKind};
use crate::metrics::ModuleMetrics;
use crate::reactor::CancelToken;
use crate::reload::{self, Target};
use crate::run::Runner;

use super::base::Base;
use super::exchange::Exchange;
use super::live::Live;
use super::set::CommandSet;
use super::{Completion, CreateError, Observer, completion};

/// The configuration of an instance, its commands and its metrics.
#[derive(Debug)]
pub struct Commands {
    /// The process-wide runner.
    pub runner: Arc<Runner>,
    /// The instance's metrics.
    pub metrics: Arc<ModuleMetrics>,
    live: Arc<Live>,
    base: Arc<Base>,
    exchange: Arc<Exchange>,
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
        let base = Base::create(&config, parameters)?;
        let set = Arc::new(CommandSet::new(&base, config, None)?);
        let live: Arc<dyn Instance> = base.live.clone();
        control::register(&live);
        control::open(&set.config.control_socket);
        let exchange = Exchange::new(base.clone(), set.clone(), parameters.to_vec());
        base.metrics.loaded();
        let target: Arc<dyn Target> = exchange.clone();
        reload::register(&target, set.config.reload_from.as_deref(), base.runner.handle());
        Ok(Commands {
            runner: base.runner.clone(),
            metrics: base.metrics.clone(),
            live: base.live.clone(),
            base,
            exchange,
        })
    }

    /// The commands that hold now. A call takes them once, at its beginning.
    pub fn set(&self) -> Arc<CommandSet> {
        self.exchange.current()
    }

    /// Calls `heard` after each exchange, with the sets before and after it; only the first call
    /// has an effect. It must not block.
    pub(crate) fn on_exchange(
        &self,
        heard: impl Fn(&CommandSet, &CommandSet) + Send + Sync + 'static,
    ) {
        self.exchange.on_exchange(Box::new(heard));
    }

    /// What operators see of it.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Waits until a process stands ready for each event in warm mode, for at most `patience`.
    pub fn wait_until_warm(&self, patience: Duration) {
        self.set().wait_until_warm(patience);
    }

    /// How many commands of the lane of `event` wait for their turn.
    pub fn waiting(&self, event: Event) -> usize {
        self.base.lanes.of(event).map_or(0, |lane| lane.queued())
    }

    /// A token that is cancelled with the instance, or before.
    pub fn token(&self) -> CancelToken {
        self.base.lifetime.stop().child()
    }

    /// `done` for a call that is not answered before it returns: when the end of the instance has
    /// begun it is neither called nor dropped, because the host may have nothing left that could
    /// hear it.
    pub fn while_alive(&self, done: Completion) -> Completion {
        completion::while_alive(self.base.lifetime.clone(), done)
    }

    /// Ends what the commands of these containers left running until their cleanup: TERM, and KILL
    /// after the grace period. Does not wait for that.
    pub fn end_rest<'a>(&self, containers: impl IntoIterator<Item = &'a str>) {
        let Some(contained) = &self.base.contained else { return };
        let rest: Vec<_> = containers.into_iter().flat_map(|one| contained.of(one)).collect();
        if !rest.is_empty() {
            let grace = self.set().config.kill_grace;
            self.runner.run_long(Box::new(move || containment::end_rest(rest, grace)));
        }
    }

    /// Ends the instance: what waits is withdrawn, what runs is ended, with the workers, and no
    /// completion is called any more when this returns. Blocks until then; see
    /// [`Lifetime::end`](crate::run::Lifetime::end) for how long.
    pub fn end(&self) {
        if !self.base.lifetime.end() {
            tracing::warn!(
                "{} module '{}': not all of its commands have ended in time; it goes without",
                self.base.kind.label(),
                self.base.module
            );
        }
    }

    /// Shows each later run to `observer`; only the first call has an effect.
    pub fn observe(&self, observer: &Observer) {
        self.exchange.observe(observer);
    }
}

/// A warning of the parameters, for the log.
fn log_warning(config: &Config, warning: &Warning) {
    tracing::warn!("{} module '{}': {warning}", config.kind.label(), config.module_name);
}
