//! An isolator instance: contexts of containers, and what each method does with its command.
//!
//! * [`store`]: contexts on disk; `context`: contexts in memory.
//! * `files`: when contexts are written and removed.
//! * `lifecycle`: prepare, isolate, update and cleanup; `recovery`: recover. Their commands run one
//!   after the other per instance.
//! * `conditions`: which commands are not run for a container.
//! * `by_hand`: what the command line tool asks for and Mesos never does.
//! * `look`: what operators see of the containers.
//! * `sampling`: usage and status, from the cache; `batch`: one run for many containers; `ahead`:
//!   refreshes before the next request. `watch`: the watch loops.
//!
//! No method blocks: a run is submitted and its answer handed over by a completion thread. No lock
//! and no map guard is held while anything outside is called.

mod ahead;
mod batch;
mod by_hand;
mod conditions;
mod context;
mod drain;
mod files;
mod lifecycle;
mod look;
mod recovery;
mod sampling;
pub mod store;
mod watch;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dashmap::DashSet;

use crate::cache::Pacer;
use crate::call::{Answer, CommandSet, Commands, Completion, CreateError, InputValue};
use crate::config::Config;
use crate::event::{Event, ModuleKind};
use crate::schema::{self, MessageType};

use crate::container::ContainerId;
use ahead::Foresight;
use context::{ById, Context, MemfdBudget};
use files::Unsettled;
use store::Store;

/// Inputs that an instance keeps as memfds. With these, and three descriptors for each of 16 watch
/// commands, hundreds of containers take no more than 64 of the agent's descriptors.
const KEPT_INPUTS: usize = 16;

/// One instance of the isolator module.
#[derive(Debug)]
pub struct Isolator {
    inner: Arc<Inner>,
}

/// What the methods and the tasks that they leave behind share.
#[derive(Debug)]
struct Inner {
    commands: Commands,
    /// By the serialised ID.
    contexts: DashSet<ById>,
    store: Store,
    unsettled: Unsettled,
    /// Of refreshes that nobody waits for.
    pacer: Pacer,
    foresight: Arc<Foresight>,
    /// Of the first watch runs.
    watch_pacer: Pacer,
    kept_inputs: Arc<MemfdBudget>,
    id_type: MessageType,
    config_type: MessageType,
    created: SystemTime,
    /// An empty value.
    nothing: Arc<[u8]>,
}

impl Isolator {
    /// Creates an instance from the module's parameters, in their order.
    ///
    /// # Errors
    /// When a parameter cannot be used, or this Mesos lacks a message type.
    pub fn create(parameters: &[(String, String)]) -> Result<Isolator, CreateError> {
        let commands = Commands::create(ModuleKind::Isolator, parameters)?;
        let schema = schema::current();
        let find = |name| schema.message(name).ok_or(CreateError::Message(name));
        let set = commands.set();
        let config = &set.config;
        let store = Store::new(&config.state_dir, &config.module_name);
        store.open();
        if store.is_shared() {
            tracing::warn!(
                "isolator module '{}': another isolator of this agent has the same module_name and \
                 state_dir: they share contexts and metrics; give each a name of its own",
                config.module_name
            );
        }
        let isolator = Isolator {
            inner: Arc::new(Inner {
                contexts: DashSet::new(),
                store,
                unsettled: Unsettled::default(),
                pacer: refresh_pacer(config),
                foresight: Arc::default(),
                watch_pacer: watch_pacer(config),
                kept_inputs: MemfdBudget::new(KEPT_INPUTS),
                id_type: find("mesos.ContainerID")?,
                config_type: find("mesos.slave.ContainerConfig")?,
                created: SystemTime::now(),
                nothing: Arc::from([]),
                commands,
            }),
        };
        isolator.inner.foresee(&set);
        let own = Arc::downgrade(&isolator.inner);
        isolator.inner.commands.on_exchange(move |before, now| {
            if let Some(inner) = own.upgrade() {
                inner.reloaded(before, now);
            }
        });
        let known = look::Known(Arc::downgrade(&isolator.inner));
        isolator.inner.commands.live().set_containers(Box::new(known));
        Ok(isolator)
    }

    /// Waits for the interpreters of events in warm mode; see [`Commands::wait_until_warm`].
    pub fn wait_until_warm(&self, patience: Duration) {
        self.inner.commands.wait_until_warm(patience);
    }

    /// The instance's parameters, as they hold now.
    pub fn config(&self) -> Config {
        self.inner.commands.set().config.clone()
    }

    /// Answer of `supportsNesting`.
    pub fn supports_nesting(&self) -> bool {
        self.inner.commands.set().config.nested
    }

    /// Answer of `supportsStandalone`.
    pub fn supports_standalone(&self) -> bool {
        self.inner.commands.set().config.standalone
    }

    /// How many containers the instance knows.
    pub fn containers(&self) -> usize {
        self.inner.contexts.len()
    }

    /// The fresh value of usage or status of the container with this serialised ID, if there is
    /// one; it then counts as a call that was made and answered. Otherwise the call is still to be
    /// made. Never blocks and allocates nothing.
    pub fn cached(&self, event: Event, container_id: &[u8]) -> Option<Arc<[u8]>> {
        self.inner.cached(event, container_id)
    }

    /// Keeps `value` as if a run of usage had ended with it just now; `false` when the container
    /// is not known, or the cache is off. For measuring the cache where no process can be started
    /// (under valgrind) or 10,000 would take too long: everything but the run is the real thing.
    #[doc(hidden)]
    pub fn seed_usage(&self, wire: &[u8], value: &[u8]) -> bool {
        self.inner.seed_usage(wire, value)
    }

    /// Starts any isolator method. Never blocks.
    ///
    /// `values` are the row's, except that the engine itself adds `container_config` to all
    /// events but prepare: the adapter passes [`InputValue::Absent`] there.
    /// For watch, `done` may never be called (it is dropped when the container is cleaned up).
    pub fn call(&self, event: Event, values: &[InputValue<'_>], done: Completion) {
        if event == Event::Recover {
            return self.inner.recover(values, self.inner.commands.while_alive(done));
        }
        let position = event.row().inputs.iter().position(|key| key.name == "container_id");
        let id = match position.and_then(|index| values.get(index)) {
            Some(InputValue::Message(bytes)) => *bytes,
            _ => return done(no_container_id(event)),
        };
        match event {
            // The hot path: no allocation for the container's name.
            Event::Usage | Event::Status => self.inner.sample(event, id, done),
            _ => match ContainerId::from_wire(id) {
                None => done(no_container_id(event)),
                Some(id) => {
                    let done = self.inner.commands.while_alive(done);
                    self.inner.launch(event, id, values, done);
                }
            },
        }
    }
}

/// Ends what the instance has started, at most for as long as
/// [`Lifetime::end`](crate::run::Lifetime::end) allows. Mesos deletes an isolator when the agent
/// exits, before it takes down libprocess: no completion is called any more afterwards.
impl Drop for Isolator {
    fn drop(&mut self) {
        self.inner.commands.end();
    }
}

impl Inner {
    fn launch(
        self: &Arc<Self>,
        event: Event,
        id: ContainerId,
        values: &[InputValue<'_>],
        done: Completion,
    ) {
        match event {
            Event::Prepare => self.prepare(id, values, done),
            Event::Cleanup => self.cleanup(id, done),
            Event::Watch => self.watch(&id, done),
            _ => self.run_launch(event, &id, values, done),
        }
    }

    /// Follows a reload.
    fn reloaded(self: &Arc<Self>, before: &CommandSet, now: &CommandSet) {
        self.pacer.follow(refresh_pacer(&now.config));
        self.watch_pacer.follow(watch_pacer(&now.config));
        let are_others = sampling::are_other_values(before, now);
        if are_others {
            self.expire();
        }
        if are_others || before.config.refresh_ahead != now.config.refresh_ahead {
            self.foresee(now);
        }
    }

    /// The context of a container, if it is known.
    fn context(&self, wire: &[u8]) -> Option<Arc<Context>> {
        self.contexts.get(wire).map(|known| known.0.clone())
    }
}

fn refresh_pacer(config: &Config) -> Pacer {
    Pacer::new(config.cache_ttl, config.stale_while_revalidate)
}

fn watch_pacer(config: &Config) -> Pacer {
    Pacer::over(config.watch_interval, config.watch_parallel)
}

/// The host always gives an ID; if it ever does not, only the methods that may fail do.
fn no_container_id(event: Event) -> Answer {
    match event {
        Event::Prepare | Event::Isolate => {
            Answer::Failure(format!("{}: the container's ID is missing", event.row().method))
        }
        _ => Answer::Nothing,
    }
}
