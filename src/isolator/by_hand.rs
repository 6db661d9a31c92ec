//! What Mesos never asks for and a person does: containers made known and forgotten in any order,
//! one run of a watch command.

use crate::call::completion::complete;
use crate::call::{Answer, Call, Completion, Container, Observer};
use crate::event::Event;

use super::Isolator;

impl Isolator {
    /// Shows each later run to `observer`; only the first call has an effect.
    pub fn observe(&self, observer: &Observer) {
        self.inner.commands.observe(observer);
    }

    /// Makes a container known as recovery does, without Mesos and without any file. `wire` is its
    /// serialised ID, `config` the JSON of its config. One that is known stays as it is.
    ///
    /// # Errors
    /// When either is malformed.
    pub fn introduce(&self, wire: &[u8], config: &[u8]) -> Result<(), String> {
        self.inner.introduce(wire, config)
    }

    /// Whether the container with this serialised ID is known.
    pub fn knows(&self, wire: &[u8]) -> bool {
        self.inner.contexts.contains(wire)
    }

    /// Forgets a container without its cleanup command, so that it can be prepared once more;
    /// `false` when it was not known. Its watch and sampling runs are withdrawn. Its context file
    /// stays: the next prepare replaces it.
    pub fn forget(&self, wire: &[u8]) -> bool {
        let Some(known) = self.inner.contexts.remove(wire) else { return false };
        self.inner.commands.metrics.containers_add(-1);
        known.0.cancel.cancel();
        self.inner.close_slots(&known.0);
        true
    }

    /// Runs the watch command of a known container once. The answer is its limitation, or nothing:
    /// then Mesos would go on to wait, and the loop to run. Never blocks.
    pub fn watch_once(&self, wire: &[u8], done: Completion) {
        let inner = &self.inner;
        let set = inner.commands.set();
        let (Some(command), Some(context)) = (set.get(Event::Watch), inner.context(wire)) else {
            return done(Answer::Nothing);
        };
        if context.skips.has(Event::Watch) {
            inner.skip(&set, Event::Watch, &context.id);
            return done(Answer::Nothing);
        }
        let call = Call::begin(command, context.id.text.clone());
        let input = context.input_for(command.spec.io, &inner.kept_inputs);
        let request = command.request(input, Some(call.subject().clone()), call.subject());
        let cancel = context.cancel.clone();
        set.submit(request, Some(cancel), move |report| {
            complete(done, call.end(report, Container::default()).answer);
        });
    }
}
