//! An executor for tests: one task, which ends by itself after a time or when it is killed, or when
//! its container of Docker does ([`docker`]).
//!
//! It speaks the v1 HTTP executor API and survives its agent: when the connection ends and the
//! framework checkpoints, it subscribes again until the agent's recovery timeout has passed, with
//! the updates that were not acknowledged.

mod docker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use crate::http;

const RETRY: Duration = Duration::from_millis(100);
/// How long an agent that comes back is awaited; longer than any test.
const RECOVERY: Duration = Duration::from_secs(120);

/// What the task of an executor does.
#[derive(Debug)]
pub(crate) enum Work {
    /// It lasts for a time, or until it is killed.
    Wait(Option<Duration>),
    /// It runs its command in a container of Docker.
    Docker(docker::Flags),
}

impl Work {
    /// What Mesos's Docker containerizer asks its executor for, by flags.
    pub(crate) fn docker(flags: &[String]) -> anyhow::Result<Work> {
        docker::Flags::parse(flags).map(Work::Docker)
    }
}

/// What an executor hears.
enum Event {
    /// An event of the agent's.
    Agent(Value),
    /// The agent's stream has ended.
    Lost,
    /// The task's container runs.
    Started,
    /// The task's container has ended: the state, and what it wrote.
    Ended(&'static str, String),
}

/// Runs until the task has ended.
pub(crate) fn run(work: Work) -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let pid = variable("MESOS_SLAVE_PID")?;
    let (agent, address) = pid.split_once('@').context("MESOS_SLAVE_PID is no agent")?;
    let mut executor = Executor {
        address: address.parse().context("the agent's address")?,
        path: format!("/{agent}/api/v1/executor"),
        ids: json!({
            "executor_id": {"value": variable("MESOS_EXECUTOR_ID")?},
            "framework_id": {"value": variable("MESOS_FRAMEWORK_ID")?},
        }),
        checkpoint: variable("MESOS_CHECKPOINT").is_ok_and(|value| value == "1"),
        work,
        events: mpsc::channel(),
        killed: false,
        task: None,
        deadline: None,
        updates: BTreeMap::new(),
        ending: false,
        counter: 0,
    };
    executor.live()
}

struct Executor {
    address: SocketAddr,
    path: String,
    ids: Value,
    checkpoint: bool,
    work: Work,
    events: (Sender<Event>, Receiver<Event>),
    /// The agent asked for the task's end.
    killed: bool,
    /// The task as it was launched.
    task: Option<Value>,
    /// When it ends by itself.
    deadline: Option<Instant>,
    /// Updates not acknowledged, by their number.
    updates: BTreeMap<u64, Value>,
    /// A terminal update was sent.
    ending: bool,
    counter: u64,
}

impl Executor {
    fn live(&mut self) -> anyhow::Result<()> {
        let mut lost = Instant::now();
        loop {
            match self.subscribe() {
                Ok(()) => {
                    if self.serve() {
                        return Ok(());
                    }
                    lost = Instant::now();
                }
                Err(error) if lost.elapsed() > RECOVERY => return Err(error),
                Err(_) => {}
            }
            anyhow::ensure!(self.checkpoint, "the agent went away");
            std::thread::sleep(RETRY);
        }
    }

    fn call(&self, kind: &str, name: &str, body: Value) -> Value {
        let mut call = self.ids.clone();
        call["type"] = json!(kind);
        call[name] = body;
        call
    }

    /// Opens the stream of the agent's events; they arrive by the channel until it ends.
    fn subscribe(&self) -> anyhow::Result<()> {
        let unacknowledged: Vec<_> =
            self.updates.values().map(|status| json!({ "status": status })).collect();
        let tasks: Vec<_> = self.task.iter().filter(|_| !unacknowledged.is_empty()).collect();
        let body = json!({
            "unacknowledged_tasks": tasks,
            "unacknowledged_updates": unacknowledged,
        });
        let call = self.call("SUBSCRIBE", "subscribe", body);
        let mut stream = http::post(self.address, &self.path, &[], &call)?;
        if matches!(stream.status, 400 | 403) {
            // The agent is there and does not know this executor: a container whose checkpoint is
            // gone, which the launcher without cgroups cannot find and kill.
            eprintln!("mesos-host executor: refused: {:#}", refusal(stream));
            std::process::exit(1);
        }
        if stream.status != 200 {
            return Err(refusal(stream));
        }
        let sender = self.events.0.clone();
        std::thread::spawn(move || {
            while let Ok(Some(event)) = stream.record() {
                if sender.send(Event::Agent(event)).is_err() {
                    return;
                }
            }
            let _ = sender.send(Event::Lost);
        });
        Ok(())
    }

    /// Handles events until the agent's stream ends (false) or the executor is done (true).
    fn serve(&mut self) -> bool {
        loop {
            let wait = match self.deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            match self.events.1.recv_timeout(wait) {
                Ok(Event::Agent(event)) => {
                    if self.handle(&event) {
                        return true;
                    }
                }
                Ok(Event::Lost) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(Event::Started) => self.running(),
                Ok(Event::Ended(state, output)) => {
                    self.update(if self.killed { "TASK_KILLED" } else { state }, &output);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.deadline.take().is_some() {
                        self.update("TASK_FINISHED", "");
                    }
                }
            }
        }
    }

    /// Handles one event; whether the executor is done.
    fn handle(&mut self, event: &Value) -> bool {
        match event["type"].as_str().unwrap_or_default() {
            "LAUNCH" => {
                self.task = event.pointer("/launch/task").cloned();
                self.begin();
                false
            }
            "KILL" => {
                self.kill();
                false
            }
            "ACKNOWLEDGED" => {
                let uuid = &event["acknowledged"]["uuid"];
                self.updates.retain(|_, status| &status["uuid"] != uuid);
                self.ending && self.updates.is_empty()
            }
            "SHUTDOWN" => true,
            _ => false,
        }
    }

    fn begin(&mut self) {
        match &self.work {
            Work::Wait(run_for) => {
                self.deadline = run_for.map(|time| Instant::now() + time);
                self.running();
            }
            Work::Docker(flags) => {
                let task = self.task.clone().unwrap_or_default();
                let (flags, sender) = (flags.clone(), self.events.0.clone());
                std::thread::spawn(move || flags.run(&task, &sender));
            }
        }
    }

    fn kill(&mut self) {
        self.deadline = None;
        match &self.work {
            Work::Wait(_) => self.update("TASK_KILLED", ""),
            // The update is sent when the container has ended.
            Work::Docker(flags) => {
                self.killed = true;
                flags.stop();
            }
        }
    }

    fn running(&mut self) {
        let Some(task) = &self.task else { return };
        let mut message = found(task);
        if let Work::Docker(flags) = &self.work {
            message.push_str(" container=");
            message.push_str(&flags.container);
        }
        self.update("TASK_RUNNING", &message);
    }

    /// Sends a status update. One that does not arrive is sent again by the next subscription.
    fn update(&mut self, state: &str, message: &str) {
        let Some(task) = &self.task else { return };
        if self.ending {
            return;
        }
        self.ending = state != "TASK_RUNNING";
        self.counter += 1;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut status = json!({
            "task_id": task["task_id"],
            "executor_id": self.ids["executor_id"],
            "state": state,
            "source": "SOURCE_EXECUTOR",
            "timestamp": since.as_secs_f64(),
            "uuid": uuid(self.counter),
        });
        if !message.is_empty() {
            status["message"] = json!(message);
        }
        self.updates.insert(self.counter, status.clone());
        let call = self.call("UPDATE", "update", json!({ "status": status }));
        if let Err(error) =
            http::post(self.address, &self.path, &[], &call).and_then(|it| it.text())
        {
            eprintln!("mesos-host executor: update {state} was not delivered: {error:#}");
        }
    }
}

/// What hooks and isolators gave this executor, in words: the keys of its task's labels, and the
/// variables that recording commands set.
fn found(task: &Value) -> String {
    let labels = task.pointer("/labels/labels").and_then(Value::as_array);
    let keys = labels.into_iter().flatten().filter_map(|label| label["key"].as_str());
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let variables = variables.filter(|name| name.starts_with("RECORDED_"));
    let words: Vec<_> = keys.map(str::to_owned).chain(variables).collect();
    words.join(" ")
}

/// Why an answer is not the one hoped for.
fn refusal(answer: http::Answer) -> anyhow::Error {
    match answer.text() {
        Ok(text) => anyhow!("unexpected answer: {text}"),
        Err(error) => error,
    }
}

/// Sixteen bytes that no other update of this executor has, in base64.
fn uuid(counter: u64) -> String {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&counter.to_be_bytes());
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    // The version and variant bits of a random UUID, which Mesos's parser does not look at but
    // people's tools do.
    bytes[6] = 0x40;
    bytes[8] |= 0x80;
    base64(&bytes)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let word = part.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte))
            << (8 * (3 - part.len()));
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit)) & 63;
            text.push(if digit <= part.len() { DIGITS[index as usize].into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_ne!(uuid(1), uuid(2));
    }
}
