//! What `tests/fuzz` feeds with arbitrary bytes and the public types do not show.
//!
//! Only with the feature `fuzz`, which tests turn on and nothing that is installed does: what
//! stands here is no part of the engine's public face. Each function is one call of what an agent
//! runs, with its arguments and results in public types; nothing is decided here.

use std::ffi::OsStr;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::call::{CallFailure, Command, Container, Parts, apply_rules};
use crate::control;
use crate::event::Event;
use crate::exporter;
use crate::isolator::store::WorkDirectories;
use crate::metrics::registry;
use crate::outcome::OutcomeKind;
use crate::run::{RunReport, Timings};
use crate::schema::MessageType;
use crate::status_page::StatusPage;
use crate::sys;
use crate::sys::Pid;
use crate::worker;

/// The answer of a call: its serialised message, `None` for an empty output; or its failure.
pub type CallResult = Result<Option<Vec<u8>>, CallFailure>;

/// What the rules ask about the container of an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// It runs a command task.
    pub command_task: bool,
    /// It has no parent.
    pub top_level: bool,
}

impl From<About> for Container {
    fn from(About { command_task, top_level }: About) -> Container {
        Container { command_task, top_level }
    }
}

fn report(outcome: OutcomeKind) -> RunReport {
    RunReport::without_process(outcome, "", Timings::default())
}

/// Concludes a successful run of `command` that wrote `output`.
pub fn conclude(command: &Command, output: &[u8], about: About) -> CallResult {
    let report = RunReport { output: output.to_vec(), ..report(OutcomeKind::Ok) };
    command.conclude(report, "", about.into(), |_| Ok(()))
}

/// Applies the rules of `event` to a serialised answer: what was changed of it.
///
/// # Errors
/// When a rule refuses it.
pub fn rules(
    event: Event,
    kind: &MessageType,
    answer: &mut Vec<u8>,
    about: About,
) -> Result<Vec<String>, CallFailure> {
    apply_rules(event, kind, answer, about.into())
}

/// Concludes a run for many containers as the usage cache does: with the answer of each.
pub fn conclude_batch(command: &Command, output: &[u8]) -> (CallResult, Parts) {
    let report = RunReport { output: output.to_vec(), ..report(OutcomeKind::Ok) };
    let mut parts = Parts::new();
    let result = command.conclude(report, "", Container::default(), |output| {
        parts = command.read_by_container(output, "")?;
        Ok(())
    });
    (result, parts)
}

/// Lines to a worker and its lines back.
pub struct Exchange(worker::Exchange);

/// What a worker has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// JSON text; empty when there is none.
    Output(Vec<u8>),
    /// Why there is none.
    Error(String),
}

/// What a worker's line may be longer than the output in it, in bytes.
pub const ENVELOPE: usize = worker::ENVELOPE;

impl Exchange {
    /// With a worker that was not greeted. It may ask for `most` requests at a time.
    pub fn new(max_output: usize, most: usize) -> Exchange {
        Exchange(worker::Exchange::new(max_output, most))
    }

    /// Greets it.
    pub fn greet(&mut self) {
        self.0.greet();
    }

    /// Whether it may be asked once more now.
    pub fn has_room(&self) -> bool {
        self.0.has_room()
    }

    /// Asks for `event` with `input`, as the request `id`. There must be room.
    pub fn ask(&mut self, id: u64, event: &str, input: &[u8]) {
        self.0.ask(id, event, None, input, Vec::new());
    }

    /// Cancels a request that is not answered.
    pub fn cancel(&mut self, id: u64) {
        self.0.cancel(id);
    }

    /// As a pipe that takes `most` bytes of what is left to be written: what it took.
    pub fn write(&mut self, most: usize) -> Vec<u8> {
        let Some(mut outgoing) = self.0.take_outgoing() else { return Vec::new() };
        let taken = outgoing.rest().len().min(most);
        let bytes = outgoing.rest()[..taken].to_vec();
        outgoing.written += taken;
        // What is written was not answered before.
        let _ = self.0.put_back(outgoing);
        bytes
    }

    /// Takes what was read from the worker, up to the end of a line: the number of what was
    /// answered, and its reply, when the line is complete.
    ///
    /// # Errors
    /// What it said instead, continuing "the worker …".
    pub fn receive(&mut self, bytes: &mut &[u8]) -> Result<Option<(u64, Reply)>, String> {
        let answer = self.0.receive(bytes).map_err(|fault| fault.describe())?;
        Ok(answer.map(|(id, reply)| match reply {
            worker::Reply::Output(output) => (id, Reply::Output(output)),
            worker::Reply::Error(text) => (id, Reply::Error(text)),
        }))
    }
}

/// Concludes a request of `command` that a worker has answered with `reply`.
pub fn conclude_reply(command: &Command, reply: Reply) -> CallResult {
    let reply = match reply {
        Reply::Output(output) => worker::Reply::Output(output),
        Reply::Error(text) => worker::Reply::Error(text),
    };
    let report = RunReport { by_worker: true, ..report(OutcomeKind::Ok) };
    let report = worker::answered(Pid::own(), report, reply);
    command.conclude(report, "", Container::default(), |_| Ok(()))
}

/// State, parent, process group and start in the text of `/proc/<pid>/stat`.
pub fn process_stat(text: &[u8]) -> Option<(u8, Option<i32>, Option<i32>, u64)> {
    let stat = sys::parse_stat(text)?;
    let group = stat.group.map(sys::ProcessGroup::as_raw);
    Some((stat.state, stat.parent.map(Pid::as_raw), group, stat.start))
}

/// The processes in the text of `/proc/<pid>/task/<tid>/children`.
pub fn children(text: &str) -> Vec<i32> {
    sys::parse_children(text).map(Pid::as_raw).collect()
}

/// Whether a container with this sandbox is certainly of the agent whose `/proc/self/cmdline` and
/// `MESOS_WORK_DIR` these are, and whose containers have the sandboxes `known`.
pub fn is_ours(
    command_line: &[u8],
    variable: Option<&OsStr>,
    known: &[&[u8]],
    sandbox: &[u8],
) -> bool {
    let mut own = WorkDirectories::given(command_line, variable);
    known.iter().for_each(|sandbox| own.learn(sandbox));
    own.have(sandbox)
}

/// Answers the one request of a connection, as the listeners of the metrics do, with the status
/// page.
pub async fn serve<S>(stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connections = std::sync::Arc::<exporter::Connections>::default();
    let place = connections.place(exporter::Client::User(0)).await;
    let pages = exporter::Pages::new(registry());
    pages.show_status(&StatusPage);
    exporter::serve(stream, &pages, &place).await;
}

/// As [`serve`], for the control socket.
pub async fn serve_control<S>(stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let connections = std::sync::Arc::<exporter::Connections>::default();
    let place = connections.place(exporter::Client::User(0)).await;
    exporter::serve(stream, control::site(), &place).await;
}
