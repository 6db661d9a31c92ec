//! Usage that is refreshed before the next request: what notices requests, and the task that has
//! the clock for [`Ahead`].
//!
//! A request reads one flag, which is set while the next one would be the first of a burst. Only
//! that one takes a lock and wakes the task.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::cache::{Ahead, Containers, LEAST_LIFE, Policy, Slot};
use crate::call::{Command, CommandSet};
use crate::event::Event;
use crate::outcome::AheadResult;
use crate::reactor::{CancelToken, sleep_until};

use super::Inner;
use super::context::{Context, Sampled};
use super::sampling::sampler;

/// What requests and runs tell the task.
#[derive(Debug, Default)]
pub(super) struct Foresight {
    /// Whether the next request begins a burst. Never set where nothing is refreshed ahead.
    listening: AtomicBool,
    burst: Mutex<Option<Instant>>,
    changed: Notify,
    /// The longest run since the task last looked, in microseconds.
    run_time: AtomicU64,
    /// What the task decides with; operators look at it. No run is started while it is locked.
    /// `None` where nothing is refreshed ahead.
    ahead: Mutex<Option<Ahead<Sampled>>>,
    /// Whether there is a task.
    has_task: AtomicBool,
}

/// What is planned, as an operator sees it who asks.
#[derive(Debug, Default)]
pub(super) struct Planned {
    /// The pace of the reader that comes next, and when it comes.
    pub(super) foreseen: Option<(Duration, Instant)>,
    /// When each container has its turn, by the address of its context.
    turns: HashMap<*const Context, Instant>,
    /// When the others get one, and until when their values are to be fresh.
    round: Option<(Instant, Instant)>,
}

impl Planned {
    /// When usage of the container is refreshed next, if it has or gets a turn.
    pub(super) fn next(&self, context: &Context) -> Option<Instant> {
        let turn = self.turns.get(&std::ptr::from_ref(context)).copied();
        turn.or_else(|| {
            let (begins, until) = self.round.filter(|_| !context.skips.has(Event::Usage))?;
            context.slot(Event::Usage).due_ahead(begins, until).map(|_| begins)
        })
    }
}

impl Foresight {
    /// What refreshes ahead the values of a set; `None`: nothing does.
    fn of(set: &CommandSet) -> Option<Ahead<Sampled>> {
        let config = &set.config;
        let command = sampler(set, Event::Usage).filter(|_| config.refresh_ahead)?;
        let is_batch = command.row.event == Event::UsageBatch;
        (config.cache_ttl >= LEAST_LIFE).then(|| Ahead::new(config.cache_ttl, is_batch))
    }

    /// Usage is asked for.
    pub(super) fn heard(&self, now: Instant) {
        if self.listening.load(Ordering::Relaxed) {
            self.heard_first(now);
        }
    }

    #[cold]
    fn heard_first(&self, now: Instant) {
        // Of callers that come at once, one is the first.
        if self.listening.swap(false, Ordering::Relaxed) {
            *self.burst.lock() = Some(now);
            self.changed.notify_one();
        }
    }

    /// A refresh has taken so long.
    pub(super) fn took(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // Mostly it is not the longest, and then nothing is written.
        if time > self.run_time.load(Ordering::Relaxed) {
            self.run_time.fetch_max(time, Ordering::Relaxed);
        }
    }

    /// What is planned now.
    pub(super) fn planned(&self) -> Planned {
        let ahead = self.ahead.lock();
        let Some(ahead) = &*ahead else { return Planned::default() };
        let address = |sampled: &Sampled| Arc::as_ptr(&sampled.context);
        Planned {
            foreseen: ahead.foreseen(),
            turns: ahead.turns().map(|(at, sampled)| (address(sampled), at)).collect(),
            round: ahead.begins(),
        }
    }

    /// When the task has something to do next.
    fn next(&self) -> Option<Instant> {
        self.ahead.lock().as_ref().and_then(Ahead::next)
    }
}

impl Inner {
    /// Begins to learn paces, where there is something to refresh ahead with this set: anew, since
    /// values live for another time, or come from another command.
    pub(super) fn foresee(self: &Arc<Self>, set: &CommandSet) {
        let ahead = Foresight::of(set);
        let has_some = ahead.is_some();
        *self.foresight.ahead.lock() = ahead;
        self.foresight.listening.store(has_some, Ordering::Relaxed);
        self.foresight.changed.notify_one();
        // An instance has one task.
        if !has_some || self.foresight.has_task.swap(true, Ordering::Relaxed) {
            return;
        }
        let task = Task { foresight: self.foresight.clone(), told: None };
        let stop = self.commands.token();
        self.commands.runner.handle().spawn(task.run(Arc::downgrade(self), stop));
    }
}

struct Task {
    foresight: Arc<Foresight>,
    /// The pace that the log has told last.
    told: Option<Duration>,
}

impl Task {
    async fn run(mut self, inner: Weak<Inner>, stop: CancelToken) {
        loop {
            let next = self.foresight.next();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.foresight.changed.notified() => {}
                () = sleep_until(next) => {}
            }
            let Some(inner) = inner.upgrade() else { return };
            self.step(&inner);
        }
    }

    fn step(&mut self, inner: &Arc<Inner>) {
        let set = inner.commands.set();
        let Some(command) = sampler(&set, Event::Usage) else { return };
        let burst = self.foresight.burst.lock().take();
        let took = self.foresight.run_time.swap(0, Ordering::Relaxed);
        let now = Instant::now();
        let mut hands = Hands { inner, turns: Vec::new() };
        let mut locked = self.foresight.ahead.lock();
        let Some(ahead) = &mut *locked else { return };
        if let Some(burst) = burst {
            ahead.burst(burst);
        }
        if took > 0 {
            ahead.took(Duration::from_micros(took));
        }
        ahead.step(now, &mut hands);
        let foreseen = ahead.foreseen();
        drop(locked);
        let policy = Policy::from(set.config.cache()).together();
        for (container, until) in hands.turns {
            if let Some(flight) = Slot::take_ahead(&container, policy, now, until) {
                inner.refresh(flight);
            }
        }
        self.tell(command, foreseen);
    }

    /// Says which pace was found, once until it is another.
    fn tell(&mut self, command: &Command, foreseen: Option<(Duration, Instant)>) {
        let Some((period, _)) = foreseen else { return };
        let known = |told: Duration| told.abs_diff(period) <= told / 5;
        if !self.told.is_some_and(known) {
            self.told = Some(period);
            command.note("", || {
                format!(
                    "usage is asked for every {:.1} s: values are refreshed shortly before \
                     (isolator_usage_refresh_ahead)",
                    period.as_secs_f64()
                )
            });
        }
    }
}

/// The containers of an instance.
struct Hands<'a> {
    inner: &'a Arc<Inner>,
    /// Those that are to be refreshed now, and until when they are to be fresh.
    turns: Vec<(Sampled, Instant)>,
}

impl Containers for Hands<'_> {
    type Container = Sampled;

    fn listen(&mut self) {
        self.inner.foresight.listening.store(true, Ordering::Relaxed);
    }

    fn due(&mut self, now: Instant, until: Instant) -> Vec<(Instant, Sampled)> {
        let mut due = Vec::new();
        for entry in self.inner.contexts.iter() {
            let slot = entry.0.slot(Event::Usage);
            if slot.take_wasted(now) {
                self.inner.commands.metrics.refresh_ahead(AheadResult::Wasted);
            }
            let is_skipped = entry.0.skips.has(Event::Usage);
            if let Some(ends) = slot.due_ahead(now, until).filter(|_| !is_skipped) {
                due.push((ends, Sampled { context: entry.0.clone(), event: Event::Usage }));
            }
        }
        due
    }

    fn refresh(&mut self, container: Sampled, until: Instant) {
        self.turns.push((container, until));
    }
}
