//! recover: what a restarted agent's containers need, and what became of those that are gone.
//!
//! A context outlives its container when the agent died before Mesos had noted the container, or
//! when the machine was restarted and the directory is on a disk. What the container's commands
//! left behind (addresses, firewall rules) is known from nothing else, so the recover command is
//! given such contexts, under the key `lost`, before they are removed: but for containers for which
//! no command is run (`skip_debug_containers`), which have a context so that this stays known.

use std::sync::Arc;
use std::time::Duration;

use crate::call::completion::complete;
use crate::call::{Answer, CommandSet, Completion, Container, InputValue};
use crate::container::{ContainerId, Wire};
use crate::escape::one_line;
use crate::event::Event;
use crate::outcome::OutcomeKind;
use crate::schema::{FieldValue, write_json_string};
use crate::wire::bytes_field;

use super::Inner;
use super::lifecycle::{Launch, submit_launch};
use super::store::{Lost, WorkDirectories};

/// Field `container_id` of `mesos.slave.ContainerState` (Mesos 1.11.0
/// `include/mesos/slave/containerizer.proto`).
const STATE_CONTAINER_ID: u32 = 2;
/// Field `directory` of the same.
const STATE_DIRECTORY: u32 = 4;

/// How long a directory of contexts may take to answer when the agent starts.
const PATIENCE: Duration = Duration::from_secs(5);

impl Inner {
    /// Restores the contexts of live containers and of orphans (whose cleanup is about to be
    /// called), then runs the command, which gets the contexts of containers that are gone; those
    /// are removed when it has succeeded, or at once when there is none.
    pub(super) fn recover(self: &Arc<Self>, values: &[InputValue<'_>], done: Completion) {
        if !self.store.may_hang() {
            return self.recover_now(values, true, done);
        }
        let owned: Vec<Option<Vec<Vec<u8>>>> = values.iter().map(copied).collect();
        let inner = self.clone();
        self.commands.runner.handle().spawn(async move {
            let answers = inner.store.look_by_child(PATIENCE).await;
            if let Err(error) = &answers {
                tracing::warn!(
                    "containers are recovered without their contexts: '{}': {error}",
                    inner.store.place().display()
                );
            }
            // The contexts of a whole agent are read: not on the thread that keeps deadlines.
            let runner = inner.commands.runner.clone();
            runner.run_long(Box::new(move || {
                let values: Vec<InputValue<'_>> = owned.iter().map(borrowed).collect();
                inner.recover_now(&values, answers.is_ok(), done);
            }));
        });
    }

    /// `readable`: the directory of contexts answers.
    fn recover_now(self: &Arc<Self>, values: &[InputValue<'_>], readable: bool, done: Completion) {
        let messages = |index: usize| match values.get(index) {
            Some(InputValue::Messages(messages)) => messages.as_slice(),
            _ => &[],
        };
        let (orphans, states) = (messages(0), messages(1));
        let live = states.iter().filter_map(|state| bytes_field(state, STATE_CONTAINER_ID));
        let ids: Vec<ContainerId> =
            live.chain(orphans.iter().copied()).filter_map(ContainerId::from_wire).collect();
        for id in ids.iter().filter(|_| readable) {
            self.restore(id);
        }
        let lost = if readable { self.lost(states, &ids) } else { Vec::new() };
        let set = self.commands.set();
        let Some(command) = set.get(Event::Recover) else {
            return self.discard(lost, || complete(done, Answer::Nothing));
        };
        let no_container = ContainerId { wire: Wire::new(), text: "".into() };
        let told: Vec<&Lost> = lost.iter().filter(|it| !self.was_left_out(&set, it)).collect();
        let input = command.render(values, None).map(|input| with_lost(input, &told).into());
        let launch = Launch { command, id: &no_container, input, container: Container::default() };
        let inner = self.clone();
        submit_launch(&set, launch, move |ended| {
            // A command that failed gets them once more at the next start.
            if ended.outcome == OutcomeKind::Ok {
                inner.discard(lost, || complete(done, ended.answer));
            } else {
                complete(done, ended.answer);
            }
        });
    }

    /// Reads one context from disk. What cannot be read is logged and the container goes on
    /// without: recovery must not fail.
    fn restore(&self, id: &ContainerId) {
        let path = self.store.path(id);
        let unusable = |why: &dyn std::fmt::Display| {
            let text = format!(
                "container {} is recovered without its context '{}': {why}",
                id.text,
                path.display()
            );
            tracing::warn!("{}", one_line(&text));
        };
        self.store.claim(id);
        let text = match self.store.read(id) {
            Ok(Some(text)) => text,
            Ok(None) => return unusable(&"there is no such file"),
            Err(error) => return unusable(&error),
        };
        match self.context_of(id, &text) {
            Ok(context) => drop(self.remember(&Arc::new(context))),
            Err(error) => unusable(&error),
        }
    }

    /// The contexts of this agent's containers that Mesos does not know.
    fn lost(&self, states: &[&[u8]], known: &[ContainerId]) -> Vec<Lost> {
        let mut own = WorkDirectories::of_this_process();
        for directory in states.iter().filter_map(|state| bytes_field(state, STATE_DIRECTORY)) {
            own.learn(directory);
        }
        let known: std::collections::HashSet<&str> = known.iter().map(|id| &*id.text).collect();
        self.store.lost(self.created, |name| known.contains(name), |text| self.if_ours(&own, text))
    }

    /// The JSON of a context file, if it is one of the agent with these work directories.
    fn if_ours(&self, own: &WorkDirectories, text: &[u8]) -> Option<Vec<u8>> {
        let parsed = self.config_type.read_json(text).ok().filter(|read| read.losses.is_empty())?;
        let directory = self.config_type.find_field(&parsed.bytes, "directory").ok()?;
        let Some(FieldValue::Bytes(sandbox)) = directory.last() else { return None };
        if !own.have(sandbox) {
            return None;
        }
        let mut config = Vec::with_capacity(text.len());
        self.config_type.write_json(&parsed.bytes, &mut config).ok()?;
        Some(config)
    }

    /// Whether no command was run for a container that is gone.
    fn was_left_out(&self, set: &CommandSet, lost: &Lost) -> bool {
        let config = self.config_type.read_json(&lost.config);
        config.is_ok_and(|config| self.is_left_out(set, &config.bytes))
    }

    /// Removes the contexts of containers that are gone, ends what was to run until their cleanup,
    /// and goes on with `then`.
    fn discard(self: &Arc<Self>, lost: Vec<Lost>, then: impl FnOnce() + Send + 'static) {
        if lost.is_empty() {
            return then();
        }
        self.commands.end_rest(lost.iter().map(|context| &*context.name));
        let shown: Vec<&str> = lost.iter().take(5).map(|context| context.name.as_str()).collect();
        let more = if lost.len() > shown.len() { ", …" } else { "" };
        tracing::info!(
            "removed {} contexts of containers that Mesos does not know from '{}': {}{more}",
            lost.len(),
            self.store.place().display(),
            one_line(&shown.join(", "))
        );
        if !self.store.may_hang() {
            self.store.discard(&lost);
            return then();
        }
        let inner = self.clone();
        self.commands.runner.handle().spawn(async move {
            if let Err(error) = inner.store.discard_by_child(&lost).await {
                tracing::warn!("contexts that are no longer needed could not be removed: {error}");
            }
            then();
        });
    }
}

/// The messages of a value, kept beyond the call.
fn copied(value: &InputValue<'_>) -> Option<Vec<Vec<u8>>> {
    let InputValue::Messages(messages) = value else { return None };
    Some(messages.iter().map(|message| message.to_vec()).collect())
}

/// What was [`copied`], as a value.
fn borrowed(copy: &Option<Vec<Vec<u8>>>) -> InputValue<'_> {
    match copy {
        Some(all) => InputValue::Messages(all.iter().map(Vec::as_slice).collect()),
        None => InputValue::Absent,
    }
}

/// Adds the key `lost` to the input object of recover, which has others and is sorted: it comes
/// first. Without lost contexts the input stays as it is.
fn with_lost(input: Vec<u8>, lost: &[&Lost]) -> Vec<u8> {
    if lost.is_empty() {
        return input;
    }
    let mut out = b"{\"lost\":[".to_vec();
    for (index, context) in lost.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{" } else { b"{" });
        out.extend_from_slice(b"\"container_config\":");
        out.extend_from_slice(&context.config);
        out.extend_from_slice(b",\"container_id\":");
        write_container_id(&context.name, &mut out);
        out.push(b'}');
    }
    out.push(b']');
    if input != b"{}" {
        out.push(b',');
    }
    out.extend_from_slice(input.get(1..).unwrap_or(b"}"));
    out
}

/// `parent.child` as the JSON of a `mesos.ContainerID`.
fn write_container_id(name: &str, out: &mut Vec<u8>) {
    out.push(b'{');
    let child = match name.rsplit_once('.') {
        Some((parent, child)) => {
            out.extend_from_slice(b"\"parent\":");
            write_container_id(parent, out);
            out.push(b',');
            child
        }
        None => name,
    };
    out.extend_from_slice(b"\"value\":");
    write_json_string(child.as_bytes(), out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_contexts_come_first_in_the_input() {
        let lost = |name: &str| Lost { name: name.to_owned(), config: b"{\"a\":1}".to_vec() };
        let text = |input: &str, lost: &[Lost]| {
            let lost: Vec<&Lost> = lost.iter().collect();
            String::from_utf8(with_lost(input.as_bytes().to_vec(), &lost)).expect("UTF-8")
        };
        assert_eq!(text("{\"states\":[]}", &[]), "{\"states\":[]}");
        assert_eq!(
            text("{\"states\":[]}", &[lost("u.c"), lost("v")]),
            "{\"lost\":[{\"container_config\":{\"a\":1},\"container_id\":{\"parent\":{\"value\":\"u\"},\
             \"value\":\"c\"}},{\"container_config\":{\"a\":1},\"container_id\":{\"value\":\"v\"}}],\
             \"states\":[]}"
        );
        assert!(text("{}", &[lost("v")]).ends_with("}]}"));
    }
}
