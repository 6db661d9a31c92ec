//! `isolator_usage_batch_command`: one run refreshes the usage of all containers that are due.
//!
//! The first caller whose container has no fresh value starts the run, which takes along every
//! container whose value would expire within half a TTL; callers that come meanwhile wait for it.
//! Values refreshed together expire together, so there is one run per TTL, however many containers
//! there are. A container that was refreshed out of step is taken along as soon as it is due, and
//! is in step from then on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::cache::{Arrived, Policy, Slot};
use crate::call::{Command, CommandSet, Container, Part, Parts, outcome_of};
use crate::event::Event;
use crate::outcome::FailureReason;
use crate::outcome::OutcomeKind;
use crate::staging::Input;

use super::Inner;
use super::context::{Context, Sampled, Sampling};
use super::sampling::{are_other_values, deliver, tell_delivery};

/// The subject of a batch in log lines.
const SUBJECT: &str = "batch";

impl Inner {
    /// Starts the run that ends the first container's flight, and those of all that are due.
    pub(super) fn refresh_batch(
        self: &Arc<Self>,
        set: &Arc<CommandSet>,
        command: &Arc<Command>,
        first: Sampling,
    ) {
        let flights = self.collect_due(set, first);
        let mut input = b"{\"containers\":[".to_vec();
        for (index, flight) in flights.iter().enumerate() {
            if index > 0 {
                input.push(b',');
            }
            input.extend_from_slice(&flight.holder().context.input);
        }
        input.extend_from_slice(b"]}");
        let request = command.batch_request(Input::Text(input.into()), flights.len(), SUBJECT);
        let began = request.submitted;
        let (inner, command, began_with) = (self.clone(), command.clone(), set.clone());
        // A container that is cleaned up meanwhile is not waited for, nor is the run withdrawn:
        // its slot is closed and drops what comes late.
        set.submit(request, None, move |report| {
            let mut parts = Parts::new();
            let result = command.conclude(report, SUBJECT, Container::default(), |output| {
                parts = command.read_by_container(output, SUBJECT)?;
                Ok(())
            });
            inner.foresight.took(began.elapsed());
            let outcome = outcome_of(&result);
            let silent = matches!(result, Ok(None));
            let answer = &mut BatchAnswer { outcome, parts, silent };
            inner.distribute((&began_with, &command), flights, answer);
        });
    }

    /// The first container's flight and those of all others that are due; ahead of requests, of
    /// those that somebody has asked for.
    fn collect_due(&self, set: &CommandSet, first: Sampling) -> Vec<Sampling> {
        let policy = Policy::from(set.config.cache()).together();
        let now = Instant::now();
        let until = now + policy.ttl() / 2;
        let ahead = first.is_ahead();
        let mut flights = vec![first];
        for entry in self.contexts.iter() {
            if entry.0.skips.has(Event::Usage) {
                continue;
            }
            let usage = Sampled { context: entry.0.clone(), event: Event::Usage };
            flights.extend(if ahead {
                Slot::take_ahead(&usage, policy, now, until)
            } else {
                Slot::refresh_if_due(&usage, policy, until)
            });
        }
        flights.into_iter().map(|flight| self.guarded(flight)).collect()
    }

    /// Ends all flights. A container that the answer leaves out, or gets wrong, is served its last
    /// good value.
    fn distribute(
        &self,
        (set, command): (&Arc<CommandSet>, &Command),
        flights: Vec<Sampling>,
        answer: &mut BatchAnswer,
    ) {
        let now = Instant::now();
        let results: Vec<_> = flights
            .into_iter()
            .map(|flight| {
                let result = answer.take(command, &flight.holder().context);
                (flight, result)
            })
            .collect();
        answer.tell_unknown(command);
        // A reload may have come between the set and the flights that were collected for it.
        let is_outdated = are_other_values(set, &self.commands.set());
        for (flight, result) in results {
            let context = flight.holder().context.clone();
            let delivery = flight.outdated(is_outdated).arrive(result, now);
            tell_delivery(command, &context.id.text, &delivery);
            deliver(&self.commands.metrics, Event::Usage, delivery);
        }
    }
}

/// What a run has answered.
struct BatchAnswer {
    outcome: OutcomeKind,
    /// What is left of it.
    parts: Parts,
    /// Its output was empty: it has no value for any container.
    silent: bool,
}

impl BatchAnswer {
    /// The container's part. A missing part is no failure of its calls, and is logged when it
    /// begins.
    fn take(&mut self, command: &Command, context: &Context) -> Result<Arrived, OutcomeKind> {
        let id = &context.id.text;
        let part = self.parts.remove(&**id);
        let left_out = self.outcome == OutcomeKind::Ok && part.is_none() && !self.silent;
        if part.is_some() {
            context.left_out.store(false, Ordering::Relaxed);
        } else if left_out && !context.left_out.swap(true, Ordering::Relaxed) {
            command.metrics().failure(FailureReason::InvalidOutput);
            let text = "the batch's answer has nothing for the container, which keeps its last \
                        value (told once, until it has something)";
            command.log_failure(text, id);
        }
        match part {
            Some(Ok(Part { bytes, fresh_for })) => {
                Ok(Arrived { value: Some(bytes.into()), fresh_for })
            }
            Some(Err(failure)) => {
                command.metrics().failure(failure.reason);
                command.log_failure(&failure.message, id);
                Err(failure.outcome)
            }
            // If the run was ok: no new value, and nothing wrong with the call.
            None => Err(self.outcome),
        }
    }

    fn tell_unknown(&self, command: &Command) {
        let count = self.parts.len();
        if count > 0 {
            command.metrics().lossy_output();
            command.note(SUBJECT, || {
                let unknown: Vec<&str> = self.parts.keys().take(5).map(String::as_str).collect();
                format!("the batch's answer has {count} unknown containers: {}", unknown.join(", "))
            });
        }
    }
}
