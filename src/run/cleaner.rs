//! What is removed after the answer: files of calls, descriptors that had to stay reserved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::reactor::{NoPlace, Pool};
use crate::staging::{Capture, Leftover, ReservedFds, RunFiles, RunMark};
use crate::sys::ProcessGroup;

use super::stragglers;

/// Pauses between two sweeps for descriptors that can be freed.
const SWEEP_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Removes what ended runs leave.
pub(super) struct Cleaner {
    runtime: Handle,
    pub(super) reserved_fds: ReservedFds,
    /// Removes what commands left in their directories.
    pub(super) removals: Arc<Pool>,
    /// Searches for descriptors that can be freed.
    sweeps: Arc<Pool>,
    /// A task sweeps.
    sweeping: AtomicBool,
}

impl Cleaner {
    pub(super) fn new(runtime: Handle) -> Arc<Cleaner> {
        Arc::new(Cleaner {
            runtime,
            reserved_fds: ReservedFds::default(),
            removals: Pool::new("mcmd-clean", 2, 4096),
            sweeps: Pool::new("mcmd-sweep", 1, 1),
            sweeping: AtomicBool::new(false),
        })
    }

    /// Removes the files of an ended run; `kept` is its process group if some of it lives on.
    pub(super) fn clean_up(
        self: &Arc<Self>,
        io: RunFiles,
        capture: Option<Capture>,
        mark: Option<RunMark>,
        kept: Option<ProcessGroup>,
    ) {
        if let Some(leftover) = io.finish(&self.reserved_fds, mark) {
            self.remove(leftover);
        }
        match (capture, kept) {
            (Some(capture), Some(group)) => {
                self.runtime.spawn(stragglers::watch(group, capture));
            }
            (Some(capture), None) => capture.close(),
            (None, _) => {}
        }
        if !self.reserved_fds.is_empty() && !self.sweeping.swap(true, Ordering::SeqCst) {
            self.runtime.spawn(sweep(self.clone()));
        }
    }

    /// Removes a tree, however large, on a thread that nothing waits for. One that finds no place
    /// in the queue goes with the directory of the process, at its end or at the start of the next
    /// one.
    fn remove(&self, leftover: Leftover) {
        static LEFT: AtomicU64 = AtomicU64::new(0);
        match self.removals.place() {
            Ok(place) => place.run(Box::new(move || leftover.remove())),
            Err(NoPlace::NoThread) => leftover.remove(),
            Err(NoPlace::Full) => {
                let count = LEFT.fetch_add(1, Ordering::Relaxed) + 1;
                if count.is_power_of_two() {
                    tracing::warn!(
                        path = %leftover.path().display(),
                        "commands leave files behind faster than they can be removed: {count} \
                         directories of calls stay until this process has ended"
                    );
                }
            }
        }
    }
}

/// Frees reserved descriptors until none is left. A task of the runtime; it searches the processes
/// of the machine on another thread, because a process that hangs can hold up the search.
async fn sweep(cleaner: Arc<Cleaner>) {
    let [short, long] = SWEEP_PAUSES;
    let mut pause = short;
    loop {
        tokio::time::sleep(pause).await;
        let freed = match cleaner.sweeps.place() {
            Ok(place) => {
                let (sender, freed) = oneshot::channel();
                let own = cleaner.clone();
                place.run(Box::new(move || {
                    // This task waits for it until the end of the process.
                    let _ = sender.send(own.reserved_fds.sweep());
                }));
                freed.await.unwrap_or(false)
            }
            Err(NoPlace::NoThread) => cleaner.reserved_fds.sweep(),
            Err(NoPlace::Full) => false,
        };
        pause = if freed { short } else { (pause * 2).min(long) };
        if cleaner.reserved_fds.is_empty() {
            cleaner.sweeping.store(false, Ordering::SeqCst);
            // A run may have reserved descriptors between the check and the store: whichever task
            // sets the flag again goes on.
            if cleaner.reserved_fds.is_empty() || cleaner.sweeping.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}
