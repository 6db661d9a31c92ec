//! The watch loop of a container: run the command until it reports a limitation, or the container
//! is cleaned up.
//!
//! A failing command is no limitation: Mesos would destroy the container over a failed future, so
//! the loop goes on. Without a context the command never runs, and the future stays pending, for
//! the same reason.
//!
//! At most `watch_parallel` commands run at a time, or hundreds of containers would be as many
//! processes and three times as many descriptors of the agent; the first runs of containers that
//! come together (all of them, when the agent has recovered) are spread over the interval.
//!
//! The loop is one call of Mesos, however often the command runs: it is counted when it ends, by a
//! limitation or with the container. The runs and their failures are counted one by one.

use std::sync::{Arc, Weak};

use crate::call::completion::complete;
use crate::call::{Answer, Call, Command, Completion, Container};
use crate::container::ContainerId;
use crate::event::Event;
use crate::outcome::FailureReason;

use super::Inner;
use super::context::Context;

impl Inner {
    pub(super) fn watch(self: &Arc<Self>, id: &ContainerId, done: Completion) {
        // Dropping `done` leaves the future pending, which is what Mesos expects of an isolator
        // that has nothing to say.
        let set = self.commands.set();
        let Some(command) = set.get(Event::Watch) else { return };
        let Some(context) = self.context(&id.wire) else {
            command.metrics().failure(FailureReason::NoContext);
            let text = "the container is not known (it is older than the module, or its context \
                        was lost) and is not watched";
            return command.log_failure(text, &id.text);
        };
        if context.skips.has(Event::Watch) {
            return self.skip(&set, Event::Watch, id);
        }
        // Dropped where the loop ends without a limitation: then it is counted as cancelled.
        let call = Call::begin(command, id.text.clone());
        let watched = watch_loop(Arc::downgrade(self), call, context, done);
        self.commands.runner.handle().spawn(watched);
    }
}

async fn watch_loop(inner: Weak<Inner>, call: Call, context: Arc<Context>, done: Completion) {
    let id = &context.id;
    let first = |inner: Arc<Inner>| inner.watch_pacer.start(call.submitted(), inner.contexts.len());
    let Some(start) = inner.upgrade().map(first) else { return };
    tokio::select! {
        () = tokio::time::sleep_until(start.into()) => {}
        () = context.cancel.cancelled() => {}
    }
    while let Some(pass) = context.drain.enter() {
        // An instance that is gone has nothing to watch for.
        let Some(instance) = inner.upgrade() else { break };
        // Each run is that of the parameters which hold then.
        let set = instance.commands.set();
        let interval = set.config.watch_interval;
        let Some(command) = set.get(Event::Watch).cloned() else {
            drop((pass, instance, set));
            tokio::select! {
                () = tokio::time::sleep(interval) => continue,
                () = context.cancel.cancelled() => break,
            }
        };
        let input = context.input_for(command.spec.io, &instance.kept_inputs);
        let request = command.request(input, Some(id.text.clone()), &id.text);
        let run = set.run(request, Some(context.cancel.clone()));
        drop((instance, set));
        let report = {
            tokio::pin!(run);
            tokio::select! {
                report = &mut run => report,
                () = tokio::time::sleep(interval.saturating_mul(2)) => {
                    if let Some(instance) = inner.upgrade() {
                        warn_of_waiting(&instance, &command, id);
                    }
                    run.await
                }
            }
        };
        drop(pass);
        let result = command.conclude(report, &id.text, Container::default(), |_| Ok(()));
        if let Ok(Some(limitation)) = result {
            call.end_after_runs();
            return complete(done, Answer::Message(limitation.into()));
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = context.cancel.cancelled() => break,
        }
    }
}

/// A watch command that does not look but waits for something keeps its place from the others.
fn warn_of_waiting(inner: &Inner, command: &Command, id: &ContainerId) {
    let waiting = inner.commands.waiting(Event::Watch);
    if waiting > 0 {
        let parallel = inner.commands.set().config.watch_parallel;
        let text = format!(
            "command \"{}\" has not ended within two intervals, and {waiting} containers wait for \
             their turn to be watched: {parallel} commands run at a time. Let it look and end, or \
             raise watch_parallel, or set isolator_watch_timeout",
            command.text()
        );
        command.log_failure(&text, &id.text);
    }
}
