//! What all runs share: threads, timers, directories, pools.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};

use crate::reactor::{FsHelpers, Pool, Reactor, Timers};
use crate::staging::Staging;
use crate::sys;

use super::cleaner::Cleaner;

/// Threads that wait for the ends of commands: two, so that a slow continuation of the host does
/// not hold up every other answer.
const COMPLETERS: usize = 2;
/// How many failed starts are explained at a time.
const EXPLANATIONS: usize = 8;

/// One per process; each run has a reference.
pub(super) struct Services {
    /// For timers and what waits asynchronously. Nothing on it may block.
    pub(super) runtime: Handle,
    /// The threads on which runs end.
    pub(super) reactor: Arc<Reactor>,
    pub(super) timers: Arc<Timers>,
    /// Reads and parses large outputs, and measures large directories.
    pub(super) reads: Arc<Pool>,
    /// Inspects commands that could not be started.
    pub(super) explanations: FsHelpers,
    pub(super) cleaner: Arc<Cleaner>,
    /// By parent; there are as many as configured values of `temp_dir`.
    stagings: Mutex<Vec<(Option<PathBuf>, Arc<Staging>)>>,
    /// Nothing is started any more.
    closed: AtomicBool,
}

impl Services {
    /// Starts the threads.
    ///
    /// # Errors
    /// When one cannot be started.
    pub(super) fn start() -> io::Result<Services> {
        let runtime = start_runtime()?;
        let timers = Arc::new(Timers::default());
        let services = Services {
            runtime: runtime.clone(),
            reactor: Reactor::start("mcmd-done", COMPLETERS)?,
            timers: timers.clone(),
            reads: Pool::new("mcmd-read", 2, 256),
            explanations: FsHelpers::new(EXPLANATIONS),
            cleaner: Cleaner::new(runtime.clone()),
            stagings: Mutex::default(),
            closed: AtomicBool::new(false),
        };
        runtime.spawn(async move { timers.serve().await });
        Ok(services)
    }

    /// The private directory of this process in `parent`, made on first use.
    pub(super) fn staging(&self, parent: Option<&Path>) -> io::Result<Arc<Staging>> {
        let mut stagings = self.stagings.lock();
        // Every call passes here, so the parent is not copied.
        if let Some((_, staging)) = stagings.iter().find(|(key, _)| key.as_deref() == parent) {
            return Ok(staging.clone());
        }
        let staging = Arc::new(Staging::open(parent)?.with_children(&self.runtime));
        stagings.push((parent.map(Path::to_path_buf), staging.clone()));
        Ok(staging)
    }

    /// All private directories of this process.
    pub(super) fn stagings(&self) -> Vec<Arc<Staging>> {
        self.stagings.lock().iter().map(|(_, staging)| staging.clone()).collect()
    }

    /// Lets no command be started any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// Starts the runtime on a thread of ours. Tokio's own worker threads end the whole process when
/// one of them panics, which must not happen to the agent.
fn start_runtime() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // Of its threads for what blocks.
        .thread_name("mcmd-blocking")
        .on_thread_start(sys::enter_own_thread)
        .build()?;
    let handle = runtime.handle().clone();
    let serve = move || {
        loop {
            let forever = AssertUnwindSafe(|| runtime.block_on(std::future::pending::<()>()));
            if catch_unwind(forever).is_err() {
                tracing::error!("the runtime of the command runner panicked; it goes on");
                // Not a busy loop, should it happen for ever.
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    };
    sys::start_thread("mcmd-rt".to_owned(), None, serve)?;
    Ok(handle)
}
