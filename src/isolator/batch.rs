//! `isolator_usage_batch_command`: one run refreshes the usage of all containers that are due.
//!
//! The first caller whose container has no fresh value starts the run, which takes along every
//! container whose value would expire within half a TTL; callers that come meanwhile wait for it.
//! Values refreshed together expire together, so there is one run per TTL, however many containers
//! there are. A container that was refreshed out of step is taken along as soon as it is due, and
//! is in step from then on.

use std::sync::Arc;
use std::time::Instant;

use crate::call::{Command, Parts};
use crate::event::{Event, OutcomeKind};
use crate::metrics::FailureReason;
use crate::process::Input;
use crate::usage::Slot;

use super::Inner;
use super::context::{Sampled, Sampling};
use super::sampling::deliver;

/// The subject of a batch in log lines.
const SUBJECT: &str = "batch";

impl Inner {
    /// Starts the run that ends the first container's flight, and those of all that are due.
    pub(super) fn refresh_batch(self: &Arc<Self>, command: &Arc<Command>, first: Sampling) {
        let flights = self.board(first);
        let mut input = b"{\"containers\":[".to_vec();
        for (index, flight) in flights.iter().enumerate() {
            if index > 0 {
                input.push(b',');
            }
            input.extend_from_slice(&flight.holder().context.input);
        }
        input.extend_from_slice(b"]}");
        let request = command.request(Input::Text(input.into()), None, SUBJECT);
        let (inner, command) = (self.clone(), command.clone());
        // A container that is cleaned up meanwhile is not waited for, nor is the run withdrawn:
        // its slot is closed and drops what comes late.
        self.commands.submit(request, None, move |report| {
            let mut parts = Parts::new();
            let concluded = command.conclude(report, SUBJECT, |output| {
                parts = command.read_by_container(output, SUBJECT)?;
                Ok(())
            });
            let outcome = concluded.outcome();
            inner.alight(&command, flights, &mut parts, outcome);
        });
    }

    /// The first container's flight and those of all others that are due.
    fn board(&self, first: Sampling) -> Vec<Sampling> {
        let policy = self.policy.together();
        let until = Instant::now() + policy.ttl() / 2;
        let mut flights = vec![first];
        for entry in self.contexts.iter() {
            if entry.0.skipped {
                continue;
            }
            let usage = Sampled { context: entry.0.clone(), event: Event::Usage };
            flights.extend(Slot::refresh_if_due(&usage, policy, until));
        }
        flights.into_iter().map(|flight| self.guarded(flight)).collect()
    }

    /// Ends all flights. A container that the answer leaves out, or gets wrong, is served its last
    /// good value.
    fn alight(
        &self,
        command: &Command,
        flights: Vec<Sampling>,
        parts: &mut Parts,
        outcome: OutcomeKind,
    ) {
        let now = Instant::now();
        for flight in flights {
            let id = &flight.holder().context.id.text;
            let result = match (outcome, parts.remove(&**id)) {
                (OutcomeKind::Ok, Some(Ok(bytes))) => Ok(Some(bytes.into())),
                (OutcomeKind::Ok, Some(Err(failure))) => {
                    command.metrics().failure(failure.reason);
                    command.log_failure(&failure.message, id);
                    Err(failure.outcome)
                }
                (OutcomeKind::Ok, None) => {
                    command.metrics().failure(FailureReason::InvalidOutput);
                    command.log_failure("the batch's answer has nothing for the container", id);
                    Err(OutcomeKind::InvalidOutput)
                }
                (failed, _) => Err(failed),
            };
            deliver(&self.commands.metrics, Event::Usage, flight.finish(result, now));
        }
        if !parts.is_empty() {
            command.metrics().lossy_output();
            command.note(SUBJECT, || {
                let unknown: Vec<&str> = parts.keys().take(5).map(String::as_str).collect();
                let count = parts.len();
                format!("the batch's answer has {count} unknown containers: {}", unknown.join(", "))
            });
        }
    }
}
