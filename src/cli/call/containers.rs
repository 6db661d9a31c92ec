//! The containers that an input names.

use anyhow::{anyhow, bail};
use mesos_command::container::ContainerId;
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use mesos_command::schema;
use serde_json::{Map, Value};

use crate::input::message;

/// One container, and the input with its ID and config in place.
pub(crate) struct Container {
    /// `parent.child`.
    pub(crate) name: String,
    /// Its serialised ID.
    pub(super) wire: Vec<u8>,
    config: Option<Value>,
    pub(crate) object: Map<String, Value>,
}

/// The containers of `object`: those of its list `containers`, else the one that it names itself.
///
/// # Errors
/// When the list or an ID is malformed.
pub(crate) fn of(object: &Map<String, Value>) -> anyhow::Result<Vec<Container>> {
    match object.get("containers") {
        None if object.contains_key("container_id") => Ok(vec![container(object.clone())?]),
        None => Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(|one| in_list(object, one)).collect(),
        Some(_) => {
            bail!("input 'containers': a list of {{container_id, container_config}} is needed")
        }
    }
}

fn in_list(object: &Map<String, Value>, one: &Value) -> anyhow::Result<Container> {
    let Some(fields) = one.as_object() else {
        bail!("input 'containers': each must be an object {{container_id, container_config}}")
    };
    let mut merged = object.clone();
    merged.remove("containers");
    // Of the same container, or none: another's config must not be taken for its own.
    merged.remove("container_config");
    merged.extend(fields.clone());
    container(merged)
}

fn container(object: Map<String, Value>) -> anyhow::Result<Container> {
    let id =
        object.get("container_id").ok_or_else(|| anyhow!("a container has no container_id"))?;
    let wire = message(&schema::current(), "mesos.ContainerID", id)
        .map_err(|error| error.context("input 'container_id'"))?;
    let name = ContainerId::from_wire(&wire).ok_or_else(|| anyhow!("an ID that is malformed"))?;
    let config = object.get("container_config").cloned();
    Ok(Container { name: name.text.to_string(), wire, config, object })
}

impl Container {
    /// Makes the container known, or forgotten, as `event` needs it; what is worth telling about
    /// that.
    ///
    /// # Errors
    /// When its config is malformed.
    pub(super) fn get_ready(
        &self,
        isolator: &Isolator,
        event: Event,
    ) -> anyhow::Result<Option<&'static str>> {
        if event == Event::Prepare {
            return Ok(isolator.forget(&self.wire).then_some(
                "the container was known already and was forgotten first; Mesos prepares each once",
            ));
        }
        if isolator.knows(&self.wire) {
            return Ok(None);
        }
        let Some(config) = &self.config else {
            return Ok(Some(
                "the input has no container_config, so the module does not know the container",
            ));
        };
        isolator
            .introduce(&self.wire, config.to_string().as_bytes())
            .map_err(|problem| anyhow!("input 'container_config': {problem}"))?;
        Ok(None)
    }
}
