//! After a run whose background children are kept: their output stays small until they are gone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::errno::Errno;

use crate::staging::Capture;
use crate::sys::{self, ProcessGroup};

/// Groups that are watched at most; each costs a descriptor.
const MOST: usize = 256;
/// Pauses between two checks: short at first, because most stragglers end soon.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

static WATCHED: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        WATCHED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps the captured output of the process group `group` small until no process holds it, or the
/// group is empty.
pub(super) async fn watch(group: ProcessGroup, mut capture: Capture) {
    if capture.is_abandoned() {
        return;
    }
    let _counted = Counted;
    if WATCHED.fetch_add(1, Ordering::Relaxed) >= MOST {
        tracing::warn!(
            %group,
            "too many background children hold their stdout: what this one writes is refused"
        );
        capture.close();
        return;
    }
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = if capture.trim() { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        // The number may be another group's by now: that only means to watch for longer.
        if sys::kill_group(group, 0) == Err(Errno::ESRCH) {
            capture.close();
            return;
        }
        if capture.is_abandoned() {
            return;
        }
    }
}
