//! Containers that live and end, one after the other in each slot, with every call that an agent
//! makes for one.
//!
//! Each has a name of its own, so that what the module would keep of ended containers shows. The
//! arguments are made once for a slot, because Mesos exports no way to free some of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use mesos_command::event::{Event, Output};
use serde_json::{Value, json};

use super::soak::{BASE, Made};
use super::troubles::{Call, Trouble, Troubles};
use super::{Host, TIMEOUT};
use crate::clock;
use crate::glue::Inputs;
use crate::mesos::{self, Future, Isolator, Message, State};
use crate::scenario::{Arguments, Builder};

/// Between two calls of a life.
const PAUSE: Duration = Duration::from_millis(150);
/// Rounds of usage and status in a life.
const ROUNDS: u32 = 3;

const HOOKS: [Event; 3] = [
    Event::SlaveRunTaskLabelDecorator,
    Event::SlaveExecutorEnvironmentDecorator,
    Event::SlaveRemoveExecutorHook,
];
const METHODS: [Event; 7] = [
    Event::Prepare,
    Event::Isolate,
    Event::Watch,
    Event::Update,
    Event::Usage,
    Event::Status,
    Event::Cleanup,
];

/// The containers of one slot: `life-SLOT_NUMBER`.
pub(super) struct Slot<'a> {
    host: &'a Host,
    module: &'a str,
    isolator: &'a Isolator,
    /// `life-SLOT`, the executor's name too.
    name: String,
    /// Of any container.
    arguments: BTreeMap<Event, Arguments>,
    troubles: &'a Troubles,
}

/// One container.
struct Life<'a> {
    slot: &'a Slot<'a>,
    name: String,
    number: u64,
    id: Message,
    made: &'a mut Made,
}

impl<'a> Slot<'a> {
    pub(super) fn new(
        host: &'a Host,
        (module, isolator): &'a (String, Isolator),
        slot: u32,
        troubles: &'a Troubles,
    ) -> anyhow::Result<Slot<'a>> {
        let name = format!("life-{slot}");
        let executor = json!({"executor_id": {"value": name}, "command": {"value": "x"}});
        let task = json!({
            "name": name, "task_id": {"value": name}, "slave_id": {"value": "s"},
        });
        let defaults = BTreeMap::from([
            ("container_config".to_owned(), host.config()),
            ("executor_info".to_owned(), executor),
            ("task_info".to_owned(), task),
            ("framework_info".to_owned(), json!({"user": "u", "name": "f"})),
            ("slave_info".to_owned(), json!({"hostname": "h"})),
        ]);
        let builder = Builder { mesos: host.mesos, schema: &host.schema, defaults: &defaults };
        let arguments = HOOKS
            .into_iter()
            .chain(METHODS)
            .map(|event| Ok((event, builder.build(event, Some(&name), &BTreeMap::new())?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Slot { host, module, isolator, name, arguments, troubles })
    }

    /// Containers one after the other, until it has `ended`; how often each call was made.
    pub(super) fn live(&self, ended: &AtomicBool) -> anyhow::Result<Made> {
        let mut made = Made::new();
        let mut number = 0;
        while !ended.load(Ordering::Acquire) {
            let name = format!("{}_{number}", self.name);
            let bytes = self.host.schema.read("mesos.ContainerID", &json!({"value": name}))?;
            let id = Message::new(self.host.mesos, "mesos.ContainerID", &bytes)?;
            Life { slot: self, name, number, id, made: &mut made }.play()?;
            number += 1;
        }
        Ok(made)
    }

    fn count(&self, made: &mut Made, module: &str, event: Event) {
        *made.entry((module.to_owned(), event)).or_default() += 1;
    }
}

impl Life<'_> {
    /// From the first hook to the last.
    fn play(&mut self) -> anyhow::Result<()> {
        let executor = format!("\"{}\"", self.slot.name);
        let container = format!("\"{}\"", self.name);
        let value = (BASE + self.number).to_string();
        self.hook(Event::SlaveRunTaskLabelDecorator, Some(&executor))?;
        self.hook(Event::SlaveExecutorEnvironmentDecorator, Some(&executor))?;
        self.call(Event::Prepare, Some(&container))?;
        let watch = self.begin(Event::Watch);
        self.call(Event::Isolate, None)?;
        self.call(Event::Update, None)?;
        for _ in 0..ROUNDS {
            std::thread::sleep(PAUSE);
            self.call(Event::Usage, Some(&value))?;
            self.call(Event::Status, Some(&value))?;
        }
        self.call(Event::Cleanup, None)?;
        self.hook(Event::SlaveRemoveExecutorHook, None)?;
        // A watch that ends is one that reports a limitation, and none does.
        if watch.1.wait(Duration::ZERO) != State::Pending {
            let text = String::from_utf8_lossy(&watch.1.value().unwrap_or_default()).into_owned();
            self.tell(Trouble::Wrong, Event::Watch, watch.0, &text);
        }
        Ok(())
    }

    fn inputs(&self, event: Event) -> Inputs {
        Inputs { container_id: self.id.as_ptr(), ..self.slot.arguments[&event].inputs().clone() }
    }

    fn begin(&mut self, event: Event) -> (Duration, Future) {
        self.slot.count(self.made, self.slot.module, event);
        let begun = clock::now();
        (begun, self.slot.isolator.call(event, &self.inputs(event)))
    }

    /// A call of the isolator, whose answer must contain this text.
    fn call(&mut self, event: Event, expected: Option<&str>) -> anyhow::Result<()> {
        let (begun, future) = self.begin(event);
        let state = future.wait(TIMEOUT);
        let value = future.value();
        let text = match state {
            State::Ready => self.json(event, value.as_slice())?,
            _ => String::from_utf8_lossy(&value.unwrap_or_default()).into_owned(),
        };
        let trouble = match state {
            State::Ready if future.abandoned() => Some(Trouble::Discarded),
            State::Ready => judge(expected, &text),
            State::Failed => Some(Trouble::Failure),
            State::Discarded => Some(Trouble::Discarded),
            State::Pending => Some(Trouble::Unanswered),
        };
        if let Some(trouble) = trouble {
            self.tell(trouble, event, begun, &text);
        }
        Ok(())
    }

    /// A call of HookManager.
    fn hook(&mut self, event: Event, expected: Option<&str>) -> anyhow::Result<()> {
        self.slot.count(self.made, "hooks", event);
        let begun = clock::now();
        let inputs = self.slot.arguments[&event].inputs();
        let value = mesos::call_hook(self.slot.host.mesos, event, inputs);
        let json = self.json(event, &value)?;
        if let Some(trouble) = judge(expected, &json) {
            let call = Call { module: "hooks", event, container: &self.slot.name, begun };
            self.slot.troubles.tell(trouble, call, &json);
        }
        Ok(())
    }

    /// The JSON text of an answer; empty without one.
    fn json(&self, event: Event, parts: &[Vec<u8>]) -> anyhow::Result<String> {
        match (event.row().output, parts.first()) {
            (Output::Message(kind), Some(bytes)) => {
                let json: Value = self.slot.host.schema.write(kind, bytes).context("an answer")?;
                Ok(json.to_string())
            }
            _ => Ok(String::new()),
        }
    }

    fn tell(&self, trouble: Trouble, event: Event, begun: Duration, text: &str) {
        let call = Call { module: self.slot.module, event, container: &self.name, begun };
        self.slot.troubles.tell(trouble, call, text);
    }
}

/// What is wrong with an answer that must contain a text; the commands' other answers have `SOAK`
/// in them, or a number from `BASE` on.
fn judge(expected: Option<&str>, json: &str) -> Option<Trouble> {
    let expected = expected?;
    if json.contains(expected) {
        None
    } else if json.contains("SOAK") || json.contains("1000") {
        Some(Trouble::Wrong)
    } else {
        Some(Trouble::Empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_container_is_wrong_and_nothing_is_empty() {
        let answer = r#"{"environment":{"variables":[{"name":"SOAK","value":"life-1_7"}]}}"#;
        assert_eq!(judge(Some("\"life-1_7\""), answer), None);
        assert_eq!(judge(Some("\"life-1_8\""), answer), Some(Trouble::Wrong));
        assert_eq!(judge(Some("1000007"), r#"{"executor_pid":1000008}"#), Some(Trouble::Wrong));
        assert_eq!(judge(Some("1000007"), "{}"), Some(Trouble::Empty));
        assert_eq!(judge(None, ""), None);
    }
}
