//! usage and status: answered from the cache, refreshed by one run at a time per container.
//!
//! These never fail towards the agent: a failed run serves the last good value while it is young
//! enough, else an empty one, because the agent's whole statistics answer, or every status update
//! of the container, waits for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cache::{Arrived, Closed, Delivery, Fresh, Lookup, Policy, Released, Served, Slot};
use crate::call::completion::complete;
use crate::call::{Answer, Command, CommandSet, Completion, Container, Hit};
use crate::event::Event;
use crate::metrics::ModuleMetrics;
use crate::outcome::{AheadResult, CacheResult, FailureReason, OutcomeKind};

use super::Inner;
use super::context::{Context, Sampled, Sampling, Waiter};

impl Inner {
    /// A fresh value, counted as an answered call; or the empty one of a container for which the
    /// command is not run. A value is looked for first, because that is what most calls find.
    pub(super) fn cached(&self, event: Event, wire: &[u8]) -> Option<Arc<[u8]>> {
        let now = Instant::now();
        let fresh = {
            let known = self.contexts.get(wire)?;
            match known.0.slot(event).fresh(now) {
                Some(fresh) => fresh,
                None => {
                    let skipped = known.0.skips.has(event).then(|| known.0.clone());
                    drop(known);
                    return self.skip_sample(event, &*skipped?);
                }
            }
        };
        let metrics = &self.commands.metrics;
        if event == Event::Usage {
            self.foresight.heard(now);
            metrics.cache_request(if fresh.ahead { CacheResult::Ahead } else { CacheResult::Hit });
            if fresh.first {
                self.served_first(wire, now, fresh.ahead);
            }
        }
        metrics.event(event).call(OutcomeKind::Ok, None);
        if self.commands.live().tells_hits() {
            self.tell_hit(event, wire, now, &fresh);
        }
        Some(fresh.bytes)
    }

    /// With `debug`: how old the value of a hit is. With a call log: one hit of so many.
    #[cold]
    fn tell_hit(&self, event: Event, wire: &[u8], now: Instant, fresh: &Fresh) {
        let live = self.commands.live();
        let is_logged = live.is_hit_logged();
        if !is_logged && !live.is_debug() {
            return;
        }
        let set = self.commands.set();
        if let (Some(context), Some(command)) = (self.context(wire), sampler(&set, event)) {
            let (result, how) = match fresh.ahead {
                true => (CacheResult::Ahead, "fresh, refreshed ahead"),
                false => (CacheResult::Hit, "fresh"),
            };
            let age = context.slot(event).age(now).unwrap_or_default();
            command.tell_served(&context.id.text, 1, age, how);
            if is_logged {
                self.log_hit(&context, event, OutcomeKind::Ok, (result, age));
            }
        }
    }

    /// Adds an answer from the cache to the call log.
    fn log_hit(
        &self,
        context: &Context,
        event: Event,
        outcome: OutcomeKind,
        (result, age): (CacheResult, Duration),
    ) {
        let (container, input) = (context.id.text.clone(), context.input.clone());
        self.commands.live().log_hit(Hit { event, container, input, outcome, result, age });
    }

    pub(super) fn sample(self: &Arc<Self>, event: Event, wire: &[u8], done: Completion) {
        if let Some(value) = self.cached(event, wire) {
            return done(Answer::Message(value));
        }
        let set = self.commands.set();
        let Some(command) = sampler(&set, event) else { return done(Answer::Nothing) };
        let metrics = &self.commands.metrics;
        let Some(context) = self.context(wire) else {
            metrics.event(event).call(OutcomeKind::Ok, None);
            metrics.event(event).failure(FailureReason::NoContext);
            return done(Answer::Nothing);
        };
        let done = self.commands.while_alive(done);
        // The metrics of the cache are about usage alone, as their names say: status is asked for
        // too seldom for a cache to matter.
        let cached = |result| {
            if event == Event::Usage {
                metrics.cache_request(result);
            }
        };
        let now = Instant::now();
        let policy = policy_for(&set, command);
        let sampled = Sampled { context, event };
        if event == Event::Usage {
            self.foresight.heard(now);
            if let Some(result) = sampled.as_ref().asked(now) {
                metrics.refresh_ahead(result);
            }
        }
        match Slot::lookup(&sampled, policy, now, Waiter { done, since: now }) {
            Lookup::Answer { value, outcome, stale, waiter, refresh } => {
                let age = sampled.as_ref().age(now).unwrap_or_default();
                let result = if stale { CacheResult::Stale } else { CacheResult::Hit };
                cached(result);
                metrics.event(event).call(outcome, None);
                if event == Event::Usage && value.is_some() {
                    metrics.value_age(age);
                }
                if value.is_some() {
                    command.tell_served(&sampled.context.id.text, 1, age, result.label());
                }
                if self.commands.live().is_hit_logged() {
                    self.log_hit(&sampled.context, event, outcome, (result, age));
                }
                (waiter.done)(answer(value));
                if let Some(flight) = refresh {
                    self.refresh_behind(command, flight);
                }
            }
            // How the others are answered is known, and counted, when they are.
            Lookup::Joined => self.release_in_time(&sampled, policy, now),
            Lookup::Lead(flight) => {
                self.refresh(flight);
                self.release_in_time(&sampled, policy, now);
            }
        }
    }

    /// A value of usage is served for the first time.
    #[cold]
    fn served_first(&self, wire: &[u8], now: Instant, ahead: bool) {
        if let Some(age) = self.context(wire).and_then(|it| it.slot(Event::Usage).age(now)) {
            self.commands.metrics.value_age(age);
        }
        if ahead {
            self.commands.metrics.refresh_ahead(AheadResult::Used);
        }
    }

    /// Answers callers with the old value, if there is one, once they have waited for a second.
    fn release_in_time(self: &Arc<Self>, sampled: &Sampled, policy: Policy, now: Instant) {
        if let Some(at) = sampled.as_ref().time_to_release(policy, now) {
            self.release_at(sampled.clone(), policy, at);
        }
    }

    fn release_at(self: &Arc<Self>, sampled: Sampled, policy: Policy, at: Instant) {
        let inner = self.clone();
        let release = move || {
            let Released { value, age, waiters, next } =
                sampled.as_ref().release(policy, Instant::now());
            let set = inner.commands.set();
            if let Some(command) = sampler(&set, sampled.event).filter(|_| !waiters.is_empty()) {
                let how = "stale: its refresh takes longer than a second";
                command.tell_served(&sampled.context.id.text, waiters.len(), age, how);
            }
            deliver_old(&inner.commands.metrics, sampled.event, (&value, age), waiters);
            if let Some(next) = next {
                inner.release_at(sampled, policy, next);
            }
        };
        self.commands.runner.timers().at(at, Box::new(release));
    }

    /// See [`super::Isolator::seed_usage`].
    pub(super) fn seed_usage(&self, wire: &[u8], value: &[u8]) -> bool {
        let Some(context) = self.context(wire) else { return false };
        let now = Instant::now();
        let waiter = Waiter { done: Box::new(drop), since: now };
        let sampled = Sampled { context, event: Event::Usage };
        let policy = Policy::from(self.commands.set().config.cache());
        match Slot::lookup(&sampled, policy, now, waiter) {
            Lookup::Lead(flight) => {
                let mut delivery = flight.finish(Ok(Some(value.into())), now);
                // No call of Mesos's that would be counted.
                delivery.waiters.clear();
                deliver(&self.commands.metrics, Event::Usage, delivery);
            }
            _ => return false,
        }
        sampled.as_ref().has_value()
    }

    /// Starts a run that no caller waits for: on the runtime, because making its files takes some
    /// ten times as long as the answer took, and an agent asks for all its containers in one go;
    /// and when it is its turn.
    fn refresh_behind(self: &Arc<Self>, command: &Command, flight: Sampling) {
        let (inner, flight) = (self.clone(), self.guarded(flight));
        let now = Instant::now();
        let start = match command.row.event {
            // One run refreshes everything that is due.
            Event::UsageBatch => now,
            _ => self.pacer.start(now, self.contexts.len()),
        };
        self.commands.runner.handle().spawn(async move {
            if start > now {
                tokio::time::sleep_until(start.into()).await;
            }
            inner.refresh(flight);
        });
    }

    /// Starts the run that ends `flight`.
    pub(super) fn refresh(self: &Arc<Self>, flight: Sampling) {
        // Taken after the flight has begun: a reload outdates those that have begun before it, and
        // others have to be of the new set.
        let (set, event) = (self.commands.set(), flight.holder().event);
        match sampler(&set, event) {
            Some(command) if command.row.event == Event::UsageBatch => {
                self.refresh_batch(&set, command, flight);
            }
            Some(command) => self.refresh_one(&set, command, flight),
            None => {
                let cancelled = flight.finish(Err(OutcomeKind::Cancelled), Instant::now());
                deliver(&self.commands.metrics, event, cancelled);
            }
        }
    }

    fn refresh_one(
        self: &Arc<Self>,
        set: &Arc<CommandSet>,
        command: &Arc<Command>,
        flight: Sampling,
    ) {
        let flight = self.guarded(flight);
        let Sampled { context, event } = flight.holder().clone();
        let Some(pass) = context.drain.enter() else {
            let cancelled = flight.finish(Err(OutcomeKind::Cancelled), Instant::now());
            return deliver(&self.commands.metrics, event, cancelled);
        };
        let about = context.id.text.clone();
        let input = context.input_for(command.spec.io, &self.kept_inputs);
        let request = command.request(input, Some(about.clone()), &about);
        let (command, metrics) = (command.clone(), self.commands.metrics.clone());
        let (foresight, began) = (self.foresight.clone(), request.submitted);
        let cancel = context.cancel.clone();
        set.submit(request, Some(cancel), move |report| {
            let fresh_for = command.fresh_for(&report.output, &about);
            let result = command.conclude(report, &about, Container::default(), |_| Ok(()));
            let result = match result {
                Ok(value) => Ok(Arrived { value: value.map(Into::into), fresh_for }),
                Err(failure) => Err(failure.outcome),
            };
            let now = Instant::now();
            let delivery = flight.arrive(result, now);
            drop(pass);
            if event == Event::Usage {
                foresight.took(now.saturating_duration_since(began));
            }
            tell_delivery(&command, &about, &delivery);
            deliver(&metrics, event, delivery);
        });
    }

    /// After a reload: the values that there are expire, so that the next ones are those of the
    /// commands and times that hold now. They are served meanwhile, as any that have expired. Runs
    /// under way are those of who waits for them already.
    pub(super) fn expire(&self) {
        let now = Instant::now();
        for known in self.contexts.iter() {
            for event in [Event::Usage, Event::Status] {
                known.0.slot(event).expire(now);
            }
        }
    }

    /// Ends the cache of a container that goes away; waiting callers get an empty answer.
    pub(super) fn close_slots(&self, context: &Context) {
        for event in [Event::Usage, Event::Status] {
            let Closed { had_value, wasted, led, waiters } = context.slot(event).close();
            if event == Event::Usage && had_value {
                self.commands.metrics.cache_entries_add(-1);
            }
            if event == Event::Usage && wasted {
                self.commands.metrics.refresh_ahead(AheadResult::Wasted);
            }
            if !waiters.is_empty() {
                let delivery = Delivery::withdrawn(led, waiters);
                deliver(&self.commands.metrics, event, delivery);
            }
        }
    }

    /// A flight that answers and counts everybody even when it is dropped without a result, by a
    /// panic.
    pub(super) fn guarded(&self, flight: Sampling) -> Sampling {
        let (metrics, event) = (self.commands.metrics.clone(), flight.holder().event);
        flight.on_abandoned(move |delivery| deliver(&metrics, event, delivery))
    }
}

/// The command that brings values of `event`: for usage the batch command, if there is one.
pub(super) fn sampler(set: &CommandSet, event: Event) -> Option<&Arc<Command>> {
    let batch = set.get(Event::UsageBatch).filter(|_| event == Event::Usage);
    batch.or_else(|| set.get(event))
}

/// Values that one run brings for many containers expire together.
fn policy_for(set: &CommandSet, command: &Command) -> Policy {
    let policy = Policy::from(set.config.cache());
    if command.row.event == Event::UsageBatch { policy.together() } else { policy }
}

/// Whether values of one set are not those of another: they come from another command, or live for
/// another time.
pub(super) fn are_other_values(one: &CommandSet, other: &CommandSet) -> bool {
    one.config.cache() != other.config.cache()
        || [Event::Usage, Event::UsageBatch, Event::Status]
            .into_iter()
            .any(|event| !one.shares(other, event))
}

fn answer(value: Served) -> Answer {
    value.map_or(Answer::Nothing, Answer::Message)
}

/// Counts a delivery, the entry in the cache and the calls, and hands it over.
pub(super) fn deliver(metrics: &ModuleMetrics, event: Event, delivery: Delivery<Waiter>) {
    if event == Event::Usage && delivery.entered {
        metrics.cache_entries_add(1);
    }
    if event == Event::Usage && delivery.used {
        metrics.refresh_ahead(AheadResult::Used);
    }
    for (index, waiter) in delivery.waiters.into_iter().enumerate() {
        if event == Event::Usage {
            let leads = delivery.led && index == 0;
            metrics.cache_request(if leads { CacheResult::Miss } else { CacheResult::Joined });
            if delivery.value.is_some() {
                metrics.value_age(delivery.age);
            }
        }
        metrics.event(event).call(delivery.outcome, Some(waiter.since.elapsed()));
        complete(waiter.done, answer(delivery.value.clone()));
    }
}

/// With `debug`: what those who have waited for a run are answered with.
pub(super) fn tell_delivery(command: &Command, subject: &str, delivery: &Delivery<Waiter>) {
    if delivery.value.is_some() && !delivery.waiters.is_empty() {
        let how = if delivery.stale { "stale: its refresh failed" } else { "just refreshed" };
        command.tell_served(subject, delivery.waiters.len(), delivery.age, how);
    }
}

/// Answers those who have waited for a refresh for long enough with the old value, of this age.
fn deliver_old(
    metrics: &ModuleMetrics,
    event: Event,
    (value, age): (&Served, Duration),
    waiters: Vec<Waiter>,
) {
    for waiter in waiters {
        if event == Event::Usage {
            metrics.cache_request(CacheResult::Stale);
            metrics.value_age(age);
        }
        metrics.event(event).call(OutcomeKind::Ok, Some(waiter.since.elapsed()));
        complete(waiter.done, answer(value.clone()));
    }
}
