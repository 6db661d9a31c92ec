//! A hook instance.
//!
//! Synchronous hooks hold the agent's (or master's) actor and one global mutex of Mesos for as
//! long as their command runs; `breaker` keeps a command that hangs from holding them for ever. Hooks
//! that nobody waits for run behind, a few at a time.

mod breaker;

use std::sync::Arc;
use std::time::Instant;

use crate::call::completion::complete;
use crate::call::{
    Answer, CallFailure, Command, Commands, Completion, InputValue, Observer, call_ended, subject,
};
use crate::config::{Config, ConfigError};
use crate::event::{Event, Lane, ModuleKind};
use crate::outcome::FailureReason;
use crate::outcome::OutcomeKind;
use crate::run::{Request, RunReport};
use crate::staging::Input;

use breaker::Breaker;

/// One instance of the hook module.
#[derive(Debug)]
pub struct Hook {
    commands: Commands,
    breakers: [Arc<Breaker>; Event::ALL.len()],
}

/// A call that was accepted.
struct Call {
    command: Arc<Command>,
    breaker: Arc<Breaker>,
    about: String,
    submitted: Instant,
}

impl Hook {
    /// Creates an instance from the module's parameters, in their order.
    ///
    /// # Errors
    /// When a parameter cannot be used.
    pub fn create(parameters: &[(String, String)]) -> Result<Hook, ConfigError> {
        let commands = Commands::create(ModuleKind::Hook, parameters)?;
        let breakers = Event::ALL.map(|event| {
            let timeout = commands.get(event).and_then(|command| command.spec.timeout);
            Arc::new(Breaker::new(timeout.unwrap_or_default()))
        });
        Ok(Hook { commands, breakers })
    }

    /// The instance's parameters.
    pub fn config(&self) -> &Config {
        &self.commands.config
    }

    /// Shows each later run to `observer`; only the first call has an effect.
    pub fn observe(&self, observer: &Observer) {
        self.commands.observe(observer);
    }

    /// Whether a command is configured for `event`: if not, the adapter need not serialise
    /// anything and answers [`Answer::Nothing`].
    pub fn handles(&self, event: Event) -> bool {
        self.commands.get(event).is_some()
    }

    /// Runs a synchronous hook; blocks until the answer is known, at most until the deadline and
    /// the grace period have passed. An event that runs behind is answered at once.
    pub fn call(&self, event: Event, values: &[InputValue<'_>]) -> Answer {
        let (call, request) = match self.accept(event, values) {
            Ok(accepted) => accepted,
            Err(answer) => return answer,
        };
        if event.row().lane == Lane::Behind {
            self.commands.submit(request, None, move |report| drop(call.end(report)));
            return Answer::Nothing;
        }
        let report = self.commands.run_blocking(request);
        call.end(report)
    }

    /// Runs an asynchronous hook (the Docker one).
    pub fn call_async(&self, event: Event, values: &[InputValue<'_>], done: Completion) {
        match self.accept(event, values) {
            Err(answer) => done(answer),
            Ok((call, request)) => {
                let done = self.commands.while_alive(done);
                self.commands.submit(request, None, move |report| complete(done, call.end(report)))
            }
        }
    }

    /// Renders the input; or says what is answered without a run.
    fn accept(&self, event: Event, values: &[InputValue<'_>]) -> Result<(Call, Request), Answer> {
        let Some(command) = self.commands.get(event) else { return Err(Answer::Nothing) };
        let submitted = Instant::now();
        let about = subject(command.row, values);
        let breaker = self.breakers[event as usize].clone();
        if let Err(pause) = breaker.admit(submitted) {
            let message = format!(
                "Command \"{}\" is suspended for another {pause:.0?} because it timed out several \
                 times in a row",
                command.text()
            );
            let outcome = OutcomeKind::Cancelled;
            let failure = CallFailure { outcome, reason: FailureReason::Suspended, message };
            let failure = command.conclude_unstarted(failure, &about);
            command.metrics().call(outcome, None);
            // For synchronous hooks a failure is an Error, which Mesos logs and which changes nothing.
            return Err(command.answer(Err(failure)));
        }
        match command.render(values, None) {
            Ok(input) => {
                let request = command.request(Input::Text(input.into()), None, &about);
                Ok((Call { command: command.clone(), breaker, about, submitted }, request))
            }
            Err(failure) => {
                breaker.ended(false, Instant::now());
                call_ended(command, failure.outcome, submitted);
                Err(command.answer(Err(command.conclude_unstarted(failure, &about))))
            }
        }
    }
}

/// As for an isolator. Mesos never deletes a hook; others do.
impl Drop for Hook {
    fn drop(&mut self) {
        self.commands.end();
    }
}

impl Call {
    fn end(self, report: RunReport) -> Answer {
        // A refusal comes at once and says nothing about the command.
        let timed_out = matches!(report.outcome, OutcomeKind::Timeout | OutcomeKind::Unkillable)
            && report.reason != Some(FailureReason::QuarantineFull);
        let concluded = self.command.conclude(report, &self.about, |_| Ok(()));
        self.breaker.ended(timed_out, Instant::now());
        call_ended(&self.command, concluded.outcome(), self.submitted);
        self.command.answer(concluded.result)
    }
}
