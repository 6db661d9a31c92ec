//! The configured command of one event.

use std::sync::Arc;

use crate::command::Background;
use crate::condition::{Condition, Given};
use crate::config::{Config, EventConfig, IoChoice};
use crate::containment::SlotPool;
use crate::escape::one_line;
use crate::event::{Event, FailureAnswer, InputKind, Output, Row};
use crate::metrics::{EventMetrics, ModuleMetrics};
use crate::redact::Redaction;
use crate::run::{CommandSpec, DeadlineFrom, Request};
use crate::schema::{self, MessageType, Schema};
use crate::staging::{Input, IoMode};

use super::lanes::patience;
use super::live::Live;
use super::log::Limiter;
use super::observer::Observing;
use super::shadow::{Shadow, Shadows};
use super::{Answer, CallFailure, CreateError, InputValue};

/// The most that one output for many containers may have, in bytes, unless `max_output_bytes` is
/// more: a run that goes wrong must not fill the memory file system that outputs are on.
const BATCH_OUTPUT_BYTES: u64 = 64 << 20;
/// What the name of a container and the punctuation around its answer may have, in bytes.
const BATCH_ENVELOPE: u64 = 1024;

/// The command of one event of one instance, with all that is constant about its calls.
#[derive(Debug)]
pub struct Command {
    /// The event's row.
    pub row: &'static Row,
    /// What the runner needs.
    pub spec: Arc<CommandSpec>,
    pub(super) text: String,
    failure: FailureAnswer,
    /// For whom it is run; `None`: for all.
    condition: Option<Arc<Condition>>,
    /// Parallel to the row's inputs; `None` where the value is no message.
    inputs: Vec<Option<MessageType>>,
    pub(super) output: Option<MessageType>,
    /// In worker mode a process that was started for a call stands in for a worker.
    pub(super) has_workers: bool,
    debug: bool,
    /// What is run beside it and compared.
    pub(super) shadow: Option<Arc<Shadow>>,
    /// What an operator sees and changes of its instance; `None` outside of one.
    pub(super) live: Option<Arc<Live>>,
    pub(super) redact: Redaction,
    pub(super) metrics: Arc<ModuleMetrics>,
    pub(super) failures: Limiter,
    pub(super) notes: Limiter,
    pub(super) observing: Observing,
}

/// The types of an event's inputs, `None` for one that is no message, and that of its output.
fn message_types(
    row: &Row,
    schema: &Schema,
) -> Result<(Vec<Option<MessageType>>, Option<MessageType>), CreateError> {
    let find = |message: &'static str| {
        let missing = CreateError::EventMessage { event: row.event, message };
        schema.message(message).ok_or(missing)
    };
    let inputs = row.inputs.iter().map(|key| match key.kind {
        InputKind::Message(name) | InputKind::Messages(name) => find(name).map(Some),
        _ => Ok(None),
    });
    let inputs = inputs.collect::<Result<_, _>>()?;
    let output = match row.output {
        Output::Ignored => None,
        Output::Message(name) | Output::List { carrier: name, .. } | Output::ByContainer(name) => {
            Some(find(name)?)
        }
    };
    Ok((inputs, output))
}

impl Command {
    /// Builds the command of `event` from the configuration.
    ///
    /// # Errors
    /// When the host does not have a message type that the event needs.
    pub fn new(
        config: &Config,
        event: Event,
        command: &EventConfig,
        environment: Arc<[std::ffi::OsString]>,
        cgroups: Option<Arc<SlotPool>>,
        schema: &Schema,
        metrics: Arc<ModuleMetrics>,
    ) -> Result<Command, CreateError> {
        let row = event.row();
        let (inputs, output) = message_types(row, schema)?;
        let spec = CommandSpec {
            event,
            module: config.module_name.clone(),
            command: command.command.clone(),
            environment,
            timeout: command.timeout,
            kill_grace: config.kill_grace,
            max_output_bytes: config.max_output_bytes,
            io: match config.io {
                IoChoice::File => IoMode::Files,
                // What is behind our descriptors no other user can open.
                _ if command.user.is_some() => IoMode::Files,
                IoChoice::Memfd => IoMode::Memfd,
                // As the original's: files that the command may treat as its own.
                IoChoice::Auto if row.in_original => IoMode::SharedStdin,
                IoChoice::Auto => IoMode::MemfdInput,
            },
            stdio: config.stdio,
            identity: command.identity(),
            temp_dir: config.temp_dir.as_deref().map(Arc::from),
            background: config.background.unwrap_or(if row.lane.samples() {
                Background::Kill
            } else {
                Background::Keep
            }),
            cgroups,
        };
        Ok(Command {
            row,
            spec: Arc::new(spec),
            text: command.text().to_owned(),
            failure: command.failure,
            condition: command.when.clone(),
            inputs,
            output,
            has_workers: command.workers().is_some(),
            debug: config.debug,
            shadow: None,
            live: None,
            redact: config.redact.clone(),
            metrics,
            failures: Limiter::new(),
            notes: Limiter::new(),
            observing: Observing::default(),
        })
    }

    /// The same, as a part of an instance that operators can look at.
    pub(super) fn shown_by(self, live: &Arc<Live>) -> Command {
        Command { live: Some(live.clone()), ..self }
    }

    /// The same with the shadow that is configured for it.
    pub(super) fn shadowed(self, config: &EventConfig, shared: &Arc<Shadows>) -> Command {
        let shadow = config.shadow.as_ref().map(|line| {
            let (output, redact) = (self.output.clone(), &self.redact);
            Arc::new(Shadow::new(shared, line, &self.spec, output, redact, &self.metrics))
        });
        Command { shadow, ..self }
    }

    /// Whether inputs and outputs are logged now.
    pub(super) fn is_debug(&self) -> bool {
        self.live.as_ref().map_or(self.debug, |live| live.is_debug())
    }

    /// The configured text, as messages quote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For whom it is run; `None`: for all.
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_deref()
    }

    /// Whether its condition, if it has one, holds for the values of a call.
    pub(crate) fn is_for(&self, values: &[InputValue<'_>]) -> bool {
        let Some(condition) = &self.condition else { return true };
        let keys = self.row.inputs.iter().zip(&self.inputs).zip(values);
        let given = keys.filter_map(|((key, kind), value)| match (kind, value) {
            (Some(kind), InputValue::Message(bytes)) => Some(Given { key: key.name, kind, bytes }),
            _ => None,
        });
        condition.holds(&given.collect::<Vec<_>>())
    }

    /// The event's metrics.
    pub fn metrics(&self) -> &EventMetrics {
        self.metrics.event(self.row.event)
    }

    /// Renders the input object. `config` is the JSON of the container's config, for the key
    /// `container_config` when the host does not give it.
    ///
    /// # Errors
    /// When a message of the host is malformed, or a value is not of the row's kind.
    pub fn render(
        &self,
        values: &[InputValue<'_>],
        config: Option<&[u8]>,
    ) -> Result<Vec<u8>, CallFailure> {
        let mut out = Vec::with_capacity(1024);
        out.push(b'{');
        for (index, (key, value)) in self.row.inputs.iter().zip(values).enumerate() {
            let before = out.len();
            if out.len() > 1 {
                out.push(b',');
            }
            schema::write_json_string(key.name.as_bytes(), &mut out);
            out.push(b':');
            let written = match (value, config) {
                (InputValue::Absent, Some(json)) if key.name == "container_config" => {
                    out.extend_from_slice(json);
                    true
                }
                _ => self.render_value(index, value, &mut out)?,
            };
            if !written {
                out.truncate(before);
            }
        }
        out.push(b'}');
        Ok(out)
    }

    /// Writes a value; `false` when there is none.
    fn render_value(
        &self,
        index: usize,
        value: &InputValue<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, CallFailure> {
        let key = &self.row.inputs[index];
        let message = |bytes: &[u8], out: &mut Vec<u8>| match &self.inputs[index] {
            None => Err(CallFailure::input(format!("'{}' is no message", key.name))),
            Some(kind) => kind.write_json(bytes, out).map_err(|error| {
                CallFailure::input(format!("'{}' could not be rendered: {error}", key.name))
            }),
        };
        match value {
            InputValue::Absent => return Ok(false),
            InputValue::Message(bytes) => message(bytes, out)?,
            InputValue::Messages(all) => list(all, out, b"[]", |bytes, out| message(bytes, out))?,
            InputValue::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            InputValue::Text(text) => schema::write_json_string(text, out),
            InputValue::TextMap(entries) => list(&sorted(entries), out, b"{}", |entry, out| {
                schema::write_json_string(entry.0, out);
                out.push(b':');
                schema::write_json_string(entry.1, out);
                Ok(())
            })?,
            InputValue::ScalarMap(entries) => list(&sorted(entries), out, b"{}", |entry, out| {
                schema::write_json_string(entry.0, out);
                out.extend_from_slice(b":{\"value\":");
                schema::write_json_double(entry.1, out);
                out.push(b'}');
                Ok(())
            })?,
        }
        Ok(true)
    }

    /// A run of the command with `input`, submitted now.
    pub fn request(&self, input: Input, container: Option<Arc<str>>, subject: &str) -> Request {
        if self.is_debug() {
            let shown = match &input {
                Input::Text(text) => self.redact.text(text),
                Input::Sealed(sealed) => match sealed.to_bytes() {
                    Ok(text) => self.redact.text(&text),
                    Err(error) => format!("that cannot be shown: {error}"),
                },
            };
            let text = format!("Calling command \"{}\" with input {shown}", self.text);
            tracing::info!("{}", self.line(subject, &text));
        }
        let deadline_from = if self.row.lane.counts_from_start() {
            DeadlineFrom::Start
        } else {
            DeadlineFrom::Submission
        };
        let request = Request::new(self.spec.clone(), input);
        let last_start =
            patience(self.row.event).and_then(|patience| request.submitted.checked_add(patience));
        Request { container_id: container, deadline_from, last_start, ..request }
    }

    /// A run of a command that answers for so many containers in one output. Each of its answers
    /// may have `max_output_bytes`, all together `BATCH_OUTPUT_BYTES`.
    pub fn batch_request(&self, input: Input, containers: usize, subject: &str) -> Request {
        let spec = self.batch_spec(containers as u64);
        Request { spec, ..self.request(input, None, subject) }
    }

    /// The spec with the limit for an output of so many answers.
    pub(super) fn batch_spec(&self, containers: u64) -> Arc<CommandSpec> {
        let each = self.spec.max_output_bytes;
        let all = (each + BATCH_ENVELOPE).saturating_mul(containers);
        let max_output_bytes = all.min(each.max(BATCH_OUTPUT_BYTES));
        Arc::new(CommandSpec { max_output_bytes, ..(*self.spec).clone() })
    }

    /// The answer for Mesos: the event's failure column applied to a result.
    pub fn answer(&self, result: Result<Option<Vec<u8>>, CallFailure>) -> Answer {
        match result {
            Ok(None) => Answer::Nothing,
            Ok(Some(bytes)) => Answer::Message(bytes.into()),
            Err(failure) if self.failure == FailureAnswer::Fail => {
                Answer::Failure(one_line(&failure.message).into_owned())
            }
            Err(_) => Answer::Nothing,
        }
    }
}

/// Entries in the order in which the original's maps are printed.
fn sorted<K: Ord + Copy, V: Copy>(entries: &[(K, V)]) -> Vec<&(K, V)> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.0);
    sorted
}

/// Writes `items` between the two `brackets`, separated by commas.
fn list<T>(
    items: &[T],
    out: &mut Vec<u8>,
    brackets: &[u8; 2],
    mut write: impl FnMut(&T, &mut Vec<u8>) -> Result<(), CallFailure>,
) -> Result<(), CallFailure> {
    out.push(brackets[0]);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out)?;
    }
    out.push(brackets[1]);
    Ok(())
}
