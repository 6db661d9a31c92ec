//! The scenario file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::modules::Placeholders;

/// A whole scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows, in a sentence or two.
    pub(crate) about: String,
    /// Variables to set for the whole host before anything is loaded.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// Values for input keys that a step does not give itself.
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Value>,
    /// A file beside this one with more of them, for several scenarios.
    #[serde(default)]
    inputs_from: Option<String>,
    /// Part of the text with which Mesos must refuse the modules; no step is played then.
    #[serde(default)]
    pub(crate) refused: Option<String>,
    /// What is done, in order.
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Calls an event.
    Call(Call),
    /// Waits for the answer of a call that had a `name`.
    Await {
        /// The call's name.
        name: String,
        /// What the answer has to be.
        #[serde(default)]
        expect: Expect,
        /// How long to wait.
        #[serde(default = "timeout_ms")]
        timeout_ms: u64,
    },
    /// Asks a named call's future to be discarded.
    Discard {
        /// The call's name.
        name: String,
    },
    /// Calls usage in a row, nothing else, to measure the call itself against the host's own
    /// constant isolator.
    UsageLoop {
        /// Number of containers to go round: `<container>-0`, `<container>-1`, …
        containers: usize,
        /// Their common beginning.
        container: String,
        /// Calls per round.
        calls: u64,
        /// Rounds, alternating with as many of the yardstick.
        rounds: usize,
        /// The least rate, as a share of the yardstick's.
        #[serde(default)]
        at_least: f64,
    },
    /// Ends as an agent does that exits cleanly: deletes the isolators, then takes down libprocess.
    /// Only futures can be looked at afterwards.
    End {
        /// The longest that deleting the isolators may take.
        at_most_ms: u64,
        /// An isolator that is not deleted, as no hook is.
        #[serde(default)]
        keep: Option<String>,
    },
    /// Waits.
    Sleep {
        /// For so long.
        ms: u64,
    },
    /// Takes what the host has now as the state to which [`Step::Leftovers`] compares.
    Baseline,
    /// Fails when something is left beyond the baseline.
    Leftovers(Allowance),
    /// Fails when a file does not contain a text.
    File {
        /// The file.
        path: String,
        /// The text.
        contains: String,
        /// How long to wait for it.
        #[serde(default)]
        within_ms: u64,
    },
    /// Fails when a listener for metrics does not say a text.
    Metrics {
        /// The listener's address.
        address: SocketAddr,
        /// The text.
        contains: String,
        /// How long to wait for it.
        #[serde(default)]
        within_ms: u64,
    },
}

/// A call of an event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// The event, as its parameters are named: `isolator_usage`.
    pub(crate) event: String,
    /// The isolator instance; the first by default.
    #[serde(default)]
    pub(crate) module: Option<String>,
    /// The container: `c1`, or `c1.check` for a nested one.
    #[serde(default)]
    pub(crate) container: Option<String>,
    /// With a number N: the containers `<container>-0` … `<container>-<N-1>` in turn.
    #[serde(default)]
    pub(crate) containers: Option<usize>,
    /// Input values beside or instead of the scenario's.
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Value>,
    /// How often.
    #[serde(default = "one")]
    pub(crate) repeat: usize,
    /// How many at once.
    #[serde(default = "one")]
    pub(crate) parallel: usize,
    /// How long to wait for an answer.
    #[serde(default = "timeout_ms")]
    pub(crate) timeout_ms: u64,
    /// What the answer has to be.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// The step goes on without the answer; [`Step::Await`] takes it.
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// What an answer has to be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// The kind; not looked at when absent.
    #[serde(default)]
    pub(crate) answer: Option<Kind>,
    /// The message must contain this: objects by key, everything else exactly.
    #[serde(default)]
    pub(crate) json: Option<Value>,
    /// The message must be exactly this.
    #[serde(default)]
    pub(crate) equals: Option<Value>,
    /// The failure's text must contain this.
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// The answer may not come earlier.
    #[serde(default)]
    pub(crate) at_least_ms: Option<u64>,
    /// The answer may not come later.
    #[serde(default)]
    pub(crate) at_most_ms: Option<u64>,
    /// The method itself may not take longer, whenever the answer comes.
    #[serde(default)]
    pub(crate) returns_within_ms: Option<u64>,
}

/// Kinds of answers.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A message that has at least one field.
    Message,
    /// `None()`, `Nothing()` or a message without fields.
    Nothing,
    /// A failed future.
    Failure,
    /// No answer within the time.
    Pending,
    /// A discarded future.
    Discarded,
}

/// How much more than at the baseline may be there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allowance {
    /// Child processes, zombies not among them.
    #[serde(default)]
    pub(crate) children: usize,
    /// File descriptors.
    #[serde(default)]
    pub(crate) fds: usize,
    /// Those of them that are memfds.
    #[serde(default)]
    pub(crate) memfds: usize,
    /// Threads.
    #[serde(default)]
    pub(crate) threads: usize,
    /// Files below `${SCRATCH}/tmp`.
    #[serde(default)]
    pub(crate) files: usize,
    /// Directories below `${SCRATCH}/tmp`.
    #[serde(default)]
    pub(crate) directories: usize,
    /// How long things may take to go.
    #[serde(default = "settle_ms")]
    pub(crate) within_ms: u64,
}

fn one() -> usize {
    1
}

fn timeout_ms() -> u64 {
    60_000
}

fn settle_ms() -> u64 {
    20_000
}

impl Scenario {
    /// Reads a scenario file, whose placeholders are those of the modules file.
    pub(crate) fn read(path: &Path, placeholders: &Placeholders) -> anyhow::Result<Scenario> {
        let mut scenario: Scenario = read(path, placeholders, "scenario")?;
        if let Some(file) = &scenario.inputs_from {
            let more: BTreeMap<String, Value> =
                read(&path.with_file_name(file), placeholders, "object of inputs")?;
            for (key, value) in more {
                scenario.inputs.entry(key).or_insert(value);
            }
        }
        Ok(scenario)
    }

    /// Whether an answer has to come within some time.
    pub(crate) fn is_timed(&self) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Call(Call { expect, .. }) | Step::Await { expect, .. } => {
                expect.at_most_ms.or(expect.returns_within_ms).is_some()
            }
            _ => false,
        })
    }
}

fn read<T: DeserializeOwned>(
    path: &Path,
    placeholders: &Placeholders,
    what: &str,
) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_str(&placeholders.fill(&text)?)
        .with_context(|| format!("{} is no {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_another_file_come_second() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.scenario.json");
        let text = r#"{"about":"a","inputs_from":"more.json","inputs":{"pid":1}}"#;
        std::fs::write(&path, text).unwrap();
        let placeholders = Placeholders::new(directory.path(), &[]).unwrap();
        assert!(Scenario::read(&path, &placeholders).is_err(), "it does not exist");
        std::fs::write(directory.path().join("more.json"), r#"{"pid":2,"env":{}}"#).unwrap();
        let scenario = Scenario::read(&path, &placeholders).unwrap();
        assert_eq!(serde_json::json!(scenario.inputs), serde_json::json!({"pid": 1, "env": {}}));
    }

    #[test]
    fn a_step_names_what_it_does_and_unknown_keys_are_refused() {
        let read = |text: &str| serde_json::from_str::<Step>(text);
        assert!(matches!(
            read(r#"{"do":"call","event":"isolator_usage","container":"a","repeat":3}"#),
            Ok(Step::Call(Call { repeat: 3, parallel: 1, .. }))
        ));
        assert!(matches!(read(r#"{"do":"baseline"}"#), Ok(Step::Baseline)));
        assert!(read(r#"{"do":"call","event":"isolator_usage","repeet":3}"#).is_err());
        assert!(read(r#"{"event":"isolator_usage"}"#).is_err());
    }
}
