//! Calls that the cache answers.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mesos_command::call::{Answer, InputValue};
use mesos_command::event::Event;
use mesos_command::isolator::Isolator;
use nix::time::{ClockId, clock_gettime};

/// An answer of the usual size: what eight fields of ResourceStatistics take.
const VALUE: [u8; 80] = [7; 80];
const CONFIG: &[u8] = br#"{"command_info":{"value":"x"},"directory":"/var/lib/mesos/sandbox"}"#;

/// An isolator with one command, as parameter and value.
pub(crate) fn create(directory: &Path, ttl: &str, command: (&str, &str)) -> Isolator {
    create_with(directory, ttl, command, &[])
}

/// The same with more parameters.
pub(crate) fn create_with(
    directory: &Path,
    ttl: &str,
    command: (&str, &str),
    more: &[(&str, &str)],
) -> Isolator {
    let directory = directory.display().to_string();
    let parameters = [
        ("module_name", "bench"),
        ("state_dir", &directory),
        ("isolator_usage_cache_ttl", ttl),
        command,
    ];
    let parameters = parameters.iter().chain(more);
    let parameters: Vec<(String, String)> =
        parameters.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Isolator::create(&parameters).expect("the parameters are right")
}

pub(crate) fn introduce(isolator: &Isolator, id: &[u8]) {
    isolator.introduce(id, CONFIG).expect("the container is well-formed");
}

/// Makes a container known and keeps a value of its usage.
pub(crate) fn seed(isolator: &Isolator, id: &[u8]) {
    introduce(isolator, id);
    assert!(isolator.seed_usage(id, &VALUE));
}

/// One call, answered during it.
pub(crate) fn hit(isolator: &Isolator, id: &[u8], answers: &'static AtomicU64) {
    let values = [InputValue::Absent, InputValue::Message(id)];
    isolator.call(
        Event::Usage,
        &values,
        Box::new(move |answer| {
            if matches!(answer, Answer::Message(_)) {
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }),
    );
}

/// Processor time of the calling thread.
pub(crate) fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock exists").into()
}
