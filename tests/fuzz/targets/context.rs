//! Context files, which an agent finds when it starts.
//!
//! Input: a line that ends a file's name, and then the content of two files: of a container that
//! Mesos knows, and of one that it does not. The files are real ones, and an isolator recovers.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use mesos_command::schema::{self, FieldValue};
use prost_reflect::{DynamicMessage, MessageDescriptor};

use super::reference;

/// A container that Mesos knows, one that it does not, and the agent's work directory.
const KNOWN: &str = "0b1f8a3c-3b7d-4d7e-9d0c-0123456789ab";
const LOST: &str = "1b1f8a3c-3b7d-4d7e-9d0c-0123456789ab";
const SANDBOX: &str = "/w/slaves/S/frameworks/F/executors/E/runs/R";
/// Names of files end here (`NAME_MAX`, limits.h).
const LONGEST_NAME: usize = 255;
/// The longest that a recovery takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    // Not of the process, which would leave its directory behind.
    static RIG: Rig = Rig::new();
}

/// Recovers, and looks at what became of both files.
pub fn run(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, content) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    let name = format!("{LOST}{}", String::from_utf8_lossy(name));
    if name.len() <= LONGEST_NAME && !name.contains(['/', '\0']) {
        RIG.with(|rig| rig.play(&name, content));
    }
}

struct Rig {
    isolator: Isolator,
    place: PathBuf,
    _directory: tempfile::TempDir,
}

impl Rig {
    fn new() -> Rig {
        // In memory, or each file would be written by a child. `fuzz.py` removes what it names.
        let memory = std::env::var_os("FUZZ_MEMORY").unwrap_or_else(|| "/dev/shm".into());
        let directory = tempfile::tempdir_in(memory).unwrap();
        let place = directory.path().join("fuzz");
        fs::create_dir(&place).unwrap();
        let state = directory.path().to_str().unwrap();
        let parameters = [("module_name", "fuzz"), ("state_dir", state)];
        let parameters = parameters.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let isolator = Isolator::create(&parameters).unwrap();
        Rig { isolator, place, _directory: directory }
    }

    fn play(&self, name: &str, content: &[u8]) {
        let (known, lost) = (self.place.join(KNOWN), self.place.join(name));
        write(&known, content);
        write(&lost, content);
        recover(&self.isolator);
        let expected = expected(content);
        assert_eq!(self.isolator.knows(&id()), expected.is_some(), "the known one");
        let is_ours = expected.is_some_and(|context| context.is_ours) && is_container(name);
        assert_eq!(lost.exists(), !is_ours, "the lost one: {name:?}");
        assert!(known.exists(), "the known one's file");
        self.isolator.forget(&id());
        let _ = fs::remove_file(lost);
    }
}

/// A file of long ago.
fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
}

/// The serialised ID of the container that Mesos knows.
fn id() -> Vec<u8> {
    field(1, KNOWN.as_bytes())
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

fn recover(isolator: &Isolator) {
    // 2: container_id, 4: directory of mesos.slave.ContainerState.
    let state = [field(2, &id()), field(4, SANDBOX.as_bytes())].concat();
    let values = [InputValue::Messages(vec![]), InputValue::Messages(vec![&state])];
    let (sender, receiver) = channel();
    let done = Box::new(move |answer| drop(sender.send(answer)));
    isolator.call(Event::Recover, &values, done);
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(Answer::Nothing), "recovery must not fail");
}

/// What a content is.
struct Context {
    /// It is certainly of the agent with this work directory.
    is_ours: bool,
}

/// What must be made of a content, by the codec's reading (the target `json` is about that) and
/// prost-reflect's of the message.
fn expected(content: &[u8]) -> Option<Context> {
    static CONFIG: OnceLock<MessageDescriptor> = OnceLock::new();
    let name = "mesos.slave.ContainerConfig";
    let parsed = schema::current().message(name).unwrap().read_json(content).ok()?;
    let config =
        CONFIG.get_or_init(|| reference::built_in().get_message_by_name(name).unwrap()).clone();
    let mine = |message: DynamicMessage| {
        let directory = message.get_field_by_name("directory").unwrap();
        let directory = directory.as_str().unwrap();
        message.has_field_by_name("directory")
            && (directory.starts_with("/w/slaves/") || directory.starts_with("/w/containers/"))
    };
    match DynamicMessage::decode(config, &*parsed.bytes) {
        Ok(message) => Some(Context { is_ours: parsed.losses.is_empty() && mine(message) }),
        // Strings that are no UTF-8, which prost does not read.
        Err(_) => {
            let has = content.windows(3).any(|it| it == b"/w/");
            Some(Context { is_ours: has && by_codec(&parsed.bytes, parsed.losses.is_empty()) })
        }
    }
}

/// The same by the codec.
fn by_codec(bytes: &[u8], whole: bool) -> bool {
    let config = schema::current().message("mesos.slave.ContainerConfig").unwrap();
    let found = config.find_field(bytes, "directory").unwrap();
    let Some(FieldValue::Bytes(directory)) = found.last() else { return false };
    whole && (directory.starts_with(b"/w/slaves/") || directory.starts_with(b"/w/containers/"))
}

/// Whether the name is that of a container, nested or not.
fn is_container(name: &str) -> bool {
    let rest = &name[LOST.len()..];
    rest.is_empty()
        || rest.strip_prefix('.').is_some_and(|all| all.split('.').all(|it| !it.is_empty()))
}
