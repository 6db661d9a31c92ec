//! A hook instance.
//!
//! Synchronous hooks hold the agent's (or master's) actor and one global mutex of Mesos for as long
//! as their command runs; `breaker` keeps a command that hangs from holding them for ever. Hooks
//! whose answers Mesos does not wait for run behind, a few at a time.

mod breaker;
mod subject;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::completion::complete;
use crate::call::{
    Answer, Call, CallFailure, Command, CommandSet, Commands, Completion, Container, CreateError,
    InputValue, Observer, Suspension,
};
use crate::config::Config;
use crate::event::{Event, Lane, ModuleKind, Row};
use crate::outcome::FailureReason;
use crate::outcome::OutcomeKind;
use crate::run::{Request, RunReport};
use crate::staging::Input;

use breaker::Breaker;
use subject::subject;

/// One instance of the hook module.
#[derive(Debug)]
pub struct Hook {
    commands: Commands,
    breakers: [Arc<Breaker>; Event::ALL.len()],
}

/// A call that the breaker has let through.
struct Admitted {
    call: Call,
    container: Container,
    breaker: Arc<Breaker>,
}

impl Hook {
    /// Creates an instance from the module's parameters, in their order.
    ///
    /// # Errors
    /// When a parameter cannot be used, or this process has no room for threads.
    pub fn create(parameters: &[(String, String)]) -> Result<Hook, CreateError> {
        let commands = Commands::create(ModuleKind::Hook, parameters)?;
        let set = commands.set();
        let timeout = |set: &CommandSet, event| {
            set.get(event).and_then(|command| command.spec.timeout).unwrap_or_default()
        };
        let breakers = Event::ALL.map(|event| Arc::new(Breaker::new(timeout(&set, event))));
        let with_command = Event::ALL.into_iter().zip(&breakers);
        let suspensions = with_command
            .filter(|(event, _)| set.get(*event).is_some())
            .map(|(event, breaker)| (event, breaker.clone() as Arc<dyn Suspension>));
        commands.live().set_suspensions(suspensions.collect());
        let own = breakers.clone();
        commands.on_exchange(move |before, now| {
            for (event, breaker) in Event::ALL.into_iter().zip(&own) {
                if !before.shares(now, event) {
                    breaker.begin_anew(timeout(now, event));
                }
            }
        });
        Ok(Hook { commands, breakers })
    }

    /// Waits for the interpreters of events in warm mode; see [`Commands::wait_until_warm`].
    pub fn wait_until_warm(&self, patience: Duration) {
        self.commands.wait_until_warm(patience);
    }

    /// The instance's parameters, as they hold now.
    pub fn config(&self) -> Config {
        self.commands.set().config.clone()
    }

    /// Shows each later run to `observer`; only the first call has an effect.
    pub fn observe(&self, observer: &Observer) {
        self.commands.observe(observer);
    }

    /// Whether a command is configured for `event`: if not, the adapter need not serialise
    /// anything and answers [`Answer::Nothing`].
    pub fn handles(&self, event: Event) -> bool {
        self.commands.set().get(event).is_some()
    }

    /// Logs a warning for each of `events`, which this Mesos never calls, that has a command. It is
    /// no error: one modules file may serve agents of several releases.
    pub fn warn_of_never_called(&self, events: impl Iterator<Item = Event>) {
        for event in events.filter(|event| self.handles(*event)) {
            let row = event.row();
            let since = row.since.map(|release| format!(", which came with Mesos {release}"));
            tracing::warn!(
                "{} module '{}': '{}_command' is never run: this Mesos has no {}{}",
                row.kind.label(),
                self.config().module_name,
                row.prefix,
                row.method,
                since.unwrap_or_default()
            );
        }
    }

    /// Runs a synchronous hook; blocks until the answer is known, at most until the deadline and
    /// the grace period have passed. An event that runs behind is answered at once.
    pub fn call(&self, event: Event, values: &[InputValue<'_>]) -> Answer {
        let set = self.commands.set();
        let (admitted, request) = match self.admit(&set, event, values) {
            Ok(admitted) => admitted,
            Err(answer) => return answer,
        };
        if event.row().lane == Lane::Behind {
            set.submit(request, None, move |report| drop(admitted.end(report)));
            return Answer::Nothing;
        }
        let report = set.run_blocking(request);
        admitted.end(report)
    }

    /// Runs an asynchronous hook (the Docker one).
    pub fn call_async(&self, event: Event, values: &[InputValue<'_>], done: Completion) {
        let set = self.commands.set();
        match self.admit(&set, event, values) {
            Err(answer) => done(answer),
            Ok((admitted, request)) => {
                let done = self.commands.while_alive(done);
                let ended = move |report| complete(done, admitted.end(report));
                set.submit(request, None, ended);
            }
        }
    }

    /// Asks the condition and the breaker, and renders the input; or returns the answer of a call
    /// without a run.
    fn admit(
        &self,
        set: &CommandSet,
        event: Event,
        values: &[InputValue<'_>],
    ) -> Result<(Admitted, Request), Answer> {
        let Some(command) = set.get(event) else { return Err(Answer::Nothing) };
        let call = Call::begin(command, subject(command.row, values));
        if !command.is_for(values) {
            return Err(call.skip());
        }
        let breaker = self.breakers[event as usize].clone();
        // For synchronous hooks a failure is an Error, which Mesos logs and which changes nothing.
        if let Err(pause) = breaker.admit(call.submitted()) {
            return Err(call.refuse(suspended(command, pause)));
        }
        match command.render(values, None) {
            Ok(input) => {
                let request = command.request(Input::Text(input.into()), None, call.subject());
                let container = container(command.row, values);
                Ok((Admitted { call, container, breaker }, request))
            }
            Err(failure) => {
                breaker.ended(false, Instant::now());
                Err(call.fail(failure).answer)
            }
        }
    }
}

/// What the rules ask. Mesos tells the Docker hook of a task if the container runs a command task.
fn container(row: &Row, values: &[InputValue<'_>]) -> Container {
    let has_task = row
        .inputs
        .iter()
        .zip(values)
        .any(|(key, value)| key.name == "task_info" && matches!(value, InputValue::Message(_)));
    let command_task = has_task && row.event == Event::SlavePreLaunchDockerTaskExecutorDecorator;
    Container { command_task, ..Container::default() }
}

/// The failure of a call whose command is suspended for another `pause`.
fn suspended(command: &Command, pause: Duration) -> CallFailure {
    let message = format!(
        "Command \"{}\" is suspended for another {pause:.0?} because it timed out several times in \
         a row",
        command.text()
    );
    CallFailure { outcome: OutcomeKind::Cancelled, reason: FailureReason::Suspended, message }
}

/// As for an isolator. Mesos never deletes a hook; others do.
impl Drop for Hook {
    fn drop(&mut self) {
        self.commands.end();
    }
}

impl Admitted {
    fn end(self, report: RunReport) -> Answer {
        // A refusal comes at once, so it is no sign of how the command behaves.
        let timed_out = matches!(report.outcome, OutcomeKind::Timeout | OutcomeKind::Unkillable)
            && report.reason != Some(FailureReason::QuarantineFull)
            // It hung until an operator lost patience.
            || report.is_killed;
        let ended = self.call.end(report, self.container);
        self.breaker.ended(timed_out, Instant::now());
        ended.answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_of_docker_with_a_task_runs_a_command_task() {
        let docker = Event::SlavePreLaunchDockerTaskExecutorDecorator;
        let command_task = |event: Event, task: InputValue<'_>| {
            let given = |key: &crate::event::InputKey| match key.name {
                "task_info" => task.clone(),
                _ => InputValue::Absent,
            };
            let values: Vec<_> = event.row().inputs.iter().map(given).collect();
            container(event.row(), &values).command_task
        };
        assert!(command_task(docker, InputValue::Message(b"")));
        assert!(!command_task(docker, InputValue::Absent));
        assert!(!command_task(Event::SlaveRunTaskLabelDecorator, InputValue::Message(b"")));
    }
}
