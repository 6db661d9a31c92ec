//! prepare, isolate, update and cleanup; what `recovery` has in common with them.

use std::sync::Arc;

use crate::call::completion::complete;
use crate::call::{
    Answer, Call, CallFailure, Command, CommandSet, Completion, Container, Ended, InputValue,
};
use crate::container::ContainerId;
use crate::event::Event;
use crate::outcome::OutcomeKind;
use crate::staging::Input;

use super::Inner;
use super::context::{ById, Context, Skips};

/// The original's words for a container that is prepared twice.
const ALREADY_INITIALIZED: &str = "mesos-command-module already initialized for container";

/// A launch-path call on its way.
pub(super) struct Launch<'a> {
    pub(super) command: &'a Arc<Command>,
    pub(super) id: &'a ContainerId,
    pub(super) input: Result<Arc<[u8]>, CallFailure>,
    /// What the rules for its answer ask.
    pub(super) container: Container,
}

impl Inner {
    /// Keeps the container's config, in memory and on disk, before its command runs and even
    /// without one: the later events and the next agent need it.
    pub(super) fn prepare(
        self: &Arc<Self>,
        id: ContainerId,
        values: &[InputValue<'_>],
        done: Completion,
    ) {
        let Some(InputValue::Message(config)) = values.first() else {
            return done(Answer::Failure("prepare: the container's config is missing".to_owned()));
        };
        let mut json = Vec::with_capacity(1024);
        if let Err(error) = self.config_type.write_json(config, &mut json) {
            return done(Answer::Failure(format!("prepare: the container's config: {error}")));
        }
        let set = self.commands.set();
        let context = match self.new_context(&id, &json, self.skips(&set, &id, config)) {
            Ok(context) => Arc::new(context),
            Err(error) => return done(Answer::Failure(format!("prepare: {error}"))),
        };
        if !self.remember(&context) {
            if let Some(command) = set.get(Event::Prepare) {
                let failure = CallFailure::input(ALREADY_INITIALIZED.to_owned());
                drop(Call::begin(command, id.text.clone()).refuse(failure));
            }
            return done(Answer::Failure(ALREADY_INITIALIZED.to_owned()));
        }
        let container = Container {
            command_task: self.config_type.has_field(config, "task_info").unwrap_or(true),
            top_level: !id.is_nested(),
        };
        let (inner, kept) = (self.clone(), context.clone());
        self.keep_file(kept, move || {
            let Some(command) = set.get(Event::Prepare) else {
                return complete(done, Answer::Nothing);
            };
            if context.skips.has(Event::Prepare) {
                inner.skip(&set, Event::Prepare, &id);
                return complete(done, Answer::Nothing);
            }
            let launch = Launch { command, id: &id, input: Ok(context.input.clone()), container };
            submit_launch(&set, launch, |ended| complete(done, ended.answer));
        });
    }

    /// isolate and update: as prepare, for a container that should be known.
    pub(super) fn run_launch(
        self: &Arc<Self>,
        event: Event,
        id: &ContainerId,
        values: &[InputValue<'_>],
        done: Completion,
    ) {
        let context = self.context(&id.wire);
        let set = self.commands.set();
        let Some(command) = set.get(event) else { return done(Answer::Nothing) };
        let is_for = match &context {
            Some(context) => !context.skips.has(event),
            None => self.is_for(command, id, None),
        };
        if !is_for {
            self.skip(&set, event, id);
            return done(Answer::Nothing);
        }
        if context.is_none() {
            let text = "the container is not known (it is older than the module, or its context \
                        was lost): the command runs without container_config";
            command.log_failure(text, &id.text);
        }
        let config = context.as_ref().map(|context| context.config());
        let input = command.render(values, config).map(Arc::from);
        let launch = Launch { command, id, input, container: Container::default() };
        submit_launch(&set, launch, |ended| complete(done, ended.answer));
    }

    /// Withdraws the container's watch and sampling runs, and when they have ended runs the
    /// cleanup command; forgets the context, on disk once the command has ended, so that an agent
    /// that dies meanwhile runs it again.
    pub(super) fn cleanup(self: &Arc<Self>, id: ContainerId, done: Completion) {
        let set = self.commands.set();
        let Some(ById(context)) = self.contexts.remove(&*id.wire) else {
            tracing::debug!("cleanup of container {}, which is not known", id.text);
            end_without_run(&set, Event::Cleanup, &id);
            return self.forget_file(id, || complete(done, Answer::Nothing));
        };
        self.commands.metrics.containers_add(-1);
        context.cancel.cancel();
        self.close_slots(&context);
        let is_skipped = context.skips.has(Event::Cleanup);
        let Some(command) = set.get(Event::Cleanup).filter(|_| !is_skipped).cloned() else {
            self.skip(&set, Event::Cleanup, &id);
            self.commands.end_rest([&*id.text]);
            return self.forget_file(id, || complete(done, Answer::Nothing));
        };
        let (inner, drain) = (self.clone(), context.drain.clone());
        drain.close(move || {
            let input = Ok(context.input.clone());
            let container = Container::default();
            let launch = Launch { command: &command, id: &id, input, container };
            let (keeper, id) = (inner, id.clone());
            submit_launch(&set, launch, move |ended| {
                keeper.commands.end_rest([&*id.text]);
                // What was never tried is handed to the recover command of the next start, and so
                // is what was ended with the agent.
                if ended.had_its_turn && ended.outcome != OutcomeKind::Cancelled {
                    keeper.forget_file(id, || complete(done, ended.answer));
                } else {
                    complete(done, ended.answer);
                }
            });
        });
    }

    /// Makes a container known whose config is `json`, as recovery from a context file does.
    ///
    /// # Errors
    /// When the ID or the config is malformed.
    pub(super) fn introduce(&self, wire: &[u8], json: &[u8]) -> Result<(), String> {
        let id = ContainerId::from_wire(wire).ok_or("the container's ID is malformed")?;
        let context = self.context_of(&id, json)?;
        self.remember(&Arc::new(context));
        Ok(())
    }

    /// The context that `json` describes. Through the message and back: a file of the original's
    /// is checked, and commands get the same spelling from either.
    pub(super) fn context_of(&self, id: &ContainerId, json: &[u8]) -> Result<Context, String> {
        let parsed = self.config_type.read_json(json).map_err(|error| error.to_string())?;
        let mut text = Vec::with_capacity(json.len());
        self.config_type.write_json(&parsed.bytes, &mut text).map_err(|error| error.to_string())?;
        self.new_context(id, &text, self.skips(&self.commands.set(), id, &parsed.bytes))
    }

    fn new_context(&self, id: &ContainerId, json: &[u8], skips: Skips) -> Result<Context, String> {
        let mut id_json = Vec::with_capacity(64);
        self.id_type.write_json(&id.wire, &mut id_json).map_err(|error| error.to_string())?;
        Ok(Context::new(id.clone(), &id_json, json, skips, self.commands.token()))
    }

    /// Adds a context; `false` when the container is known already.
    pub(super) fn remember(&self, context: &Arc<Context>) -> bool {
        // What is known stays as it is.
        let new = self.contexts.insert(ById(context.clone()));
        if new {
            self.commands.metrics.containers_add(1);
        }
        new
    }
}

/// Counts a call that is answered although its command is not run, if there is one.
fn end_without_run(set: &CommandSet, event: Event, id: &ContainerId) {
    if let Some(command) = set.get(event) {
        Call::begin(command, id.text.clone()).end_without_run();
    }
}

/// Submits a launch-path command of the set; `then` gets how the call ended.
pub(super) fn submit_launch(
    set: &CommandSet,
    launch: Launch<'_>,
    then: impl FnOnce(Ended) + Send + 'static,
) {
    let Launch { command, id, input, container } = launch;
    let call = Call::begin(command, id.text.clone());
    let input = match input {
        Ok(input) => input,
        Err(failure) => return then(call.fail(failure)),
    };
    let named = (!id.text.is_empty()).then(|| id.text.clone());
    let request = command.request(Input::Text(input), named, &id.text);
    set.submit(request, None, move |report| then(call.end(report, container)));
}
