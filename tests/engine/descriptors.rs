//! An agent that has no descriptors for a moment: what that keeps from being done is done later.
//!
//! In a process of its own, whose limit nobody else feels.

use mesos_command::call::Answer;
use mesos_command::event::Event;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use test_support::own_process;

use crate::support::{Instance, until};

const MARK: &str = "ENGINE_TEST_NO_DESCRIPTORS";

#[test]
fn contexts_are_written_and_removed_when_there_are_descriptors_again() {
    let _ = own_process("descriptors::in_the_host", MARK);
}

#[test]
#[ignore = "started by the test of this module"]
fn in_the_host() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    // On a disk, where a child writes and removes.
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let state = place.path().display().to_string();
    let instance = Instance::new("poor", &[], &[("state_dir", &state)]);
    let file = |container: &str| place.path().join("poor").join(container);
    assert_eq!(instance.call(Event::Prepare, "before"), Answer::Nothing);
    assert!(file("before").exists());

    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    let answers = [
        instance.call(Event::Prepare, "meanwhile"),
        instance.call(Event::Prepare, "short-lived"),
        instance.call(Event::Cleanup, "short-lived"),
        instance.call(Event::Cleanup, "before"),
    ];
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    assert_eq!(answers, [const { Answer::Nothing }; 4], "nobody waits for it, and nobody fails");
    assert!(!file("meanwhile").exists() && file("before").exists(), "it was not possible");

    until("both files are as they should be", || {
        file("meanwhile").exists() && !file("before").exists()
    });
    assert!(!file("short-lived").exists());
    assert_eq!(std::fs::read_dir(place.path().join("poor")).unwrap().count(), 1, "nothing else");
}
