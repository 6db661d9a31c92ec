//! Upkeep, listeners and the text file: everything of the metrics that needs a thread; what else is
//! served over HTTP (the control socket), and the call log.
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
mod line_file;
mod listener;
mod pages;
mod site;
mod textfile;
mod trouble;
mod unix;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::metrics::{Registry, registry};
use crate::sys;

pub(crate) use connections::Client;
pub(crate) use line_file::{Line, LineFile, flush as flush_line_files};
pub(crate) use site::{Body, Later, PLAIN, Site, Source, whole, with_body};
#[cfg(feature = "fuzz")]
pub(crate) use {connections::Connections, http::serve};

pub(crate) use address::socket_path;
pub use address::{AddressError, MetricsAddress, TextfileError, TextfilePath};

pub(crate) use pages::{Pages, exposition};
use unix::BoundSocket;

/// Pause between two foldings of recorded durations.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static SERVICE: Mutex<Option<Service>> = Mutex::new(None);

/// Starts the upkeep of the registry, once per process; further calls do nothing. Does not block.
pub fn start() {
    with_service(|_| ());
}

/// Serves `/metrics`, `/healthz` and `/`, which leads there, at each of `addresses`, in addition to
/// those of earlier calls. An address that is served already, for whatever instance, is left as it
/// is. Does not block: an address that cannot be bound is logged and tried again until it can.
pub fn listen(addresses: &[MetricsAddress]) {
    if !addresses.is_empty() {
        with_service(|service| service.listen(addresses, None));
    }
}

/// As [`listen`], with `page` at [`STATUS`](pages::STATUS) and below, which `/` leads to as well.
pub(crate) fn listen_with_page(addresses: &[MetricsAddress], page: &'static dyn Site) {
    if !addresses.is_empty() {
        with_service(|service| service.listen(addresses, Some(page)));
    }
}

/// Keeps `path` up to date for the textfile collector of node_exporter, in addition to the paths
/// of earlier calls. Does not block: writes that fail are logged and tried again.
pub fn textfile(path: &TextfilePath) {
    with_service(|service| service.textfile(path));
}

/// Serves `site` on a Unix socket at `path` that only our user and root can connect to, unless this
/// process serves something there already. The socket is there when this returns. Does not wait for
/// anybody but the file system.
///
/// # Errors
/// When it cannot be bound; then nothing is served.
pub(crate) fn open_socket(path: &Path, site: &'static dyn Site) -> io::Result<()> {
    let mut result = Ok(());
    with_service(|service| result = service.open_socket(path, site));
    result
}

/// As [`open_socket`], trying again and again, and logging why.
pub(crate) fn open_socket_some_time(path: &Path, site: &'static dyn Site) {
    with_service(|service| service.socket(path, site, None));
}

/// Removes the sockets of [`open_socket`] from their directories: the process is about to end.
pub(crate) fn remove_sockets() {
    if let Some(service) = SERVICE.lock().as_mut() {
        service.remove_sockets();
    }
}

/// Removes sockets that nobody listens on from a directory of ours, at most `most`.
pub(crate) fn remove_dead_sockets(directory: &Path, most: usize) {
    unix::remove_dead_in(directory, most);
}

/// An address is served by the listener of a wider one, which says by itself what it shows.
fn no_page(address: &MetricsAddress, wider: &MetricsAddress) {
    tracing::warn!(
        %address,
        "there is no status page unless an instance with metrics_address={wider} has \
         status_page=true: that listener serves this address too"
    );
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
    addresses: BTreeMap<MetricsAddress, Listener>,
    textfiles: BTreeSet<TextfilePath>,
    /// Sockets of [`open_socket`], with device and number of the file where it is known.
    sockets: BTreeMap<PathBuf, Option<(u64, u64)>>,
}

/// An address at which metrics are served.
#[derive(Debug)]
struct Listener {
    /// What ends its task; nothing where another address includes it.
    task: Option<AbortHandle>,
    pages: &'static Pages,
}

/// Mode of the sockets of [`open_socket`].
const PRIVATE: u32 = 0o600;

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
            sockets: BTreeMap::new(),
        })
    }

    fn listen(&mut self, addresses: &[MetricsAddress], page: Option<&'static dyn Site>) {
        for address in addresses {
            if !self.addresses.contains_key(address) {
                let listener = self.listener(address);
                self.addresses.insert(address.clone(), listener);
            }
            if let Some(page) = page {
                self.show(address, page);
            }
        }
    }

    /// Begins to serve an address that is not served yet.
    fn listener(&mut self, address: &MetricsAddress) -> Listener {
        // An address is never given up while the process lives, so neither are its pages.
        let pages: &'static Pages = Box::leak(Box::new(Pages::new(self.registry)));
        // The kernel does not bind an address beside one that includes it, whichever is first.
        if let Some(wider) = self.addresses.keys().find(|served| served.includes(address)) {
            tracing::info!(%address, "metrics are served there as part of {wider}");
            return Listener { task: None, pages };
        }
        for (served, listener) in &mut self.addresses {
            if address.includes(served)
                && let Some(task) = listener.task.take()
            {
                task.abort();
                if listener.pages.have_status() {
                    no_page(served, address);
                }
            }
        }
        let task = self.runtime.spawn(listener::run(address.clone(), pages, None, None));
        Listener { task: Some(task.abort_handle()), pages }
    }

    /// Serves the status page at an address that is served.
    fn show(&mut self, address: &MetricsAddress, page: &'static dyn Site) {
        let Some(listener) = self.addresses.get(address) else { return };
        if !listener.pages.show_status(page) {
            return;
        }
        if listener.task.is_none() {
            let is_wider =
                |served: &&MetricsAddress| *served != address && served.includes(address);
            if let Some(wider) = self.addresses.keys().find(is_wider) {
                no_page(address, wider);
            }
        } else if !address.is_local() {
            tracing::warn!(
                %address,
                "the status page can be read from the network by anybody: it names containers and \
                 tasks, and quotes what commands print"
            );
        }
    }

    fn open_socket(&mut self, path: &Path, site: &'static dyn Site) -> io::Result<()> {
        if !self.sockets.contains_key(path) {
            let bound = BoundSocket::bind(path, Some(PRIVATE))?;
            self.socket(path, site, Some(bound));
        }
        Ok(())
    }

    fn socket(&mut self, path: &Path, site: &'static dyn Site, bound: Option<BoundSocket>) {
        if self.sockets.contains_key(path) {
            return;
        }
        let file = bound.as_ref().and_then(|_| file_at(path));
        self.sockets.insert(path.to_owned(), file);
        let address = MetricsAddress::Unix(path.to_owned());
        self.runtime.spawn(listener::run(address, site, Some(PRIVATE), bound));
    }

    fn remove_sockets(&mut self) {
        for (path, file) in std::mem::take(&mut self.sockets) {
            if file.is_some() && file_at(&path) == file {
                // It is one that nobody listens on in a moment; the next process removes it.
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    fn textfile(&mut self, path: &TextfilePath) {
        if self.textfiles.insert(path.clone()) {
            self.runtime.spawn(textfile::run(path.clone(), self.registry));
        }
    }
}

/// Device and number of the file at `path`.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
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
