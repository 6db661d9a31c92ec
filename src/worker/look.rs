//! A look at a pool from outside: how its workers are, for an operator who asks.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::sys;

use super::worker::{Phase, Pool, Worker};

/// The workers of one event, for as long as their pool lives.
#[derive(Clone)]
pub struct Workers(pub(super) Weak<Pool>);

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Workers")
    }
}

/// What a look at a pool has seen.
#[derive(Clone, Debug, Default)]
pub struct SeenPool {
    /// Workers that are ready or busy.
    pub up: usize,
    /// Requests that wait for one.
    pub queued: usize,
    /// Each of them.
    pub processes: Vec<SeenWorker>,
}

/// What a look at a worker has seen.
#[derive(Clone, Copy, Debug)]
pub struct SeenWorker {
    /// Its process.
    pub pid: i32,
    /// Requests that it has.
    pub in_flight: usize,
    /// Requests that it was given.
    pub requests: u64,
    /// How long it has been up.
    pub up: Duration,
    /// Memory that it has in use; `None`: it has just ended.
    pub rss_bytes: Option<u64>,
}

impl Workers {
    /// Looks. Waits for locks that are held for moments.
    pub fn look(&self) -> SeenPool {
        let Some(pool) = self.0.upgrade() else { return SeenPool::default() };
        let state = pool.lock();
        let (up, queued) = (state.up, state.waiting.len());
        let all: Vec<Arc<Worker>> = state.all.iter().filter_map(Weak::upgrade).collect();
        // Under the pool's lock no worker is locked.
        drop(state);
        SeenPool {
            up,
            queued,
            processes: all.iter().filter_map(|worker| look_at(worker)).collect(),
        }
    }
}

fn look_at(worker: &Worker) -> Option<SeenWorker> {
    let state = worker.state.lock();
    let in_flight = match state.phase {
        Phase::Serves => state.asked.len(),
        Phase::Leased => 1,
        Phase::Lost(_) | Phase::Gone => return None,
    };
    let requests = state.last_id;
    drop(state);
    let rss_bytes = sys::resident_bytes(worker.pid);
    Some(SeenWorker {
        pid: worker.pid.as_raw(),
        in_flight,
        requests,
        up: worker.began.elapsed(),
        rss_bytes,
    })
}
