//! Parameters that are taken from the modules file anew while calls are on their way.

mod changes;
mod hang;
mod load;
mod refused;

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::hook::Hook;
use mesos_command::isolator::Isolator;
use mesos_command::metrics;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::control::{ask, exchange};
use crate::support::{CONFIG, PATIENCE, field, id, usage_text, write_script};

pub(super) type Pairs<'a> = &'a [(&'a str, &'a str)];

/// An isolator and a hook of one modules file, which they read anew.
pub(super) struct Rig {
    pub(super) place: TempDir,
    pub(super) isolator: Isolator,
    pub(super) hook: Hook,
    module: String,
}

fn modules_file(module: &str, place: &Path, isolator: Pairs<'_>, hook: Pairs<'_>) -> Value {
    let parameters = |pairs: Pairs<'_>| -> Vec<(String, String)> {
        let at = |name: &str| place.join(name).display().to_string();
        let own = [
            ("module_name", module.to_owned()),
            ("state_dir", at("state")),
            ("control_socket", at("c.sock")),
            ("keep_failures", "0".to_owned()),
            ("reload_from", at("modules.json")),
        ];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
        let given = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        own.chain(given).collect()
    };
    let one = |symbol: &str, pairs: Pairs<'_>| {
        let all = parameters(pairs).into_iter();
        let all: Vec<Value> = all.map(|(key, value)| json!({"key": key, "value": value})).collect();
        json!({"name": symbol, "parameters": all})
    };
    json!({"libraries": [{"file": "/x.so", "modules": [
        one("com_criteo_mesos_CommandIsolator", isolator),
        one("com_criteo_mesos_CommandHook", hook),
    ]}]})
}

fn given(file: &Value, index: usize) -> Vec<(String, String)> {
    let all = file["libraries"][0]["modules"][index]["parameters"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.iter().map(|one| (text(&one["key"]), text(&one["value"]))).collect()
}

impl Rig {
    /// Both with these parameters, beside those that they need; scripts are `place/NAME`.
    pub(super) fn new(module: &str, place: TempDir, isolator: Pairs<'_>, hook: Pairs<'_>) -> Rig {
        let file = modules_file(module, place.path(), isolator, hook);
        std::fs::write(place.path().join("modules.json"), file.to_string()).unwrap();
        let parameters = given(&file, 0);
        let isolator = Isolator::create(&parameters).unwrap();
        let hook = Hook::create(&given(&file, 1)).unwrap();
        Rig { place, isolator, hook, module: module.to_owned() }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.place.path().join("c.sock")
    }

    pub(super) fn file(&self) -> PathBuf {
        self.place.path().join("modules.json")
    }

    /// Replaces the modules file, as an operator's tool does.
    pub(super) fn write(&self, isolator: Pairs<'_>, hook: Pairs<'_>) {
        let file = modules_file(&self.module, self.place.path(), isolator, hook);
        self.write_text(&file.to_string());
    }

    pub(super) fn write_text(&self, text: &str) {
        let new = self.place.path().join("modules.json.new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn path(&self) -> String {
        format!("/v1/reload?module={}", self.module)
    }

    /// Asks for a reload: what has changed of the isolator, and of the hook.
    pub(super) fn reload(&self) -> [Value; 2] {
        let answer = ask(&self.socket(), "POST", &self.path(), 200);
        let find = |kind: &str| {
            let all = answer["reloaded"].as_array().unwrap();
            all.iter().find(|one| one["kind"] == kind).cloned().unwrap()
        };
        [find("isolator"), find("hook")]
    }

    /// Asks for a reload that is refused: why.
    pub(super) fn refused(&self) -> String {
        let (status, body) =
            exchange(&self.socket(), &format!("POST {} HTTP/1.0\r\n\r\n", self.path()));
        assert_eq!(status, 409, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["error"].as_str().unwrap().to_owned()
    }

    /// What the control socket shows of the isolator.
    pub(super) fn status(&self) -> Value {
        let answer = ask(&self.socket(), "GET", &format!("/v1/status?module={}", self.module), 200);
        let all = answer["instances"].as_array().unwrap();
        all.iter().find(|one| one["kind"] == "isolator").cloned().unwrap()
    }

    /// The value of a parameter of the isolator that holds now.
    pub(super) fn holds(&self, key: &str) -> String {
        let status = self.status();
        let all = status["parameters"].as_array().unwrap();
        let one = all.iter().find(|one| one["key"] == key).unwrap();
        one["value"].as_str().unwrap().to_owned()
    }

    pub(super) fn start(&self, event: Event, container: &str) -> mpsc::Receiver<Answer> {
        let id = id(container);
        let values = match event {
            Event::Prepare => [InputValue::Message(CONFIG), InputValue::Message(&id)],
            _ => [InputValue::Absent, InputValue::Message(&id)],
        };
        let (sender, receiver) = mpsc::channel();
        self.isolator.call(event, &values, Box::new(move |answer| drop(sender.send(answer))));
        receiver
    }

    pub(super) fn call(&self, event: Event, container: &str) -> Answer {
        self.start(event, container).recv_timeout(PATIENCE).unwrap()
    }

    /// The usage of a container as JSON.
    pub(super) fn usage(&self, container: &str) -> String {
        usage_text(&self.call(Event::Usage, container))
    }

    /// What the hook says of an agent's attributes.
    pub(super) fn attributes(&self) -> Answer {
        let info = field(1, b"host");
        self.hook.call(Event::SlaveAttributesDecorator, &[InputValue::Message(&info)])
    }

    /// The sum of the series of this module.
    pub(super) fn metric(&self, name: &str, part: &str) -> f64 {
        let module = format!("module=\"{}\"", self.module);
        let text = metrics::render();
        let lines = text.lines().filter(|line| {
            line.starts_with(&format!("{name}{{")) && line.contains(&module) && line.contains(part)
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// A directory with scripts.
pub(super) fn place(scripts: Pairs<'_>) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, body) in scripts {
        write_script(&place.path().join(name), body);
    }
    place
}

/// The path of a script.
pub(super) fn at(place: &Path, name: &str) -> String {
    place.join(name).display().to_string()
}
