//! An isolator with commands in a directory of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use mesos_command::{metrics, schema};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use test_support::{PATIENCE, until};

pub(crate) struct Instance {
    pub(crate) directory: TempDir,
    pub(crate) isolator: Isolator,
    pub(crate) module: String,
}

impl Instance {
    /// An isolator called `module` with a script per event (`isolator_usage`) and more parameters.
    pub(crate) fn new(module: &str, scripts: &[(&str, &str)], more: &[(&str, &str)]) -> Instance {
        let directory = tempfile::tempdir().unwrap();
        let mut parameters = vec![
            ("module_name".to_owned(), module.to_owned()),
            ("state_dir".to_owned(), directory.path().join("state").display().to_string()),
            // Nothing is left in /run.
            ("control_socket".to_owned(), "none".to_owned()),
            ("keep_failures".to_owned(), "0".to_owned()),
        ];
        for (event, body) in scripts {
            let path = directory.path().join(event);
            let runs = directory.path().join(format!("{event}.runs"));
            write_script(&path, &format!("echo run >>{}\n{body}", runs.display()));
            parameters.push((format!("{event}_command"), path.display().to_string()));
        }
        parameters.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let isolator = Isolator::create(&parameters).unwrap();
        Instance { directory, isolator, module: module.to_owned() }
    }

    /// How often the event's script was started.
    pub(crate) fn runs(&self, event: &str) -> usize {
        let path = self.directory.path().join(format!("{event}.runs"));
        std::fs::read_to_string(path).unwrap_or_default().lines().count()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts a method; the receiver gets its answer.
    pub(crate) fn start(&self, event: Event, container: &str) -> mpsc::Receiver<Answer> {
        let id = id(container);
        let values: Vec<InputValue<'_>> = match event {
            Event::Prepare => vec![InputValue::Message(CONFIG), InputValue::Message(&id)],
            Event::Isolate => {
                vec![InputValue::Absent, InputValue::Message(&id), InputValue::Integer(1)]
            }
            Event::Update => vec![
                InputValue::Absent,
                InputValue::Message(&id),
                InputValue::Absent,
                InputValue::Messages(Vec::new()),
            ],
            Event::Recover => {
                vec![InputValue::Messages(Vec::new()), InputValue::Messages(Vec::new())]
            }
            _ => vec![InputValue::Absent, InputValue::Message(&id)],
        };
        let (sender, receiver) = mpsc::channel();
        self.isolator.call(event, &values, Box::new(move |answer| drop(sender.send(answer))));
        receiver
    }

    /// Calls a method and waits.
    pub(crate) fn call(&self, event: Event, container: &str) -> Answer {
        self.start(event, container).recv_timeout(PATIENCE).unwrap()
    }

    /// The usage of a container as JSON, empty when there is none.
    pub(crate) fn usage(&self, container: &str) -> String {
        usage_text(&self.call(Event::Usage, container))
    }

    /// The sum of the series whose line starts with `name{`, is of this module and contains `part`.
    pub(crate) fn metric(&self, name: &str, part: &str) -> u64 {
        let module = format!("module=\"{}\"", self.module);
        let text = metrics::render();
        let lines = text.lines().filter(|line| {
            line.starts_with(&format!("{name}{{")) && line.contains(&module) && line.contains(part)
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
    }
}

/// A serialised ContainerConfig: directory (3) "/x", command_info (11) empty.
pub(crate) const CONFIG: &[u8] = &[0x1a, 2, b'/', b'x', 0x5a, 0];

/// A message of the host, serialised.
pub(crate) fn bytes(message: &str, value: &Value) -> Vec<u8> {
    let kind = schema::current().message(message).unwrap();
    kind.read_json(value.to_string().as_bytes()).unwrap().bytes
}

/// The serialised ID of a container without a parent.
pub(crate) fn id(container: &str) -> Vec<u8> {
    field(1, container.as_bytes())
}

/// Field `number` (below 16) with a length-delimited value of less than 128 bytes.
pub(crate) fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).ok().filter(|length| *length < 128).unwrap();
    [&[number << 3 | 2, length], value].concat()
}

/// A shell script at `path`.
pub(crate) fn write_script(path: &Path, body: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

pub(crate) fn usage_text(answer: &Answer) -> String {
    let Answer::Message(bytes) = answer else { return String::new() };
    let mut json = Vec::new();
    let kind = schema::current().message("mesos.ResourceStatistics").unwrap();
    kind.write_json(bytes, &mut json).unwrap();
    String::from_utf8(json).unwrap()
}
