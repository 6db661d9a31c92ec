//! Which commands are not run for a container (`<event>_when`, `skip_debug_containers`): decided
//! once, when it becomes known, by prepare or by recovery out of its context. Calls only look.

use std::sync::Arc;

use crate::call::{Call, Command, CommandSet};
use crate::condition::Given;
use crate::container::ContainerId;
use crate::event::{Event, ModuleKind};
use crate::schema::FieldValue;

use super::Inner;
use super::context::{Context, Skips};
use super::sampling::sampler;

/// `ContainerClass.DEBUG` (Mesos 1.11.0 `include/mesos/slave/containerizer.proto`).
const DEBUG_CLASS: u64 = 2;

impl Inner {
    /// Whether no command is run for a container with this config, in wire format, because of its
    /// class.
    pub(super) fn is_left_out(&self, set: &CommandSet, config: &[u8]) -> bool {
        let is_debug = || {
            let classes = self.config_type.find_field(config, "container_class");
            let class = classes.unwrap_or_default().last().and_then(FieldValue::bits);
            class == Some(DEBUG_CLASS)
        };
        set.config.skip_debug_containers && is_debug()
    }

    /// The events whose commands are not run for a container with this config, in wire format.
    pub(super) fn skips(&self, set: &CommandSet, id: &ContainerId, config: &[u8]) -> Skips {
        if self.is_left_out(set, config) {
            return Skips::ALL;
        }
        // Containers of a batch are asked for as usage.
        let called = Event::of_kind(ModuleKind::Isolator).filter(|it| *it != Event::UsageBatch);
        let is_skipped = |event: &Event| {
            let command = sampler(set, *event);
            command.is_some_and(|command| !self.is_for(command, id, Some(config)))
        };
        called.filter(is_skipped).fold(Skips::default(), Skips::and)
    }

    /// Whether a command is run for a container; without a config, of which all fields are absent
    /// then, for one that is not known.
    pub(super) fn is_for(
        &self,
        command: &Command,
        id: &ContainerId,
        config: Option<&[u8]>,
    ) -> bool {
        let Some(condition) = command.condition() else { return true };
        let id = Given { key: "container_id", kind: &self.id_type, bytes: &id.wire };
        let kind = &self.config_type;
        let config = config.map(|bytes| Given { key: "container_config", kind, bytes });
        let given: Vec<Given<'_>> = [Some(id), config].into_iter().flatten().collect();
        condition.holds(&given)
    }

    /// Counts a call whose command is not run for its container, if there is a command.
    pub(super) fn skip(&self, set: &CommandSet, event: Event, id: &ContainerId) {
        if let Some(command) = set.get(event) {
            // The answer is that of the method, which knows what it is.
            let _ = Call::begin(command, id.text.clone()).skip();
        }
    }

    /// The answer to a call of usage or status whose command is not run for the container.
    #[cold]
    pub(super) fn skip_sample(&self, event: Event, context: &Context) -> Option<Arc<[u8]>> {
        // Without a command nothing is counted, as for any other container.
        sampler(&self.commands.set(), event)?.skip_sample(event, &context.id.text);
        Some(self.nothing.clone())
    }
}
