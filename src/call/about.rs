//! Whose call it is, read from its input when somebody wants to know.

use serde::Deserialize;

use crate::staging::Input;

/// Inputs that are longer are not read: those of batches, which are about many containers.
const MOST_BYTES: usize = 256 << 10;

/// Task, executor and framework of a call, as far as its input names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) task: Option<String>,
    pub(super) executor: Option<String>,
    pub(super) framework: Option<String>,
}

/// What an input may have, in the names of `mesos.proto`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Shape {
    container_config: Infos,
    framework_info: Framework,
    framework_id: Id,
    task_status: Task,
    task_info: Task,
    executor_info: Executor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Infos {
    task_info: Task,
    executor_info: Executor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Task {
    task_id: Id,
    executor: Executor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Executor {
    executor_id: Id,
    framework_id: Id,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Framework {
    id: Id,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Id {
    value: Option<String>,
}

impl About {
    /// Reads an input; one that is no JSON of this shape is about nobody.
    pub(super) fn input(input: &Input) -> About {
        if input.len() > MOST_BYTES {
            return About::default();
        }
        input.bytes().map(|bytes| About::json(&bytes)).unwrap_or_default()
    }

    fn json(json: &[u8]) -> About {
        let shape: Shape = serde_json::from_slice(json).unwrap_or_default();
        let Shape { container_config: config, framework_info, framework_id, .. } = shape;
        let (task, executor) = (shape.task_info, shape.executor_info);
        let (own, by_task) = (config.executor_info, task.executor);
        let (task_id, status) = (task.task_id.value, shape.task_status.task_id.value);
        About {
            task: task_id.or(config.task_info.task_id.value).or(status),
            executor: executor
                .executor_id
                .value
                .or(own.executor_id.value)
                .or(by_task.executor_id.value),
            framework: framework_info
                .id
                .value
                .or(framework_id.value)
                .or(executor.framework_id.value)
                .or(own.framework_id.value)
                .or(by_task.framework_id.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_hooks_and_isolators_name_their_task() {
        for (json, task, executor, framework) in [
            (
                r#"{"container_config":{"executor_info":{"executor_id":{"value":"e"},"framework_id":{"value":"f"}},"task_info":{"name":"n","task_id":{"value":"t"}}},"container_id":{"value":"c"}}"#,
                Some("t"),
                Some("e"),
                Some("f"),
            ),
            (
                r#"{"task_info":{"task_id":{"value":"t"}},"framework_info":{"id":{"value":"f"},"name":"x"},"slave_info":{}}"#,
                Some("t"),
                None,
                Some("f"),
            ),
            (
                r#"{"framework_id":{"value":"f"},"task_status":{"task_id":{"value":"t"}}}"#,
                Some("t"),
                None,
                Some("f"),
            ),
            ("no json", None, None, None),
            (r#"{"task_info":7}"#, None, None, None),
        ] {
            let about = About::input(&Input::Text(json.as_bytes().into()));
            let text = |text: Option<&str>| text.map(str::to_owned);
            let expected =
                About { task: text(task), executor: text(executor), framework: text(framework) };
            assert_eq!(about, expected, "{json}");
        }
        let large = format!("{{\"x\":\"{}\",\"task_info\":{{}}}}", "x".repeat(MOST_BYTES));
        assert_eq!(About::input(&Input::Text(large.into_bytes().into())), About::default());
    }
}
