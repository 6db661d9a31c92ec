//! Upkeep, listeners and the text file: everything that needs a thread.
//!
//! One thread, `mcmd-metrics`, with a runtime of its own: rendering many series or a slow scraper
//! never delays a call, and metrics stay readable when everything else is stuck. It starts with
//! the first [`start`], [`listen`] or [`textfile()`] (so never before an instance is created) and
//! lives as long as the process. A text file adds a second thread, `mcmd-metrics-io`, for its
//! writes: a file system that hangs must stop neither upkeep nor listeners.
//!
//! Nothing here fails an instance. What cannot be done is logged once, tried again with growing
//! pauses, and logged again when it works.

mod address;
mod connections;
mod http;
mod listener;
mod textfile;
mod trouble;
mod unix;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::metrics::{Registry, registry};
use crate::sys;

#[cfg(feature = "fuzz")]
pub(crate) use {connections::Client, connections::Connections, http::serve};

pub use address::{AddressError, MetricsAddress, TextfileError, TextfilePath};

/// Pause between two foldings of recorded durations.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static SERVICE: Mutex<Option<Service>> = Mutex::new(None);

/// Starts the upkeep of the registry, once per process; further calls do nothing. Does not block.
pub fn start() {
    with_service(|_| ());
}

/// Serves `/metrics` and `/healthz` at each of `addresses`, in addition to those of earlier calls.
/// An address that is served already, for whatever instance, is left as it is. Does not block: an
/// address that cannot be bound is logged and tried again until it can.
pub fn listen(addresses: &[MetricsAddress]) {
    if !addresses.is_empty() {
        with_service(|service| service.listen(addresses));
    }
}

/// Keeps `path` up to date for the textfile collector of node_exporter, in addition to the paths
/// of earlier calls. Does not block: writes that fail are logged and tried again.
pub fn textfile(path: &TextfilePath) {
    with_service(|service| service.textfile(path));
}

fn with_service(action: impl FnOnce(&mut Service)) {
    let mut slot = SERVICE.lock();
    if slot.is_none() {
        match Service::start(registry()) {
            Ok(service) => *slot = Some(service),
            // The next instance tries again. Until then renderings and full stages do the upkeep.
            Err(error) => {
                tracing::warn!(%error, "cannot start the metrics thread: no listener, no text file");
                return;
            }
        }
    }
    if let Some(service) = slot.as_mut() {
        action(service);
    }
}

/// The running thread and what was asked of it.
#[derive(Debug)]
struct Service {
    registry: &'static Registry,
    runtime: Handle,
    /// What is served, with what ends its task; nothing where another address includes it.
    addresses: BTreeMap<MetricsAddress, Option<AbortHandle>>,
    textfiles: BTreeSet<TextfilePath>,
}

impl Service {
    fn start(registry: &'static Registry) -> io::Result<Service> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .thread_name("mcmd-metrics-io")
            .on_thread_start(sys::enter_own_thread)
            .max_blocking_threads(2)
            .build()?;
        let handle = runtime.handle().clone();
        let serve = move || runtime.block_on(upkeep(registry));
        sys::start_thread("mcmd-metrics".to_owned(), None, serve)?;
        Ok(Service {
            registry,
            runtime: handle,
            addresses: BTreeMap::new(),
            textfiles: BTreeSet::new(),
        })
    }

    fn listen(&mut self, addresses: &[MetricsAddress]) {
        for address in addresses {
            if self.addresses.contains_key(address) {
                continue;
            }
            // The kernel does not bind an address beside one that includes it, whichever is first.
            if let Some(wider) = self.addresses.keys().find(|served| served.includes(address)) {
                tracing::info!(%address, "metrics are served there as part of {wider}");
                self.addresses.insert(address.clone(), None);
                continue;
            }
            for (served, listener) in &mut self.addresses {
                if address.includes(served)
                    && let Some(listener) = listener.take()
                {
                    listener.abort();
                }
            }
            let listener = self.runtime.spawn(listener::run(address.clone(), self.registry));
            self.addresses.insert(address.clone(), Some(listener.abort_handle()));
        }
    }

    fn textfile(&mut self, path: &TextfilePath) {
        if self.textfiles.insert(path.clone()) {
            self.runtime.spawn(textfile::run(path.clone(), self.registry));
        }
    }
}

async fn upkeep(registry: &'static Registry) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        guarded(registry, || registry.upkeep());
    }
}

/// Runs `action`; a panic in it is counted and yields `None`, so that the thread goes on.
fn guarded<T>(registry: &Registry, action: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(value) => Some(value),
        Err(_) => {
            registry.panic_caught();
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use test_support::until;

    use super::*;
    use crate::event::{Event, ModuleKind};

    #[test]
    fn the_thread_folds_samples_in_again_and_again() {
        let registry: &'static Registry = Box::leak(Box::new(Registry::new()));
        let module = registry.module("m", ModuleKind::Isolator);
        let _service = Service::start(registry).expect("a thread");
        for round in 0..2 {
            module.event(Event::Usage).spawn(Duration::from_millis(1));
            until(&format!("the upkeep of round {round}"), || registry.staged() == 0);
        }
    }

    #[test]
    fn a_panic_is_counted_and_contained() {
        let registry = Registry::new();
        assert_eq!(guarded(&registry, || panic!("on purpose")), None::<()>);
        assert_eq!(guarded(&registry, || 5), Some(5));
        assert!(registry.render().contains("mesos_command_panics_total 1\n"));
    }
}
