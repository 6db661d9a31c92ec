//! A look at a warm interpreter from outside: how it is, for an operator who asks.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::run::Standby;
use crate::sys::{Pid, resident_bytes};

/// The warm interpreter of one event, for as long as its pool lives.
#[derive(Clone)]
pub struct Interpreters {
    pub(super) standby: Weak<Standby>,
    pub(super) serving: Arc<Serving>,
}

impl std::fmt::Debug for Interpreters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interpreters")
    }
}

/// What a look at a pool has seen.
#[derive(Clone, Debug, Default)]
pub struct SeenWarm {
    /// The interpreter that serves; `None`: calls start the command.
    pub interpreter: Option<SeenInterpreter>,
    /// Processes that stand ready.
    pub ready: usize,
    /// Why there is none, as far as it is known.
    pub why: Option<String>,
}

/// What a look at an interpreter has seen.
#[derive(Clone, Copy, Debug)]
pub struct SeenInterpreter {
    /// Its process.
    pub pid: i32,
    /// How long it has been up.
    pub up: Duration,
    /// Processes that it has made.
    pub made: u64,
    /// Memory that it has in use; `None`: it has just ended.
    pub rss_bytes: Option<u64>,
}

impl Interpreters {
    /// Looks. Waits for locks that are held for moments.
    pub fn look(&self) -> SeenWarm {
        let Some(standby) = self.standby.upgrade() else { return SeenWarm::default() };
        let (ready, made) = (standby.ready(), standby.made());
        let (serves, why) = {
            let now = self.serving.0.lock();
            (now.interpreter, now.why.clone())
        };
        let interpreter = serves.map(|(pid, since)| SeenInterpreter {
            pid: pid.as_raw(),
            up: since.elapsed(),
            made,
            rss_bytes: resident_bytes(pid),
        });
        SeenWarm { interpreter, ready, why }
    }
}

/// What the supervisor tells of the interpreter that serves.
#[derive(Default)]
pub(super) struct Serving(Mutex<Now>);

#[derive(Default)]
struct Now {
    interpreter: Option<(Pid, Instant)>,
    why: Option<String>,
}

impl Serving {
    /// This one serves, since then.
    pub(super) fn up(&self, pid: Pid, since: Instant) {
        *self.0.lock() = Now { interpreter: Some((pid, since)), why: None };
    }

    /// None serves.
    pub(super) fn down(&self) {
        self.0.lock().interpreter = None;
    }

    /// None could be brought up, or the last one has ended by itself; whether that is news.
    pub(super) fn failed(&self, why: &str) -> bool {
        let mut now = self.0.lock();
        let is_new = now.why.as_deref() != Some(why);
        now.why = Some(why.to_owned());
        is_new
    }
}
