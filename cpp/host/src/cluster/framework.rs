//! A framework that speaks the v1 HTTP scheduler API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::http;

const PATH: &str = "/master/api/v1/scheduler";

/// A task to be launched.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) work: Work,
}

/// What a task does, and where.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// It lasts in an executor of its own for a time, or without one until it is killed.
    Executor { run_for: Option<Duration> },
    /// It is a shell command for Mesos's own executor, which is no part of the cluster: only its
    /// launch can be looked at.
    Command { command: String },
    /// It runs a shell command in a container of Docker.
    Docker { image: String, command: String },
}

impl Task {
    /// Whether it ends by itself after a time.
    pub(crate) fn ends(&self) -> bool {
        matches!(self.work, Work::Executor { run_for: Some(_) })
    }

    /// Its TaskInfo.
    fn info(&self, framework: &Value, agent: &Value) -> anyhow::Result<Value> {
        let mut info = json!({
            "name": self.name,
            "task_id": {"value": self.name},
            "agent_id": agent,
            "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
            "labels": {"labels": [{"key": "from", "value": "framework"}]},
        });
        match &self.work {
            Work::Executor { run_for } => {
                let program = std::env::current_exe()?;
                let run_for = run_for.map(|time| format!(" --run-ms {}", time.as_millis()));
                let command =
                    format!("exec '{}' executor{}", program.display(), run_for.unwrap_or_default());
                info["executor"] = json!({
                    "type": "CUSTOM",
                    "executor_id": {"value": self.name},
                    "framework_id": framework,
                    "command": {"value": command},
                    "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
                });
            }
            Work::Command { command } => info["command"] = json!({ "value": command }),
            Work::Docker { image, command } => {
                info["command"] = json!({ "value": command });
                info["container"] =
                    json!({"type": "DOCKER", "docker": {"image": image, "network": "NONE"}});
            }
        }
        Ok(info)
    }
}

/// A subscribed framework and what it knows of its tasks.
pub(crate) struct Framework {
    address: SocketAddr,
    id: Value,
    stream_id: String,
    events: Receiver<Value>,
    offers: Vec<Value>,
    /// Last state of each task, by name.
    pub(crate) states: BTreeMap<String, String>,
    /// Last message of each task that had one.
    pub(crate) messages: BTreeMap<String, String>,
    /// Last status of each task, whole.
    pub(crate) statuses: BTreeMap<String, Value>,
}

/// Whether a task in this state has ended.
pub(crate) fn terminal(state: &str) -> bool {
    !matches!(
        state,
        "TASK_STAGING" | "TASK_STARTING" | "TASK_RUNNING" | "TASK_KILLING" | "TASK_UNREACHABLE"
    )
}

impl Framework {
    /// Subscribes, with the identity of an earlier subscription when there is one.
    pub(crate) fn subscribe(
        address: SocketAddr,
        id: Option<Value>,
        timeout: Duration,
    ) -> anyhow::Result<Framework> {
        let deadline = Instant::now() + timeout;
        loop {
            match Framework::try_subscribe(address, id.clone()) {
                Ok(framework) => return Ok(framework),
                // A master that has only just started is not elected yet and says 503.
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn try_subscribe(address: SocketAddr, id: Option<Value>) -> anyhow::Result<Framework> {
        let mut info = json!({
            "user": "root",
            "name": "mesos-host",
            "checkpoint": true,
            "failover_timeout": 600.0,
            "roles": ["*"],
            "capabilities": [{"type": "MULTI_ROLE"}],
        });
        let mut call = json!({ "type": "SUBSCRIBE" });
        if let Some(id) = id {
            info["id"] = id.clone();
            call["framework_id"] = id;
        }
        call["subscribe"] = json!({ "framework_info": info });
        let mut stream = http::post(address, PATH, &[], &call)?;
        if stream.status != 200 {
            bail!("not subscribed: HTTP {}", stream.status);
        }
        let stream_id = stream.header("mesos-stream-id").context("no stream id")?.to_owned();
        let first = stream.record()?.context("the stream ended at once")?;
        let id = first.pointer("/subscribed/framework_id").context("not subscribed")?.clone();
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            while let Ok(Some(event)) = stream.record() {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Framework {
            address,
            id,
            stream_id,
            events,
            offers: Vec::new(),
            states: BTreeMap::new(),
            messages: BTreeMap::new(),
            statuses: BTreeMap::new(),
        })
    }

    /// The identity to subscribe with again.
    pub(crate) fn id(&self) -> Value {
        self.id.clone()
    }

    fn call(&self, kind: &str, body: Option<(&str, Value)>) -> anyhow::Result<()> {
        let mut call = json!({ "type": kind, "framework_id": self.id });
        if let Some((name, value)) = body {
            call[name] = value;
        }
        let headers = [("Mesos-Stream-Id", self.stream_id.as_str())];
        http::post(self.address, PATH, &headers, &call)?
            .text()
            .with_context(|| format!("the call {kind} failed"))?;
        Ok(())
    }

    /// Handles the next event; false when none came in time.
    fn next(&mut self, deadline: Instant) -> anyhow::Result<bool> {
        let wait = deadline.saturating_duration_since(Instant::now());
        let event = match self.events.recv_timeout(wait) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => bail!("the master closed the stream"),
        };
        match event["type"].as_str().unwrap_or_default() {
            "OFFERS" => {
                let offers = event.pointer("/offers/offers").and_then(Value::as_array);
                self.offers.extend(offers.into_iter().flatten().cloned());
            }
            "RESCIND" => {
                let gone = &event["rescind"]["offer_id"];
                self.offers.retain(|offer| &offer["id"] != gone);
            }
            "UPDATE" => self.status(&event["update"]["status"])?,
            "ERROR" => bail!("the master says: {}", event["error"]["message"]),
            _ => {}
        }
        Ok(true)
    }

    fn status(&mut self, status: &Value) -> anyhow::Result<()> {
        let name = status.pointer("/task_id/value").and_then(Value::as_str).unwrap_or_default();
        let state = status["state"].as_str().unwrap_or_default();
        self.states.insert(name.to_owned(), state.to_owned());
        self.statuses.insert(name.to_owned(), status.clone());
        if let Some(message) = status["message"].as_str().filter(|text| !text.is_empty()) {
            self.messages.insert(name.to_owned(), message.to_owned());
        }
        // Updates of the master itself have no number and want no acknowledgement.
        if status.get("uuid").is_some() {
            let body = json!({
                "agent_id": status["agent_id"],
                "task_id": status["task_id"],
                "uuid": status["uuid"],
            });
            self.call("ACKNOWLEDGE", Some(("acknowledge", body)))?;
        }
        Ok(())
    }

    /// Handles events until `done` holds.
    pub(crate) fn until(
        &mut self,
        what: &str,
        timeout: Duration,
        done: impl Fn(&Framework) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + timeout;
        while !done(self) {
            if !self.next(deadline)? {
                bail!("{what}: not within {timeout:?}; the tasks are {:?}", self.states);
            }
        }
        Ok(())
    }

    /// Waits for an offer and launches tasks with it, each in a container of its own.
    pub(crate) fn launch(&mut self, tasks: &[Task], timeout: Duration) -> anyhow::Result<()> {
        self.until("an offer", timeout, |it| !it.offers.is_empty())?;
        // What a task gave back is offered by itself, and may be too little for another one.
        let best = (0..self.offers.len())
            .max_by(|a, b| cpus(&self.offers[*a]).total_cmp(&cpus(&self.offers[*b])));
        let offer = self.offers.swap_remove(best.context("an offer was there")?);
        let infos = tasks
            .iter()
            .map(|task| task.info(&self.id, &offer["agent_id"]))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let body = json!({
            "offer_ids": [offer["id"]],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": infos}}],
            "filters": {"refuse_seconds": 0.0},
        });
        self.call("ACCEPT", Some(("accept", body)))
    }

    /// Asks for a task to be killed.
    pub(crate) fn kill(&self, name: &str) -> anyhow::Result<()> {
        self.call("KILL", Some(("kill", json!({"task_id": {"value": name}}))))
    }

    /// Asks for the states of tasks to be told again.
    pub(crate) fn reconcile(&self, names: &[String]) -> anyhow::Result<()> {
        let tasks: Vec<_> = names.iter().map(|name| json!({"task_id": {"value": name}})).collect();
        self.call("RECONCILE", Some(("reconcile", json!({ "tasks": tasks }))))
    }
}

/// The processors that an offer has.
fn cpus(offer: &Value) -> f64 {
    let resources = offer["resources"].as_array().into_iter().flatten();
    let cpus = resources.filter(|resource| resource["name"] == "cpus");
    cpus.filter_map(|resource| resource.pointer("/scalar/value")?.as_f64()).sum()
}

fn scalar(name: &str, value: f64) -> Value {
    json!({
        "name": name,
        "type": "SCALAR",
        "scalar": {"value": value},
        "allocation_info": {"role": "*"},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_may_still_run_have_not_ended() {
        assert!(!terminal("TASK_RUNNING"));
        assert!(terminal("TASK_KILLED"));
        assert!(terminal("TASK_FAILED"));
    }
}
