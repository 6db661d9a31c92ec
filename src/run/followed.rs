//! A request that can be looked at and killed while it is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::reactor::CancelToken;
use crate::staging::Input;
use crate::sys::Pid;

use super::{CommandSpec, DeadlineFrom, Request};

/// The number of the next request of this process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that no other request of this process has.
pub fn next_number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A request on its way, from its submission until its report is concluded.
pub struct Followed {
    /// The number of the request: of this process, never given twice.
    pub id: u64,
    /// What is run.
    pub spec: Arc<CommandSpec>,
    /// Its input.
    pub input: Input,
    /// Whose run it is: the container as `parent.child`.
    pub container_id: Option<Arc<str>>,
    /// When it was submitted.
    pub submitted: Instant,
    /// Withdraws it.
    pub cancel: CancelToken,
    until: Until,
    /// Nanoseconds from submission to the start, and one more; 0: it waits for its turn.
    started: AtomicU64,
    /// The process that works on it; 0: none.
    pid: AtomicI32,
    killed: AtomicBool,
    on_start: Box<dyn Fn() + Send + Sync>,
}

/// Its deadline, or until when it may wait for its turn.
#[derive(Clone, Copy)]
struct Until {
    waiting: Option<Instant>,
    from_start: bool,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Followed").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Followed {
    /// Follows a request, which `cancel` withdraws. `on_start` is called once, when it leaves its
    /// queue, on any thread; it must not block.
    pub fn new(
        request: &Request,
        cancel: CancelToken,
        on_start: impl Fn() + Send + Sync + 'static,
    ) -> Followed {
        let from_start = request.deadline_from == DeadlineFrom::Start;
        Followed {
            id: next_number(),
            spec: request.spec.clone(),
            input: request.input.clone(),
            container_id: request.container_id.clone(),
            submitted: request.submitted,
            cancel,
            until: Until { waiting: request.waits_until(), from_start },
            started: AtomicU64::new(0),
            pid: AtomicI32::new(0),
            killed: AtomicBool::new(false),
            on_start: Box::new(on_start),
        }
    }

    /// It leaves its queue. More than once is harmless.
    pub(super) fn start(&self) {
        let waited = u64::try_from(self.submitted.elapsed().as_nanos()).unwrap_or(u64::MAX - 1);
        let first = self.started.compare_exchange(
            0,
            waited.saturating_add(1),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if first.is_ok() {
            (self.on_start)();
        }
    }

    /// A process works on it from now on.
    pub(super) fn has_process(&self, pid: Pid) {
        self.pid.store(pid.as_raw(), Ordering::Relaxed);
    }

    /// When it was started; `None`: it waits for its turn.
    pub fn started(&self) -> Option<Instant> {
        let nanoseconds = self.started.load(Ordering::Relaxed).checked_sub(1)?;
        self.submitted.checked_add(Duration::from_nanos(nanoseconds))
    }

    /// The process that works on it.
    pub fn pid(&self) -> Option<i32> {
        Some(self.pid.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }

    /// When it is ended if it runs, or given up if it waits; `None`: never.
    pub fn deadline(&self) -> Option<Instant> {
        match self.started() {
            Some(start) if self.until.from_start => start.checked_add(self.spec.timeout?),
            _ => self.until.waiting,
        }
    }

    /// Ends it on behalf of an operator: it is withdrawn, and its report says by whom. More than
    /// once is harmless. Does not wait.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.cancel.cancel();
    }

    /// Whether an operator has killed it.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }
}
