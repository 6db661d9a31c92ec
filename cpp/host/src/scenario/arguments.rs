#![expect(unsafe_code, reason = "says that the arguments of a call may cross threads")]
//! The arguments of a call, made from a scenario's JSON.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::ptr::null;

use anyhow::{Context as _, bail};
use mesos_command::event::{Event, InputKey, InputKind, ModuleKind};
use serde_json::{Value, json};

use crate::glue::Inputs;
use crate::library::Loaded;
use crate::mesos::{self, Message};
use crate::schema::Schema;

/// A container's identifier as a message: `a.b` is `b` nested in `a`.
pub(crate) fn container_id(text: &str) -> Value {
    match text.rsplit_once('.') {
        Some((parent, value)) => json!({"value": value, "parent": container_id(parent)}),
        None => json!({"value": text}),
    }
}

/// The arguments of one call with everything that they point to.
#[derive(Debug)]
pub(crate) struct Arguments {
    inputs: Inputs,
    // What `inputs` points to; the heap places stay when this struct moves.
    _messages: Vec<Message>,
    _texts: Vec<CString>,
    _arrays: Vec<Vec<*const c_char>>,
}

// SAFETY: everything pointed to is owned and never changed.
unsafe impl Send for Arguments {}
// SAFETY: as above; calls only read.
unsafe impl Sync for Arguments {}

impl Arguments {
    /// A container's identifier alone, for as long as that lives.
    pub(crate) fn container(id: &Message) -> Arguments {
        let inputs = Inputs { container_id: id.as_ptr(), ..empty() };
        Arguments { inputs, _messages: Vec::new(), _texts: Vec::new(), _arrays: Vec::new() }
    }

    /// What the glue gets.
    pub(crate) fn inputs(&self) -> &Inputs {
        &self.inputs
    }
}

/// Makes arguments from input values.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    pub(crate) mesos: Loaded,
    pub(crate) schema: &'a Schema,
    /// Values for keys that a call does not give itself.
    pub(crate) defaults: &'a BTreeMap<String, Value>,
}

impl Builder<'_> {
    /// The arguments for `event`, for a container when it has one.
    pub(crate) fn build(
        &self,
        event: Event,
        container: Option<&str>,
        given: &BTreeMap<String, Value>,
    ) -> anyhow::Result<Arguments> {
        let row = event.row();
        for name in given.keys() {
            if !row.inputs.iter().any(|key| key.name == name) {
                bail!("{} has no input {name}", row.prefix);
            }
        }
        let mut arguments = Arguments {
            inputs: empty(),
            _messages: Vec::new(),
            _texts: Vec::new(),
            _arrays: Vec::new(),
        };
        for key in row.inputs {
            // Mesos gives the configuration to prepare alone; the module remembers it.
            if key.name == "container_config" && event != Event::Prepare {
                continue;
            }
            let from_container = (key.name == "container_id").then_some(container).flatten();
            let value = match (from_container, given.get(key.name)) {
                (Some(text), _) => Some(container_id(text)),
                (None, Some(value)) => Some(value.clone()),
                (None, None) => self.default(event, key),
            };
            match value {
                Some(Value::Null) | None if key.optional => {}
                Some(value) => self
                    .set(&mut arguments, key, &value)
                    .with_context(|| format!("{}: input {}", row.prefix, key.name))?,
                None => bail!("{} needs the input {}", row.prefix, key.name),
            }
        }
        Ok(arguments)
    }

    fn default(&self, event: Event, key: &InputKey) -> Option<Value> {
        let own = match key.kind {
            InputKind::Integer => Some(json!(std::process::id())),
            InputKind::Messages(_) | InputKind::ScalarMap
                if event.row().kind == ModuleKind::Isolator =>
            {
                Some(json!([]))
            }
            _ => None,
        };
        self.defaults.get(key.name).cloned().or(own)
    }

    fn message(&self, kind: &str, value: &Value) -> anyhow::Result<Message> {
        Message::new(self.mesos, kind, &self.schema.read(kind, value)?)
    }

    fn set(&self, all: &mut Arguments, key: &InputKey, value: &Value) -> anyhow::Result<()> {
        match key.kind {
            InputKind::Message(kind) => {
                let message = self.message(kind, value)?;
                *message_slot(&mut all.inputs, key.name)? = message.as_ptr();
                all._messages.push(message);
            }
            InputKind::Messages(kind) => {
                let items = value.as_array().context("not a list")?;
                let items = items
                    .iter()
                    .map(|item| self.schema.read(kind, item))
                    .collect::<anyhow::Result<Vec<_>>>()?;
                match kind {
                    "mesos.Resource" => {
                        all.inputs.resources = mesos::resources(self.mesos, &items).as_ptr();
                    }
                    "mesos.ContainerID" => {
                        all.inputs.orphans = mesos::orphans(self.mesos, &items).as_ptr();
                    }
                    _ => all.inputs.states = mesos::states(self.mesos, &items).as_ptr(),
                }
            }
            InputKind::Integer => {
                let pid = value.as_i64().context("not an integer")?;
                all.inputs.pid = i32::try_from(pid)?;
            }
            InputKind::Text => {
                let text = CString::new(value.as_str().context("not a string")?)?;
                *text_slot(&mut all.inputs, key.name)? = text.as_ptr();
                all._texts.push(text);
            }
            InputKind::TextMap => set_environment(all, value)?,
            InputKind::Containers => bail!("{} is no method of Mesos", key.name),
            InputKind::ScalarMap => {
                all.inputs.limits = mesos::limits(self.mesos, &scalars(value)?).as_ptr();
            }
        }
        Ok(())
    }
}

fn set_environment(all: &mut Arguments, value: &Value) -> anyhow::Result<()> {
    let entries = value.as_object().context("not an object")?;
    let mut arrays = [Vec::new(), Vec::new()];
    for (key, value) in entries {
        let value = value.as_str().with_context(|| format!("{key} is not a string"))?;
        for (array, text) in arrays.iter_mut().zip([key.as_str(), value]) {
            let text = CString::new(text)?;
            array.push(text.as_ptr());
            all._texts.push(text);
        }
    }
    let [keys, values] = arrays;
    all.inputs.has_env = 1;
    all.inputs.env_count = keys.len();
    all.inputs.env_keys = keys.as_ptr();
    all.inputs.env_values = values.as_ptr();
    all._arrays.extend([keys, values]);
    Ok(())
}

/// `{"cpus":1.5,"mem":"Infinity"}`; an empty list is an empty map.
fn scalars(value: &Value) -> anyhow::Result<Vec<(CString, f64)>> {
    let Some(entries) = value.as_object() else { return Ok(Vec::new()) };
    entries
        .iter()
        .map(|(key, value)| {
            let number = match value.as_str() {
                Some("Infinity") => Some(f64::INFINITY),
                _ => value.as_f64(),
            };
            Ok((CString::new(key.as_str())?, number.with_context(|| format!("{key}: no number"))?))
        })
        .collect()
}

fn message_slot<'a>(inputs: &'a mut Inputs, name: &str) -> anyhow::Result<&'a mut *const c_void> {
    Ok(match name {
        "task_info" => &mut inputs.task_info,
        "executor_info" => &mut inputs.executor_info,
        "framework_info" => &mut inputs.framework_info,
        "slave_info" => &mut inputs.slave_info,
        "framework_id" => &mut inputs.framework_id,
        "task_status" => &mut inputs.task_status,
        "container_id" => &mut inputs.container_id,
        "container_config" => &mut inputs.container_config,
        other => bail!("this host knows no message argument {other}"),
    })
}

fn text_slot<'a>(inputs: &'a mut Inputs, name: &str) -> anyhow::Result<&'a mut *const c_char> {
    Ok(match name {
        "container_name" => &mut inputs.container_name,
        "container_work_directory" => &mut inputs.container_work_directory,
        "mapped_sandbox_directory" => &mut inputs.mapped_sandbox_directory,
        "directory" => &mut inputs.directory,
        other => bail!("this host knows no text argument {other}"),
    })
}

fn empty() -> Inputs {
    Inputs {
        task_info: null(),
        executor_info: null(),
        framework_info: null(),
        slave_info: null(),
        framework_id: null(),
        task_status: null(),
        container_id: null(),
        container_config: null(),
        resources: null(),
        limits: null(),
        states: null(),
        orphans: null(),
        container_name: null(),
        container_work_directory: null(),
        mapped_sandbox_directory: null(),
        directory: null(),
        env_keys: null(),
        env_values: null(),
        env_count: 0,
        has_env: 0,
        pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_nest_containers() {
        assert_eq!(
            container_id("a.b.c"),
            json!({"value": "c", "parent": {"value": "b", "parent": {"value": "a"}}})
        );
    }

    #[test]
    fn limits_are_numbers_or_infinite() {
        let read = scalars(&json!({"cpus": 1.5, "mem": "Infinity"})).unwrap();
        assert_eq!(read[0].1, 1.5);
        assert!(read[1].1.is_infinite());
        assert!(scalars(&json!({"cpus": "lots"})).is_err());
        assert!(scalars(&json!([])).unwrap().is_empty());
    }
}
